"""How do time and memory grow: one figure of the three tables of scaling.py.

    python -m benchmarks.scaling_plot --picture docs/pictures/growth.png

Time: a second. Both axes are logarithmic, and each line is relative to its smallest size.

How to read it: the gray line is linear growth, an exponent of 1. The legend has the exponents of the tables.
"""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.runner import RESULTS, parse, program_parser, write_page

PAGES = [RESULTS / f"scaling_{what}.md" for what in ("images", "classes", "size")]


def read_columns(page: Path) -> tuple[str, list[float], dict[str, tuple[list[float], str]]]:
    """(what grows, its sizes, {column: (values, exponent)}) of a page of scaling.py."""
    lines = [line.strip("| ").split(" | ") for line in page.read_text().splitlines() if line.startswith("|")]
    head, rows, exponents = lines[0], [line for line in lines[2:] if line[0] != "exponent"], lines[-1]
    sizes = [_number(row[0]) for row in rows]
    columns = {
        name: ([_number(row[place]) for row in rows], exponents[place])
        for place, name in enumerate(head)
        if place and "images/s" not in name
    }
    return head[0], sizes, columns


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def plot_page(axes: Axes, page: Path) -> None:
    """Draw the columns of a page, each relative to its first value."""
    name, sizes, columns = read_columns(page)
    axes.plot(sizes, [size / sizes[0] for size in sizes], color="0.8", linewidth=4)
    for column, (values, exponent) in columns.items():
        if values[0] > 0:
            relative = [value / values[0] for value in values]
            axes.plot(sizes, relative, "o-", markersize=3, label=f"{column}: {exponent}")
    axes.set(xscale="log", yscale="log", xlabel=name)
    axes.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
    axes.minorticks_off()
    axes.legend(fontsize=8, title="exponent", title_fontsize=8)


def main(argv: Sequence[str] | None = None) -> Path:
    """Write the figure, and a page that shows it."""
    parser = program_parser("scaling_plot", __doc__)
    parser.add_argument("--pages", type=Path, nargs="+", default=PAGES)
    parser.add_argument("--picture", type=Path, help="the figure [default: beside the page]")
    options = parse(parser, argv, {})
    figure = Figure(figsize=(4.2 * len(options.pages), 4), layout="constrained")
    all_axes = figure.subplots(1, len(options.pages), squeeze=False)[0]
    for axes, page in zip(all_axes, options.pages, strict=True):
        plot_page(axes, page)
    all_axes[0].set_ylabel("times the smallest")
    picture = options.picture or options.out.with_suffix(".png")
    figure.savefig(picture, dpi=100)
    about = f"From {', '.join(page.name for page in options.pages)}."
    return write_page(options, "Growth of time and memory", about, [f"![Time and memory by size]({picture})"])


if __name__ == "__main__":
    main()
