"""The moving average of the generator's weights, which is what samples are drawn from."""

import copy

import torch
from torch import nn


class MovingAverage:
    """Exponential moving average; its half-life in images ramps up from 5 % of those seen (Karras et al. 2020).

    Running statistics of batch norm are averaged alike, so that the average evaluates as one network.
    """

    def __init__(self, module: nn.Module, half_life: float, ramp: float = 0.05) -> None:
        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        self.half_life = half_life
        self.ramp = ramp
        self._sources = [*module.parameters(), *(b for b in module.buffers() if b.is_floating_point())]
        self._averages = [*self.module.parameters(), *(b for b in self.module.buffers() if b.is_floating_point())]

    @torch.no_grad()
    def update(self, images_seen: int, batch: int) -> None:
        """Take in the current weights, after `images_seen` images of which the last `batch` are new."""
        half_life = min(self.half_life, images_seen * self.ramp)
        weight = 1 - 0.5 ** (batch / half_life) if half_life else 1.0
        torch._foreach_lerp_(self._averages, self._sources, weight)
