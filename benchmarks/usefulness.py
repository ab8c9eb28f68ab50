"""Do synthetic images help? The utility test on real sets, beside the headroom, and on generators whose worth is known.

    python benchmarks/usefulness.py fashion-mnist-lt --seconds 600 --seeds 0 1 2 3 4 --name useful_fmnist --out OUT
    python benchmarks/usefulness.py fashion-mnist-lt --known --seeds 0 ... 19 --name known_fmnist --out OUT
    python benchmarks/usefulness.py fashion-mnist-lt:40:8 cifar10-lt:100:10 bccd:120:1 --seconds 60 ...

A set is NAME or NAME:SHOTS:RHO. A seed draws the images, which classes are rare, the generator and the classifiers.
Everything is compared on test images that neither generator nor classifier saw. Headroom: real images that were held
back, in place of the synthetic ones. What a run measured lies in CACHE/usefulness/NAME; a run that is there is not run
again.
"""

import argparse
import json
import shlex
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from collect import processor
from quality import budget
from sets import CLASS_SETS, draw_cell
from tables import table

from ganaug import GANAugmenter, LabeledImages, __version__, utility_report
from ganaug.evaluation.classifiers import CNN

CACHE = Path.home() / ".cache" / "ganaug-benchmarks" / "usefulness"


class HandsOut:
    """Stands for a generator: images of a pool, drawn with replacement within the class."""

    def __init__(self, pool: LabeledImages) -> None:
        self.pool = pool

    def cache_key(self) -> str:
        return f"hands out {self.pool.fingerprint()}"

    def __sklearn_clone__(self) -> "HandsOut":
        return self

    def fit(self, X: Any, y: Any = None) -> "HandsOut":  # noqa: ARG002
        return self

    def sample(self, counts: dict[str, int], *, random_state: int | None = None) -> LabeledImages:
        draws = torch.Generator().manual_seed(random_state or 0)
        places = []
        for name, count in counts.items():
            own = torch.nonzero(self.pool.labels == self.pool.classes.index(name)).flatten()
            places.append(own[torch.randint(len(own), (count,), generator=draws)])
        return self.pool.take(torch.cat(places))


def noise(train: LabeledImages, pool: LabeledImages, seed: int) -> LabeledImages:  # noqa: ARG001
    draws = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, pool.images.shape, dtype=torch.uint8, generator=draws)
    return LabeledImages(pixels, pool.labels, pool.classes)


def wrong_labels(train: LabeledImages, pool: LabeledImages, seed: int) -> LabeledImages:  # noqa: ARG001
    order = torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed))
    return LabeledImages(pool.images, pool.labels[order], pool.classes)


KNOWN: dict[str, Callable[[LabeledImages, LabeledImages, int], LabeledImages]] = {
    "held-out real images": lambda train, pool, seed: pool,  # noqa: ARG005
    "copies of the training images": lambda train, pool, seed: train,  # noqa: ARG005
    "noise images": noise,
    "shuffled labels": wrong_labels,
}


def generator(
    train: LabeledImages, seed: int, folder: Path, options: argparse.Namespace
) -> tuple[GANAugmenter, dict[str, Any]]:
    """A generator of `train` and what is to be said of its training; kept in `folder`, so that it is fitted once."""
    if (folder / "about.json").exists():
        return GANAugmenter.load(folder, device="cpu"), json.loads((folder / "about.json").read_text())
    gan = GANAugmenter(n_steps=10**9, random_state=seed, device="cpu")
    gan.fit(train, callbacks=[budget(options.seconds, options.threads)])
    gan.save(folder)
    about = {
        "steps": gan.n_steps_,
        "images_seen": gan.n_steps_ * gan.plan_.batch_size,
        "unlearned": [gan.model_.classes[label] for label in gan.model_.unlearned],
    }
    (folder / "about.json").write_text(json.dumps(about))
    return gan, about


