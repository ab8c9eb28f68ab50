"""A rare class out of a common one: ClassTranslator beside GANAugmenter, by the judge and by the utility test.

    python benchmarks/class_translation.py horse-deer bccd --seconds 900 --seeds 0 --threads 1 --out OUT

horse-deer: 500 images each of two classes of CIFAR-10, deer to be filled up out of horses. bccd: 30 platelets among 200
red and 60 white blood cells, platelets out of red cells. Both are trained for the same seconds on the same images.
Label accuracy by a judge that was trained on other images, beside its accuracy on real ones, with the filters and
without, and of translations the other way (deer into horses); coverage of the training images (Naeem et al. 2020)
beside the 1 % quantile of what as many real images cover; cycle errors in [0, 1] of pixels. Verdict of `utility_report`
on test images that nobody saw. Needs GANAUG_BENCHMARK_DATA; runs are kept in
CACHE/class_translation.
"""

import argparse
import json
import shlex
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from collect import processor
from judging import Judge, Split, recalls
from quality import budget
from sets import _at_most, split, unpacked
from tables import table

from ganaug import ClassTranslator, CycleGAN, GANAugmenter, LabeledImages, __version__, read_folder, utility_report
from ganaug.evaluation.classifiers import CNN
from ganaug.images import image_hashes
from ganaug.metrics.features import efficientnet_features
from ganaug.training.pictures import preview

CACHE = Path.home() / ".cache" / "ganaug-benchmarks" / "class_translation"
PAIRS = {"horse-deer": ("horse", "deer"), "bccd": ("RBC", "Platelets")}
EACH = 100
GAIN, SHARE = "gain over best without", "25% synthetic"


def horse_deer(seed: int) -> Split:
    """500 images each; the others train the judge."""

    def two(part: str) -> LabeledImages:
        everything = read_folder(unpacked() / part)
        kept = everything.take(
            torch.isin(everything.labels, torch.tensor([everything.classes.index(name) for name in ("deer", "horse")]))
        )
        return LabeledImages(kept.images, (kept.labels == everything.classes.index("horse")).long(), ("deer", "horse"))

    everything = two("train")
    train = everything.take(_at_most(everything, [500, 500], seed))
    apart = everything.take(~torch.isin(image_hashes(everything.images), image_hashes(train.images)))
    return Split("horse-deer", train, apart, two("test"), flip=True, judge_steps=3000)


def fitted(method: str, name: str, data: Split, seed: int, options: argparse.Namespace) -> Any:
    """The over-sampler after `--seconds`, and as long again once it is told how to go on."""
    source, target = PAIRS[name]
    wanted = {target: 2 * max(data.train.counts.values())}
    callbacks = [budget(options.seconds, options.threads)]
    if method == "GANAugmenter":
        made: Any = GANAugmenter(n_steps=10**9, sampling_strategy=wanted, device="cpu", random_state=seed)
    else:
        translator = CycleGAN(n_steps=10**9)
        made = ClassTranslator(translator, source=source, sampling_strategy=wanted, device="cpu", random_state=seed)
    return made.fit(data.train, callbacks=callbacks)


