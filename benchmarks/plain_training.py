"""What does an ordinary training gain from the folder that `ganaug augment` writes?

    python -m benchmarks.plain_training fashion-mnist-lt:500:50 cifar10-lt:500:50 sign-digits:80:8
    python -m benchmarks.plain_training bccd:400:1 skin:1000:1 --image-size 64
    python -m benchmarks.plain_training fashion-mnist-lt:500:50 --classifiers resnet18 --resnet-steps 300 \\
        --folders "as it is" "altered copies" default --seeds 0 1 2

Time: for each set and seed one run of `augment` of --seconds, a generator of 0.6 times --seconds, and five trainings of
half a minute on one core (ResNet-18: two seconds a step at 28 pixels).
An ordinary training shuffles the folder, without class weights, sampling weights or alterations of its own. All
folders are trained on for the same number of steps with the same seeds. A seed draws the images, which classes are
rare, the generators and the weights. What is in the cache (folder --name) is not repeated.

"As it is": the data. "Plain copies": every class filled up to the largest with copies. "Synthetic": the same with
synthetic images only, of a generator that is trained for 0.6 times --seconds; unlearned classes stay as they are.
"Altered copies": `--strategy full --synthetic-share 0`. "Default": `ganaug augment`, with the time budget as its only
option.

How to read it: points on real test images; mean over the draws with its 95 % interval. Differences are paired. Rarest
third: mean recall of the third of the classes with the fewest training images.
"""

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from benchmarks.runner import add_folders, add_seeds, parse, program_parser, progress, write_page, write_whole
from benchmarks.subsets import SetSpec, add_set_options, draw_subset, parse_set
from benchmarks.tables import markdown_table, mean_interval
from ganaug import GANAugmenter, LabeledImages, TrainingRecipe, augment_folder, read_folder, write_folder
from ganaug._runtime.randomness import derive
from ganaug.evaluation import CNN
from ganaug.evaluation.networks import ResNet18
from ganaug.evaluation.training_set import TrainingSet
from ganaug.sampling.composition import alter_images, balanced_targets, compose, split_additions

SMOKE = {"sets": ["smoke:8:2"], "seeds": [0], "seconds": 20.0, "steps": 3, "name": "smoke"}
AS_IS, COPIES, SYNTHETIC, ALTERED, DEFAULT = "as it is", "plain copies", "synthetic", "altered copies", "default"
FOLDERS = (AS_IS, COPIES, SYNTHETIC, ALTERED, DEFAULT)
FIT = 0.6  # of --seconds: what measuring leaves for a generator
MEASURES = ("macro F1", "balanced accuracy", "rarest third")
Run = dict[str, Any]


def training_images(name: str, train: LabeledImages, folder: Path, seed: int, options: argparse.Namespace) -> Any:
    """The images of one folder, and what `augment` said about it."""
    if name == AS_IS:
        return replace(train, metadata=None), {}
    targets = balanced_targets(train.counts, "full")
    if name == COPIES:
        return compose(train, alter_images(train, split_additions(train.counts, targets, 0.0).altered, None, seed)), {}
    if name == SYNTHETIC:
        generator = unfitted_generator(FIT * options.seconds, seed, options).fit(train)
        unlearned = list(generator.unlearned_classes_)
        additions = split_additions(train.counts, targets, 1.0, unlearned)
        samples = [generator.sample(additions.synthetic)] if additions.synthetic else []
        return compose(train, *samples), {"unlearned": unlearned}
    requests: dict[str, dict[str, Any]] = {
        ALTERED: {"sampling_strategy": "full", "synthetic_share": 0.0, "evaluate": False},
        DEFAULT: {},
    }
    data, out = folder / "data", folder / name.replace(" ", "-")
    if not data.exists():
        write_folder(train, data)
    for path in (out, out.with_name(f"{out.name}.run")):
        shutil.rmtree(path, ignore_errors=True)
    augmenter = unfitted_generator(options.seconds, seed, options)
    began = time.perf_counter()
    result = augment_folder(data, out, method=augmenter, report=False, random_state=seed, **requests[name])
    facts = {
        "seconds": time.perf_counter() - began,
        "balance": result.selection.balance,
        "altered": result.selection.is_altered,
        "share": result.selection.share,
        "synthetic": int(result.counts["synthetic"].sum()),
        "sentences": list(result.selection.sentences),
        "rows": list(result.selection.rows),
        "unlearned": result.unlearned,
    }
    # class order of the test images
    images = replace(read_folder(out), metadata=None)
    shutil.rmtree(out)
    return images, facts


def unfitted_generator(seconds: float, seed: int, options: argparse.Namespace) -> GANAugmenter:
    """The generator that `augment` uses."""
    recipe = TrainingRecipe(width=2) if options.smoke else TrainingRecipe()
    return GANAugmenter(time_budget=seconds, random_state=seed, recipe=recipe)


def score(
    name: str, train: LabeledImages, test: LabeledImages, counts: dict[str, int], seed: int, options: Any
) -> dict[str, float]:
    """Scores, in points, of an ordinary training of classifier `name` on `train`."""
    classifier: Any = ResNet18(steps=options.resnet_steps)
    if name == "cnn":
        classifier = CNN(steps=options.steps, first_stride=options.first_stride)
    predict = classifier(TrainingSet.from_images(train), None, derive(seed, "plain"))
    order = [train.classes.index(name) for name in test.classes]
    predictions = predict(test.images)[:, order].argmax(1)
    labels = test.labels.numpy()
    recall = np.array([(predictions[labels == k] == k).mean() for k in range(len(test.classes))])
    rarest = np.argsort(list(counts.values()), kind="stable")[: max(1, round(len(counts) / 3))]
    return {
        "macro F1": 100 * float(f1_score(labels, predictions, average="macro")),
        "balanced accuracy": 100 * float(recall.mean()),
        "rarest third": 100 * float(recall[rarest].mean()),
    }


