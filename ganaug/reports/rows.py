"""The parts of a report: rows (one number each, with its interval and state) and figures."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

STATES = ("pass", "warn", "fail", "insufficient", "")  # "": the number is shown and not judged


@dataclass(frozen=True)
class Row:
    """One number of a report, with its interval, p value and state.

    Parameters
    ----------
    section, subject, metric : str
        Position of the number: the table, the row and the column. A subject is a class, a training method or a group.
    value : float or None
        The number. None, NaN and infinity mean that it does not exist and become None.
    low, high : float, optional
        95 % interval.
    p : float, optional
        p value, adjusted for the number of tests of the report.
    state : str
        One of `STATES`: "pass", "warn", "fail", "insufficient" (too few images to judge), or "" (not judged).
    note : str
        Remark on this number; the page lists it below the table.

    Examples
    --------
    >>> from ganaug.reports import Row
    >>> print(Row("Classes", "cat", "coverage", 0.95, 0.9, 0.98, p=0.4, state="pass"))
    0.950 [0.900, 0.980] p=0.400
    >>> print(Row("Classes", "cat", "real", 1200))
    1,200
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
            # None, because JSON has no NaN or infinity; plain floats, because it has no NumPy numbers
            object.__setattr__(self, name, None if number is None or not math.isfinite(number) else float(number))

    def __str__(self) -> str:
        if self.value is None:
            return "-"
        # counts read best without decimals; shares and differences need them
        is_count = self.value == int(self.value) and abs(self.value) >= 2
        text = f"{self.value:,.0f}" if is_count else f"{self.value:.3f}"
        if self.low is not None and self.high is not None:
            text += f" [{self.low:.3f}, {self.high:.3f}]"
        return text if self.p is None else f"{text} {format_p_value(self.p)}"


@dataclass(frozen=True)
class Figure:
    """A picture of a report.

    Parameters
    ----------
    file : str or bytes
        Text of an SVG, or bytes of a PNG.
    caption : str
        What the figure shows and how to read it.
    alt : str
        Text for readers who cannot see the figure; "": the caption.

    Examples
    --------
    >>> from ganaug.reports import Figure
    >>> Figure("<svg xmlns='http://www.w3.org/2000/svg'/>", "Coverage of each class.").caption
    'Coverage of each class.'
    """

    file: str | bytes
    caption: str
    alt: str = ""


class Table(NamedTuple):
    """The rows of one section, arranged as a table.

    Parameters
    ----------
    metrics : list of str
        Columns, in order of first appearance.
    subjects : dict of str to dict of str to Row
        Cells: {subject: {metric: row}}. A subject may lack some metrics.
    """

    metrics: list[str]
    subjects: dict[str, dict[str, Row]]


def arrange_tables(rows: Iterable[Row]) -> dict[str, Table]:
    """Arrange rows as tables.

    Parameters
    ----------
    rows : iterable of Row

    Returns
    -------
    dict of str to Table
        {section: table}, in order of first appearance.

    Examples
    --------
    >>> from ganaug.reports.rows import Row, arrange_tables
    >>> tables = arrange_tables([Row("Classes", "cat", "real", 30), Row("Classes", "cat", "synthetic", 50)])
    >>> tables["Classes"].metrics
    ['real', 'synthetic']
    """
    tables: dict[str, Table] = {}
    for row in rows:
        table = tables.setdefault(row.section, Table([], {}))
        if row.metric not in table.metrics:
            table.metrics.append(row.metric)
        table.subjects.setdefault(row.subject, {})[row.metric] = row
    return tables


def format_p_value(p: float) -> str:
    """Format a p value as text: "p=0.012" or "p<0.001".

    Parameters
    ----------
    p : float
        p value in [0, 1].

    Returns
    -------
    str

    Examples
    --------
    >>> from ganaug.reports.rows import format_p_value
    >>> format_p_value(0.0123), format_p_value(2e-7)
    ('p=0.012', 'p<0.001')
    """
    return f"p={p:.3f}" if p >= 0.001 else "p<0.001"


def worst_state(rows: Iterable[Row]) -> str:
    """Return the verdict on rows: "fail" if any row fails, else "warn", else "pass".

    Parameters
    ----------
    rows : iterable of Row

    Returns
    -------
    str
        "insufficient" if no row has one of these three states.

    Examples
    --------
    >>> from ganaug.reports.rows import Row, worst_state
    >>> worst_state([Row("Classes", "cat", "KID", 0.1, state="warn"), Row("Classes", "cat", "real", 30)])
    'warn'
    """
    states = {row.state for row in rows}
    return next((state for state in ("fail", "warn", "pass") if state in states), "insufficient")
