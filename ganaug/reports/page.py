"""A report as one self-contained HTML page: no script, no request, every text escaped."""

import base64
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

from jinja2 import Environment, Template

from ganaug._version import __version__
from ganaug.evaluation.recipe import Recipe
from ganaug.reports.rows import Figure, Row, Table

# shown beside the colors, which some readers cannot tell apart
MARKS = {"pass": "✓", "warn": "!", "fail": "✗", "insufficient": "?"}
LEGENDS = {
    "utility": "Intervals are 95 % intervals. A cell passes if its interval lies entirely on the better side of zero, "
    "and fails if it lies entirely on the worse side. Choices among several methods (best baseline, best with "
    "synthetic, verdict followed) are made on other test images than those that score them. The settings list the "
    "choices. Methods left behind were trained few times; their scores include the luck of these trainings.",
    "synthetic": "Intervals are 95 % intervals. p values are adjusted for all tests of diversity together, and "
    "separately for all tests of composition.",
}
LEGEND = "Brackets show 95 % intervals. p values are adjusted for all tests of the report."
MARKS_LEGEND = (
    " ✓ pass: no deviation beyond chance. ! warning: check it. ✗ fail. ? insufficient: too few images to judge. "
    "Numbers without a mark are shown and not judged."
)
MAX_CELLS_PER_NOTE = 4  # cells named beside a note that several cells share


class PageContent(Protocol):
    """The attributes of a report that the page shows; `ganaug.reports.Report` has them."""

    @property
    def kind(self) -> str:
        """Kind of report; it selects the legend."""

    @property
    def title(self) -> str:
        """Heading."""

    @property
    def verdict(self) -> str:
        """Verdict, shown beside the heading."""

    @property
    def summary(self) -> Sequence[str]:
        """Sentences below the heading."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Settings and counts."""

    @property
    def figures(self) -> Sequence[Figure]:
        """Pictures."""

    @property
    def recipe(self) -> Recipe | None:
        """Best training method."""

    @property
    def folded(self) -> Sequence[str]:
        """Sections that are folded."""

    def tables(self) -> dict[str, Table]:
        """{section: table}."""


def render_page(content: PageContent) -> str:
    """Render a complete HTML document.

    Parameters
    ----------
    content : PageContent
        A report.

    Returns
    -------
    str
        HTML5 with a content security policy that allows no script and no request.

    Examples
    --------
    >>> from ganaug.reports import Report
    >>> from ganaug.reports.page import render_page
    >>> html = render_page(Report("bias", "Composition", "pass", ("No <change>.",), ()))
    >>> "default-src 'none'" in html, "No &lt;change&gt;." in html
    (True, True)
    """
    return _render(content, whole=True)


def render_fragment(content: PageContent) -> str:
    """Render the content of the page without the document around it, for a notebook.

    Parameters
    ----------
    content : PageContent
        A report.

    Returns
    -------
    str
        HTML of one element and its styles.

    Examples
    --------
    >>> from ganaug.reports import Report
    >>> from ganaug.reports.page import render_fragment
    >>> "<body>" in render_fragment(Report("bias", "Composition", "pass", (), ()))
    False
    """
    return _render(content, whole=False)


def _render(content: PageContent, *, whole: bool) -> str:
    """Fill the template; `whole`: with the document around it."""
    # the states of a utility report are explained by its legend; the marks have another meaning there
    legend = LEGENDS.get(content.kind, LEGEND) + (MARKS_LEGEND if content.kind != "utility" else "")
    return _template().render(report=content, whole=whole, legend=legend)


@cache
def _template() -> Template:
    """The compiled template, with autoescape on."""
    # names of classes and files are data, and must not become markup
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(data_url=_data_url, fact=_format_fact, notes=_collect_notes)
    environment.globals.update(marks=MARKS, version=__version__)
    return environment.from_string((files("ganaug.reports") / "page.html").read_text(encoding="utf-8"))


def _data_url(file: str | bytes) -> str:
    """Encode the text of an SVG or the bytes of a PNG as a data URL."""
    kind, content = ("svg+xml", file.encode()) if isinstance(file, str) else ("png", file)
    # inside an <img>, scripts in an SVG do not run
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _format_fact(value: object) -> str:
    """Format a setting or a count as text."""
    if isinstance(value, Mapping):
        return _format_fact([f"{name}: {_format_fact(item)}" for name, item in value.items()])
    if isinstance(value, list | tuple):
        return ", ".join(map(_format_fact, value)) or "none"
    if value is None:
        return "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _collect_notes(subjects: Mapping[str, Mapping[str, Row]]) -> list[tuple[str, str]]:
    """List (cells, note) of a table in its order; a note that several cells share appears once."""
    cells_of: dict[str, list[str]] = {}
    for subject, cells in subjects.items():
        for metric, row in cells.items():
            if row.note:
                cells_of.setdefault(row.note, []).append(f"{subject}, {metric}")
    notes = []
    for note, cells_with_note in cells_of.items():
        more = len(cells_with_note) - MAX_CELLS_PER_NOTE
        names = "; ".join(cells_with_note[:MAX_CELLS_PER_NOTE]) + (f" and {more} more" if more > 0 else "")
        notes.append((names, note))
    return notes
