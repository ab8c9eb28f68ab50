"""Do the reports find what is planted, and pass what is clean? Defects planted among real images, many times over.

    python benchmarks/judgement.py fashion-mnist --n 20 50 200 --out OUT
    python benchmarks/judgement.py bccd --n 20 50 170 --out OUT
    python benchmarks/judgement.py fashion-mnist --n 100 500 --clean 0 --only "labels swapped, 5 %" --out OUT

Real images of two classes are dealt into `n` a class that stand for the training images and `n` that stand for the
synthetic ones; a defect is planted among these. A report finds it where the measure that is for it raises an alarm. A
cell is run REPEATS times, or 20 times where one of these is missed. Clean: whole reports that raised any alarm.
"""

import argparse
import io
import json
import shlex
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from collect import processor
from PIL import Image
from safetensors.torch import load_file, save_file
from sets import DEBIAN, fashion_mnist, unpacked
from tables import table
from torch import Tensor
from torch.nn.functional import interpolate

from ganaug import LabeledImages, __version__, bias_report, diversity_report, read_folder
from ganaug.images import image_hashes
from ganaug.metrics.features import efficientnet_features

CACHE = Path.home() / ".cache" / "ganaug-benchmarks" / "judgement"
REPEATS, FEW = 59, 20
POOL = 1000  # images of a class that are dealt from

Plant = Callable[[LabeledImages, LabeledImages, np.random.Generator], LabeledImages]