def one(name: str, shots: int, rho: float, seed: int, options: argparse.Namespace, model: Path) -> dict[str, Any]:
    """Every source of extra images on one cell, judged by the same classifiers with the same seeds."""
    train, pool, test = draw_cell(name, shots=shots, rho=rho, seed=seed, image_size=options.image_size)
    sources: dict[str, Any] = {}
    found: dict[str, Any] = {"set": name, "shots": shots, "rho": rho, "seed": seed, "counts": train.counts}
    found["options"] = made_with(options)
    if options.known:
        sources = {title: HandsOut(make(train, pool, seed)) for title, make in KNOWN.items()}
    else:
        gan, found["generator"] = generator(train, seed, model, options)
        sources = {"ganaug": gan, "headroom": HandsOut(pool)}
    for title, source in sources.items():
        report = utility_report(
            train, source, test=test, classifier=classifier(options), n_seeds=options.inner, random_state=seed
        )
        found[title] = report.to_dict()
    return found


def made_with(options: argparse.Namespace) -> dict[str, Any]:
    """What a run's figures depend on beside its set and seed."""
    names = ("known", "seconds", "threads", "inner", "classifier", "steps", "width", "image_size")
    return {name: getattr(options, name) for name in names}


def kept(report: dict[str, Any]) -> dict[str, Any]:
    """What the tables and their readers need: the rows of the ways, without those of single classes and notes."""
    fields = ("subject", "metric", "value", "low", "high", "state")
    rows = [
        {name: row[name] for name in fields} for row in report["rows"] if row["metric"] in (GAIN, ACCURACY, "macro F1")
    ]
    return {"verdict": report["verdict"], "facts": report["facts"], "rows": rows}


def classifier(options: argparse.Namespace) -> Any:
    if options.classifier != "cnn":
        return options.classifier
    return CNN(steps=options.steps, width=options.width)


def value(report: dict[str, Any], subject: str, metric: str, field: str = "value") -> float | None:
    rows = [row for row in report["rows"] if row["subject"] == subject and row["metric"] == metric]
    return rows[0][field] if rows else None


GAIN, ACCURACY = "gain over best without", "balanced accuracy"
USES = ("gated", "10% synthetic", "25% synthetic", "50% synthetic", "filled to balance")


def summary(runs: list[dict[str, Any]]) -> list[str]:
    """A row a cell: the best way without synthetic images, and in points over it what each use of more images gains."""
    cells: dict[tuple[str, int, float], list[dict[str, Any]]] = {}
    for run in runs:
        cells.setdefault((run["set"], run["shots"], run["rho"]), []).append(run)
    head = ["set", "n_max", "rho", "seeds", "real only", "best without", "gated", "10%", "25%", "50%", "filled"]
    head += ["headroom: gated", "10%", "25%", "50%", "filled", "verdicts", "gate open", "headroom: gate open"]
    rows = []
    for (name, shots, rho), own in cells.items():
        ours, room = [run["ganaug"] for run in own], [run["headroom"] for run in own]
        verdicts = [report["verdict"] for report in ours]
        rows.append(
            [
                *(name, str(shots), f"{rho:g}", str(len(own))),
                *(spread([value(one, way, ACCURACY) for one in ours]) for way in ("real only", "best without")),
                *(spread([value(one, way, GAIN) for one in ours]) for way in USES),
                *(spread([value(one, way, GAIN) for one in room]) for way in USES),
                ", ".join(f"{verdicts.count(each)} {each}" for each in sorted(set(verdicts))),
                *(gate_open(ours), gate_open(room)),
            ]
        )
    return table(head, rows)


def gate_open(reports: list[dict[str, Any]]) -> str:
    """How many of the choices that make up the row *gated* took synthetic images; '-' without that row."""
    chosen = [(name, n) for report in reports for name, n in report["facts"].get("gated, how often", {}).items()]
    return f"{sum(n for name, n in chosen if 'synthetic' in name)} of {sum(n for _, n in chosen)}" if chosen else "-"


def known_answers(runs: list[dict[str, Any]]) -> list[str]:
    head = ["what the generator hands out", "runs", "helps", "no evidence", "hurts", "share 0 advised"]
    head += ["hurts at 25%", "hurts at 50%", "gain, best share", "gain, gated", "gate open"]
    rows = []
    for title in KNOWN:
        reports = [run[title] for run in runs]
        verdicts = [report["verdict"] for report in reports]
        harm = [
            str(sum(value(one, way, GAIN, "state") == "fail" for one in reports))
            for way in ("25% synthetic", "50% synthetic")
        ]
        rows.append(
            [
                *(title, str(len(reports))),
                *(str(verdicts.count(each)) for each in ("helps", "no evidence", "hurts")),
                str(sum(report["facts"]["share"] == 0 for report in reports)),
                *harm,
                *(spread([value(one, way, GAIN) for one in reports]) for way in ("best with", "gated")),
                gate_open(reports),
            ]
        )
    return table(head, rows)


