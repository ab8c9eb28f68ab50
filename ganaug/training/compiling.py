"""Whether compiling the networks pays here, by a short measured trial that is remembered."""

import copy
import platform
import statistics
import time
import warnings
from typing import Protocol

import torch

from ganaug._runtime.cache import key_of, remembered
from ganaug._runtime.randomness import generator
from ganaug.training.adversarial_pair import Sides
from ganaug.training.batches import Batch
from ganaug.training.engine import processor_flags

ROUNDS, STEPS = 5, 4
GAIN = 1.05  # below it, what is gained does not pay for the compiling


class Step(Protocol):
    """A training step whose networks are `sides`."""

    sides: Sides

    def __call__(self, batch: Batch) -> object: ...


def compiling_pays(step: Step, batch: Batch, about: str) -> bool:
    """Whether a copy of the step whose networks are compiled is quicker than another that is as it is.

    The step itself is left as it was. about: the step's networks and precision in words; the answer is remembered for
    them, this batch's shape, and the processor or GPU. Where compiling fails, it is warned of and does not pay.
    """
    device = batch.images.device
    cpu = f"{platform.machine()} {platform.processor()} {sorted(processor_flags())} {torch.get_num_threads()}"
    place = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu
    key = key_of(about, str(tuple(batch.images.shape)), device.type, place)
    try:
        return bool(remembered("compiling", key, lambda: {"gain": torch.tensor(_gain(step, batch))})["gain"] >= GAIN)
    except Exception as error:  # torch's compilers raise errors of many kinds
        warnings.warn(
            f"compiling the networks failed here and is left out: {type(error).__name__}: {error}", stacklevel=2
        )
        return False


def _gain(step: Step, batch: Batch) -> float:
    """How many times as many steps a second the compiled copy makes: the median of rounds, taken in turn."""
    plain, quick = copy.deepcopy(step), copy.deepcopy(step)
    quick.sides.compile()
    for each in (plain, quick, plain, quick):  # compiling, and every network's turn
        _seconds(each, batch)
    return statistics.median(_seconds(plain, batch) / _seconds(quick, batch) for _ in range(ROUNDS))


def _seconds(step: Step, batch: Batch) -> float:
    begun = time.perf_counter()
    for _ in range(STEPS):
        step(Batch(batch.images, batch.labels, generator(0, "trial", device=batch.images.device)))
    if batch.images.device.type == "cuda":
        torch.cuda.synchronize(batch.images.device)
    return time.perf_counter() - begun
