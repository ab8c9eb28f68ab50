"""Rates of a training step: its operations counted, its convolutions alone, and the median of repeated timing."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

HEAVY_OPERATIONS = ("convolution", "convolution_backward", "mm", "addmm", "bmm")
Step = Callable[[], object]


class _Recorder(TorchDispatchMode):
    """Records the convolutions and matrix products that run inside it, with their arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in HEAVY_OPERATIONS:
            copies = torch.utils._pytree.tree_map_only(Tensor, lambda x: x.detach().clone(), (args, kwargs or {}))  # noqa: SLF001
            self.calls.append((func, *copies))
        return func(*args, **(kwargs or {}))


def convolutions_of(step: Step) -> Step:
    """A function that repeats the convolutions and matrix products of a step, forward and backward, and no more."""
    recorder = _Recorder()
    with recorder:
        step()

    @torch.no_grad()
    def repeat() -> None:
        for func, args, kwargs in recorder.calls:
            func(*args, **kwargs)

    return repeat


def count_flop(step: Step) -> int:
    """Multiplications and additions of a step, by torch's counter."""
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def steps_per_second(step: Step, seconds: float) -> float:
    """Median rate over tenths of `seconds`, after three steps that do not count."""
    for _ in range(3):
        step()
    rates, end = [], time.perf_counter() + seconds
    while not rates or time.perf_counter() < end:
        start, count = time.perf_counter(), 0
        while not count or time.perf_counter() - start < seconds / 10:
            step()
            count += 1
        rates.append(count / (time.perf_counter() - start))
    return statistics.median(rates)


def fit_steps_per_second(fit: Callable[..., object], seconds: float, skip: int) -> float:
    """Rate of a fit between its checks, from step `skip` until `seconds` later.

    Parameters
    ----------
    fit : callable
        Called with `callbacks`, as `GANAugmenter.fit` is; its number of steps must not end it earlier.
    seconds : float
        Time after which a callback ends it.
    skip : int
        First steps that do not count.
    """
    from ganaug.training.loop import StopTraining

    ticks: list[float] = []

    def callback(done: int, logs: object) -> None:  # noqa: ARG001  # the signature of callbacks
        ticks.append(time.perf_counter())
        if len(ticks) > skip + 1 and ticks[-1] - ticks[skip] > seconds:
            raise StopTraining("enough")

    fit(callbacks=[callback])
    return (len(ticks) - skip - 1) / (ticks[-1] - ticks[skip])