def judged(made: Any, data: Split, judge: Judge, target: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Every figure of one fitted over-sampler."""
    label = data.train.classes.index(target)
    learned = target not in made.unlearned_classes_
    samples = made.sample({target: 3 * EACH}, random_state=seed + 1000, filtered=learned)
    among = judge.among(label, efficientnet_features(samples.images[:EACH]))
    real = data.train.of_class(target)
    found: dict[str, Any] = {
        "learned": learned,
        "yield": float(made.filter_report_.set_index("class")["yield"].get(target, np.nan)),
        "label_accuracy": recalls(judge.model, samples)[label],
        "unfiltered": recalls(judge.model, made.sample({target: 3 * EACH}, filtered=False))[label],
        "judge_on_real": judge.real[label],
        **among,
    }
    if isinstance(made, ClassTranslator):
        found["cycle_error"] = float(made.cycle_error_[target].mean())
        class_translation = made.model_.class_translations[label]
        back = class_translation.model.translate(
            real[: 3 * EACH], torch.zeros(len(real[: 3 * EACH]), dtype=torch.int64), "y_to_x"
        )
        source = data.train.classes.index(class_translation.source)
        known = LabeledImages(back, torch.full((len(back),), source), data.train.classes)
        found["other_way"] = recalls(judge.model, known)[source]
        origins = data.train.images[samples.metadata["source_row"].tolist()[:10]]
        rows = {
            class_translation.source: (data.train.of_class(class_translation.source, 4), origins),
            f"{target} ({len(real)})": (real[:4], samples.images[:10]),
        }
    else:
        rows = {f"{target} ({len(real)})": (real[:4], samples.images[:10])}
    report = utility_report(
        data.train,
        made,
        test=data.test,
        classifier=CNN(steps=options.steps, width=24),
        n_seeds=options.inner,
        random_state=seed,
    )
    rows_of = report.to_dict()["rows"]
    found |= {"verdict": report.verdict, "gains": [one for one in rows_of if one["metric"] == GAIN]}
    return {"figures": found, "picture": preview(rows)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", choices=PAIRS)
    parser.add_argument("--seconds", type=float, default=900, help="training of each over-sampler")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--inner", type=int, default=5, help="classifiers of each way in the utility test")
    parser.add_argument("--steps", type=int, default=400, help="of these classifiers")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True, help="the table's path, without .md")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    began, rows = time.monotonic(), []
    for name in options.sets:
        for seed in options.seeds:
            data = horse_deer(seed) if name == "horse-deer" else split(name, seed=seed)
            judge = Judge(data)
            for method in ("GANAugmenter", "ClassTranslator"):
                spent = f"{options.seconds:g}s_{options.threads}t_{options.steps}x{options.inner}"
                kept = CACHE / f"{name}_{seed}_{spent}_{method}.json"
                if not kept.exists():
                    made = fitted(method, name, data, seed, options)
                    found = judged(made, data, judge, PAIRS[name][1], seed, options)
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    found["picture"].save(kept.with_suffix(".png"))
                    kept.write_text(json.dumps(found["figures"]))
                figures = json.loads(kept.read_text())
                kept_at = options.out.with_name(f"{options.out.name}_{name}_{seed}_{method}.png")
                kept_at.write_bytes(kept.with_suffix(".png").read_bytes())
                rows.append(row(name, seed, method, figures))
                print(f"{name}, seed {seed}, {method}: {time.monotonic() - began:.0f} s; {rows[-1]}", flush=True)
    text = [
        "# A rare class out of a common one",
        "",
        f"`python benchmarks/class_translation.py {shlex.join(sys.argv[1:])}`",
        "",
        f"ganaug {__version__}, torch {torch.__version__}, {options.threads} threads of {processor()}, "
        f"{datetime.now(tz=UTC):%Y-%m-%d}. {options.seconds:g} s of training each; {EACH} to {3 * EACH} images judged, "
        "as `sample` gives them, or unfiltered where the class counts as not learned.",
        "",
        *table(HEAD, rows),
    ]
    options.out.with_suffix(".md").write_text("\n".join(text) + "\n")


HEAD = [
    *("set", "seed", "method", "learned", "yield", "label accuracy", "unfiltered", "other way", "judge on real"),
    *("coverage", "1 % of real"),
    *("kernel distance", "cycle error", "verdict", f"gain at {SHARE}"),
]


def row(name: str, seed: int, method: str, found: dict[str, Any]) -> list[str]:
    (one,) = (one for one in found["gains"] if one["subject"] == SHARE)
    gain = f"{one['value']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f})"
    cycle = f"{found['cycle_error']:.3f}" if "cycle_error" in found else ""
    keys = ("yield", "label_accuracy", "unfiltered", "other_way", "judge_on_real", "coverage", "coverage_null")
    figures = [f"{found[key]:.3f}" if key in found else "" for key in keys]
    return [
        *(name, str(seed), method, "yes" if found["learned"] else "no", *figures, f"{found['kid']:.3f}", cycle),
        *(found["verdict"], gain),
    ]


if __name__ == "__main__":
    main()
