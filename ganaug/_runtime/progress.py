"""What a fit reports while it runs: events of the logger `ganaug`, and a progress bar in a terminal or a notebook."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.text import Text

from ganaug._runtime.launch import rank_and_world_size
from ganaug._runtime.terminal import printable

StepProgress = Callable[[str, int, int], None]  # (current step, steps done, steps in total)
SECONDS_BETWEEN_LINES = 10.0  # of progress where stderr is not a terminal
SECONDS_BETWEEN_UPDATES = 0.25  # of the progress bar

logger = logging.getLogger("ganaug")
logger.addHandler(logging.NullHandler())  # as the logging guide asks of a library
# of processes that train together only the first one reports
stderr = Console(stderr=True, highlight=False, quiet=rank_and_world_size()[0] > 0)


class _ConsoleHandler(logging.Handler):
    """Prints events on stderr, without those that the progress bar shows."""

    def emit(self, record: logging.LogRecord) -> None:
        if not getattr(record, "in_progress_bar", False):
            prefix = "warning: " if record.levelno >= logging.WARNING else ""
            stderr.print(escape(printable(f"{prefix}{record.getMessage()}")), soft_wrap=True)


@contextmanager
def events_shown(verbose: int | bool) -> Iterator[None]:
    """Print the events of the logger on stderr while the block runs, if `verbose` is not 0.

    Nested blocks print every event once.

    Examples
    --------
    >>> from ganaug._runtime.progress import events_shown, logger
    >>> with events_shown(verbose=0):
    ...     logger.info("not printed")
    """
    if not verbose or any(isinstance(handler, _ConsoleHandler) for handler in logger.handlers):
        yield
        return
    handler, level = _ConsoleHandler(), logger.level
    logger.addHandler(handler)
    logger.setLevel(min(logging.INFO, logger.level or logging.INFO))
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class Clock(ProgressColumn):
    """Column of a progress bar: elapsed time, and estimated time to the end."""

    def render(self, task: Task) -> Text:
        """Return the text of the column."""
        remaining = task.time_remaining
        return Text(f"{minutes(task.elapsed)} ETA {minutes(remaining) if remaining is not None else '-:--'}")


def minutes(seconds: float | None) -> str:
    """Return a duration as minutes and seconds, or hours, minutes and seconds.

    Examples
    --------
    >>> from ganaug._runtime.progress import minutes
    >>> minutes(75), minutes(3725)
    ('1:15', '1:02:05')
    """
    whole = int(seconds or 0)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


class FitProgress:
    """Progress of a fit, as a callback: steps, images per second, losses and remaining time.

    A bar in a terminal and in a notebook, else a line every ten seconds.

    Parameters
    ----------
    verbose : int or bool
        0: nothing is shown.
    batch_size : int
        Images in a step.
    n_steps : int, optional
        Steps in total. None: `seconds` ends the fit.
    seconds : float, optional
        Time budget of the fit.
    """

    def __init__(self, verbose: int | bool, batch_size: int, *, n_steps: int | None, seconds: float | None) -> None:
        self.verbose, self.batch_size, self.n_steps, self.seconds = verbose, batch_size, n_steps, seconds
        self.started, self.first_step, self.last_shown = 0.0, 0, 0.0
        self.losses: dict[str, Any] = {}
        self.has_bar = bool(verbose) and (stderr.is_terminal or stderr.is_jupyter)
        columns = (SpinnerColumn(), TextColumn("fit"), BarColumn(20), TextColumn("{task.fields[what]}"), Clock())
        # transient, so that a finished bar does not stay among the messages
        self.bar = Progress(*columns, console=stderr, transient=True, disable=not self.has_bar)
        self.task: TaskID = self.bar.add_task("fit", total=1.0, what="preparing")

    def __enter__(self) -> "FitProgress":
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.bar.stop()

    def __call__(self, done: int, logs: dict[str, Any]) -> None:
        """Show that `done` steps are done, and the losses among `logs`."""
        if not self.verbose:
            return
        self.losses |= {name: value for name, value in logs.items() if name.startswith("loss_")}
        now = time.monotonic()
        if not self.started:
            self.started, self.first_step = now, done
        interval = SECONDS_BETWEEN_UPDATES if self.has_bar else SECONDS_BETWEEN_LINES
        if now - self.last_shown < interval or done == self.first_step:
            return
        self.last_shown = now
        elapsed = now - self.started
        rate = (done - self.first_step) * self.batch_size / elapsed
        # float() waits for the device, so it is called only when something is shown
        losses = " ".join(f"{name[5:6].upper()} {float(value):.2f}" for name, value in sorted(self.losses.items()))
        total = f"/{self.n_steps:,}" if self.n_steps else ""
        text = f"step {done:,}{total}  {rate:,.0f} images/s  loss {losses}"
        fraction = self._fraction_done(done)
        if self.has_bar:
            self.bar.update(self.task, completed=fraction, what=text)
        else:
            remaining = elapsed / max(fraction, 1e-9) * (1 - fraction)
            stderr.print(escape(f"fit: {text}  {minutes(elapsed)} ETA {minutes(remaining)}"), soft_wrap=True)

    def _fraction_done(self, done: int) -> float:
        """Return the fraction of the steps or of the time that is used, whichever is larger."""
        elapsed = time.monotonic() - self.started if self.started else 0.0
        by_steps = (done - self.first_step) / max(1, self.n_steps - self.first_step) if self.n_steps else 0.0
        by_time = elapsed / self.seconds if self.seconds else 0.0
        return min(1.0, max(by_steps, by_time))


@contextmanager
def steps_shown(verbose: int | bool, title: str) -> Iterator[StepProgress]:
    """Show progress of named steps while the block runs, by a bar or by a line every ten seconds.

    Yields
    ------
    callable
        To be called with (name of the step, steps done, total steps).
    """
    has_bar = bool(verbose) and (stderr.is_terminal or stderr.is_jupyter)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), Clock())
    started, last_shown = time.monotonic(), 0.0
    first: tuple[int, float] | None = None
    with Progress(*columns, console=stderr, transient=True, disable=not has_bar) as bar:
        task = bar.add_task(title, total=1)

        def show(name: str, done: int, total: int) -> None:
            nonlocal last_shown, first
            if done and first is None:
                first = (
                    done,
                    time.monotonic(),
                )  # the time before the first step, such as a fit, says nothing of the rest
            text = f"{title}: {name} ({done + 1:,} of {total:,})"
            if has_bar:
                bar.update(task, description=escape(printable(text)), completed=done, total=max(1, total))
            elif verbose and time.monotonic() - last_shown >= SECONDS_BETWEEN_LINES:
                last_shown, elapsed = time.monotonic(), time.monotonic() - started
                pace = (time.monotonic() - first[1]) / (done - first[0]) if first and done > first[0] else None
                remaining = "" if pace is None else f" ETA {minutes(pace * (total - done))}"
                stderr.print(escape(printable(f"{text}  {minutes(elapsed)}{remaining}")), soft_wrap=True)

        yield show


@contextmanager
def progress_of(progress: StepProgress | None, verbose: int | bool, title: str) -> Iterator[StepProgress]:
    """Yield the caller's `progress`, or one that shows the steps if `verbose` is not 0."""
    with steps_shown(verbose if progress is None else 0, title) as show:
        yield show if progress is None else progress


@contextmanager
def count_shown(verbose: int | bool, title: str) -> Iterator[Callable[[int, int], None]]:
    """Show progress of something counted, in a terminal or notebook, while the block runs.

    Yields
    ------
    callable
        To be called with (done, total).
    """
    has_bar = bool(verbose) and (stderr.is_terminal or stderr.is_jupyter)
    columns = (
        SpinnerColumn(),
        TextColumn(title),
        BarColumn(20),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        Clock(),
    )
    with Progress(*columns, console=stderr, transient=True, disable=not has_bar) as bar:
        task = bar.add_task(title, total=1)
        yield lambda done, total: bar.update(task, completed=done, total=max(1, total))
