"""Start the programs in `peers/`, each in the Python environment of its library."""

import json
import resource
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganaug import LabeledImages

PEERS = {"torchgan": "torchgan_dcgan.py", "mimicry": "mimicry_cgan.py", "lightweight-gan": "lightweight_gan_rate.py"}
WITHOUT_SAMPLES = ("lightweight-gan",)  # measures its rate only, on random images


def peer_pythons(pairs: Sequence[str]) -> dict[str, str]:
    """NAME=PATH arguments -> {name: path of its Python}. Exits on a name that is not in PEERS."""
    pythons = dict(pair.split("=", 1) for pair in pairs)
    unknown = sorted(set(pythons) - set(PEERS))
    if unknown:
        raise SystemExit(f"--peer-python {unknown[0]}=...: unknown peer. Known: {', '.join(PEERS)}.")
    return pythons


def run_peer(
    name: str,
    python: str,
    images: LabeledImages,
    *,
    seconds: float,
    threads: int,
    seed: int = 0,
    samples_per_class: int = 1,
) -> tuple[dict[str, Any], LabeledImages | None]:
    """Train another library's GAN for a time.

    Parameters
    ----------
    name : str
        A key of PEERS.
    python : str
        Path of the Python that has the library.
    images : LabeledImages
        Training images.
    seconds : float
        Time of training.
    threads, seed, samples_per_class : int
        Threads of torch, seed, and samples to draw of each class.

    Returns
    -------
    dict, LabeledImages or None
        What the program reports (`peers/common.py`, class About) with "peak_mib", and its samples.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "train.npz", Path(folder) / "samples.npz"
        command = [python, str(Path(__file__).parent / "peers" / PEERS[name])]
        command += ["--seconds", str(seconds), "--threads", str(threads)]
        if name not in WITHOUT_SAMPLES:
            np.savez(source, images=images.images.numpy(), labels=images.labels.numpy())
            command += [str(source), str(target), "--seed", str(seed), "--per-class", str(samples_per_class)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        about = json.loads(output[output.index("{") :])
        samples = None
        if name not in WITHOUT_SAMPLES:
            with np.load(target) as arrays:
                pixels, labels = torch.from_numpy(arrays["images"]), torch.from_numpy(arrays["labels"])
            samples = LabeledImages(pixels, labels, images.classes)
    about["peak_mib"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return about, samples
