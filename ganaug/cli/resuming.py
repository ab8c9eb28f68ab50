"""Continuing a run: its options are stored in the run folder, so that `--resume` needs no other ones."""

import json
import os
import shlex
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import click
from click.core import ParameterSource

from ganaug._runtime.user_paths import expand_user
from ganaug.cli.console import RANK, WORLD_SIZE, print_message

# Launchers pass on a signal that the terminal already sent. Repeats within this many seconds count as one signal.
REPEAT_WINDOW_SECONDS = 1.0
NOT_STORED = ("resume", "run")
GIVEN = (ParameterSource.COMMANDLINE, ParameterSource.DEFAULT_MAP)
ADDED = ("param", "map_texts")  # options whose values are added to those of the run
PATHS = ("init_from", "unlabeled")  # parameters of estimators that are paths


class ResumableCommand(click.Command):
    """A verb that trains. With `--resume`, options and arguments that are not given are those of the run."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line. Options of the run folder replace defaults."""
        if "--resume" in args:
            given, _, _ = self.make_parser(ctx).parse_args(list(args))
            stored = _stored_values(_run_folder(given), ctx)
            if stored:
                print_message("Options that are not given are those of the run.")
                ctx.default_map = stored
        rest = super().parse_args(ctx, args)
        for name in ADDED:
            if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                ctx.params[name] = (*((ctx.default_map or {}).get(name) or ()), *ctx.params[name])
        return rest


def _run_folder(values: dict[str, Any]) -> Path | None:
    """Return the run folder that a command line names: --run, or OUT.run or DATA.run of `augment`."""
    from ganaug.training.run_folder import augmentation_run_folder

    if isinstance(values.get("run"), str | Path):
        return Path(expand_user(values["run"]))
    target = values["data" if values.get("in_place") is True else "out"] if "in_place" in values else values.get("out")
    return augmentation_run_folder(Path(expand_user(target))) if isinstance(target, str | Path) else None


def _stored_values(run: Path | None, ctx: click.Context) -> dict[str, Any]:
    """Return the options with which the run was started; empty if there are none, or they are of another verb."""
    from ganaug._runtime.storage import read_json
    from ganaug.training.run_folder import COMMAND

    if run is None or not (run / COMMAND).is_file():
        return {}
    stored = read_json(run / COMMAND)
    values = stored.get("options") if stored.get("verb") == _verb(ctx) else None
    if not isinstance(values, dict):
        return {}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def store_options(run: Path) -> None:
    """Store the options of the present command in its run folder; of a resumed run, with those of the run."""
    from ganaug._runtime.storage import write_bytes
    from ganaug.training.run_folder import COMMAND

    if RANK:
        return
    ctx = click.get_current_context()
    options = {
        name: [_with_absolute_path(text) for text in value] if name == "param" else _plain(value)
        for name, value in ctx.params.items()
        if name not in NOT_STORED and ctx.get_parameter_source(name) in GIVEN
    }
    # in ASCII, because a path on Linux need not be valid UTF-8
    write_bytes(run / COMMAND, json.dumps({"verb": _verb(ctx), "options": options}, indent=1).encode("ascii"))


def _with_absolute_path(param: str) -> str:
    """Return NAME=VALUE with an absolute path, where the parameter is one."""
    name, equals, value = param.partition("=")
    is_path = name.strip() in PATHS
    return f"{name}{equals}{Path(expand_user(value)).absolute()}" if is_path else param


def _verb(ctx: click.Context) -> str:
    """Return the verb with its subcommand, such as "translate fit"."""
    names = [str(ctx.info_name)]
    while ctx.parent is not None and ctx.parent.parent is not None:
        ctx = ctx.parent
        names.insert(0, str(ctx.info_name))
    return " ".join(names)


def _plain(value: Any) -> Any:
    """Return the value of an option as JSON; paths are absolute, because the command may be repeated elsewhere."""
    if isinstance(value, Path):
        return os.fspath(value.absolute())
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


class StopSignals:
    """A callback of a fit that stops it, so that it can be resumed, after a SIGINT or SIGTERM.

    The fit enters it as a context: only then is a first signal recorded, and the fit stops after the current step. A
    later signal exits at once; repeats within REPEAT_WINDOW_SECONDS count as the same signal.

    Parameters
    ----------
    run : Path, optional
        Run folder, in which the options of the command are stored when the fit begins.
    """

    def __init__(self, run: Path | None = None) -> None:
        self.run = run
        self.received: int | None = None
        self.received_at = 0.0
        self.stopped_fit = False

    def __enter__(self) -> "StopSignals":
        self._handlers = {signum: signal.signal(signum, self._handle) for signum in (signal.SIGINT, signal.SIGTERM)}
        if self.run is not None:
            store_options(self.run)
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)
        # it came after the last step: what follows the fit is not begun. An error ends the command by itself
        if self.received is not None and not self.stopped_fit and error is None:
            signal.raise_signal(self.received)

    def __call__(self, done: int, logs: dict[str, Any]) -> None:  # noqa: ARG002  # a callback receives both
        """Raise StopTraining if a signal was received."""
        if self.received is not None:
            from ganaug.training.loop import StopTraining
            from ganaug.training.run_folder import INTERRUPTED

            self.stopped_fit = True
            raise StopTraining(INTERRUPTED)

    def _handle(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002  # the signature of a handler
        now = time.monotonic()
        if self.received is not None and now - self.received_at > REPEAT_WINDOW_SECONDS:
            sys.exit(128 + signum)
        if self.received is not None:
            return
        self.received, self.received_at = signum, now
        print_message("Stopping after this step and saving. Press Ctrl-C again to stop at once.")

    def exit_if_stopped(self) -> None:
        """If a signal stopped the fit: print the command that continues it, and exit with status 128 + its number."""
        if self.received is not None:
            with_launcher = ", with the launcher as before" if WORLD_SIZE > 1 else ""
            print_message(f"Interrupted and saved. To continue{with_launcher}:")
            print_message(f"  {resuming_command()}")
            sys.exit(128 + self.received)


def resuming_command() -> str:
    """Return the command that was given, with --resume, as a shell reads it."""
    arguments = [os.fspath(argument) for argument in click.get_current_context().find_root().obj]
    return shlex.join(["ganaug", *(each for each in arguments if each != "--resume"), "--resume"])
