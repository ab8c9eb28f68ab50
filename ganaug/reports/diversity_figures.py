"""The figures of a diversity report: samples, suspected copies, missing modes, coverage and features."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn.functional import interpolate

from ganaug._runtime.terminal import one_line, printable
from ganaug.metrics.aligned_copies import copy_threshold
from ganaug.metrics.diversity import MetricResult
from ganaug.metrics.pair import Pair
from ganaug.reports.canvas import BAD, GOOD, INK, NEUTRAL, png, row_height, svg
from ganaug.reports.diversity_pairs import ALL
from ganaug.reports.rows import Figure, Row
from ganaug.training.pictures import draw_preview

MAX_CLASSES = 20  # with sample images
MAX_COVERAGES = 40  # classes in the plot of coverage
MAX_LEGEND = 20  # classes in the legend of the scatter plot
MAX_COPIES = 24
MAX_POINTS = 1500  # of the scatter plot, real and synthetic each
MAX_SIDE = 96  # pixels of an image on the page
IMAGES_PER_ROW = 8
MODES_PER_CLASS = 2
MODE_LEVEL = 0.01  # p value, adjusted for the number of modes, below which a mode is missing


def draw_figures(
    pairs: Mapping[str, Pair], results: Mapping[tuple[str, str], MetricResult], rows: list[Row]
) -> list[Figure]:
    """Draw all figures of a diversity report.

    Parameters
    ----------
    pairs : mapping of str to Pair
        {class or "all classes": pair}.
    results : mapping of (str, str) to MetricResult
        {(class, measure): result}.
    rows : list of Row
        With states.

    Returns
    -------
    list of Figure
        Figures without content, such as one of copies if there are none, are left out.
    """
    classes = {name: pair for name, pair in pairs.items() if name != ALL}
    figures = [_sample_figure(classes), *_copy_figures(classes), *_mode_figures(classes, rows)]
    if sum((name, "coverage") in results for name in classes) > 1:
        figures.append(_coverage_figure(classes, results, rows))
    pooled = pairs.get(ALL) or next(iter(classes.values()))
    figures.append(_scatter_figure(pooled, list(classes) if ALL in pairs else []))
    return figures


def _shrink(images: Tensor) -> Tensor:
    """Reduce images to at most 96 pixels per side, so that the page stays small."""
    scale = MAX_SIDE / max(images.shape[2:])
    if scale >= 1 or not len(images):
        return images
    size = [max(1, round(length * scale)) for length in images.shape[2:]]
    return interpolate(images.float(), size=size, mode="bilinear", antialias=True).round().to(torch.uint8)


def _sample_figure(classes: Mapping[str, Pair]) -> Figure:
    """The first real and synthetic images of each class."""
    shown = dict(list(classes.items())[:MAX_CLASSES])
    grid = draw_preview(
        {
            printable(name): (
                _shrink(pair.real_images[:IMAGES_PER_ROW]),
                _shrink(pair.synthetic_images[:IMAGES_PER_ROW]),
            )
            for name, pair in shown.items()
        }
    )
    more = f" The first {MAX_CLASSES} of {len(classes)} classes." if len(classes) > MAX_CLASSES else ""
    return Figure(png(grid), f"Real images on the left, synthetic images on the right, not selected.{more}")


def _copy_figures(classes: Mapping[str, Pair]) -> list[Figure]:
    """Suspected copies beside the training images that they resemble, the closest first."""
    suspects = []
    for name, pair in classes.items():
        ratios, _, among_training = pair.copies
        rows = torch.nonzero(ratios < copy_threshold(among_training)).flatten()
        suspects += [(float(ratios[row]), name, int(row)) for row in rows]
    if not suspects:
        return []
    # the ratio is the first entry, so this sorts by resemblance
    closest = sorted(suspects)[:MAX_COPIES]
    originals = _shrink(
        torch.stack([classes[name].training_images[classes[name].copies[1][row]] for _, name, row in closest])
    )
    copies = _shrink(torch.stack([classes[name].synthetic_images[row] for _, name, row in closest]))
    grid = {
        f"{start + 1} to {min(start + IMAGES_PER_ROW, len(closest))}": (
            originals[start:][:IMAGES_PER_ROW],
            copies[start:][:IMAGES_PER_ROW],
        )
        for start in range(0, len(closest), IMAGES_PER_ROW)
    }
    caption = (
        f"Suspected copies: {len(suspects)} synthetic images that are less than half as far from a training image as "
        "the nearest other training image is. The closest first; training images on the left, the synthetic images in "
        "the same order on the right. The distance ignores mirroring, small shifts, brightness and contrast."
    )
    return [Figure(png(draw_preview(grid)), caption)]


def _mode_figures(classes: Mapping[str, Pair], rows: list[Row]) -> list[Figure]:
    """Typical real images of the modes that lack synthetic images."""
    failing = {row.subject for row in rows if row.metric == "missing modes" and row.state == "fail"}
    grid = {}
    for name, pair in classes.items():
        if name not in failing:
            continue
        missing = [mode for mode in pair.modes if mode.p * len(pair.modes) < MODE_LEVEL]
        for number, mode in enumerate(missing[:MODES_PER_CLASS], 1):
            # the label column is narrow, and the numbers must stay readable
            title = f"{printable(name)[:14]} {number}: {mode.real}/{mode.synthetic}"
            typical = _shrink(pair.real_images[mode.examples[: 2 * IMAGES_PER_ROW]])
            grid[title] = (typical, typical[:0])
    if not grid:
        return []
    caption = (
        "Missing modes: groups of similar real images with too few synthetic images. Each row: the class, the number "
        "of real and of synthetic images in the mode, and its most typical real images."
    )
    return [Figure(png(draw_preview(grid)), caption)]


def _coverage_figure(
    classes: Mapping[str, Pair], results: Mapping[tuple[str, str], MetricResult], rows: list[Row]
) -> Figure:
    """Coverage of the first `MAX_COVERAGES` classes, with intervals."""
    names = [name for name in classes if (name, "coverage") in results][:MAX_COVERAGES]
    states = {row.subject: row.state for row in rows if row.metric == "coverage"}

    def plot(axes: Any) -> None:
        for place, name in enumerate(names):
            result = results[name, "coverage"]
            color = {"pass": GOOD, "fail": BAD}.get(states[name], NEUTRAL)
            axes.plot([result.low, result.high], [place, place], color=color, linewidth=2)
            axes.plot(result.value, place, "o", color=color)
            axes.plot(result.expected, place, "|", color=INK, markersize=14, markeredgewidth=2)
        axes.set_yticks(range(len(names)), [one_line(name) for name in names], parse_math=False)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(0, 1.02)  # a marker at 1 is not cut off
        axes.set_xlabel("coverage: share of real images with a similar synthetic image")
        axes.grid(axis="x", alpha=0.3)

    caption = (
        "Coverage of each class with its 95 % interval. The vertical mark is the coverage expected if the synthetic "
        "images were as many other real images."
    )
    if len(names) == MAX_COVERAGES:
        caption += f" At most {MAX_COVERAGES} classes are shown."
    return Figure(svg(plot, 6.4, row_height(len(names))), caption)


def _scatter_figure(pair: Pair, names: list[str]) -> Figure:
    """Features on two axes. names: classes of the pair in the order of their labels, for the legend."""
    real, synthetic = pair.real[:MAX_POINTS], pair.synthetic[:MAX_POINTS]
    positions = _project(torch.cat([real, synthetic]).double().numpy())
    labels = np.concatenate([pair.claimed[0][: len(real)].numpy(), pair.claimed[1][: len(synthetic)].numpy()])
    ranks = np.unique(labels, return_inverse=True)[1]
    colors = _palette(int(ranks.max()) + 1)
    is_real = np.arange(len(positions)) < len(real)

    def plot(axes: Any) -> None:
        for mask, marker, size in ((is_real, "o", 10), (~is_real, "x", 14)):
            point_colors = [colors[rank % len(colors)] for rank in ranks[mask]]
            axes.scatter(*positions[mask].T, c=point_colors, marker=marker, s=size, alpha=0.6, linewidths=0.8)
        handles = [axes.plot([], [], marker, color=INK)[0] for marker in "ox"]
        handles += [
            axes.plot([], [], "s", color=colors[number % len(colors)])[0]
            for number in range(min(MAX_LEGEND, len(names)))
        ]
        legend = axes.legend(
            handles,
            ["real", "synthetic", *(one_line(name, 24) for name in names[:MAX_LEGEND])],
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            fontsize=8,
            frameon=False,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)  # a class name may contain dollar signs
        axes.set_xticks([])
        axes.set_yticks([])

    caption = (
        "Features on their first two principal components, one color for each class. Real images (dots) without "
        "synthetic images (crosses) nearby point to a missing mode."
    )
    return Figure(svg(plot, 7.2, 4.6), caption)


def _project(points: np.ndarray) -> np.ndarray:
    """First two principal components: (N, D) -> (N, 2)."""
    n, dimensions = points.shape
    padded = np.pad(points, ((0, max(0, 2 - n)), (0, max(0, 2 - dimensions))))  # PCA needs two rows and two columns
    # the full solver is deterministic, the randomized one depends on a seed
    # an array, whatever output the user has configured for scikit-learn
    pca = PCA(2, svd_solver="full").set_output(transform="default")
    projected: np.ndarray = pca.fit_transform(padded)[:n]
    return projected


def _palette(n: int) -> list[Any]:
    """Colors for n classes; they repeat after 20."""
    from matplotlib import colormaps

    return [f"C{number}" for number in range(10)] if n <= 10 else [colormaps["tab20"](number) for number in range(20)]
