"""The `ganaug` command. The module of a verb is imported when the verb runs, so that `ganaug --help` stays fast."""

import io
import sys
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from ganaug._runtime.launch import rank_and_world_size
from ganaug._version import __version__

VERBS = {
    "check": "Check a data folder before training.",
    "store": "Pack images into one file, to train on data sets larger than memory.",
    "fit": "Train a generator on a data folder.",
    "sample": "Write synthetic images into class folders.",
    "augment": "Write a copy of a data folder, filled up with altered copies and synthetic images.",
    "evaluate": "Measure whether synthetic images help a classifier.",
    "export": "Prepare a generator for others: large classes only, without copies or hashes of images.",
    "report": "Compare synthetic images with real ones: diversity, copies, labels, bias.",
    "translate": "Train and apply image-to-image translation (Pix2Pix, CycleGAN).",
    "demo": "Augment the small data set that ships with ganaug.",
}


class Verbs(click.Group):
    """A group that imports `ganaug.cli.<verb>` when the verb is called."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command. Characters that the terminal cannot show are printed as escapes, as on stderr."""
        if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
            sys.stdout.reconfigure(errors="backslashreplace")
        given = args[0] if args else options.get("args")
        options["obj"] = list(sys.argv[1:] if given is None else given)  # for hints that repeat the command
        return super().main(*args, **options)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # click's signature
        if cmd_name not in VERBS:
            near = get_close_matches(cmd_name, VERBS, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Commands: {', '.join(VERBS)}."
            raise click.UsageError(f"No such command {cmd_name!r}. {hint}", ctx)
        # imported late, because torch takes seconds to import
        command: click.Command = getattr(import_module(f"ganaug.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__)
@click.pass_context
def main(ctx: click.Context) -> None:
    """Synthetic images for the rare classes of a labeled image set.

    DATA is a folder with one subfolder per class, or a folder of images with a metadata.csv (file_name, label). Results
    go to stdout, progress and messages to stderr.

    Exit status: 0 success, 1 an error with its cause, 2 wrong usage, 130 and 143 interrupted (the run can be resumed).
    `augment`: 3 nothing was added, or a class lacks the synthetic images that --synthetic-share asks for.
    `evaluate`: 3 no evidence that synthetic images help, 4 they hurt. `report`: 3 too few images to tell, 4 the images
    fail.
    """
    if ctx.invoked_subcommand not in ("fit", "translate"):
        refuse_launched()


def refuse_launched() -> None:
    """Refuse to run as one of several processes that a launcher such as torchrun started.

    Raises
    ------
    click.UsageError
        If the launcher started more than one process.
    """
    rank, world_size = rank_and_world_size()
    if world_size > 1:
        raise click.UsageError(
            f"this is process {rank} of {world_size} that were launched together. That works for `fit` and `translate "
            "fit` only. To sample on several machines, use `sample` with --shards and --shard."
        )
