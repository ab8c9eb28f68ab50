"""The pictures of a comparison."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np

from ganaug._runtime.terminal import one_line
from ganaug.evaluation.comparison import Comparison
from ganaug.evaluation.scores import LEVEL, Interval
from ganaug.reports.canvas import BAD, GOOD, INK, NEITHER, OTHERS, OURS, svg
from ganaug.reports.report import Figure


def _color(one: Interval) -> str:
    return GOOD if one.low > 0 else BAD if one.high < 0 else NEITHER


def shares_figure(found: Comparison) -> Figure:
    """Gain by share, and of filling up."""

    def plot(axes: Any) -> None:
        ways = {f"{100 * share:g}%": found.gain(way) for share, way in found.shares.items()}
        ways |= {name: found.gain(way) for name, way in found.others.items()}
        for place, one in enumerate(ways.values()):
            axes.plot([place, place], [100 * one.low, 100 * one.high], color=_color(one), linewidth=2)
            axes.plot(place, 100 * one.value, "o", color=_color(one))
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.set_xticks(range(len(ways)), list(ways))
        axes.set_xlim(-0.5, len(ways) - 0.5)
        axes.set_xlabel("synthetic part of what each class is drawn from")
        axes.set_ylabel("gain in points")
        axes.grid(axis="y", alpha=0.3)

    return Figure(
        svg(plot, 6.4, 3.2),
        "Balanced accuracy gained or lost by synthetic images, against the best way without them; 95 % intervals. "
        "'filled to balance' adds them until all classes are equally large, as is often done.",
    )


def curve_figure(found: Comparison) -> Figure:
    """Recall of common classes against that of rare ones; the line is what offsets reach."""

    def plot(axes: Any) -> None:
        rare, common = found.curve
        axes.plot(rare[:, 0], common[:, 0], "-", color=INK, linewidth=1)
        colors = [(way, OTHERS) for way in (*found.baselines.values(), *found.others.values())]
        colors += [(way, OURS) for way in found.shares.values()]
        for (way, color), marker in zip(colors, cycle("sDv^<>pXo*Ph"), strict=False):
            x, y = (float(mean[0]) for mean in found.trade(way.scores.recall))
            axes.plot(x, y, marker, color=color, label=way.name, linestyle="none")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)
        axes.set_xlabel("mean recall of the rare classes")
        axes.set_ylabel("mean recall of the others")
        axes.grid(alpha=0.3)

    return Figure(
        svg(plot, 7.8, 4.2),
        "What each way trades. The line is the best way without synthetic images with its boundary moved by class-wise "
        "offsets, which costs nothing: only what lies above it has learned something. Rare: fewer training images than "
        "the mean class.",
    )


def classes_figure(names: Sequence[str], changes: Sequence[Interval], p_values: np.ndarray) -> Figure:
    """Change of recall by class, colored where its adjusted p value is below 5 %."""

    def plot(axes: Any) -> None:
        for place, (one, p) in enumerate(zip(changes, p_values, strict=True)):
            color = _color(one) if p < 1 - LEVEL else NEITHER
            axes.plot([100 * one.low, 100 * one.high], [place, place], color=color, linewidth=2)
            axes.plot(100 * one.value, place, "o", color=color)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(names)), [one_line(name) for name in names], parse_math=False)
        axes.invert_yaxis()
        axes.set_xlabel("change of recall in points, best with against best without")
        axes.grid(axis="x", alpha=0.3)

    return Figure(
        svg(plot, 6.4, max(2.0, 0.3 * len(names) + 0.8)),
        "Which classes gain and which lose by synthetic images; 95 % intervals, colored where the change is beyond "
        "chance among so many classes.",
    )