def run_set(spec: SetSpec, seed: int, paths: dict[str, Path], options: argparse.Namespace) -> dict[str, Run]:
    """Scores of every folder for one draw of a set, by each classifier; those at `paths` are kept."""
    runs: dict[str, Run] = {
        name: json.loads(path.read_text()) if path.exists() else {"seed": seed, "scores": {}, "facts": {}}
        for name, path in paths.items()
    }
    missing = [name for name in options.folders if any(name not in run["scores"] for run in runs.values())]
    if not missing:
        return runs
    train, _, test = draw_subset(spec, seed, options)
    folder = next(iter(paths.values())).with_suffix("")
    for name in missing:
        images, facts = training_images(name, train, folder, seed, options)
        for classifier, run in runs.items():
            if name in run["scores"]:
                continue
            began = time.perf_counter()
            run["scores"][name] = score(classifier, images, test, train.counts, seed, options)
            run["facts"][name] = facts
            scores = ", ".join(f"{value:.1f}" for value in run["scores"][name].values())
            progress(f"{paths[classifier].stem} {name}: {scores}; {time.perf_counter() - began:.0f} s")
            write_whole(paths[classifier], json.dumps(run) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    return runs


def set_rows(spec: SetSpec, classifier: str, runs: Sequence[Run], folders: Sequence[str]) -> list[list[str]]:
    """A row for each folder: scores, and the difference of the default from it."""
    rows = []
    for name in folders:
        scores = [run["scores"][name] for run in runs]
        cells = [mean_interval([one[measure] for one in scores], ".1f") for measure in MEASURES]
        gains = [run["scores"][DEFAULT]["macro F1"] - run["scores"][name]["macro F1"] for run in runs]
        rows.append(
            [
                f"{spec.name}, {spec.sizes}",
                classifier,
                str(len(runs)),
                name,
                *cells,
                "" if name == DEFAULT else mean_interval(gains),
            ]
        )
    return rows


def choice_rows(spec: SetSpec, runs: Sequence[Run]) -> list[list[str]]:
    """What the default chose in each draw."""
    rows = []
    for run in runs:
        facts = run["facts"][DEFAULT]
        kind = "altered" if facts["altered"] else "plain"
        cells = [
            facts["balance"],
            kind,
            f"{100 * facts['share']:g} %",
            f"{facts['synthetic']:,}",
            f"{facts['seconds']:.0f}",
        ]
        rows.append([spec.name, str(run["seed"]), *cells])
    return rows


def main(argv: Sequence[str] | None = None) -> Path:
    """Run what is missing, and write the page."""
    parser = program_parser("plain_training", __doc__, threads=1)
    parser.add_argument("sets", nargs="*", default=["fashion-mnist-lt"], help="NAME or NAME:N_MAX:RATIO")
    parser.add_argument("--seconds", type=float, default=300, help="time budget of each `augment`")
    parser.add_argument("--classifiers", nargs="+", choices=["cnn", "resnet18"], default=["cnn"])
    parser.add_argument("--steps", type=int, default=1500, help="of the CNN")
    parser.add_argument("--resnet-steps", type=int, default=800, help="of ResNet-18")
    parser.add_argument("--first-stride", type=int, default=2, help="of the CNN; 2 costs a third of 1")
    parser.add_argument("--folders", nargs="+", choices=FOLDERS, default=FOLDERS, help="with the default")
    parser.add_argument("--name", default="default", help="folder of these runs in the cache")
    add_set_options(parser)
    add_seeds(parser, [0, 1, 2, 3, 4])
    add_folders(parser)
    options = parse(parser, argv, SMOKE)
    if DEFAULT not in options.folders:
        parser.error(f"--folders without {DEFAULT!r}, with which the others are compared")
    folder = options.cache / "plain_training" / options.name
    folder.mkdir(parents=True, exist_ok=True)
    specs = [parse_set(text, options) for text in options.sets]
    scores: list[list[str]] = []
    choices: list[list[str]] = []
    runs: dict[tuple[SetSpec, str], list[Run]] = {key: [] for key in product(specs, options.classifiers)}
    for seed, spec in product(options.seeds, specs):
        paths = {name: folder / f"{spec.stem}_{name}_{seed}.json" for name in options.classifiers}
        for name, run in run_set(spec, seed, paths, options).items():
            runs[spec, name].append(run)
    for (spec, name), of_set in runs.items():
        scores += set_rows(spec, name, of_set, options.folders)
        choices += choice_rows(spec, of_set) if name == options.classifiers[0] else []
    head = ["set", "classifier", "draws", "folder", *MEASURES, "default over it, macro F1"]
    chosen = ["set", "draw", "balance", "copies", "share", "synthetic images", "seconds"]
    body = [*markdown_table(head, scores), "", "What the default chose:", "", *markdown_table(chosen, choices)]
    steps = {"cnn": options.steps, "resnet18": options.resnet_steps}
    trainings = " and ".join(f"{name}, {steps[name]} steps" for name in options.classifiers)
    about = (
        f"An ordinary training ({trainings} of 64 images for every folder, no weights) "
        f"on each folder; time budget of each `augment` {options.seconds:g} s. Points, with 95 % intervals over draws."
    )
    page = write_page(options, f"Plain training on the folder: {', '.join(options.sets)}", about, body)
    stored = {f"{spec.stem}_{name}": of_set for (spec, name), of_set in runs.items()}
    write_whole(page.with_suffix(".json"), json.dumps(stored, separators=(",", ":")) + "\n")
    return page


if __name__ == "__main__":
    main()