class Remembered:
    """EfficientNet-lite0's features of each image, computed once: uint8 (N, C, H, W) -> (N, 1280)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        kept = load_file(path) if path.exists() else {"keys": torch.zeros(0, dtype=torch.int64), "rows": torch.zeros(0)}
        self.rows = dict(zip(kept["keys"].tolist(), kept["rows"], strict=True))

    def __call__(self, images: Tensor) -> Tensor:
        keys = image_hashes(images).tolist()
        lacking = [place for place, key in enumerate(keys) if key not in self.rows]
        if lacking:
            found = efficientnet_features(images[lacking])
            self.rows.update({keys[place]: row.clone() for place, row in zip(lacking, found, strict=True)})
        return torch.stack([self.rows[key] for key in keys])

    def keep(self) -> None:
        if self.rows:
            rows = torch.stack(list(self.rows.values()))
            save_file({"keys": torch.tensor(list(self.rows)), "rows": rows}, self.path)


def pool_is_there(name: str) -> bool:
    return DEBIAN.exists() if name == "fashion-mnist" else True


def pool_of(name: str) -> LabeledImages:
    if name == "fashion-mnist":
        everything, names = fashion_mnist(), ("T-shirt", "Pullover")
    else:
        everything, names = one_of_each_slide(), ("RBC", "WBC")
    images = [everything.of_class(one)[:POOL] for one in names]
    labels = torch.repeat_interleave(torch.arange(2), torch.tensor([len(own) for own in images]))
    return LabeledImages(torch.cat(images), labels, names)


def one_of_each_slide() -> LabeledImages:
    """A blood cell of each class from each slide: two crops of a slide may show the same cell."""
    everything = read_folder(unpacked() / "bccd_crops")
    slide = [Path(path).name.split("_")[1] for path in everything.metadata["file_name"]]
    keys = pd.DataFrame({"slide": slide, "label": everything.labels.numpy()})
    return everything.take(keys.sample(frac=1, random_state=0).drop_duplicates().index.to_numpy())


def dealt(pool: LabeledImages, n: int, random: np.random.Generator) -> tuple[LabeledImages, LabeledImages]:
    sides: tuple[list[np.ndarray], list[np.ndarray]] = [], []
    for label in range(len(pool.classes)):
        own = random.permutation(np.flatnonzero(pool.labels.numpy() == label))[: 2 * n]
        for side, part in zip(sides, (own[:n], own[n:]), strict=True):
            side.append(part)
    return pool.take(np.concatenate(sides[0])), pool.take(np.concatenate(sides[1]))


def _with(images: LabeledImages, pixels: Tensor) -> LabeledImages:
    return LabeledImages(pixels, images.labels, images.classes)


def _places(images: LabeledImages, share: float, random: np.random.Generator) -> np.ndarray:
    """This share of each class, at least one image."""
    found = []
    for label in range(len(images.classes)):
        own = np.flatnonzero(images.labels.numpy() == label)
        found.append(random.choice(own, max(1, round(share * len(own))), replace=False))
    return np.concatenate(found)


def collapsed(kinds: int) -> Plant:
    def plant(real: LabeledImages, other: LabeledImages, random: np.random.Generator) -> LabeledImages:  # noqa: ARG001
        n = len(other) // len(other.classes)
        rows = torch.arange(len(other))
        return _with(other, other.images[rows // n * n + rows % n % kinds])

    return plant


def one_mode_dropped(real: LabeledImages, other: LabeledImages, random: np.random.Generator) -> LabeledImages:  # noqa: ARG001
    """A fifth of the real images of the first class are of the second kind, which the synthetic ones do not show."""
    return other  # `mixed_in` alters the real side


def mixed_in(real: LabeledImages, extra: Tensor) -> LabeledImages:
    pixels, n = real.images.clone(), len(real) // len(real.classes)
    pixels[: round(0.2 * n)] = extra[: round(0.2 * n)]
    return _with(real, pixels)


def jpeg(images: Tensor) -> Tensor:
    found = []
    for image in images:
        file = io.BytesIO()
        pixels = image[0] if len(image) == 1 else image.permute(1, 2, 0)
        Image.fromarray(pixels.numpy()).save(file, "JPEG", quality=75)
        again = torch.from_numpy(np.array(Image.open(file)))
        found.append(again[None] if len(image) == 1 else again.permute(2, 0, 1))
    return torch.stack(found)


def shifted(images: Tensor) -> Tensor:
    return torch.cat([images[..., :1], images[..., :-1]], dim=-1)


def brighter(images: Tensor) -> Tensor:
    return (images.float() * 0.85 + 25).round().clamp(0, 255).to(torch.uint8)


ALTERED = (lambda images: images, lambda images: images.flip(-1), shifted, jpeg, brighter)


def copies(share: float) -> Plant:
    """In turn: as it is, mirrored, shifted by a pixel, JPEG of quality 75, brighter."""

    def plant(real: LabeledImages, other: LabeledImages, random: np.random.Generator) -> LabeledImages:
        pixels = other.images.clone()
        for number, place in enumerate(_places(other, share, random)):
            pixels[place] = ALTERED[number % len(ALTERED)](real.images[place][None])[0]
        return _with(other, pixels)

    return plant


def swapped(share: float) -> Plant:
    def plant(real: LabeledImages, other: LabeledImages, random: np.random.Generator) -> LabeledImages:  # noqa: ARG001
        labels = other.labels.clone()
        places = torch.from_numpy(_places(other, share, random))
        labels[places] = 1 - labels[places]
        return LabeledImages(other.images, labels, other.classes)

    return plant


def noise(real: LabeledImages, other: LabeledImages, random: np.random.Generator) -> LabeledImages:  # noqa: ARG001
    draws = torch.Generator().manual_seed(0)  # one set of noise images, so that features are computed once
    pixels = torch.randint(0, 256, (2 * POOL, *other.images.shape[1:]), dtype=torch.uint8, generator=draws)
    return _with(other, pixels[: len(other)])


def resized(real: LabeledImages, other: LabeledImages, random: np.random.Generator) -> LabeledImages:  # noqa: ARG001
    """To half the size and back, as a wrong --image-size would."""
    size = other.images.shape[2:]
    small = interpolate(other.images.float(), size=[side // 2 for side in size], mode="bilinear", antialias=True)
    return _with(other, interpolate(small, size=size, mode="bilinear").round().clamp(0, 255).to(torch.uint8))


def recoded(real: LabeledImages, other: LabeledImages, random: np.random.Generator) -> LabeledImages:  # noqa: ARG001
    return _with(other, jpeg(other.images))


def canceling(real: LabeledImages, other: LabeledImages, random: np.random.Generator) -> LabeledImages:  # noqa: ARG001
    """Half of them darker, half brighter: the mean stays."""
    tones = other.images.float()
    factor = torch.where(torch.arange(len(other)) % 2 == 0, 0.7, 1.3).view(-1, 1, 1, 1)
    return _with(other, (tones * factor).round().clamp(0, 255).to(torch.uint8))


DEFECTS: dict[str, tuple[Plant, set[str]]] = {
    "collapse to 1 prototype a class": (collapsed(1), {"repeats", "coverage"}),
    "collapse to 3": (collapsed(3), {"repeats", "coverage"}),
    "collapse to 10": (collapsed(10), {"repeats", "coverage"}),
    "one of five kinds missing": (one_mode_dropped, {"missing modes", "coverage"}),
    "near-copies, 1 %": (copies(0.01), {"near-copies"}),
    "near-copies, 5 %": (copies(0.05), {"near-copies"}),
    "near-copies, 20 %": (copies(0.2), {"near-copies"}),
    "labels swapped, 5 %": (swapped(0.05), {"recognized"}),
    "labels swapped, 10 %": (swapped(0.1), {"recognized"}),
    "labels swapped, 20 %": (swapped(0.2), {"recognized"}),
    "noise images": (noise, {"recognized", "coverage", "KID", "C2ST AUC"}),
    "half the size and back": (resized, {"KID", "C2ST AUC"}),
    "JPEG of quality 75": (recoded, {"KID", "C2ST AUC"}),
    "half darker, half brighter": (canceling, {"KID", "C2ST AUC"}),
    "training images that are there twice": (lambda real, other, random: other, {"duplicates"}),  # noqa: ARG005
}
SHIFTS = (-20, -10, -5, 5, 10, 20)  # points of an attribute that three of ten images have


def one(pool: LabeledImages, n: int, defect: str | None, seed: int, features: Remembered) -> set[str]:
    """The measures that raised an alarm."""
    random = np.random.default_rng([seed, n])
    real, other = dealt(pool, n, random)
    if defect == "one of five kinds missing":
        extra = other.images[n:][random.permutation(n)]
        real = mixed_in(real, extra)
    if defect is not None:
        other = DEFECTS[defect][0](real, other, random)
    if defect == "training images that are there twice":
        real = real.take(np.concatenate([np.arange(len(real)), _places(real, 0.05, random)]))
    report = diversity_report(real, other, features=features, random_state=seed, pictures=False)
    return {row.metric if row.subject != "duplicates" else "duplicates" for row in report.rows if row.state in ALARMS}


ALARMS = ("warn", "fail")


def attribute(n: int, points: int, seed: int) -> bool:
    """Whether a shift of an attribute is found: 2 classes of `n` real and 500 synthetic images each."""
    random = np.random.default_rng([seed, n, points + 100])
    sides = []
    for count, share, drawn in ((n, 0.3, False), (500, 0.3 + points / 100, True)):
        has = random.uniform(size=2 * count) < share if drawn else np.arange(2 * count) % count < round(share * count)
        metadata = pd.DataFrame({"attr_a": np.where(has, "yes", "no")})
        labels = torch.arange(2).repeat_interleave(count)
        sides.append(LabeledImages(torch.zeros(2 * count, 1, 4, 4, dtype=torch.uint8), labels, ("a", "b"), metadata))
    report = bias_report(*sides, features=None)
    return any(row.state in ALARMS for row in report.rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=["fashion-mnist", "bccd"])
    parser.add_argument("--n", type=int, nargs="+", default=[20, 50, 200])
    parser.add_argument("--only", nargs="+", choices=list(DEFECTS), default=list(DEFECTS), help="these defects alone")
    parser.add_argument("--clean", type=int, default=300, help="clean reports for each n; 0: neither these nor shifts")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    CACHE.mkdir(parents=True, exist_ok=True)
    features, pool = Remembered(CACHE / f"{options.name}.safetensors"), pool_of(options.name)
    kept_path = CACHE / f"{options.name}.json"
    kept: dict[str, list[str]] = json.loads(kept_path.read_text()) if kept_path.exists() else {}

    def run(n: int, defect: str | None, seed: int) -> set[str]:
        key = f"{n} {defect} {seed}"
        if key not in kept:
            kept[key] = sorted(one(pool, n, defect, seed, features))
        return set(kept[key])

    rows, begun = [], time.perf_counter()
    for n in options.n:
        for defect in options.only:
            meant = DEFECTS[defect][1]
            found = [bool(run(n, defect, seed) & meant) for seed in range(FEW)]
            if all(found):
                found += [bool(run(n, defect, seed) & meant) for seed in range(FEW, REPEATS)]
            rows.append([defect, str(n), f"{sum(found)} of {len(found)}", ", ".join(sorted(meant))])
            print(" | ".join(rows[-1]), f"{time.perf_counter() - begun:.0f} s", flush=True)
            kept_path.write_text(json.dumps(kept))
            features.keep()
        if not options.clean:
            continue
        clean = [run(n, None, 1000 + seed) for seed in range(options.clean)]
        alarms = [each for each in clean if each]
        which = ", ".join(sorted({metric for each in alarms for metric in each})) or "-"
        rows.append(["clean: any alarm", str(n), f"{len(alarms)} of {len(clean)}", which])
        print(" | ".join(rows[-1]), f"{time.perf_counter() - begun:.0f} s", flush=True)
        kept_path.write_text(json.dumps(kept))
    for n in options.n if options.clean else []:
        for points in SHIFTS:
            found = [attribute(n, points, seed) for seed in range(REPEATS)]
            rows.append([f"attribute, {points:+d} points", str(n), f"{sum(found)} of {len(found)}", "bias_report"])
        clean_shifts = [attribute(n, 0, 1000 + seed) for seed in range(options.clean)]
        rows.append(
            ["clean composition: any alarm", str(n), f"{sum(clean_shifts)} of {len(clean_shifts)}", "bias_report"]
        )
    lines = [
        f"# Planted defects and clean reports: {options.name}",
        "",
        f"`python benchmarks/judgement.py {shlex.join(sys.argv[1:])}`",
        "",
        f"ganaug {__version__}, torch {torch.__version__}, {options.threads} threads of {processor()}, "
        f"{datetime.now(UTC):%Y-%m-%d}. Classes {' and '.join(pool.classes)}; n real and n synthetic images of each; "
        "EfficientNet-lite0 features. Found: reports in which a measure that is meant for the defect raised an alarm.",
        "",
        *table(["planted", "n a class", "found", "by"], rows),
        "",
    ]
    options.out.with_suffix(".md").write_text("\n".join(lines))
    options.out.with_suffix(".json").write_text(json.dumps(kept, indent=0) + "\n")


if __name__ == "__main__":
    main()
