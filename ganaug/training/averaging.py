"""Exponential moving average of the generator's weights. Samples are drawn from the averaged generator.

References
----------
Karras et al. (2020), "Training Generative Adversarial Networks with Limited Data".
"""

import copy

import torch
from torch import nn


class MovingAverage:
    """Exponential moving average of the parameters and floating-point buffers of a module.

    Parameters
    ----------
    module : nn.Module
        Its current weights are the first average.
    half_life : float
        Images after which a weight's contribution has halved. 0 keeps the current weights.
    ramp : float, default=0.05
        The half-life is at most this fraction of the images processed so far (Karras et al. 2020).

    Attributes
    ----------
    module : nn.Module
        A copy of the module in evaluation mode, which holds the average.

    Notes
    -----
    Running statistics of batch norm are averaged too, so that they match the averaged weights.

    Examples
    --------
    >>> import torch
    >>> from ganaug.training.averaging import MovingAverage
    >>> module = torch.nn.Linear(1, 1, bias=False)
    >>> _ = torch.nn.init.zeros_(module.weight)
    >>> average = MovingAverage(module, half_life=100)
    >>> _ = torch.nn.init.ones_(module.weight)
    >>> average.update(n_images=10_000, batch_size=100)  # one half-life
    >>> average.module.weight.item()
    0.5
    """

    def __init__(self, module: nn.Module, half_life: float, ramp: float = 0.05) -> None:
        # evaluation mode: a sample must not depend on the batch statistics of its neighbors
        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        self.half_life = half_life
        self.ramp = ramp
        # integer buffers are counters, such as num_batches_tracked, and have no average
        self._sources = [*module.parameters(), *(b for b in module.buffers() if b.is_floating_point())]
        self._averages = [*self.module.parameters(), *(b for b in self.module.buffers() if b.is_floating_point())]

    @torch.no_grad()
    def update(self, n_images: int, batch_size: int) -> None:
        """Include the current weights in the average.

        Parameters
        ----------
        n_images : int
            Images processed since the start of training.
        batch_size : int
            Images processed since the last update.
        """
        # a short half-life at the start, so that the random initial weights are forgotten soon
        half_life = min(self.half_life, n_images * self.ramp)
        weight = 1 - 0.5 ** (batch_size / half_life) if half_life else 1.0
        # one call for all tensors: for small ones, the overhead of a call exceeds the arithmetic
        torch._foreach_lerp_(self._averages, self._sources, weight)
