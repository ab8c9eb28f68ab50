"""The group of verbs. A verb's module is loaded when it is called, so that `ganaug --help` stays quick."""

from importlib import import_module

import click

from ganaug._runtime.launch import part_of_launch
from ganaug._version import __version__

VERBS = {
    "check": "Look a data folder over before any long work.",
    "store": "Put images into one file, for training on sets that do not fit into memory.",
    "fit": "Train a generator on a data folder.",
    "sample": "Write a class folder of synthetic images.",
    "augment": "Check, fit and sample: a balanced copy of a data folder.",
    "evaluate": "Measure whether synthetic images help a classifier.",
    "report": "Judge synthetic images beside real ones: diversity, copies, labels, bias.",
    "translate": "Learn to turn images into others (Pix2Pix, CycleGAN), and do it.",
    "demo": "Augment the small real image set that ships with ganaug.",
}


class Verbs(click.Group):
    """Finds `ganaug.cli.<verb>` for each name in VERBS."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        if cmd_name not in VERBS:
            return None
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

    DATA is a folder of class folders, or of images with a metadata.csv (file_name, label). Results go to stdout,
    progress and messages to stderr. Exit status: 0 done, 1 a failure that is named, 2 wrong usage, 130 and 143
    interrupted (the run can be resumed). `evaluate`: 3 no evidence that synthetic images help, 4 harm. `report`: 3 too
    few images to tell, 4 faults.
    """
    if ctx.invoked_subcommand not in ("fit", "translate"):
        refuse_launched()


def refuse_launched() -> None:
    """Raise UsageError in one of several processes that were launched together."""
    part, parts = part_of_launch()
    if parts > 1:
        raise click.UsageError(
            f"this is process {part} of {parts} that were launched together, in which only `fit` and `translate fit` "
            "work. `sample` goes over many machines by --shards and --shard."
        )
