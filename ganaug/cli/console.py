"""What the verbs share at the terminal: progress on stderr, named failures, and signals that end a run well."""

import csv
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.text import Text

from ganaug._runtime.launch import part_of_launch
from ganaug._runtime.terminal import printable

SAME_SIGNAL = 1.0  # seconds in which a launcher passes on a signal that the terminal sent already
LINE_EVERY = 10.0  # seconds between lines where stderr is no terminal
WIDE = 180  # columns of what is written to a file

# of processes that train together the first one speaks for all; errors are everyone's own
PART, PARTS = part_of_launch()
stderr = Console(stderr=True, highlight=False, quiet=PART > 0)
errors = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """A message for the person at the terminal."""
    stderr.print(escape(printable(text)), soft_wrap=True)


def tell(path: Path) -> None:
    """A path on stdout, byte for byte as the system has it, for the next command."""
    click.echo(os.fsencode(path))


def show(report: RenderableType) -> None:
    """A report on stdout: as wide as the terminal, or wide enough for its tables where there is none."""
    stdout = Console()
    if not stdout.is_terminal and "COLUMNS" not in os.environ:
        stdout = Console(width=WIDE)
    stdout.print(report)


def table(rows: Iterable[Sequence[object]]) -> None:
    """Rows as CSV on stdout; no cell steers a terminal or is a spreadsheet's formula."""
    from ganaug.io.names import as_cell

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerows([as_cell(printable(cell)) if isinstance(cell, str) else cell for cell in row] for row in rows)


