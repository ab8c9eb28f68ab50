"""Which near-copies of training images are detected, and which honest images are mistaken for copies?

    python -m benchmarks.copy_detection fashion-mnist bccd --by report filter

Time: about five minutes on one core for both sets. Two detectors: the measure of the diversity report, which has the
training images, and the filter of `sample`, which has the copy detectors that a model stores.
Copies are one in a hundred of the sample: training images unchanged, mirrored, shifted by a pixel, as JPEG, brighter.

How to read it: the columns of copies should say 100 %. "Honest" are real images of the class that are not among the
training images, and "honest frames" further frames of the film scenes that the training images are frames of; both
should say few.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.defects import COPY_CHANGES
from benchmarks.image_pools import load_pool
from benchmarks.runner import add_folders, parse, program_parser, progress, write_page
from benchmarks.tables import markdown_table
from ganaug.metrics.aligned_copies import copy_ratios, copy_threshold
from ganaug.metrics.copy_detection import CopyDetector

COPY_SHARE, MAX_SCENES = 0.01, 100
FRAMES, NOISE = 5, 4.0  # training frames of a scene; standard deviation in levels of 255
SMOKE = {"sets": ["smoke"], "by": ["report", "filter"], "rounds": 1}

Detector = Callable[[Tensor, Tensor, int], np.ndarray]  # sample (M, C, H, W), training images, seed -> mask (M,)


def detect_by_report(sample: Tensor, training: Tensor, seed: int) -> np.ndarray:
    """Mask of the images that the diversity report counts as copies."""
    ratios, _, among = copy_ratios(sample, training, seed=seed)
    mask: np.ndarray = (ratios < copy_threshold(among)).numpy()
    return mask


def detect_by_filter(sample: Tensor, training: Tensor, seed: int) -> np.ndarray:  # noqa: ARG001
    """Mask of the images that the copy filter rejects."""
    mask: np.ndarray = CopyDetector.from_images(training).half().are_copies(sample).numpy()
    return mask


DETECTORS: dict[str, Detector] = {"report": detect_by_report, "filter": detect_by_filter}


def count_copies(images: Tensor, detect: Detector, rounds: int) -> list[list[int]]:
    """[detected, total] for each change of COPY_CHANGES, and last for honest images."""
    changes = list(COPY_CHANGES.values())
    counts = np.zeros((len(changes) + 1, 2), np.int64)
    half = len(images) // 2
    n_copies = min(half, max(len(changes), round(COPY_SHARE * half)))
    for number in range(rounds):
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(number))
        training, sample = images[order[:half]], images[order[half : 2 * half]].clone()
        groups = np.full(len(sample), len(changes))
        groups[:n_copies] = (np.arange(n_copies) + number) % len(changes)
        for row in range(n_copies):
            sample[row] = changes[groups[row]](training[row][None])[0]
        np.add.at(counts, (groups, 0), detect(sample, training, number))
        np.add.at(counts, (groups, 1), 1)
    return [[int(count) for count in row] for row in counts]


def count_film_frames(images: Tensor, detect: Detector, rounds: int) -> list[int]:
    """[honest frames mistaken for copies, honest frames]: scenes are images, frames are shifted and noisy."""
    total = [0, 0]
    for number in range(rounds):
        draws = torch.Generator().manual_seed(number)
        scenes = images[torch.randperm(len(images), generator=draws)[:MAX_SCENES]]
        frames = []
        for _ in range(2 * FRAMES):
            moved = torch.stack([scene.roll(_random_shift(draws), dims=(1, 2)) for scene in scenes]).float()
            moved = moved + NOISE * torch.randn(moved.shape, generator=draws)
            frames.append(moved.round().clamp(0, 255).to(torch.uint8))
        mask = detect(torch.cat(frames[FRAMES:]), torch.cat(frames[:FRAMES]), number)
        total = [total[0] + int(mask.sum()), total[1] + len(mask)]
    return total


def _random_shift(draws: torch.Generator) -> tuple[int, int]:
    """Pixels down and right, at most two each."""
    down, right = torch.randint(-2, 3, (2,), generator=draws).tolist()
    return down, right


def main(argv: Sequence[str] | None = None) -> Path:
    """Run every detector on every class, and write the page."""
    parser = program_parser("copy_detection", __doc__)
    parser.add_argument("sets", nargs="*", metavar="SET", default=["fashion-mnist", "bccd"], help="fashion-mnist, bccd")
    parser.add_argument("--by", nargs="+", choices=list(DETECTORS), default=list(DETECTORS))
    parser.add_argument("--rounds", type=int, default=20)
    add_folders(parser)
    options = parse(parser, argv, SMOKE)
    rows = []
    for name in options.sets:
        pool = load_pool(name, options.data)
        for class_name in pool.classes:
            images = pool.of_class(class_name)
            for by in options.by:
                detect = DETECTORS[by]
                counts = count_copies(images, detect, options.rounds)
                counts.append(count_film_frames(images, detect, options.rounds))
                cells = [f"{hits} of {n} ({100 * hits / max(1, n):.1f} %)" for hits, n in counts]
                rows.append([by, name, class_name, str(len(images) // 2), *cells])
                progress(" | ".join(rows[-1]))
    head = ["detected by", "set", "class", "training images", *COPY_CHANGES, "honest", "honest frames"]
    about = f"{options.rounds} rounds, one image in {1 / COPY_SHARE:.0f} a copy."
    return write_page(options, "Detection of near-copies, image by image", about, markdown_table(head, rows))


if __name__ == "__main__":
    main()
