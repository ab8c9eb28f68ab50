"""Measure how fast lightweight-gan's Trainer trains at 64x64 on a CPU; it writes no samples.

    python benchmarks/peers/lightweight_gan_rate.py --seconds 20 [--threads 2]

Needs a separate Python environment: see README.md beside this file.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import count_flop
from PIL import Image

# The library refuses to be imported without CUDA and names it in places; its networks and steps run on a CPU, too.
torch.cuda.is_available = lambda: True
from lightweight_gan import lightweight_gan as library  # noqa: E402

torch.cuda.is_available = lambda: False
torch.Tensor.cuda = torch.nn.Module.cuda = lambda self, *_: self  # type: ignore[method-assign, assignment]


class OnCpu:
    """The torch module, with the CPU as every device."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def device(self, name: str) -> torch.device:  # noqa: ARG002
        return torch.device("cpu")


library.torch = OnCpu()

BATCH = 16  # as its README calls it; apart from the size, all else is the default of its command line


def main() -> None:
    """Train on random pixels, and print the rate as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "images"
        images.mkdir()
        for number in range(256):
            Image.fromarray(random.integers(0, 256, (64, 64, 3), np.uint8)).save(images / f"{number}.png")
        trainer = library.Trainer(base_dir=folder, image_size=64, batch_size=BATCH, num_workers=0, use_aim=False)
        trainer.set_data_src(str(images))
        trainer.init_GAN()
        trainer.steps = 1  # step 0 would write previews and checkpoints

        def update() -> int:
            """One step; the number of real images."""
            trainer.train()
            return BATCH

        start, gflop = time.perf_counter(), []
        while time.perf_counter() - start < options.seconds or len(gflop) % 4:  # one of four takes a gradient penalty
            gflop.append(count_flop(update)[1])
    rate, work = len(gflop) * BATCH / (time.perf_counter() - start), sum(gflop) / len(gflop)
    print(json.dumps({"system": "lightweight-gan", "images_per_second": rate, "gflop_per_image": work}))


if __name__ == "__main__":
    main()
