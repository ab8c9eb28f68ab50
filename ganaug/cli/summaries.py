"""What verbs print after a fit."""

from pathlib import Path
from typing import TYPE_CHECKING

from ganaug._runtime.launch import rank_and_world_size
from ganaug.cli.console import print_message

if TYPE_CHECKING:
    import pandas as pd

    from ganaug.estimators.augmenter import GANAugmenter

MAX_FINDINGS = 5  # printed at the end of a fit


def announce_processes(batch_size: int) -> None:
    """Say how many processes train together, if several were launched."""
    if (world_size := rank_and_world_size()[1]) > 1:
        print_message(f"{world_size} processes train together, each on {batch_size // world_size} images of a batch.")


def print_fit(augmenter: "GANAugmenter", run: Path) -> None:
    """Print how a fit ended, its findings, and what the filters reject."""
    from ganaug.training.health import SYMPTOMS

    last, limit = augmenter.history_.iloc[-1], SYMPTOMS["mode-collapse"].threshold
    rate = augmenter.n_steps_ * augmenter.plan_.batch_size / max(augmenter.seconds_, 1e-9)
    print_message(
        f"Training ended ({augmenter.stop_reason_}) after {augmenter.n_steps_:,} steps at {rate:,.0f} images/s; the "
        f"state of step {augmenter.best_step_:,} is kept. Least diverse class: {last['worst_class']!r}, "
        f"{last['diversity']:.2f} of the diversity of real images (1: as diverse; below {limit:g}: collapsed)."
    )
    for finding in augmenter.health_[-MAX_FINDINGS:]:
        print_message(f"health: {finding}")
    if not augmenter.health_:
        print_message("health: no vanishing gradient, no collapsed class, all numbers finite.")
    print_filters(augmenter.filter_report_, "samples")
    print_message(f"Look at {run / 'previews'} and {run / 'losses.png'}.")


def print_filters(report: "pd.DataFrame", what: str) -> None:
    """Print, of a filter report, the classes with rejected samples, and the mean pass rate."""
    for row in report.to_dict("records"):
        if row["copies"] or not row["learned"]:
            verdict = "" if row["learned"] else "; not learned: ganaug does not sample this class"
            print_message(
                f"filters: class {row['class']!r}: of {row['drawn']} {what} {row['copies']} nearly copy a training "
                f"image and {row['mislabeled']} are not recognized as their class{verdict}."
            )
    if len(report):
        print_message(
            f"filters: {report['pass_rate'].mean():.0%} of {what} pass, mean over classes; the others are redrawn."
        )
