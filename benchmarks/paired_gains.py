"""What do synthetic images add to the same training without them?

    python -m benchmarks.paired_gains

Time: a second. It reads the scores that uses_of_synthetic.py keeps beside its pages; --tables takes other files.

How to read it: points that a quarter of synthetic images, or of held-out real ones, gains over the training in the
column "over", which takes as many steps; 95 % intervals over the draws.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.runner import RESULTS, parse, program_parser, write_page
from benchmarks.tables import markdown_table, mean_interval
from benchmarks.uses.scoring import BASE, MEASURES

LONGER = ", four times the steps"
PAIRS = {  # a method, and the same without the extra images
    f"25%{LONGER}": f"classical{LONGER}",
    f"25% and CutMix{LONGER}": f"CutMix{LONGER}",
    f"25%, held out{LONGER}": f"classical{LONGER}",
    "25%": BASE,
    "25%, held out": BASE,
}
SHOWN = ("balanced", "macro F1", "three rarest", "macro F1, adjusted")
PREFIX = "uses_of_synthetic_"


def gain_cell(runs: Sequence[Mapping[str, Mapping[str, float]]], method: str, baseline: str, measure: str) -> str:
    """Mean gain with its interval, and the number of draws if not all have the measure."""
    gains = [
        run[method][measure] - run[baseline][measure]
        for run in runs
        if measure in run[method] and measure in run[baseline]
    ]
    return mean_interval(gains) + ("" if len(gains) == len(runs) else f", {len(gains)} draws") if gains else "-"


def main(argv: Sequence[str] | None = None) -> Path:
    """Write the page."""
    parser = program_parser("paired_gains", __doc__)
    parser.add_argument("--tables", type=Path, nargs="+", default=sorted(RESULTS.glob(f"{PREFIX}*.json")))
    options = parse(parser, argv, {})
    rows = []
    for path in options.tables:
        draws = json.loads(path.read_text()).values()
        for method, baseline in PAIRS.items():
            runs = [run for trainings in draws for run in trainings if method in run and baseline in run]
            if len(runs) > 1:
                cells = [gain_cell(runs, method, baseline, measure) for measure in SHOWN]
                rows.append([path.stem.removeprefix(PREFIX), method, baseline, str(len(runs)), *cells])
    head = ["set", "method", "over", "draws", *(MEASURES[measure] for measure in SHOWN)]
    about = (
        "Points, paired over draws, with 95 % intervals. Adjusted: with the logit adjustment that is best on the other "
        "half of the test images. 25%: share of synthetic images; held out: of held-out real images instead."
    )
    return write_page(options, "Gains over the same training without the images", about, markdown_table(head, rows))


if __name__ == "__main__":
    main()
