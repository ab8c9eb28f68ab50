"""Copy what a finished run shows into benchmarks/results: the last preview, the curves, and the history as a table.

python benchmarks/collect.py RUN benchmarks/results/NAME.md --title "..." --command "..."
"""

import argparse
import json
import platform
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import torch

COLUMNS = {
    "step": "{:,.0f}",
    "images": "{:,.0f}",
    "seconds": "{:,.0f}",
    "loss_discriminator": "{:.3f}",
    "loss_generator": "{:.3f}",
    "accuracy_real": "{:.2f}",
    "accuracy_fake": "{:.2f}",
    "gradient_generator": "{:.2f}",
    "score": "{:.4f}",
    "diversity": "{:.2f}",
    "worst_class": "{}",
    "best_step": "{:,.0f}",
}


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    found = [line for line in lines if line.startswith("model name")]
    return found[0].partition(":")[2].strip() if found else platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--title", required=True)
    parser.add_argument("--command", required=True)
    options = parser.parse_args()
    config = json.loads((options.run / "config.json").read_text())
    summary = json.loads((options.run / "summary.json").read_text())
    table = pd.read_csv(options.run / "history.csv")
    pictures = {"preview": max((options.run / "previews").glob("*.png")), "losses": options.run / "losses.png"}
    for name, source in pictures.items():
        shutil.copyfile(source, options.out.with_name(f"{options.out.stem}_{name}.png"))
    images = int(table["images"].iloc[-1])
    counts = ", ".join(f"{name} {count}" for name, count in config["data"]["counts"].items())
    lines = [
        f"# {options.title}",
        "",
        f"`{options.command}`",
        "",
        f"ganaug {config['ganaug_version']}, torch {config['torch_version']}, {torch.get_num_threads()} threads of "
        f"{processor()}, {datetime.now(UTC):%Y-%m-%d}, seed {config['seed']}; one run. Images by class: {counts}.",
        "",
        f"Ended ({summary['stop_reason']}) after {summary['steps']:,} steps, {images:,} images, {summary['seconds']:,.0f} s "
        f"({images / summary['seconds']:,.0f} a second, checks and previews included); the state of step "
        f"{summary['best_step']:,} is kept. Findings: {'; '.join(summary['findings']) or 'none'}.",
        "",
        f"![Real images left, synthetic ones right]({options.out.stem}_preview.png)",
        f"![Curves]({options.out.stem}_losses.png)",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'---|' * len(COLUMNS)}",
        *(
            f"| {' | '.join(form.format(row[name]) for name, form in COLUMNS.items())} |"
            for row in table.to_dict("records")
        ),
        "",
    ]
    options.out.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
