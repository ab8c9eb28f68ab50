"""Which near-copies are told, and which honest images are taken for some? Image by image, twenty times over.

    python benchmarks/copying.py fashion-mnist bccd --by report filter --out OUT

By the report's measure, which looks at the training images themselves, and by the filter that `sample` has.

Honest: real images of one class that are not among the training images. Near-copies: training images as they are,
mirrored, shifted by a pixel, as JPEG of quality 75, brighter, one in a hundred of the sample. Films: the training
images are frames of scenes, each a little shifted and noisy, and the honest ones are further frames of these scenes.
"""

import argparse
import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from collect import processor
from judgement import ALTERED, pool_of
from tables import table
from torch import Tensor

from ganaug import __version__
from ganaug.metrics.aligned_copies import copy_limit, copy_ratios
from ganaug.metrics.copy_detection import Traces

ROUNDS, SHARE = 20, 0.01
WAYS = ("as they are", "mirrored", "shifted by a pixel", "JPEG of quality 75", "brighter")
SHOTS, NOISE = 5, 4.0  # frames of a scene among the training images; standard deviation in levels


Telling = Callable[[Tensor, Tensor, int], np.ndarray]  # (M, C, H, W), (T, C, H, W), seed -> which of M are copies


def by_report(sample: Tensor, training: Tensor, seed: int) -> np.ndarray:
    ratios, _, among = copy_ratios(sample, training, seed=seed)
    found: np.ndarray = (ratios < copy_limit(among)).numpy()
    return found


def by_filter(sample: Tensor, training: Tensor, seed: int) -> np.ndarray:  # noqa: ARG001
    found: np.ndarray = Traces.of(training).half().are_copies(sample).numpy()
    return found


TELLING: dict[str, Telling] = {"report": by_report, "filter": by_filter}


def rounds(images: Tensor, told: Telling) -> list[list[int]]:
    """[told, in all] for each way of copying, and last for honest images."""
    counts = np.zeros((len(WAYS) + 1, 2), np.int64)
    half = len(images) // 2
    n_copies = max(len(WAYS), round(SHARE * half))
    for number in range(ROUNDS):
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(number))
        training, sample = images[order[:half]], images[order[half : 2 * half]].clone()
        way = np.full(len(sample), len(WAYS))
        way[:n_copies] = (np.arange(n_copies) + number) % len(WAYS)
        for place in range(n_copies):
            sample[place] = ALTERED[way[place]](training[place][None])[0]
        flagged = told(sample, training, number)
        np.add.at(counts, (way, 0), flagged)
        np.add.at(counts, (way, 1), 1)
    return [[int(part) for part in row] for row in counts]


def films(images: Tensor, told: Telling) -> list[int]:
    """[honest frames taken for copies, honest frames]."""
    found = [0, 0]
    for number in range(ROUNDS):
        draws = torch.Generator().manual_seed(number)
        scenes = images[torch.randperm(len(images), generator=draws)[:100]]
        frames = []
        for _ in range(2 * SHOTS):
            moved = torch.stack([scene.roll(_shift(draws), dims=(1, 2)) for scene in scenes]).float()
            moved = moved + NOISE * torch.randn(moved.shape, generator=draws)
            frames.append(moved.round().clamp(0, 255).to(torch.uint8))
        flagged = told(torch.cat(frames[SHOTS:]), torch.cat(frames[:SHOTS]), number)
        found = [found[0] + int(flagged.sum()), found[1] + len(flagged)]
    return found


def _shift(draws: torch.Generator) -> tuple[int, int]:
    down, right = torch.randint(-2, 3, (2,), generator=draws).tolist()
    return down, right


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", choices=["fashion-mnist", "bccd"])
    parser.add_argument("--by", nargs="+", choices=list(TELLING), default=list(TELLING))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    for name in options.sets:
        pool = pool_of(name)
        for kind in pool.classes:
            images = pool.of_class(kind)
            for by in options.by:
                found = [*rounds(images, TELLING[by]), films(images, TELLING[by])]
                shown = [f"{hits} of {n} ({100 * hits / n:.1f} %)" for hits, n in found]
                rows.append([by, name, kind, str(len(images) // 2), *shown])
                print(" | ".join(rows[-1]), flush=True)
    head = ["told by", "set", "class", "training images", *WAYS, "honest", "honest frames of films"]
    lines = [
        "# Near-copies that are told, image by image",
        "",
        f"`python benchmarks/copying.py {shlex.join(sys.argv[1:])}`",
        "",
        f"ganaug {__version__}, torch {torch.__version__}, {processor()}, {datetime.now(UTC):%Y-%m-%d}; {ROUNDS} "
        f"rounds, one image in {1 / SHARE:.0f} a copy.",
        "",
        *table(head, rows),
        "",
    ]
    options.out.with_suffix(".md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
