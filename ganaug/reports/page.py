"""A report as one HTML page: everything inside, nothing that runs, every text escaped."""

import base64
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, Template

from ganaug._version import __version__

if TYPE_CHECKING:
    from ganaug.reports.report import Report, Row

MARKS = {"pass": "✓", "warn": "!", "fail": "✗", "insufficient": "?"}  # beside the colors, which not everybody sees
LEGENDS = {
    "utility": "Intervals are 95 %; a cell passes where the interval lies on the good side and fails where it lies on "
    "the bad one. What was chosen among several (best, gated) is scored on other images than it was chosen on; the "
    "settings name the choices.",
    "synthetic": "Intervals are 95 %; p values are adjusted for all tests of diversity together, and for those of the "
    "composition together.",
}
LEGEND = "Intervals are 95 %; p values are adjusted for all tests of the report."
MARKED = " ✓ nothing was found, ! worth a look, ✗ wrong, ? too few images to tell; the others are shown and not judged."
MAX_NOTED = 4  # cells that are named beside a note that they share


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(inline=_inline, notes=_notes)
    environment.globals.update(marks=MARKS, version=__version__)
    return environment.from_string((files("ganaug.reports") / "page.html").read_text(encoding="utf-8"))


def _inline(file: str | bytes) -> str:
    """A data URL of an SVG's text or a PNG's bytes."""
    kind, content = ("svg+xml", file.encode()) if isinstance(file, str) else ("png", file)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def page(report: "Report") -> str:
    """The whole page, with a policy that allows no script and no request."""
    return _rendered(report, whole=True)


def fragment(report: "Report") -> str:
    """The page's content alone, for a notebook."""
    return _rendered(report, whole=False)


def _rendered(report: "Report", *, whole: bool) -> str:
    legend = LEGENDS.get(report.kind, LEGEND) + (MARKED if report.kind != "utility" else "")
    return _template().render(report=report, whole=whole, legend=legend)


def _notes(subjects: "Mapping[str, Mapping[str, Row]]") -> list[tuple[str, str]]:
    """(which cells, note) of a table, in its order; a note that several cells share once."""
    found: dict[str, list[str]] = {}
    for subject, cells in subjects.items():
        for metric, row in cells.items():
            if row.note:
                found.setdefault(row.note, []).append(f"{subject}, {metric}")
    more = {note: f" and {len(own) - MAX_NOTED} more" if len(own) > MAX_NOTED else "" for note, own in found.items()}
    return [("; ".join(own[:MAX_NOTED]) + more[note], note) for note, own in found.items()]
