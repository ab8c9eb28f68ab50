"""Is a rare class better filled by translating a common class, or by a conditional GAN?

    python -m benchmarks.class_translation horse-deer bccd --seconds 900 --seeds 0 1 --threads 1

Time: for each set and seed twice --seconds of training, and about 45 minutes on one core.
horse-deer: 500 images each of two classes of CIFAR-10, horses into deer. bccd: red blood cells into platelets, 30 of
these among 200 red and 60 white cells. ClassTranslator and GANAugmenter are trained for the same seconds on the same
images.

How to read it: label accuracy by a classifier that was trained on other images, of filtered samples, unfiltered ones,
and translations in the reverse direction; coverage of the training images (Naeem et al. 2020) beside the 1 % quantile
of what as many real images cover; cycle errors in [0, 1] of pixels; the verdict of `utility_report` on test images.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.generators import SMOKE_PARAMETERS, UNLIMITED, make_augmenter, stop_after
from benchmarks.judge import FEATURE_IMAGES, Judge
from benchmarks.runner import add_folders, add_seeds, parse, program_parser, progress, write_page
from benchmarks.small_cnn import class_recalls
from benchmarks.splits import Split, load_split
from benchmarks.tables import markdown_table
from benchmarks.utility_verdict_tables import GAIN
from ganaug import ClassTranslator, CycleGAN, LabeledImages, TranslationRecipe, utility_report
from ganaug.evaluation.classifiers import CNN
from ganaug.training.pictures import draw_preview

PAIRS = {"horse-deer": ("horse", "deer"), "bccd": ("RBC", "Platelets"), "smoke": ("Trouser", "Sandal")}
METHODS = ("GANAugmenter", "ClassTranslator")
SHARE = "25% synthetic"
REAL_SHOWN, SYNTHETIC_SHOWN = 4, 10  # columns of the picture
SCORES = ("pass_rate", "label_accuracy", "unfiltered", "reverse", "judge_on_real", "coverage", "coverage_null")
HEAD = [
    *("set", "seed", "method", "learned", "pass rate", "label accuracy", "unfiltered", "reverse", "judge on real"),
    *("coverage", "1 % of real", "kernel distance", "cycle error", "verdict", f"gain at {SHARE}"),
]
SMOKE = {
    "sets": ["smoke"],
    "seconds": 0.0,
    "seeds": [0],
    "classifiers": 2,
    "steps": 2,
    "width": 8,
    "samples": 8,
}


def fit_oversampler(method: str, name: str, split: Split, seed: int, options: argparse.Namespace) -> Any:
    """The over-sampler after `--seconds` of training."""
    source, target = PAIRS[name]
    counts = {target: 2 * max(split.train.counts.values())}
    if method == "GANAugmenter":
        oversampler: Any = make_augmenter(seed, smoke=options.smoke, sampling_strategy=counts)
    else:
        recipe = TranslationRecipe(width=SMOKE_PARAMETERS["width"] if options.smoke else None)
        translator = CycleGAN(n_steps=UNLIMITED, recipe=recipe)
        filters = {"filters": None} if options.smoke else {}
        oversampler = ClassTranslator(
            translator, source=source, sampling_strategy=counts, device="cpu", random_state=seed, **filters
        )
    return oversampler.fit(split.train, callbacks=[stop_after(options.seconds, options.threads)])


def score(
    oversampler: Any, split: Split, judge: Judge, target: str, seed: int, options: argparse.Namespace
) -> tuple[dict[str, Any], Image.Image]:
    """All scores of a fitted over-sampler, and a picture of real beside synthetic images."""
    label = split.train.classes.index(target)
    is_learned = target not in oversampler.unlearned_classes_
    samples = oversampler.sample({target: options.samples}, random_state=seed + 1000, filtered=is_learned)
    unfiltered = oversampler.sample({target: options.samples}, start=0, filtered=False)
    scores: dict[str, Any] = {
        "learned": is_learned,
        "pass_rate": _pass_rate(oversampler, target),
        "label_accuracy": class_recalls(judge.model, samples)[label],
        "unfiltered": class_recalls(judge.model, unfiltered)[label],
        "judge_on_real": judge.real_recalls[label],
        **judge.feature_scores(label, judge.features(samples.images[:FEATURE_IMAGES])),
    }
    real, rows = split.train.of_class(target), {}
    if isinstance(oversampler, ClassTranslator):
        reverse, source = reverse_accuracy(oversampler, split, judge, target, options.samples)
        scores |= {"cycle_error": float(oversampler.cycle_error_[target].mean()), "reverse": reverse}
        origins = split.train.images[samples.metadata["source_row"].tolist()[:SYNTHETIC_SHOWN]]
        rows[source] = split.train.of_class(source)[:REAL_SHOWN], origins
    rows[f"{target} ({len(real)})"] = real[:REAL_SHOWN], samples.images[:SYNTHETIC_SHOWN]
    report = utility_report(
        split.train,
        oversampler,
        test=split.test,
        classifier=CNN(steps=options.steps, width=options.width),
        n_seeds=options.classifiers,
        random_state=seed,
    )
    gains = [row for row in report.to_dict()["rows"] if row["metric"] == GAIN]
    return {**scores, "verdict": report.verdict, "gains": gains}, draw_preview(rows)


def _pass_rate(oversampler: Any, target: str) -> float:
    """Share of trial samples that pass the filters; NaN without filters."""
    report = oversampler.filter_report_
    return float(report.set_index("class")["pass_rate"].get(target, np.nan)) if len(report) else float("nan")


def reverse_accuracy(
    oversampler: ClassTranslator, split: Split, judge: Judge, target: str, limit: int
) -> tuple[float, str]:
    """Label accuracy of target images translated back into the source class, and the name of that class."""
    translation = oversampler.model_.translations[split.train.classes.index(target)]
    images = split.train.of_class(target)[:limit]
    translated = translation.model.translate(images, torch.zeros(len(images), dtype=torch.int64), "y_to_x")
    source = split.train.classes.index(translation.source)
    labels = torch.full((len(images),), source)
    return class_recalls(judge.model, LabeledImages(translated, labels, split.train.classes))[
        source
    ], translation.source


def run(name: str, seed: int, options: argparse.Namespace) -> list[list[str]]:
    """A row for each method; scores and pictures are kept in the cache, pictures are copied beside the page."""
    split, judge, rows = load_split(name, options.data, seed=seed), None, []
    for method in METHODS:
        spent = f"{options.seconds:g}s_{options.threads}t_{options.steps}x{options.classifiers}"
        stored = options.cache / "class_translation" / f"{name}_{seed}_{spent}_{method}.json"
        if not stored.exists():
            judge = judge or Judge(split, options.cache, smoke=options.smoke)
            oversampler = fit_oversampler(method, name, split, seed, options)
            scores, picture = score(oversampler, split, judge, PAIRS[name][1], seed, options)
            stored.parent.mkdir(parents=True, exist_ok=True)
            picture.save(stored.with_suffix(".png"))
            stored.write_text(json.dumps(scores))
        scores = json.loads(stored.read_text())
        picture_file = options.out.with_name(f"{options.out.stem}_{name}_{seed}_{method}.png")
        picture_file.write_bytes(stored.with_suffix(".png").read_bytes())
        rows.append(score_row(name, seed, method, scores))
        progress(" | ".join(rows[-1]))
    return rows


def score_row(name: str, seed: int, method: str, scores: dict[str, Any]) -> list[str]:
    """The row of one run."""
    (gain,) = (row for row in scores["gains"] if row["subject"] == SHARE)
    values = [f"{scores[key]:.3f}" if key in scores else "" for key in SCORES]
    cycle = f"{scores['cycle_error']:.3f}" if "cycle_error" in scores else ""
    return [
        *(name, str(seed), method, "yes" if scores["learned"] else "no", *values, f"{scores['kid']:.3f}", cycle),
        *(scores["verdict"], f"{gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"),
    ]


def main(argv: Sequence[str] | None = None) -> Path:
    """Run what is missing, and write the page."""
    parser = program_parser("class_translation", __doc__)
    parser.add_argument("sets", nargs="*", metavar="SET", default=["horse-deer", "bccd"], help=", ".join(PAIRS))
    parser.add_argument("--seconds", type=float, default=900, help="training of each over-sampler")
    parser.add_argument("--classifiers", type=int, default=5, help="trainings of each method in the utility test")
    parser.add_argument("--steps", type=int, default=400, help="of these classifiers")
    parser.set_defaults(width=24, samples=3 * FEATURE_IMAGES)
    add_seeds(parser, [0])
    add_folders(parser)
    options = parse(parser, argv, SMOKE)
    rows = [row for name in options.sets for seed in options.seeds for row in run(name, seed, options)]
    about = (
        f"{options.seconds:g} s of training each; {FEATURE_IMAGES} to {options.samples} images scored, as `sample` "
        "returns them, or unfiltered if the class was not learned."
    )
    title = "A rare class translated from a common one"
    return write_page(options, title, about, markdown_table(HEAD, rows))


if __name__ == "__main__":
    main()
