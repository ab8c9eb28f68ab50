"""Real images that a generator is not shown, so that its samples can be compared with what it cannot have copied."""

import torch

from ganaug._runtime.randomness import generator
from ganaug.images import LabeledImages

FEWEST = 10  # held out of a class: fewer say too little to be worth their absence from training
MOST = 100  # held out of a class


def split_validation(images: LabeledImages, share: float, *, seed: int) -> tuple[LabeledImages, LabeledImages]:
    """-> (what to train on, what is held out): `share` of every class of which that is at least 10, at most 100 of it.

    Smaller classes keep all their images: what is taken from them is missed more than the comparison is worth.
    """
    chosen = torch.zeros(len(images), dtype=torch.bool)
    for name, count in images.counts.items():
        number = min(MOST, round(count * share))
        if number < FEWEST:
            continue
        where = images.rows_of(name)
        chosen[where[torch.randperm(count, generator=generator(seed, "held out", name))[:number]]] = True
    return (images.take(~chosen) if chosen.any() else images), images.take(chosen)
