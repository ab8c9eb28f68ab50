"""`ganaug check DATA`: preflight only."""

import json
import sys
from pathlib import Path

import click

from ganaug._runtime.progress import stderr
from ganaug.cli.console import counting, named_failures, say, table
from ganaug.cli.options import FOLDER, Size


@click.command()
@click.argument("data", type=FOLDER)
@click.option("--image-size", type=Size(), help="Resize the images: 64, or 48x64 (height x width).")
@click.option("--json", "as_json", is_flag=True, help="Everything found, as JSON.")
def check(data: Path, image_size: int | tuple[int, int] | None, as_json: bool) -> None:
    """Look DATA over: classes, counts, sizes, modes, duplicates, and every unusable file with its cause.

    Exit status 1 when something stands in the way of training.
    """
    with named_failures():
        from ganaug.io.preflight import inspect_folder

        with counting("check") as progress:
            found = inspect_folder(data, image_size=image_size, progress=progress)
        if as_json:
            click.echo(json.dumps(found.to_dict(), indent=2))
        else:
            table([("class", "images"), *found.counts.items()])
            sizes = ", ".join(f"{height}x{width} ({n:,})" for (height, width), n in list(found.sizes.items())[:8])
            modes = ", ".join(f"{mode} ({n:,})" for mode, n in found.modes.items())
            say(f"{len(found.entries):,} usable images. Sizes (height x width): {sizes or '-'}. Modes: {modes or '-'}.")
            for group in found.duplicates[:10]:
                say(f"duplicate: {' = '.join(group)}")
        for problem in found.problems:
            say(f"unusable: {problem}")
        for warning in found.warnings:
            say(f"warning: {warning}")
        for error in found.errors:
            stderr.print("[bold red]error:[/]", end=" ")
            say(error)
        if found.errors or found.problems:
            sys.exit(1)
