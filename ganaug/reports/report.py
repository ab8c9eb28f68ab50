"""Report: findings with their intervals and a verdict; the same for a program, a terminal, a notebook and a browser."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Column, Table

from ganaug._runtime.storage import write_bytes, writing
from ganaug._runtime.terminal import printable
from ganaug._version import __version__

SCHEMA = "ganaug-report/1"
STATES = ("pass", "warn", "fail", "insufficient", "")  # "": a figure that is not judged


@dataclass(frozen=True)
class Row:
    """One figure. section, subject, metric: where it stands: which table, which row, which column.

    low, high: its 95 % interval. p: adjusted for the number of tests of its report. state: one of STATES.
    """

    section: str
    subject: str
    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    state: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        for name in ("value", "low", "high", "p"):
            number = getattr(self, name)
            object.__setattr__(self, name, None if number is None or not math.isfinite(number) else float(number))

    def __str__(self) -> str:
        if self.value is None:
            return "-"
        shown = f"{self.value:,.0f}" if self.value == int(self.value) and abs(self.value) >= 2 else f"{self.value:.3f}"
        if self.low is not None and self.high is not None:
            shown += f" [{self.low:.3f}, {self.high:.3f}]"
        return shown if self.p is None else f"{shown} {p_value(self.p)}"


@dataclass(frozen=True)
class Figure:
    """A picture of a page. file: an SVG's text, or a PNG's bytes. caption: what it shows and how to read it. alt: what
    somebody who cannot see it has to know, where the caption does not say that."""

    file: str | bytes
    caption: str
    alt: str = ""


@dataclass(frozen=True)
class Report:
    """What was found. kind: 'utility', 'diversity', 'bias', or 'synthetic' for the last two.

    summary: sentences, the most important first. facts: settings, counts and choices that a program may want, as JSON
    can hold them.
    """

    kind: str
    title: str
    verdict: str
    summary: tuple[str, ...]
    rows: tuple[Row, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    figures: tuple[Figure, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """A row a figure: section, subject, metric, value, low, high, p, state, note."""
        return pd.DataFrame([asdict(row) for row in self.rows])

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes; its schema is docs/report.schema.json."""
        return {
            "schema": SCHEMA,
            "ganaug_version": __version__,
            "kind": self.kind,
            "verdict": self.verdict,
            "summary": list(self.summary),
            "facts": dict(self.facts),
            "rows": [asdict(row) for row in self.rows],
        }

    def to_json(self, path: str | Path | None = None) -> str:
        """The report as JSON text, also written to `path` if given. Missing figures are null, never NaN."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        if path is not None:
            write_bytes(Path(path), text.encode())
        return text

    def to_html(self, path: str | Path | None = None) -> str:
        """One page that needs nothing else: no script, no request. Also written to `path` if given."""
        from ganaug.reports.page import page

        text = page(self)
        if path is not None:
            write_bytes(Path(path), text.encode())
        return text

    def write(self, page: str | Path, as_json: str | Path | None = None) -> None:
        """Write the page and the JSON, or neither. Raises OutputError where one cannot be written."""
        if as_json is None:
            self.to_html(page)
            return
        with writing(Path(page)) as first, writing(Path(as_json)) as second:
            first.write_text(self.to_html(), encoding="utf-8")
            second.write_text(self.to_json(), encoding="utf-8")

    def tables(self) -> dict[str, tuple[list[str], dict[str, dict[str, Row]]]]:
        """{section: (metrics in order, {subject: {metric: row}})}."""
        found: dict[str, tuple[list[str], dict[str, dict[str, Row]]]] = {}
        for row in self.rows:
            metrics, subjects = found.setdefault(row.section, ([], {}))
            if row.metric not in metrics:
                metrics.append(row.metric)
            subjects.setdefault(row.subject, {})[row.metric] = row
        return found

    def _repr_html_(self) -> str:
        from ganaug.reports.page import fragment

        return fragment(self)

    def __rich__(self) -> RenderableType:
        parts: list[RenderableType] = [f"[bold]{_safe(self.title)}: {_safe(self.verdict)}[/]", ""]
        parts += [_safe(sentence) for sentence in self.summary]
        for section, (metrics, subjects) in self.tables().items():
            columns = [Column(_safe(metric), overflow="fold") for metric in ("", *metrics)]
            table = Table(*columns, title=_safe(section), title_justify="left")
            for subject, cells in subjects.items():
                shown = [_colored(cells[metric]) if metric in cells else "" for metric in metrics]
                table.add_row(_safe(subject), *shown)
            parts += ["", table]
        return Group(*parts)


def p_value(p: float) -> str:
    """As it is written: p=0.012, or p<0.001."""
    return f"p={p:.3f}" if p >= 0.001 else "p<0.001"


def joined(kind: str, title: str, reports: Sequence[Report]) -> Report:
    """Several reports as one, with the worst verdict; facts by the kind of report they are from."""
    verdicts = {report.verdict for report in reports}
    return Report(
        kind,
        title,
        next(state for state in ("fail", "warn", "insufficient", "pass") if state in verdicts),
        tuple(sentence for report in reports for sentence in report.summary),
        tuple(row for report in reports for row in report.rows),
        {f"{report.kind}: {name}": value for report in reports for name, value in report.facts.items()},
        tuple(figure for report in reports for figure in report.figures),
    )


def worst(rows: Iterable[Row]) -> str:
    """The verdict on rows: fail, else warn, else pass; insufficient where none of these was found."""
    states = {row.state for row in rows}
    return next((state for state in ("fail", "warn", "pass") if state in states), "insufficient")


def _safe(text: str) -> str:
    """`text` without markup of rich and without control characters."""
    return escape(printable(text))


def _colored(row: Row) -> str:
    color = {"pass": "green", "warn": "yellow", "fail": "red", "insufficient": "dim"}.get(row.state)
    return f"[{color}]{escape(str(row))}[/]" if color else escape(str(row))
