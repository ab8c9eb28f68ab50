"""What the verbs share at the terminal: messages on stderr, results on stdout, exit status of errors, and signals."""

import csv
import os
import signal
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click
from rich.console import Console, RenderableType
from rich.markup import escape

from ganaug._runtime.launch import rank_and_world_size
from ganaug._runtime.progress import count_shown, stderr, steps_shown
from ganaug._runtime.terminal import printable

FILE_COLUMNS = 180  # width of a report that is written to a file

# Of processes that train together the first one reports. Errors are printed by every process.
RANK, WORLD_SIZE = rank_and_world_size()
errors = Console(stderr=True, highlight=False)
counting = partial(count_shown, 1)
steps_of = partial(steps_shown, 1)


def print_message(text: str) -> None:
    """Print a message on stderr."""
    stderr.print(escape(printable(text)), soft_wrap=True)


def print_path(path: Path) -> None:
    """Print a path on stdout, byte for byte, for the next command."""
    # bytes, because a path on Linux need not be valid UTF-8
    click.echo(os.fsencode(path))


def show(report: RenderableType) -> None:
    """Print a report on stdout, as wide as the terminal, or wide enough for its tables in a file."""
    stdout = Console()
    if not stdout.is_terminal and "COLUMNS" not in os.environ:
        stdout = Console(width=FILE_COLUMNS)
    stdout.print(report)


def table(rows: Iterable[Sequence[object]]) -> None:
    """Print rows as CSV on stdout. No cell can control the terminal or be a formula in a spreadsheet."""
    from ganaug.io.names import escape_cell

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerows([escape_cell(printable(cell)) if isinstance(cell, str) else cell for cell in row] for row in rows)


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Turn the errors that ganaug raises on purpose into one message on stderr and exit status 1."""
    from ganaug.errors import GanaugError

    if "torch" not in sys.modules:
        print_message("Loading libraries ...")  # takes seconds
    # by default SIGTERM ends a process without running `finally`, and temporary files would stay
    handler = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # noqa: ARG005  # a handler
    try:
        yield
    except (GanaugError, ValueError, TypeError, OSError, MemoryError, RuntimeError) as error:
        is_short_of_memory = isinstance(error, MemoryError) or "can't allocate memory" in str(error)
        if not is_short_of_memory and not isinstance(error, GanaugError | OSError) and _is_bug(error):
            raise
        text = (
            f"not enough memory ({error}). Use a smaller image_size, width or batch_size; what was saved is kept"
            if is_short_of_memory
            else error
        )
        who = f" in process {RANK} of {WORLD_SIZE}" if WORLD_SIZE > 1 else ""
        errors.print(f"[bold red]Error{who}:[/] {escape(printable(str(text)))}", soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        print_message("Interrupted. No incomplete file is left.")
        sys.exit(128 + signal.SIGINT)
    finally:
        signal.signal(signal.SIGTERM, handler)


@contextmanager
def warnings_to_stderr() -> Iterator[None]:
    """Print the library's warnings as messages, without findings of a fit, which the verbs print themselves."""
    from ganaug.errors import TrainingWarning

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.simplefilter("ignore", TrainingWarning)
        warnings.showwarning = lambda message, *_, **__: print_message(f"warning: {message}")
        yield


def _is_bug(error: BaseException) -> bool:
    """Return whether an error comes from a place where ganaug does not refuse input."""
    # torch raises RuntimeError for nearly every failure, so it does not mean refused input
    if isinstance(error, RuntimeError):
        return True
    # the innermost frame decides: the library that raised is the one that refused
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    module = "" if traceback is None else str(traceback.tb_frame.f_globals.get("__name__", ""))
    return module.split(".")[0] not in ("ganaug", "imblearn", "sklearn")
