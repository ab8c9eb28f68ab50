"""Communication between the processes of data-parallel training, for use by `processes` and `distributed_norm`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ganaug.errors import TrainingError


@contextmanager
def naming_lost_processes() -> Iterator[None]:
    """Turn a failure of communication into an error that says what happened and how to resume.

    Raises
    ------
    TrainingError
        If the block raises RuntimeError, as torch does when another process is lost.
    """
    try:
        yield
    except RuntimeError as error:
        raise TrainingError(
            "another process of this training has died or does not respond; its error message says why. Resume from "
            "the last checkpoint, with any number of processes."
        ) from error


class _AllReduceSum(torch.autograd.Function):
    """Sum over processes. Its gradient is the sum of gradients over processes, and differentiable again."""

    @staticmethod
    def forward(ctx: Any, numbers: Tensor) -> Tensor:  # noqa: ARG004  # torch's signature
        """Sum a tensor over processes."""
        total = numbers.clone()
        with naming_lost_processes():  # in here, because the backward pass runs this method too
            torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004  # torch's signature
        """Sum the gradient over processes."""
        return all_reduce_sum(gradients[0])


def all_reduce_sum(numbers: Tensor) -> Tensor:
    """Sum a tensor over processes; differentiable any number of times.

    Parameters
    ----------
    numbers : Tensor
        Of the same shape in each process.

    Returns
    -------
    Tensor
        The sum, in each process.
    """
    total: Tensor = _AllReduceSum.apply(numbers)
    return total
