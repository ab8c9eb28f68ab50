"""The pictures of a diversity report: samples side by side, copies, missing kinds, what covers what."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn.functional import interpolate

from ganaug._runtime.terminal import one_line, printable
from ganaug.metrics.aligned_copies import copy_limit
from ganaug.metrics.diversity import Measured
from ganaug.metrics.pair import Pair
from ganaug.reports.canvas import BAD, GOOD, INK, NEITHER, png, svg
from ganaug.reports.report import Figure, Row
from ganaug.training.pictures import preview

CLASSES, NAMED, SHOWN, MAX_COPIES, POINTS = 20, 20, 8, 24, 1500
LARGEST = 96  # pixels a side of a picture


def gallery(
    pairs: Mapping[str, Pair], found: Mapping[tuple[str, str], Measured], rows: list[Row], every: str
) -> list[Figure]:
    """All pictures that there is something to show in. every: the name of the pair over all classes."""
    classes = {name: pair for name, pair in pairs.items() if name != every}
    figures = [_samples(classes)]
    figures += [*_copies(classes), *_missing(classes, rows)]
    if sum((name, "coverage") in found for name in classes) > 1:
        figures.append(_coverage(classes, found, rows))
    whole = pairs.get(every) or next(iter(classes.values()))
    figures.append(_scatter(whole, list(classes) if every in pairs else []))
    return figures


def _few(images: Tensor) -> Tensor:
    return _small(images[:SHOWN])


def _small(images: Tensor) -> Tensor:
    """No side of more than 96 pixels, so that a page stays small."""
    scale = LARGEST / max(images.shape[2:])
    if scale >= 1 or not len(images):
        return images
    size = [max(1, round(side * scale)) for side in images.shape[2:]]
    return interpolate(images.float(), size=size, mode="bilinear", antialias=True).round().to(torch.uint8)


def _samples(classes: Mapping[str, Pair]) -> Figure:
    some = dict(list(classes.items())[:CLASSES])
    grid = preview({printable(name): (_few(p.real_images), _few(p.synthetic_images)) for name, p in some.items()})
    more = f" The first {CLASSES} of {len(classes)} classes." if len(classes) > CLASSES else ""
    return Figure(png(grid), f"Real images on the left, synthetic ones on the right, as they come.{more}")


def _copies(classes: Mapping[str, Pair]) -> list[Figure]:
    """Synthetic images that are near to a training image, with that one, nearest first."""
    suspects = [
        (float(pair.copies[0][place]), name, int(place))
        for name, pair in classes.items()
        for place in torch.nonzero(pair.copies[0] < copy_limit(pair.copies[2])).flatten()
    ]
    if not suspects:
        return []
    worst = sorted(suspects)[:MAX_COPIES]
    originals = _small(
        torch.stack([classes[name].training_images[classes[name].copies[1][place]] for _, name, place in worst])
    )
    copies = _small(torch.stack([classes[name].synthetic_images[place] for _, name, place in worst]))
    shown = {
        f"{start + 1} to {min(start + SHOWN, len(worst))}": (originals[start:][:SHOWN], copies[start:][:SHOWN])
        for start in range(0, len(worst), SHOWN)
    }
    text = (
        f"{len(suspects)} synthetic images that are less than half as far from a training image as its nearest "
        "other training image is; the nearest first. Left the training images, right the synthetic ones in the same "
        "order. Mirroring, small shifts, brightness and contrast do not count as differences."
    )
    return [Figure(png(preview(shown)), text)]


def _missing(classes: Mapping[str, Pair], rows: list[Row]) -> list[Figure]:
    """Real images of the kinds that have no, or too few, synthetic ones."""
    failing = {row.subject for row in rows if row.metric == "missing modes" and row.state == "fail"}
    shown = {}
    for name, pair in classes.items():
        if name not in failing:
            continue
        for number, mode in enumerate([mode for mode in pair.modes if mode.p * len(pair.modes) < 0.01][:2], 1):
            title = f"{printable(name)[:14]} {number}: {mode.real}/{mode.synthetic}"
            typical = _small(pair.real_images[mode.examples[: 2 * SHOWN]])
            shown[title] = (typical, typical[:0])
    if not shown:
        return []
    text = (
        "Kinds of real images that are missing among the synthetic ones: the class, how many real and how many "
        "synthetic images are of the kind, and the most typical real ones."
    )
    return [Figure(png(preview(shown)), text)]


def _coverage(classes: Mapping[str, Pair], found: Mapping[tuple[str, str], Measured], rows: list[Row]) -> Figure:
    names = [name for name in classes if (name, "coverage") in found][:40]
    states = {row.subject: row.state for row in rows if row.metric == "coverage"}

    def plot(axes: Any) -> None:
        for place, name in enumerate(names):
            one = found[name, "coverage"]
            color = {"pass": GOOD, "fail": BAD}.get(states[name], NEITHER)
            axes.plot([one.low, one.high], [place, place], color=color, linewidth=2)
            axes.plot(one.value, place, "o", color=color)
            axes.plot(one.expected, place, "|", color=INK, markersize=14, markeredgewidth=2)
        axes.set_yticks(range(len(names)), [one_line(name) for name in names], parse_math=False)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(0, 1.02)
        axes.set_xlabel("share of real images that have a synthetic one like them")
        axes.grid(axis="x", alpha=0.3)

    caption = "Coverage of each class; 95 % intervals. The upright mark is what as many real images would reach."
    return Figure(svg(plot, 6.4, max(2.0, 0.3 * len(names) + 0.8)), caption)


def _scatter(pair: Pair, names: list[str]) -> Figure:
    """Features on two axes. names: of the classes that the pair is of, in the order of their labels."""
    real, synthetic = pair.real[:POINTS], pair.synthetic[:POINTS]
    both = torch.cat([real, synthetic]).double().numpy()
    flat = np.pad(both, ((0, max(0, 2 - len(both))), (0, max(0, 2 - both.shape[1]))))  # two axes need two numbers
    places = PCA(2, svd_solver="full").fit_transform(flat)[: len(both)]
    labels = np.concatenate([pair.claimed[0][: len(real)].numpy(), pair.claimed[1][: len(synthetic)].numpy()])
    of_real = np.arange(len(both)) < len(real)

    rank = np.unique(labels, return_inverse=True)[1]
    colors = (
        [f"C{number}" for number in range(10)]
        if rank.max() < 10
        else [colormaps["tab20"](number) for number in range(20)]
    )

    def plot(axes: Any) -> None:
        own = [colors[place % len(colors)] for place in rank]
        for mine, marker, size in ((of_real, "o", 10), (~of_real, "x", 14)):
            chosen = [own[place] for place in np.flatnonzero(mine)]
            axes.scatter(*places[mine].T, c=chosen, marker=marker, s=size, alpha=0.6, linewidths=0.8)
        key = [axes.plot([], [], marker, color=INK)[0] for marker in "ox"]
        key += [axes.plot([], [], "s", color=colors[n % len(colors)])[0] for n in range(min(NAMED, len(names)))]
        legend = axes.legend(
            key,
            ["real", "synthetic", *(one_line(name, 24) for name in names[:NAMED])],
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            fontsize=8,
            frameon=False,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
        axes.set_xticks([])
        axes.set_yticks([])

    caption = (
        "Features on their two main axes, a color a class. Where there are dots and no crosses, something is missing."
    )
    return Figure(svg(plot, 7.2, 4.6), caption)
