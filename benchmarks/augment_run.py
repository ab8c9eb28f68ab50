"""What does `ganaug augment` produce in 15 minutes? Preview, curves and history of one run.

    python -m benchmarks.augment_run fashion-mnist-lt --minutes 15
    python -m benchmarks.augment_run bccd --minutes 15

Time: --minutes, and a minute for the report.

How to read it: the score is a distance to held-out images, lower is better; diversity is relative to real images in the
worst class. The picture has real images left and synthetic ones right.
"""

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.datasets import read_images
from benchmarks.runner import add_folders, parse, program_parser, write_page
from benchmarks.splits import load_split
from benchmarks.tables import markdown_table
from ganaug import write_folder
from ganaug.cli.main import main as ganaug_command

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
WHOLE_SETS = {"bccd": "bccd_crops"}  # augmented as they are; of the others the training images
SMOKE = {"set": "smoke", "steps": 2}
SMOKE_OPTIONS = [
    *("--param", "recipe.width=8", "--param", "recipe.latent_size=8", "--param", "filters=null"),
    *("--strategy", "Sandal=16", "--no-report"),
]


def read_run(run: Path, page: Path) -> tuple[str, list[str]]:
    """A sentence on a run folder, and the lines of its pictures and history; pictures are copied beside the page."""
    config, summary = (json.loads((run / name).read_text()) for name in ("config.json", "summary.json"))
    history = pd.read_csv(run / "history.csv")
    pictures = {"preview": max((run / "previews").glob("*.png")), "losses": run / "losses.png"}
    for name, source in pictures.items():
        shutil.copyfile(source, page.with_name(f"{page.stem}_{name}.png"))
    images = int(history["images"].iloc[-1])
    counts = ", ".join(f"{name} {count}" for name, count in config["data"]["counts"].items())
    about = (
        f"Seed {config['seed']}; one run. Images by class: {counts}. Ended ({summary['stop_reason']}) after "
        f"{summary['steps']:,} steps, {images:,} images, {summary['seconds']:,.0f} s "
        f"({images / summary['seconds']:,.0f} a second, checks and previews included); the model is of step "
        f"{summary['best_step']:,}. Findings: {'; '.join(summary['findings']) or 'none'}."
    )
    rows = [[form.format(row[name]) for name, form in COLUMNS.items()] for row in history.to_dict("records")]
    links = [
        f"![Real images left, synthetic ones right]({page.stem}_preview.png)",
        f"![Curves]({page.stem}_losses.png)",
    ]
    return about, [*links, "", *markdown_table(list(COLUMNS), rows)]


def main(argv: Sequence[str] | None = None) -> Path:
    """Augment a set, and write the page."""
    parser = program_parser("augment_run", __doc__, page="augment_run_{set}")
    parser.add_argument("set", nargs="?", default="fashion-mnist-lt", help="fashion-mnist-lt, cifar10-lt, bccd, ...")
    parser.add_argument("--minutes", type=float, default=15)
    parser.set_defaults(steps=None)
    add_folders(parser)
    options = parse(parser, argv, SMOKE)
    if options.set in WHOLE_SETS:
        images = read_images(options.data, WHOLE_SETS[options.set])
    else:
        images = load_split(options.set, options.data).train
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder) / "data", Path(folder) / "out"
        write_folder(images, data)
        limits = ["--steps", str(options.steps)] if options.steps else ["--time-budget", f"{options.minutes:g}m"]
        composition = ["--strategy", "full", "--synthetic-share", "1"]
        command = ["augment", str(data), str(out), *composition, *limits, *(SMOKE_OPTIONS if options.smoke else [])]
        ganaug_command(command, standalone_mode=False)
        about, body = read_run(out.with_name("out.run"), options.out)
    return write_page(options, f"A run of ganaug augment: {options.set}", about, body)


if __name__ == "__main__":
    main()
