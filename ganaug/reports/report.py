"""Report: results with intervals and a verdict, for a program, a terminal, a notebook and a browser."""

import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, overload

import pandas as pd
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Column
from rich.table import Table as TerminalTable

from ganaug._runtime.python_values import as_python
from ganaug._runtime.storage import atomic_write, write_bytes
from ganaug._runtime.terminal import printable
from ganaug._runtime.user_paths import expand_user
from ganaug._version import __version__
from ganaug.errors import OutputError
from ganaug.evaluation.recipe import Recipe
from ganaug.reports.page import render_fragment, render_page
from ganaug.reports.rows import Figure, Row, Table, arrange_tables

PRINTED_COLUMNS = 100
SCHEMA = "ganaug-report/3"  # docs/report.schema.json


@dataclass(frozen=True)
class Report:
    """Results with their intervals, a verdict, and sentences that say what they mean.

    `utility_report`, `diversity_report` and `bias_report` return one. A terminal (Rich) and a notebook display it.

    Parameters
    ----------
    kind : str
        "utility", "diversity", "bias", or "synthetic" for the last two together.
    title : str
        The question that the report answers.
    verdict : str
        "helps", "no evidence" or "hurts" for "utility"; otherwise "pass", "warn", "fail" or "insufficient".
    summary : tuple of str
        Sentences, the most important first.
    rows : tuple of Row
        The numbers.
    facts : mapping
        Settings, counts and choices that a program may need, as JSON can store them.
    figures : tuple of Figure
        Pictures of the page.
    recipe : Recipe, optional
        The best training method that was found; of "utility" only.
    folded : tuple of str
        Sections that the page folds and a terminal leaves out.

    Examples
    --------
    >>> from ganaug.reports import Report, Row
    >>> row = Row("Classes", "cat", "coverage", 0.95, 0.9, 0.98, p=0.4, state="pass")
    >>> report = Report("diversity", "As diverse as real images?", "pass", ("No deviation found.",), (row,))
    >>> report.to_frame()[["subject", "metric", "value", "state"]]
      subject    metric  value state
    0     cat  coverage   0.95  pass
    """

    kind: str
    title: str
    verdict: str
    summary: tuple[str, ...]
    rows: tuple[Row, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    figures: tuple[Figure, ...] = ()
    recipe: Recipe | None = None
    folded: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return the rows as a table.

        Returns
        -------
        DataFrame
            Columns section, subject, metric, value, low, high, p, state, note.
        """
        return pd.DataFrame([asdict(row) for row in self.rows])

    def to_dict(self) -> dict[str, Any]:
        """Return the report without figures as plain Python objects.

        Returns
        -------
        dict
            The keys that docs/report.schema.json describes.
        """
        return {
            "schema": SCHEMA,
            "ganaug_version": __version__,
            "kind": self.kind,
            "verdict": self.verdict,
            "summary": list(self.summary),
            "facts": {name: as_python(value) for name, value in self.facts.items()},
            "rows": [asdict(row) for row in self.rows],
            "recipe": None if self.recipe is None else asdict(self.recipe),
        }

    @overload
    def to_json(self, path: None = None, *, overwrite: bool = False) -> str: ...
    @overload
    def to_json(self, path: str | Path, *, overwrite: bool = False) -> Path: ...
    def to_json(self, path: str | Path | None = None, *, overwrite: bool = False) -> str | Path:
        """Return the report as JSON text, or write it to a file.

        Parameters
        ----------
        path : path, optional
            File to write the text to.
        overwrite : bool, default=False
            Replace a file that is already there.

        Returns
        -------
        str or Path
            JSON by docs/report.schema.json. Numbers that do not exist are null, never NaN. With `path`: the path.

        Raises
        ------
        OutputError
            If the file exists, or cannot be written.

        Examples
        --------
        >>> import json
        >>> from ganaug.reports import Report
        >>> json.loads(Report("bias", "Composition", "pass", (), ()).to_json())["schema"]
        'ganaug-report/3'
        """
        # NaN is not standard JSON, and other parsers reject it
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        return text if path is None else _write_new(path, text, overwrite=overwrite)

    @overload
    def to_html(self, path: None = None, *, overwrite: bool = False) -> str: ...
    @overload
    def to_html(self, path: str | Path, *, overwrite: bool = False) -> Path: ...
    def to_html(self, path: str | Path | None = None, *, overwrite: bool = False) -> str | Path:
        """Return the report as one HTML page that contains its figures and needs no network, or write it to a file.

        Parameters
        ----------
        path : path, optional
            File to write the page to.
        overwrite : bool, default=False
            Replace a file that is already there.

        Returns
        -------
        str or Path
            The page. With `path`: the path.

        Raises
        ------
        OutputError
            If the file exists, or cannot be written.
        """
        text = render_page(self)
        return text if path is None else _write_new(path, text, overwrite=overwrite)

    def write(self, page: str | Path, as_json: str | Path | None = None) -> None:
        """Write the HTML page and the JSON. If one of them fails, neither file is written.

        Parameters
        ----------
        page : path
            File for the HTML page.
        as_json : path, optional
            File for the JSON.

        Raises
        ------
        OutputError
            If a file cannot be written.
        """
        if as_json is None:
            self.to_html(page, overwrite=True)
            return
        with atomic_write(expand_user(page)) as html_file, atomic_write(expand_user(as_json)) as json_file:
            html_file.write_text(self.to_html(), encoding="utf-8")
            json_file.write_text(self.to_json(), encoding="utf-8")

    def tables(self) -> dict[str, Table]:
        """Arrange the rows as one table for each section.

        Returns
        -------
        dict of str to Table
            {section: (metrics in order, {subject: {metric: row}})}.
        """
        return arrange_tables(self.rows)

    def __repr__(self) -> str:
        return f"<Report {self.kind}: {self.verdict}; {len(self.rows):,} rows. print(report) shows it>"

    def __str__(self) -> str:
        """The verdict, the summary and the tables, without pictures."""
        text = io.StringIO()
        Console(file=text, width=PRINTED_COLUMNS, color_system=None, force_jupyter=False).print(self)
        return text.getvalue().rstrip()

    def _repr_html_(self) -> str:
        return render_fragment(self)

    def __rich__(self) -> RenderableType:
        parts: list[RenderableType] = [f"[bold]{_plain(self.title)}: {_plain(self.verdict)}[/]", ""]
        parts += [_plain(sentence) for sentence in self.summary]
        for section, (metrics, subjects) in self.tables().items():
            if section in self.folded:
                parts += ["", f"{_plain(section)}: {len(subjects)} rows in the page and the JSON."]
                continue
            columns = [Column(_plain(metric), overflow="fold") for metric in ("", *metrics)]
            table = TerminalTable(*columns, title=_plain(section), title_justify="left")
            for subject, cells in subjects.items():
                texts = [_colored(cells[metric]) if metric in cells else "" for metric in metrics]
                table.add_row(_plain(subject), *texts)
            parts += ["", table]
        if self.recipe is not None:
            parts += ["", f"[bold]Best method found: {_plain(self.recipe.name)}[/]", _plain(self.recipe.text)]
        return Group(*parts)


def joined(kind: str, title: str, reports: Sequence[Report]) -> Report:
    """Combine several reports into one.

    Parameters
    ----------
    kind, title : str
        Of the combined report.
    reports : sequence of Report
        At least one; verdicts are "pass", "warn", "fail" or "insufficient".

    Returns
    -------
    Report
        Summaries, rows and figures one after another, and the worst verdict. The name of each fact starts with the
        kind of its report.

    Examples
    --------
    >>> from ganaug.reports import Report, joined
    >>> parts = [Report("diversity", "", "pass", (), (), {"n": 5}), Report("bias", "", "warn", (), (), {"n": 7})]
    >>> report = joined("synthetic", "Are the synthetic images good?", parts)
    >>> report.verdict, dict(report.facts)
    ('warn', {'diversity: n': 5, 'bias: n': 7})
    """
    verdicts = {report.verdict for report in reports}
    return Report(
        kind,
        title,
        # unlike among the rows of one report, an insufficient part outweighs a part that passes
        next(verdict for verdict in ("fail", "warn", "insufficient", "pass") if verdict in verdicts),
        tuple(sentence for report in reports for sentence in report.summary),
        tuple(row for report in reports for row in report.rows),
        {f"{report.kind}: {name}": value for report in reports for name, value in report.facts.items()},
        tuple(figure for report in reports for figure in report.figures),
    )


def _write_new(path: str | Path, text: str, *, overwrite: bool) -> Path:
    """Write a file, and return its path. Raises OutputError if it exists and is not to be replaced."""
    target = expand_user(path)
    if os.path.lexists(target) and not overwrite:
        raise OutputError(f"{target}: exists. Choose another file, or pass overwrite=True.")
    write_bytes(target, text.encode())
    return target


def _plain(text: str) -> str:
    """Escape Rich markup and control characters."""
    return escape(printable(text))


def _colored(row: Row) -> str:
    """Rich markup of a cell in the color of its state."""
    color = {"pass": "green", "warn": "yellow", "fail": "red", "insufficient": "dim"}.get(row.state)
    return f"[{color}]{escape(str(row))}[/]" if color else escape(str(row))
