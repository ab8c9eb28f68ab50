"""Do synthetic images help a classifier: the verdict of `utility_report` on real sets, and on known generators.

    python -m benchmarks.utility_verdict fashion-mnist-lt:500:50 --seconds 600
    python -m benchmarks.utility_verdict fashion-mnist-lt:40:8 cifar10-lt:100:10 bccd:120:1 --seconds 60
    python -m benchmarks.utility_verdict fashion-mnist-lt:40:8 --known --seeds 0 1 2 3 4

Time: for each set and seed --seconds of training, and about 30 minutes on one core with the default CNN; half of that
with --no-headroom.
A set is NAME:N_MAX:RATIO, images of its largest class and largest over smallest class. A seed draws
the images, which classes are rare, the generator and the classifiers. Runs in the cache (folder --name) are not
repeated.

How to read it: gains are points of balanced accuracy over the best training without synthetic images, on test images
that neither generator nor classifier was trained on. Headroom: the same with held-out real images instead of synthetic
ones. --known replaces the generator by images that must help (held-out real ones) or must not (copies, noise, shuffled
labels; with --sources also images of another class or in another style), so the right verdict is known.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch
from sklearn.linear_model import LogisticRegression

from benchmarks.generators import stored_generator
from benchmarks.runner import add_folders, add_seeds, parse, program_parser, progress, write_page
from benchmarks.subsets import SetSpec, add_set_options, draw_subset, parse_set
from benchmarks.utility_verdict_tables import known_table, summary_table
from ganaug import LabeledImages, utility_report
from ganaug.evaluation.classifiers import CNN

SMOKE = {
    "sets": ["smoke:8:2"],
    "seeds": [0],
    "seconds": 0.0,
    "classifiers": 2,
    "steps": 3,
    "width": 8,
    "name": "smoke",
}
# What decides a run's scores beside its set and seed. Runs with other values do not go into one table.
RUN_OPTIONS = (
    "known",
    "seconds",
    "threads",
    "classifiers",
    "classifier",
    "steps",
    "width",
    "first_stride",
    "image_size",
)


class ImagePool:
    """Stands in for a generator: its samples are images of a pool, drawn with replacement within the class."""

    def __init__(self, pool: LabeledImages) -> None:
        self.pool = pool

    def cache_key(self) -> str:
        """Name of all that the samples depend on."""
        return f"image pool {self.pool.fingerprint()}"

    def __sklearn_clone__(self) -> "ImagePool":
        return self

    def fit(self, X: Any, y: Any = None) -> "ImagePool":  # noqa: ARG002
        """Do nothing."""
        return self

    def sample(self, counts: dict[str, int], *, random_state: int | None = None) -> LabeledImages:
        """Images of the pool, as many of each class as asked for."""
        draws = torch.Generator().manual_seed(random_state or 0)
        rows = []
        for name, count in counts.items():
            members = self.pool.rows_of(name)
            rows.append(members[torch.randint(len(members), (count,), generator=draws)])
        return self.pool.take(torch.cat(rows))


def noise_images(train: LabeledImages, validation: LabeledImages, seed: int) -> LabeledImages:  # noqa: ARG001
    """Random pixels with the labels of the held-out images."""
    draws = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, validation.images.shape, dtype=torch.uint8, generator=draws)
    return LabeledImages(pixels, validation.labels, validation.classes)


def shuffled_labels(train: LabeledImages, validation: LabeledImages, seed: int) -> LabeledImages:  # noqa: ARG001
    """Held-out images with permuted labels."""
    order = torch.randperm(len(validation), generator=torch.Generator().manual_seed(seed))
    return LabeledImages(validation.images, validation.labels[order], validation.classes)


def another_class(train: LabeledImages, validation: LabeledImages, seed: int) -> LabeledImages:  # noqa: ARG001
    """Held-out images under the name of another class, the same one for all images of a class."""
    n_classes = len(validation.classes)
    shift = 1 + seed % (n_classes - 1)
    return LabeledImages(validation.images, (validation.labels + shift) % n_classes, validation.classes)


def another_style(train: LabeledImages, validation: LabeledImages, seed: int) -> LabeledImages:  # noqa: ARG001
    """Negatives of held-out images, with their labels."""
    return LabeledImages(255 - validation.images, validation.labels, validation.classes)


# Training and held-out images, seed -> the pool of a generator with a known verdict.
KNOWN: dict[str, Callable[[LabeledImages, LabeledImages, int], LabeledImages]] = {
    "held-out real images": lambda train, validation, seed: validation,  # noqa: ARG005
    "copies of the training images": lambda train, validation, seed: train,  # noqa: ARG005
    "noise images": noise_images,
    "shuffled labels": shuffled_labels,
    "another class": another_class,
    "another style": another_style,
}
FIRST_KNOWN = tuple(KNOWN)[:4]  # of the pages measured before there were others


def run_set(spec: SetSpec, seed: int, options: argparse.Namespace, model: Path) -> dict[str, Any]:
    """The reports of every source of images on one draw of a set, with the same classifiers and seeds."""
    train, validation, test = draw_subset(spec, seed, options)
    run: dict[str, Any] = {**spec._asdict(), "seed": seed, "counts": train.counts}
    run["options"] = run_options(options)
    if options.known:
        sources: dict[str, Any] = {title: ImagePool(KNOWN[title](train, validation, seed)) for title in options.sources}
    else:
        augmenter, run["generator"] = stored_generator(train, seed, model, options)
        sources = {"ganaug": augmenter}
        if options.headroom:
            sources["headroom"] = ImagePool(validation)
    for title, source in sources.items():
        run[title] = utility_report(
            train, source, test=test, classifier=classifier(options), n_seeds=options.classifiers, random_state=seed
        ).to_dict()
    return run


def run_options(options: argparse.Namespace) -> dict[str, Any]:
    """The options in RUN_OPTIONS."""
    return {name: getattr(options, name) for name in RUN_OPTIONS}


def classifier(options: argparse.Namespace) -> Any:
    """The classifier of the utility test: a name, or a CNN of the size in the options."""
    if options.classifier == "linear":
        return LogisticRegression(C=10, max_iter=300)
    if options.classifier != "cnn":
        return options.classifier
    return CNN(steps=options.steps, width=options.width, first_stride=options.first_stride)


def main(argv: Sequence[str] | None = None) -> Path:
    """Run what is missing, and write the page."""
    parser = program_parser("utility_verdict", __doc__)
    parser.add_argument("sets", nargs="*", default=["fashion-mnist-lt"], help="NAME or NAME:N_MAX:RATIO")
    parser.add_argument("--known", action="store_true", help="generators with a known verdict instead of ganaug")
    parser.add_argument("--sources", nargs="+", choices=list(KNOWN), default=FIRST_KNOWN, help="with --known")
    parser.add_argument(
        "--no-headroom", dest="headroom", action="store_false", help="do not train with held-out images in their place"
    )
    parser.add_argument("--seconds", type=float, default=600, help="training of each generator")
    parser.add_argument("--classifiers", type=int, default=2, help="trainings of each method and draw")
    parser.add_argument("--classifier", default="cnn", help="cnn, features, resnet18, or linear on pixels")
    parser.add_argument("--steps", type=int, help="of the CNN [default: by the number of images]")
    parser.add_argument("--width", type=int, default=32, help="of the CNN")
    parser.add_argument("--first-stride", type=int, default=1, help="of the CNN; 2 costs a third of 1")
    parser.add_argument("--name", default="default", help="folder of these runs in the cache")
    add_set_options(parser)
    add_seeds(parser, [0, 1, 2, 3, 4])
    add_folders(parser)
    options = parse(parser, argv, SMOKE)
    folder = options.cache / "utility_verdict" / options.name
    folder.mkdir(parents=True, exist_ok=True)
    runs = []
    for seed, spec in product(options.seeds, [parse_set(text, options) for text in options.sets]):
        path = folder / f"{spec.stem}_{seed}.json"
        if not path.exists():
            start = time.perf_counter()
            run = run_set(spec, seed, options, path.with_suffix(".model"))
            path.write_text(json.dumps(run))
            progress(f"{path.stem}: {time.perf_counter() - start:.0f} s")
        runs.append(json.loads(path.read_text()))
        if runs[-1]["options"] != run_options(options):
            raise SystemExit(f"{path}: was run with {runs[-1]['options']}. Choose another --name, or these options.")
    source = "known generators" if options.known else f"{options.seconds:g} s for each generator"
    about = (
        f"Classifier {classifier(options)}, {options.classifiers} trainings of each method and seed. Balanced accuracy "
        "in percent, gains in points over the best training without synthetic images; mean over seeds (smallest to "
        "largest)."
    )
    if not options.known:
        about += " Filled: to balance."
        if options.headroom:
            about += " Headroom and the four columns after it: held-out real images instead of synthetic ones."
    body = known_table(runs, list(options.sources)) if options.known else summary_table(runs, headroom=options.headroom)
    return write_page(options, f"Utility test: {', '.join(options.sets)}; {source}", about, body)


if __name__ == "__main__":
    main()
