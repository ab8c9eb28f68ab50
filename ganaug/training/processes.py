"""Data-parallel training: several processes train one model, each on its rows of every batch.

`accelerate launch` or torchrun starts the processes, on one machine or several. A process that was started without a
launcher trains alone. The result is the same for any number of processes, up to rounding.
"""

import atexit
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ganaug._runtime.launch import rank_and_world_size
from ganaug.errors import RunError
from ganaug.models.networks.blocks import ConditionalBatchNorm
from ganaug.training.communication import naming_lost_processes
from ganaug.training.distributed_norm import DistributedBatchNorm, distributed_batch_norm

T = TypeVar("T")
TIMEOUT = timedelta(minutes=10)  # for one process to wait for another, which may be drawing previews


@dataclass(frozen=True)
class Processes:
    """The rank of this process, the number of processes, and the exchange of data between them.

    All processes must call the same methods in the same order. With one process, every method is local.

    Parameters
    ----------
    rank : int, default=0
        Rank of this process. Row r of a batch belongs to the process of rank ``r % world_size``.
    world_size : int, default=1
        Number of processes (world size).

    Examples
    --------
    >>> import torch
    >>> from ganaug.training.processes import Processes
    >>> Processes(rank=1, world_size=2).local_rows(torch.arange(6))
    tensor([1, 3, 5])
    """

    rank: int = 0
    world_size: int = 1

    @property
    def is_main_process(self) -> bool:
        """Whether this is the main process, of rank 0, which evaluates, writes files and prints."""
        return self.rank == 0

    def all_reduce_mean(self, numbers: Tensor) -> Tensor:
        """Average a tensor over all processes (all-reduce). Not differentiable.

        Parameters
        ----------
        numbers : Tensor
            Of the same shape in each process.

        Returns
        -------
        Tensor
            The mean, in each process.
        """
        if self.world_size == 1:
            return numbers
        from accelerate.utils import reduce  # type: ignore[import-untyped]

        with naming_lost_processes():
            mean: Tensor = reduce(numbers.detach().clone(), "mean")
        return mean

    def all_gather(self, rows: Tensor) -> Tensor:
        """Assemble a whole batch from the rows of all processes (all-gather). Not differentiable.

        Parameters
        ----------
        rows : Tensor of shape (B / world_size, ...)
            The rows of this process, as many as those of each other process.

        Returns
        -------
        Tensor of shape (B, ...)
            The batch, in each process.
        """
        if self.world_size == 1:
            return rows
        from accelerate.utils import gather

        with naming_lost_processes():
            gathered: Tensor = gather(rows.detach().contiguous())
        # process p holds rows p, p + world_size, ...: interleaved, they have the order of a run in one process
        return gathered.view(self.world_size, *rows.shape).transpose(0, 1).flatten(0, 1)

    def local_rows(self, batch: Tensor) -> Tensor:
        """Select the rows of this process: (B, ...) -> (B / world_size, ...)."""
        return batch[self.rank :: self.world_size]

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its mean over all processes.

        Parameters
        ----------
        parameters : iterable of nn.Parameter
            Those without a gradient are skipped.
        """
        if self.world_size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        # one exchange of all gradients is faster than one for each
        means = self.all_reduce_mean(torch.cat([gradient.flatten() for gradient in gradients]))
        pieces = torch.split(means, [gradient.numel() for gradient in gradients])
        for gradient, piece in zip(gradients, pieces, strict=True):
            gradient.copy_(piece.view(gradient.shape))

    def broadcast_from_main(self, make: Callable[[], T]) -> T:
        """Call a function in the main process only, and broadcast its result.

        Parameters
        ----------
        make : callable
            Takes no arguments; returns any object that can be serialized.

        Returns
        -------
        object
            The result, in each process.
        """
        if self.world_size == 1:
            return make()
        from accelerate.utils import broadcast_object_list

        objects: list[Any] = [make() if self.is_main_process else None]
        with naming_lost_processes():
            broadcast_object_list(objects)
        return objects[0]  # type: ignore[no-any-return]

    def first_reason(self, reason: str | None) -> str | None:
        """Agree on the reason of the lowest rank that has one.

        Parameters
        ----------
        reason : str or None
            The reason of this process.

        Returns
        -------
        str or None
            The same in each process; None if no process has a reason.
        """
        if self.world_size == 1:
            return reason
        from accelerate.utils import gather_object

        with naming_lost_processes():
            # a number first, because gathering objects is slow and this happens after every step
            if not float(self.all_reduce_mean(torch.tensor(reason is not None, dtype=torch.float32, device=_device()))):
                return None
            agreed: str = next(one for one in gather_object([reason]) if one is not None)
            return agreed

    def check_batch_size(self, batch_size: int, *, each: int = 2) -> None:
        """Check that a batch can be divided evenly among the processes.

        Parameters
        ----------
        batch_size : int
        each : int, default=2
            Minimum number of images per process.

        Raises
        ------
        ValueError
            If it cannot.
        """
        if batch_size % self.world_size or batch_size < each * self.world_size:
            raise ValueError(
                f"batch_size {batch_size} cannot be shared out evenly among {self.world_size} processes, {each} images "
                f"or more each. Give batch_size as a multiple of {self.world_size}."
            )

    def check_equal(self, what: str, value: object) -> None:
        """Check that a value is the same in all processes.

        Parameters
        ----------
        what : str
            Name of the value for the error, such as "images".
        value : object

        Raises
        ------
        RunError
            In each process whose value differs from that of the main process.
        """
        if self.world_size > 1 and self.broadcast_from_main(lambda: value) != value:
            raise RunError(
                f"process {self.rank} of {self.world_size} has different {what} than process 0. Start all processes "
                "with the same data and the same options."
            )


SINGLE_PROCESS = Processes()


def connect_processes(device: torch.device) -> Processes:
    """Connect to the other processes of the launch.

    Parameters
    ----------
    device : torch.device
        Device of training, which determines how processes communicate.

    Returns
    -------
    Processes
        `SINGLE_PROCESS` if no launcher started several.

    Raises
    ------
    RunError
        If Accelerate is not installed, or the processes cannot connect.
    """
    n_launched = rank_and_world_size()[1]
    if n_launched == 1:
        return SINGLE_PROCESS
    try:
        from accelerate import PartialState  # type: ignore[import-untyped]
    except ImportError as error:
        raise RunError(
            f"{n_launched} processes were launched, and training in several processes needs Accelerate: "
            'pip install "ganaug[accelerate]".'
        ) from error
    try:
        state = PartialState(cpu=device.type == "cpu", timeout=TIMEOUT)
    except (RuntimeError, ValueError, OSError) as error:
        raise RunError(f"the {n_launched} processes could not connect to each other: {error}") from error
    # torch warns of a process group that is still open at exit
    atexit.register(state.destroy_process_group)
    return Processes(state.process_index, state.num_processes)


def _device() -> torch.device:
    """Return the device through which processes communicate."""
    from accelerate import PartialState

    device: torch.device = PartialState().device
    return device


def synchronize_batch_norm(module: nn.Module, processes: Processes) -> nn.Module:
    """Make all batch-norm layers inside `module` use the statistics of all processes, in place.

    `module` itself must not be one. Not SyncBatchNorm: see `DistributedBatchNorm`.

    Parameters
    ----------
    module : nn.Module
    processes : Processes
        With one process, the module is left unchanged.

    Returns
    -------
    nn.Module
        `module`.
    """
    if processes.world_size == 1:
        return module
    for name, child in module.named_children():
        if isinstance(child, ConditionalBatchNorm):
            child.normalize = distributed_batch_norm
        elif isinstance(child, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001  # the base of all of them
            norm = DistributedBatchNorm(child.num_features, child.eps, child.momentum, child.affine)
            norm.load_state_dict(child.state_dict())
            norm.to(next(iter(child.state_dict().values())).device)
            setattr(module, name, norm)
        else:
            synchronize_batch_norm(child, processes)
    return module
