"""AugmentedFolder: what `augment_folder` did."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ganaug.augmentation.methods import Sampler
from ganaug.augmentation.selection import Selection
from ganaug.reports.report import Report
from ganaug.sampling.composition import Additions


@dataclass(frozen=True)
class AugmentedFolder:
    """Result of `augment_folder`.

    Attributes
    ----------
    out : Path
        The augmented folder.
    run_dir : Path or None
        The run folder. None if nothing was trained or measured.
    counts : DataFrame
        A row for each class: "class", "original", "altered", "synthetic", "total".
    unlearned : list of str
        Classes that got altered copies instead of synthetic images, because too few of their samples pass the filters.
    selection : Selection
        How far the classes were filled up, and the share of synthetic images, with what was measured.
    method : str or None
        "conditional", "cyclegan", or the class name of the over-sampler that was passed. None if nothing was trained.
    sampler : OverSampler or None
        The fitted over-sampler.
    comparison : DataFrame or None
        For method "auto": the distances from real images of both methods.
    report : Report or None
        The diversity report on the synthetic images.

    Examples
    --------
    >>> from pathlib import Path
    >>> from ganaug.augmentation import AugmentedFolder
    >>> from ganaug.augmentation.result import counts_table
    >>> from ganaug.augmentation.selection import Selection
    >>> from ganaug.sampling.composition import Additions
    >>> counts = counts_table({"cat": 50, "dog": 20}, Additions({"dog": 20}, {"dog": 10}))
    >>> selection = Selection("full", True, 0.2, (), (), ())
    >>> print(AugmentedFolder(Path("out"), None, counts, [], selection, "conditional", None, None, None))
    out: 20 altered copies and 10 synthetic images added to 70.
    """

    out: Path
    run_dir: Path | None
    counts: pd.DataFrame
    unlearned: list[str]
    selection: Selection
    method: str | None
    sampler: Sampler | None
    comparison: pd.DataFrame | None
    report: Report | None

    def __str__(self) -> str:
        n_original, n_altered, n_synthetic = (
            int(self.counts[name].sum()) for name in ("original", "altered", "synthetic")
        )
        lines = [
            f"{self.out}: {n_altered:,} altered copies and {n_synthetic:,} synthetic images added to {n_original:,}.",
            *self.selection.sentences,
        ]
        if self.unlearned:
            lines.append(f"Not learned, and filled up with altered copies: {', '.join(self.unlearned)}.")
        if self.report is not None:
            lines.append(f"The synthetic images: {self.report.verdict}.")
        return "\n".join(lines)


def counts_table(before: Mapping[str, int], additions: Additions) -> pd.DataFrame:
    """Return a row for each class: "class", "original", "altered", "synthetic", "total"."""
    rows = []
    for name, count in before.items():
        altered, synthetic = additions.altered.get(name, 0), additions.synthetic.get(name, 0)
        rows.append((name, count, altered, synthetic, count + altered + synthetic))
    return pd.DataFrame(rows, columns=["class", "original", "altered", "synthetic", "total"])
