"""What do synthetic images add to the same training without them? From the tables of `ladder.py`.

    python benchmarks/paired.py OUT --tables TABLE.json ...

The gain of a quarter of synthetic, or of held-out real images, over the baseline that was trained for as many steps.
"""

import argparse
import json
import shlex
import sys
from pathlib import Path

from rungs import mean_with_interval
from tables import table

LONG = ", four times the steps"
PAIRS = {  # a training, and the same without the images that are asked about
    f"25%{LONG}": f"classical{LONG}",
    f"25% and CutMix{LONG}": f"CutMix{LONG}",
    f"25%, held out{LONG}": f"classical{LONG}",
    "25%": "classical augmentation",
    "25%, held out": "classical augmentation",
}
MEASURES = ("balanced", "macro F1", "three rarest", "macro F1, adjusted")


def gain(own: dict[str, dict[str, float]], way: str, baseline: str, measure: str) -> float | None:
    return own[way][measure] - own[baseline][measure] if measure in own[way] and measure in own[baseline] else None


def told(gains: list[float | None]) -> str:
    known = [one for one in gains if one is not None]
    return mean_with_interval(known, signed=True) + ("" if len(known) == len(gains) else f", {len(known)} draws")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tables", type=Path, nargs="+", required=True)
    options = parser.parse_args()
    rows = []
    for path in options.tables:
        draws = json.loads(path.read_text()).values()
        for way, baseline in PAIRS.items():
            runs = [own for draw in draws for own in draw if way in own and baseline in own]
            if len(runs) > 1:
                shown = [told([gain(own, way, baseline, measure) for own in runs]) for measure in MEASURES]
                rows.append([path.name.split("_")[1], way, baseline, str(len(runs)), *shown])
    head = ["set", "way", "over", "draws", "balanced accuracy", "macro F1", "three rarest", "macro F1, adjusted"]
    lines = [
        "# What samples add to the same training without them",
        "",
        f"`python benchmarks/paired.py {shlex.join(sys.argv[1:])}`",
        "",
        "Points, paired over draws, with 95 % intervals. Adjusted: with the logit adjustment that is best on the other "
        "half of the test images.",
        "",
        *table(head, rows),
        "",
    ]
    options.out.with_suffix(".md").write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
