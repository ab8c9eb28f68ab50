"""The figures of a utility report: gains by synthetic share, recall of rare and common classes, changes by class."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np

from ganaug._runtime.terminal import one_line
from ganaug.evaluation.bootstrap import CONFIDENCE_LEVEL, Interval
from ganaug.evaluation.comparison import Comparison
from ganaug.reports.canvas import BAD, BLUE, GOOD, GRAY, INK, NEUTRAL, row_height, svg
from ganaug.reports.rows import Figure

MARKERS = "sDv^<>pXo*Ph"


def share_figure(comparison: Comparison) -> Figure:
    """Plot the gain in the objective by synthetic share.

    Parameters
    ----------
    comparison : Comparison
        The training methods with their scores.

    Returns
    -------
    Figure
    """

    def plot(axes: Any) -> None:
        gains = {f"{100 * share:g}%": comparison.gain(method) for share, method in comparison.shares.items()}
        gains |= {name: comparison.gain(method) for name, method in comparison.display_only.items()}
        for place, gain in enumerate(gains.values()):
            axes.plot([place, place], [100 * gain.low, 100 * gain.high], color=_color(gain), linewidth=2)
            axes.plot(place, 100 * gain.value, "o", color=_color(gain))
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.set_xticks(range(len(gains)), list(gains))
        axes.set_xlim(-0.5, len(gains) - 0.5)
        axes.set_xlabel("synthetic share of the training images of each class")
        axes.set_ylabel("gain in percentage points")
        axes.grid(axis="y", alpha=0.3)

    return Figure(
        svg(plot, 6.4, 3.2),
        f"Gain or loss of {comparison.objective.title} with synthetic images, compared with the best method without "
        "them; 95 % intervals. 'filled to balance' adds synthetic images until all classes are equally large, a common "
        "practice.",
    )


def curve_figure(comparison: Comparison) -> Figure:
    """Plot the recall of common classes against that of rare ones, with the curve that class-wise offsets reach.

    Parameters
    ----------
    comparison : Comparison
        With rare and common classes (`is_imbalanced`).

    Returns
    -------
    Figure
    """

    def plot(axes: Any) -> None:
        rare, common = comparison.offset_curve
        axes.plot(rare[:, 0], common[:, 0], "-", color=INK, linewidth=1)
        methods = [(method, GRAY) for method in (*comparison.baselines.values(), *comparison.display_only.values())]
        methods += [(method, BLUE) for method in comparison.shares.values()]
        for (method, color), marker in zip(methods, cycle(MARKERS), strict=False):
            x, y = (float(mean[0]) for mean in comparison.rare_and_common_recall(method.scores.recall))
            axes.plot(x, y, marker, color=color, label=method.name, linestyle="none")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)
        axes.set_xlabel("mean recall of the rare classes")
        axes.set_ylabel("mean recall of the common classes")
        axes.grid(alpha=0.3)

    return Figure(
        svg(plot, 7.8, 4.2),
        "Trade-off between rare and common classes. The line shows the best method without synthetic images when "
        "class-wise offsets shift its decision boundary, which needs no training: only a method above the line has "
        "learned something beyond such a shift. A class is rare if it has fewer training images than the mean class.",
    )


def class_figure(names: Sequence[str], changes: Sequence[Interval], p_values: np.ndarray) -> Figure:
    """Plot the change of recall of each class, colored where its adjusted p value is below 5 %.

    Parameters
    ----------
    names : sequence of str
        Classes.
    changes : sequence of Interval
        Change of recall of each class.
    p_values : ndarray, shape (K,)
        Adjusted p values; NaN for a class that is not judged.

    Returns
    -------
    Figure
    """

    def plot(axes: Any) -> None:
        for place, (change, p) in enumerate(zip(changes, p_values, strict=True)):
            color = _color(change) if p < 1 - CONFIDENCE_LEVEL else NEUTRAL
            axes.plot([100 * change.low, 100 * change.high], [place, place], color=color, linewidth=2)
            axes.plot(100 * change.value, place, "o", color=color)
        axes.axvline(0, color=INK, linewidth=0.8)
        # parse_math=False: a class name may contain dollar signs
        axes.set_yticks(range(len(names)), [one_line(name) for name in names], parse_math=False)
        # the first class on top, as in the tables
        axes.invert_yaxis()
        axes.set_xlabel("change of recall in percentage points, best with synthetic minus best baseline")
        axes.grid(axis="x", alpha=0.3)

    return Figure(
        svg(plot, 6.4, row_height(len(names))),
        "Change of recall of each class with synthetic images; 95 % intervals. Colored changes are significant at 5 %, "
        "adjusted for the number of classes.",
    )


def _color(interval: Interval) -> str:
    """Green above 0, red below, gray if the interval contains 0."""
    return GOOD if interval.low > 0 else BAD if interval.high < 0 else NEUTRAL
