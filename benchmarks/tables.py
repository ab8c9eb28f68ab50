"""Markdown tables, the summaries that stand in their cells, and the line that describes the machine."""

import platform
import statistics
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from scipy.stats import t as student_t

from ganaug import __version__

MEDIAN_RANGE = ("median", "smallest", "largest")


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table.

    Examples
    --------
    >>> print("\\n".join(markdown_table(["set", "images"], [["bccd", "4,886"]])))
    | set | images |
    |---|---|
    | bccd | 4,886 |
    """
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]


def median_range(values: Sequence[float], form: str = ",.0f") -> list[str]:
    """Cells for median, smallest and largest value.

    Examples
    --------
    >>> median_range([3, 1, 2])
    ['2', '1', '3']
    """
    return [format(value, form) for value in (statistics.median(values), min(values), max(values))]


def mean_range(values: Iterable[float | None], form: str = ".3f") -> str:
    """Mean, with smallest and largest in parentheses if there are several values; None values are left out.

    Examples
    --------
    >>> mean_range([0.5, None, 0.25], ".2f")
    '0.38 (0.25 to 0.50)'
    >>> mean_range([None])
    '-'
    """
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    mean = format(statistics.fmean(known), form)
    return mean if len(known) == 1 else f"{mean} ({min(known):{form}} to {max(known):{form}})"


def mean_interval(values: Sequence[float], form: str = "+.1f") -> str:
    """Mean with its 95 % interval by Student's t; the mean alone of a single value, '-' of NaN.

    Examples
    --------
    >>> mean_interval([1.0, 2.0, 3.0])
    '+2.0 (-0.5 to +4.5)'
    """
    mean = float(np.mean(values))
    if np.isnan(mean):
        return "-"
    if len(values) < 2:
        return format(mean, form)
    half_width = float(student_t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)
    return f"{mean:{form}} ({mean - half_width:{form}} to {mean + half_width:{form}})"


def processor_name() -> str:
    """Name of the processor, as /proc/cpuinfo has it where there is one."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def system_line(threads: int) -> str:
    """Versions, hardware and date of a run, in one sentence."""
    versions = f"ganaug {__version__}, torch {torch.__version__}, Python {platform.python_version()}"
    return f"{versions}, {threads} thread{'s' * (threads > 1)} of {processor_name()}, {datetime.now(UTC):%Y-%m-%d}."
