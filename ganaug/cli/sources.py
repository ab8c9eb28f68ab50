"""The options --from and --map: generators that were fitted on other images."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from ganaug.cli.options import FOLDER, FitOptions, parameters

F = TypeVar("F", bound=Callable[..., Any])


def source_options(command: F) -> F:
    """Add --from and --map; they reach the function as `sources` and `map_texts`."""
    for option in (
        click.option(
            "--map",
            "map_texts",
            multiple=True,
            metavar="CLASS=THERE",
            help="With --from: a class of DATA has another name in the run, such as mel=melanoma; may be repeated.",
        ),
        click.option(
            "--from",
            "sources",
            type=FOLDER,
            multiple=True,
            help="Draw from the run or exported model in this folder, which was fitted on other images, instead of "
            "fitting a generator; may be repeated.",
        ),
    ):
        command = option(command)
    return command


def make_pretrained(options: FitOptions, sources: Sequence[Path], map_texts: Sequence[str], method: str) -> Any:
    """Return the PretrainedSampler of the command line; None without --from.

    Raises
    ------
    click.UsageError
        For options that contradict --from, or a --map that cannot be read.
    """
    if not sources:
        if map_texts:
            raise click.UsageError("--map names classes of a run: it needs --from.")
        return None
    if method != "conditional" or options.steps is not None:
        raise click.UsageError("--from fits no generator: leave --method and --steps out.")
    from ganaug.estimators.pretrained import PretrainedSampler

    params = parameters(options, PretrainedSampler)
    return PretrainedSampler([str(source) for source in sources], class_map=_class_map(map_texts)).set_params(**params)


def _class_map(texts: Sequence[str]) -> dict[str, str] | None:
    """Return {class: name in the sources} for 'mel=melanoma'."""
    pairs = [[part.strip() for part in text.partition("=")] for text in texts]
    if not all(name and other for name, _, other in pairs):
        raise click.UsageError("--map: write CLASS=THERE, for example --map mel=melanoma.")
    if len({name for name, _, _ in pairs}) < len(pairs):
        raise click.UsageError("--map names a class twice.")
    return {name: other for name, _, other in pairs} or None
