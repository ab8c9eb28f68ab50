"""The training loop. It knows nothing of GANs: a step turns a batch into updates, and callbacks observe."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from torch import Tensor

from ganaug._runtime.storage import Tree


class Step(Protocol):
    """One training step: called with a batch, it updates the networks and returns what may be logged."""

    def __call__(self, batch: Any) -> dict[str, Tensor]:
        """Train on a batch, and return detached tensors by name."""

    def state_dict(self) -> Tree:
        """Return everything that later steps depend on."""

    def load_state_dict(self, state: Tree) -> None:
        """Restore what `state_dict` returned."""


Callback = Callable[[int, dict[str, Tensor]], None]


class StopTraining(Exception):  # noqa: N818  # not an error: a callback ends training
    """Raised by a callback to end training without an error. Its text is the reason.

    Examples
    --------
    >>> from ganaug.training.loop import StopTraining
    >>> def stop_after_ten(step, logs):
    ...     if step >= 10:
    ...         raise StopTraining("ten steps are enough")
    """


def train(
    step: Step,
    batches: Callable[[int], Any],
    *,
    n_steps: int,
    start: int = 0,
    callbacks: Sequence[Callback] = (),
    agree: Callable[[str | None], str | None] = lambda reason: reason,
) -> str:
    """Run training steps until `n_steps` are done or a callback stops training.

    Parameters
    ----------
    step : Step
    batches : callable
        Number of a step, from 0 on, to its batch.
    n_steps : int
        Steps in total, those before `start` included.
    start : int, default=0
        Steps that are already done.
    callbacks : sequence of callable
        Each is called after every step with the number of steps done and what the step returned.
    agree : callable
        Turns this process's reason to stop, or None, into the reason on which all processes agree.

    Returns
    -------
    str
        "finished", or the text of the StopTraining that a callback raised.

    Examples
    --------
    >>> from ganaug.training.loop import StopTraining, train
    >>> def stop_after_two(done, logs):
    ...     if done == 2:
    ...         raise StopTraining("enough")
    >>> train(lambda batch: {}, batches=lambda number: None, n_steps=10, callbacks=[stop_after_two])
    'enough'
    """
    for number in range(start, n_steps):
        logs = step(batches(number))
        reason = None
        try:
            for callback in callbacks:
                callback(number + 1, logs)
        except StopTraining as stop:
            reason = str(stop)
        # after every step, because a process that stopped alone would leave the others waiting
        if (agreed := agree(reason)) is not None:
            return agreed
    return "finished"
