"""Several processes that train one model: each takes its rows of every batch, and they agree on all else.

`accelerate launch` or torchrun starts them, on one machine or many; a process that nobody launched so is alone.
"""

import atexit
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ganaug._runtime.launch import part_of_launch
from ganaug.errors import RunError, TrainingError
from ganaug.models.networks.blocks import ConditionalBatchNorm

T = TypeVar("T")
PATIENCE = timedelta(minutes=10)  # that one process waits for another, which may be drawing previews


@dataclass(frozen=True)
class Processes:
    """Which of how many this process is. Row r of a batch belongs to process r % parts."""

    part: int = 0
    parts: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes, judges and speaks."""
        return self.part == 0

    def mean(self, numbers: Tensor) -> Tensor:
        """The mean over processes, in all of them. Not differentiable."""
        if self.parts == 1:
            return numbers
        from accelerate.utils import reduce  # type: ignore[import-untyped]

        with _dead_are_named():
            found: Tensor = reduce(numbers.detach().clone(), "mean")
        return found

    def whole(self, rows: Tensor) -> Tensor:
        """The whole batch in all of them, of which each has its rows. Not differentiable."""
        if self.parts == 1:
            return rows
        from accelerate.utils import gather

        with _dead_are_named():
            found: Tensor = gather(rows.detach().contiguous())
        return found.view(self.parts, *rows.shape).transpose(0, 1).flatten(0, 1)

    def own(self, batch: Tensor) -> Tensor:
        """This process's rows of a whole batch."""
        return batch[self.part :: self.parts]

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Put the mean over processes in place of each gradient, in one exchange."""
        if self.parts == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        whole = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = torch.split(whole, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view(gradient.shape))

    def from_first(self, make: Callable[[], T]) -> T:
        """What `make` gives in the first process, in all of them; the others do not call it."""
        if self.parts == 1:
            return make()
        from accelerate.utils import broadcast_object_list

        held: list[Any] = [make() if self.is_first else None]
        with _dead_are_named():
            broadcast_object_list(held)
        return held[0]  # type: ignore[no-any-return]

    def first_of(self, reason: str | None) -> str | None:
        """The reason of the first process that gives one, in all of them; None where none does."""
        if self.parts == 1:
            return reason
        from accelerate.utils import gather_object

        with _dead_are_named():
            if not float(self.mean(torch.tensor(float(reason is not None), device=_device()))):
                return None
            found: str = next(one for one in gather_object([reason]) if one is not None)
            return found

    def check_shares(self, batch_size: int, *, each: int = 2) -> None:
        """Raise ValueError where a batch cannot be shared out evenly, `each` images or more a process."""
        if batch_size % self.parts or batch_size < each * self.parts:
            raise ValueError(
                f"batch_size {batch_size} cannot be shared out evenly among {self.parts} processes, {each} images or "
                f"more each. Give batch_size as a multiple of {self.parts}."
            )

    def check_same(self, what: str, value: object) -> None:
        """Raise RunError where `value` differs between processes."""
        if self.parts > 1 and self.from_first(lambda: value) != value:
            raise RunError(f"process {self.part} of {self.parts} was given other {what} than the first one.")


ALONE = Processes()


def processes_on(device: torch.device) -> Processes:
    """Those that were launched together, once they have met; `ALONE` otherwise.

    Raises RunError where Accelerate is not installed, or they cannot meet.
    """
    launched = part_of_launch()[1]
    if launched == 1:
        return ALONE
    try:
        from accelerate import PartialState  # type: ignore[import-untyped]
    except ImportError as error:
        raise RunError(
            f"{launched} processes were launched, and training in several needs Accelerate: "
            'pip install "ganaug[accelerate]".'
        ) from error
    try:
        state = PartialState(cpu=device.type == "cpu", timeout=PATIENCE)
    except (RuntimeError, ValueError, OSError) as error:
        raise RunError(f"the {launched} processes could not meet: {error}") from error
    atexit.register(state.destroy_process_group)
    return Processes(state.process_index, state.num_processes)


def _device() -> torch.device:
    from accelerate import PartialState

    found: torch.device = PartialState().device
    return found


@contextmanager
def _dead_are_named() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise TrainingError(
            "another process of this training has died or does not answer; its own message says why. Go on with resume "
            "from the last checkpoint, in as many processes as you like."
        ) from error


class _Sum(torch.autograd.Function):
    """The sum over processes, in all of them; so is its gradient, of any order."""

    @staticmethod
    def forward(ctx: Any, numbers: Tensor) -> Tensor:  # noqa: ARG004  # torch's signature
        found = numbers.clone()
        with _dead_are_named():  # here, since what goes wrong in a backward pass comes by here too
            torch.distributed.all_reduce(found)
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004  # torch's signature
        return _sum(gradients[0])


def _sum(numbers: Tensor) -> Tensor:
    found: Tensor = _Sum.apply(numbers)
    return found


class SharedBatchNorm(nn.modules.batchnorm._BatchNorm):  # noqa: SLF001  # as torch's own SyncBatchNorm does
    """Batch norm over the rows of all processes, on any device and twice differentiable, as SyncBatchNorm is not."""

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002  # torch's name
        pass

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # torch's name
        momentum = self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            momentum = 1 / float(self.num_batches_tracked) if momentum is None else momentum
        found = over_all(
            input, self.running_mean, self.running_var, training=self.training, momentum=momentum or 0.0, eps=self.eps
        )
        shape = (1, -1, *[1] * (input.ndim - 2))
        gained: Tensor = found if self.weight is None else found * self.weight.view(shape) + self.bias.view(shape)
        return gained


def over_all(
    features: Tensor,
    mean: Tensor | None,
    variance: Tensor | None,
    *,
    training: bool,
    momentum: float,
    eps: float = 1e-5,
) -> Tensor:
    """`torch.nn.functional.batch_norm` without gain and bias, over the rows of all processes. (N, C, ...) -> same."""
    if not training:
        return nn.functional.batch_norm(features, mean, variance, eps=eps)
    own, axes = features.float(), [0, *range(2, features.ndim)]
    shape = (1, -1, *[1] * (features.ndim - 2))
    number = own.numel() // own.shape[1] * torch.distributed.get_world_size()  # each process has as many rows
    first = _sum(own.sum(axes)) / number
    spread = _sum((own - first.view(shape)).square().sum(axes)) / number
    if mean is not None and variance is not None:
        mean.lerp_(first.detach(), momentum)
        variance.lerp_(spread.detach() * (number / (number - 1)), momentum)
    centered: Tensor = (own - first.view(shape)) * torch.rsqrt(spread + eps).view(shape)
    return centered.to(features.dtype)


def shared(module: nn.Module, processes: Processes) -> nn.Module:
    """`module` with its batch norms taken over the rows of all processes, in place."""
    if processes.parts == 1:
        return module
    for name, child in module.named_children():
        if isinstance(child, ConditionalBatchNorm):
            child.normalize = over_all
        elif isinstance(child, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001  # the base of all of them
            own = SharedBatchNorm(child.num_features, child.eps, child.momentum, child.affine)
            own.load_state_dict(child.state_dict())
            own.to(next(iter(child.state_dict().values())).device)
            setattr(module, name, own)
        else:
            shared(child, processes)
    return module