@contextmanager
def named_failures() -> Iterator[None]:
    """Turn the failures that ganaug names into one message on stderr and exit status 1."""
    from ganaug.errors import GanaugError

    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # noqa: ARG005  # a handler
    try:
        yield
    except (GanaugError, ValueError, TypeError, OSError, MemoryError, RuntimeError) as error:
        short_of_memory = isinstance(error, MemoryError) or "can't allocate memory" in str(error)
        if not short_of_memory and not isinstance(error, GanaugError | OSError) and _is_ours(error):
            raise
        text = (
            f"not enough memory ({error}). Use a smaller image_size, width or batch_size; what was saved is kept"
            if short_of_memory
            else error
        )
        who = f" in process {PART} of {PARTS}" if PARTS > 1 else ""
        errors.print(f"[bold red]Error{who}:[/] {escape(printable(str(text)))}", soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        say("Interrupted; nothing half-written was left behind.")
        sys.exit(128 + signal.SIGINT)
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def said_warnings() -> Iterator[None]:
    """What the library warns of is said like everything else."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: say(f"warning: {message}")
        yield


def _is_ours(error: BaseException) -> bool:
    """Whether an error is our fault: not of the kinds or places by which what was given is refused."""
    if isinstance(error, RuntimeError):
        return True
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    name = "" if frame is None else str(frame.tb_frame.f_globals.get("__name__", ""))
    return name.split(".")[0] not in ("ganaug", "imblearn", "sklearn")


class Signals:
    """Remembers a first SIGINT or SIGTERM, so that the run can end at the next step; a second one acts at once."""

    def __init__(self) -> None:
        self.received: int | None = None
        self.when = 0.0

    def __enter__(self) -> "Signals":
        self._before = {number: signal.signal(number, self._remember) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  # the signature of a handler
        now = time.monotonic()
        if self.received is not None and now - self.when > SAME_SIGNAL:
            sys.exit(128 + number)
        if self.received is not None:
            return
        self.received, self.when = number, now
        say("Stopping at the end of this step and saving; once more stops at once.")

    def stopped(self) -> bool:
        """Whether a signal came."""
        return self.received is not None

    def leave(self, hint: str) -> None:
        """Exit with 128 + the signal's number if one came, after saying how to go on."""
        if self.received is not None:
            say(f"Interrupted and saved. {hint}")
            sys.exit(128 + self.received)


class _Clock(ProgressColumn):
    """Time since the task began, and until its end at the present rate."""

    def render(self, task: Task) -> Text:
        left = task.time_remaining
        return Text(f"{_minutes(task.elapsed)} ETA {_minutes(left) if left is not None else '-:--'}")


def _minutes(seconds: float | None) -> str:
    whole = int(seconds or 0)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


class Training:
    """Progress of a fit, as its callback: steps, images/s, ETA and losses; a bar in a terminal, else a line at times.

    n_steps: the steps in all, or None where `seconds` ends the run.
    """

    def __init__(self, batch_size: int, *, n_steps: int | None, seconds: float | None) -> None:
        self.batch_size, self.n_steps, self.seconds = batch_size, n_steps, seconds
        self.started, self.first, self.shown = 0.0, 0, 0.0
        self.losses: dict[str, Any] = {}
        columns = (SpinnerColumn(), TextColumn("fit"), BarColumn(20), TextColumn("{task.fields[what]}"), _Clock())
        self.bar = Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal)
        self.task: TaskID = self.bar.add_task("fit", total=1.0, what="starting")

    def __enter__(self) -> "Training":
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def __call__(self, done: int, logs: dict[str, Any]) -> None:
        """A step is done."""
        self.losses |= {name: value for name, value in logs.items() if name.startswith("loss_")}
        now = time.monotonic()
        if not self.started:
            self.started, self.first = now, done
        every = 0.25 if stderr.is_terminal else LINE_EVERY
        if now - self.shown < every or done == self.first:
            return
        self.shown = now
        elapsed = now - self.started
        rate = (done - self.first) * self.batch_size / elapsed
        losses = " ".join(f"{name[5:6].upper()} {float(value):.2f}" for name, value in sorted(self.losses.items()))
        of = f"/{self.n_steps:,}" if self.n_steps else ""
        what = f"step {done:,}{of}  {rate:,.0f} images/s  loss {losses}"
        share = self._share_done(done)
        if stderr.is_terminal:
            self.bar.update(self.task, completed=share, what=what)
        else:
            left = elapsed / max(share, 1e-9) * (1 - share)
            say(f"{what}  {_minutes(elapsed)} ETA {_minutes(left)}")

    def _share_done(self, done: int) -> float:
        elapsed = time.monotonic() - self.started if self.started else 0.0
        by_steps = (done - self.first) / max(1, self.n_steps - self.first) if self.n_steps else 0.0
        by_time = elapsed / self.seconds if self.seconds else 0.0
        return min(1.0, max(by_steps, by_time))


@contextmanager
def steps_of(what: str) -> Iterator[Callable[[str, int, int], None]]:
    """Progress of named steps: yields a function (name, done, total); a bar in a terminal, else a line at times."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), _Clock())
    started, shown, first = time.monotonic(), 0.0, None
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task(what, total=1)

        def report(name: str, done: int, total: int) -> None:
            nonlocal shown, first
            if done and first is None:
                first = done, time.monotonic()  # what came before the first step, as fitting, tells nothing of the rest
            text = f"{what}: {name} ({done + 1:,} of {total:,})"
            if stderr.is_terminal:
                bar.update(task, description=escape(printable(text)), completed=done, total=max(1, total))
            elif time.monotonic() - shown >= LINE_EVERY:
                shown, elapsed = time.monotonic(), time.monotonic() - started
                pace = (time.monotonic() - first[1]) / (done - first[0]) if first and done > first[0] else None
                left = "" if pace is None else f" ETA {_minutes(pace * (total - done))}"
                say(f"{text}  {_minutes(elapsed)}{left}")

        yield report


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Progress of something counted: yields a function (done, total)."""
    columns = (
        SpinnerColumn(),
        TextColumn(what),
        BarColumn(20),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        _Clock(),
    )
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task(what, total=1)
        yield lambda done, total: bar.update(task, completed=done, total=max(1, total))
