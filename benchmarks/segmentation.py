"""Does a segmentation network profit from photos that Pix2Pix makes of masks? CamVid, 128x96, 11 labels.

    python -m benchmarks.segmentation --pairs 40 367 --minutes 15 --threads 1

Time: for each number of pairs --minutes of training Pix2Pix, and about 70 minutes for 30 networks, on one core.
One translator for each number of pairs is trained on exactly these pairs; its photos are of altered masks
(`ganaug.integrations.masks.edited_masks`). A small U-Net is then trained, the same number of steps each time: on real
pairs, with and without classical augmentation, and with a share of translated pairs in each batch, with and without.

How to read it: mean IoU over labels on the official test frames, with intervals of a bootstrap over blocks of ten
neighboring frames and over seeds. The verdict has the rules of `utility_report`, with IoU instead of recall; "cross-
selected" rows are chosen on other frames and seeds than they are scored on.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.iou_comparison import IoUComparison
from benchmarks.runner import add_folders, add_seeds, parse, program_parser, progress, write_page
from benchmarks.segmentation_frames import Frames, load_frames
from benchmarks.segmentation_network import LABELS, Pairs, predict, train_network
from benchmarks.tables import markdown_table
from ganaug import Pix2Pix, TranslationRecipe
from ganaug.evaluation.baselines import REAL_ONLY
from ganaug.evaluation.bootstrap import interval
from ganaug.evaluation.comparison import Predictions
from ganaug.integrations.masks import edited_masks
from ganaug.training.pictures import draw_columns

SHARES, CLASSICAL = (0.25, 0.5), "classical augmentation"
MAX_MASKS = 2000
SMOKE = {"pairs": [6], "minutes": 0.0001, "steps": 2, "seeds": [0, 1], "width": 4, "resamples": 20}


def fit_translator(pairs: Pairs, options: argparse.Namespace) -> Pix2Pix:
    """Pix2Pix from masks to photos, trained on these pairs, or read from the cache."""
    photos, masks = pairs
    folder = options.cache / "segmentation" / f"pix2pix_{len(photos)}_{options.minutes:g}min"
    if not (folder / "model").is_dir():
        recipe = TranslationRecipe(width=options.width if options.smoke else None)
        seconds = 60 * options.minutes
        parameters = {"time_budget": seconds, "run_dir": folder, "device": "cpu", "random_state": 0}
        translator = Pix2Pix(num_labels=LABELS + 1, recipe=recipe, **parameters)
        (translator.resume if folder.exists() else translator.fit)(masks, photos)
    return Pix2Pix.load(folder / "model")


def predict_all(
    name: str, share: float, augment: bool, real: Pairs, synthetic: Pairs, frames: Frames, options: argparse.Namespace
) -> np.ndarray:
    """Log-probabilities (S, P, 11) of the scored pixels, by a network for each seed; kept in the cache."""
    tables = []
    for seed in options.seeds:
        stem = f"{len(real[0])}_{options.minutes:g}min_{options.steps}_{name.replace(' ', '_')}_{seed}"
        path = options.cache / "segmentation" / f"{stem}.npy"
        if not path.exists():
            start = time.monotonic()
            network = train_network(
                real, synthetic, share, augment=augment, seed=seed, steps=options.steps, width=options.width
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, predict(network, frames.test_photos).astype(np.float16))
            progress(f"{len(real[0])} pairs, {name}, seed {seed}: {time.monotonic() - start:.0f} s")
        tables.append(np.load(path)[frames.is_scored].astype(np.float32))
    return np.stack(tables)


def compare(n_pairs: int, frames: Frames, options: argparse.Namespace) -> tuple[list[list[str]], list[list[str]]]:
    """Rows of the table of methods, and of that of labels, for one number of pairs."""
    photos, masks = frames.train
    rows = np.sort(np.random.default_rng(0).permutation(len(photos))[:n_pairs])
    real = photos[rows], masks[rows]
    altered, _ = edited_masks(real[1], min(MAX_MASKS, 10 * n_pairs), seed=0)
    synthetic = fit_translator(real, options).transform(altered), altered
    save_picture(options.out.with_name(f"{options.out.stem}_{n_pairs}.png"), synthetic)
    methods: dict[str, tuple[float, bool]] = {REAL_ONLY: (0.0, False), CLASSICAL: (0.0, True)}
    for share in SHARES:
        methods |= {f"{share:.0%} translated": (share, False), f"{share:.0%} translated, classical": (share, True)}
    tables = {
        name: predict_all(name, share, augment, real, synthetic, frames, options)
        for name, (share, augment) in methods.items()
    }
    predictions = Predictions(
        frames.labels,
        np.unique(frames.blocks, return_inverse=True)[1] % 2,
        frames.blocks,
        np.zeros(LABELS),
        {name: tables[name] for name in (REAL_ONLY, CLASSICAL)},
        {share: {name: tables[name] for name in methods if methods[name][0] == share} for share in SHARES},
        {},
        logit_adjustment=False,
    )
    return result_rows(str(n_pairs), IoUComparison(predictions, resamples=options.resamples), tables, methods)


def result_rows(
    pairs: str, comparison: IoUComparison, tables: dict[str, np.ndarray], methods: dict[str, tuple[float, bool]]
) -> tuple[list[list[str]], list[list[str]]]:
    """Rows of the table of methods, and of that of labels."""
    best, best_baseline = comparison.best_with_synthetic, comparison.best_baseline
    baseline_iou = best_baseline.scores.balanced_accuracy
    rows = []
    for name, (share, _) in methods.items():
        iou = comparison.score_method(name, tables[name]).scores.balanced_accuracy
        rows.append([pairs, name, str(interval(iou)), "" if share == 0 else str(interval(iou - baseline_iou)), ""])
    rows.append([pairs, "best baseline, cross-selected", str(interval(baseline_iou)), "", ""])
    iou, gain = interval(best.scores.balanced_accuracy), str(comparison.gain(best))
    rows.append([pairs, "best with synthetic, cross-selected", str(iou), gain, comparison.verdict])
    without, with_ = (method.scores.recall[0] for method in (best_baseline, best))
    return rows, [[pairs, str(k), f"{without[k]:.3f}", f"{with_[k]:.3f}"] for k in range(LABELS)]


def save_picture(path: Path, synthetic: Pairs) -> None:
    """Masks beside their translations."""
    photos, masks = synthetic
    parts = {
        "mask": torch.from_numpy(masks[:8, None] * 23),
        "translated": torch.from_numpy(photos[:8].transpose(0, 3, 1, 2)),
    }
    draw_columns(parts).save(path)


def main(argv: Sequence[str] | None = None) -> Path:
    """Run what is missing, and write the page."""
    parser = program_parser("segmentation", __doc__)
    parser.add_argument("--pairs", type=int, nargs="+", default=[40, 367])
    parser.add_argument("--minutes", type=float, default=10, help="training of a translator")
    parser.add_argument("--steps", type=int, default=600, help="training of a segmentation network")
    parser.set_defaults(width=24, resamples=1000)
    add_seeds(parser, [0, 1, 2, 3, 4])
    add_folders(parser)
    options = parse(parser, argv, SMOKE)
    frames, rows, label_rows = load_frames(options), list[list[str]](), list[list[str]]()
    for n_pairs in options.pairs:
        more, more_labels = compare(n_pairs, frames, options)
        rows += more
        label_rows += more_labels
    about = (
        f"Pix2Pix of {options.minutes:g} minutes on the same pairs; networks of {options.steps} steps of 8 pairs, "
        f"{len(options.seeds)} seeds; {len(frames.test_photos)} test frames. Mean IoU of {LABELS} labels with 95 % "
        "intervals over blocks of ten frames and seeds, scored on every fourth row and column. One translator for each "
        "number of pairs: the intervals do not contain its chance. Gain: over the best method without, cross-selected."
    )
    body = [
        *markdown_table(["pairs", "trained on", "mean IoU", "gain", "verdict"], rows),
        *("", "IoU by label, cross-selected:", ""),
        *markdown_table(["pairs", "label", "best baseline", "best with synthetic"], label_rows),
    ]
    return write_page(options, "Segmentation of CamVid with photos that Pix2Pix makes of masks", about, body)


if __name__ == "__main__":
    main()
