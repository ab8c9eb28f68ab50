"""Real images that a generator is not shown, so that its samples can be compared with what it cannot have copied."""

import torch

from ganaug._runtime.randomness import generator
from ganaug.images import LabelledImages

FEWEST = 10  # held back of a class: fewer say too little to be worth their absence from training
MOST = 100  # held back of a class


def hold_back(images: LabelledImages, share: float, *, seed: int) -> tuple[LabelledImages, LabelledImages]:
    """-> (what to train on, what is held back): `share` of every class of which that is at least 10, at most 100 of it.

    Smaller classes keep all their images: what is taken from them is missed more than the comparison is worth.
    """
    chosen = torch.zeros(len(images), dtype=torch.bool)
    for name, count in images.counts.items():
        number = min(MOST, round(count * share))
        if number < FEWEST:
            continue
        where = images.rows_of(name)
        chosen[where[torch.randperm(count, generator=generator(seed, "held back", name))[:number]]] = True
    return (images.take(~chosen) if chosen.any() else images), images.take(chosen)
