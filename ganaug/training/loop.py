"""The training loop. It knows no GAN: a step turns a batch into updates, callbacks watch."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from torch import Tensor

from ganaug._runtime.storage import Tree


class Step(Protocol):
    """One training step; what it returns is detached and is read only where it is logged."""

    def __call__(self, batch: Any) -> dict[str, Tensor]: ...

    def state_dict(self) -> Tree: ...

    def load_state_dict(self, state: Tree) -> None: ...


Callback = Callable[[int, dict[str, Tensor]], None]


class StopTraining(Exception):  # noqa: N818  # not an error: a callback says that this is enough
    """Raised by a callback to end training in good order; its text is the reason."""


def train(
    step: Step,
    batches: Callable[[int], Any],
    *,
    n_steps: int,
    start: int = 0,
    callbacks: Sequence[Callback] = (),
    agree: Callable[[str | None], str | None] = lambda reason: reason,
) -> str:
    """Run steps `start`..`n_steps`; after each, every callback gets (steps done, what the step logged).

    agree: turns this process's reason to stop, or None, into that of all who train together.
    Returns why it ended: 'finished', or the text of the StopTraining that a callback raised.
    """
    for number in range(start, n_steps):
        logs = step(batches(number))
        reason = None
        try:
            for callback in callbacks:
                callback(number + 1, logs)
        except StopTraining as stop:
            reason = str(stop)
        if (agreed := agree(reason)) is not None:
            return agreed
    return "finished"
