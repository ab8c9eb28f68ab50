"""One figure of the three growth tables, both axes logarithmic, each line relative to its smallest size.

    python benchmarks/growth_plot.py benchmarks/results/growth_{images,classes,size}_*.md --out docs/pictures/growth.png

Gray: as fast as the size itself, an exponent of 1. The exponents in the legend are those of the tables.
"""

import argparse
from pathlib import Path

from matplotlib.figure import Figure


def columns(path: Path) -> tuple[str, list[float], dict[str, tuple[list[float], str]]]:
    """(what grows, its sizes, {column: (values, exponent)}) of a table that growth.py wrote."""
    lines = [line.strip("| ").split(" | ") for line in path.read_text().splitlines() if line.startswith("|")]
    head, rows, last = lines[0], [line for line in lines[2:] if line[0] != "exponent"], lines[-1]
    sizes = [float(row[0].replace(",", "")) for row in rows]
    found = {
        name: ([float(row[place].replace(",", "")) for row in rows], last[place])
        for place, name in enumerate(head)
        if place and "images/s" not in name
    }
    return head[0], sizes, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    figure = Figure(figsize=(4.2 * len(options.tables), 4), layout="constrained")
    for axes, path in zip(figure.subplots(1, len(options.tables)), options.tables, strict=True):
        name, sizes, found = columns(path)
        axes.plot(sizes, [size / sizes[0] for size in sizes], color="0.8", linewidth=4)
        for column, (values, exponent) in found.items():
            if values[0] > 0:
                axes.plot(
                    sizes, [value / values[0] for value in values], "o-", markersize=3, label=f"{column}: {exponent}"
                )
        axes.set(
            xscale="log",
            yscale="log",
            xlabel=name,
            ylabel="times the smallest" if axes.get_subplotspec().is_first_col() else "",
        )
        axes.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
        axes.minorticks_off()
        axes.legend(fontsize=8, title="exponent", title_fontsize=8)
    figure.savefig(options.out, dpi=100)


if __name__ == "__main__":
    main()