def spread(values: list[float | None]) -> str:
    """Mean in points, and from the smallest to the largest."""
    found = [100 * one for one in values if one is not None]
    if not found:
        return "-"
    return f"{np.mean(found):.1f} ({min(found):.1f} to {max(found):.1f})"


def cells(options: argparse.Namespace) -> list[tuple[str, int, float]]:
    """(set, images of its largest class, largest over smallest class) for each."""
    found = []
    for text in options.sets:
        name, *numbers = text.split(":")
        if name not in CLASS_SETS or len(numbers) not in (0, 2):
            raise SystemExit(f"{text!r}: a set is NAME or NAME:SHOTS:RHO, NAME one of {', '.join(CLASS_SETS)}.")
        shots, rho = numbers or (options.shots, options.rho)
        found.append((name, int(shots), float(rho)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", help=f"NAME or NAME:SHOTS:RHO; names: {', '.join(CLASS_SETS)}")
    parser.add_argument("--known", action="store_true", help="generators whose worth is known, instead of ganaug")
    parser.add_argument("--shots", type=int, default=500, help="images of the largest class")
    parser.add_argument("--rho", type=float, default=50, help="largest over smallest class")
    parser.add_argument("--image-size", type=int, help="of bccd and sign-digits; default: as they are")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    parser.add_argument("--seconds", type=float, default=600, help="training of each generator")
    parser.add_argument("--inner", type=int, default=2, help="classifiers of each way")
    parser.add_argument("--classifier", default="cnn")
    parser.add_argument("--steps", type=int, help="of the cnn; default: by the number of images")
    parser.add_argument("--width", type=int, default=32, help="of the cnn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--name", required=True)
    parser.add_argument("--out", type=Path, help="write OUT.json and OUT.md")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    folder = CACHE / options.name
    folder.mkdir(parents=True, exist_ok=True)
    runs = []
    for seed, (name, shots, rho) in product(options.seeds, cells(options)):
        path = folder / f"{name}_{shots}_{rho:g}_{seed}.json"
        if not path.exists():
            begun = time.perf_counter()
            path.write_text(json.dumps(one(name, shots, rho, seed, options, path.with_suffix(".model"))))
            print(f"{path.stem}: {time.perf_counter() - begun:.0f} s", flush=True)
        runs.append(json.loads(path.read_text()))
        if runs[-1].get("options", made_with(options)) != made_with(options):
            raise SystemExit(f"{path} was made with {runs[-1]['options']}: choose another --name, or these options.")
    rows = known_answers(runs) if options.known else summary(runs)
    print("\n".join(rows), flush=True)
    if options.out is not None:
        what = (
            "generators whose worth is known"
            if options.known
            else f"{options.seconds:g} s of one thread for each generator"
            if options.threads == 1
            else f"{options.seconds:g} s for each generator"
        )
        lines = [
            f"# Usefulness: {', '.join(options.sets)}; {what}",
            "",
            f"`python benchmarks/usefulness.py {shlex.join(sys.argv[1:])}`",
            "",
            f"ganaug {__version__}, torch {torch.__version__}, {options.threads} threads of {processor()}, "
            f"{datetime.now(UTC):%Y-%m-%d}; classifier {classifier(options)}, {options.inner} a way and seed. Balanced "
            "accuracy in percent, gains in points over the best way without synthetic images; mean over seeds "
            "(smallest to largest).",
            "",
            *rows,
            "",
        ]
        options.out.with_suffix(".md").write_text("\n".join(lines))
        slim = [{k: kept(v) if isinstance(v, dict) and "rows" in v else v for k, v in run.items()} for run in runs]
        options.out.with_suffix(".json").write_text(json.dumps(slim) + "\n")


if __name__ == "__main__":
    main()
