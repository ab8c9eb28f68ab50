"""Does a segmentation network profit from photos that Pix2Pix makes of masks? CamVid, 128x96, 11 labels.

    python benchmarks/segmentation.py --pairs 40 367 --minutes 10 --seeds 0 1 2 3 4 --threads 1 --out OUT

One translator for each number of pairs, trained on exactly these pairs; its photos are of altered masks
(`integrations.masks.edited_masks`). A small U-Net is then trained, the same number of steps each way: on real pairs,
with classical augmentation (Albumentations), and with a share of translated pairs in every batch, with and without it.
Mean IoU over the labels on the official test frames; intervals of a bootstrap over blocks of ten neighboring frames
and over seeds; the verdict by the rules of `utility_report`, with IoU in place of recall. Needs `camvid` below
GANAUG_BENCHMARK_DATA. Networks that are trained already (CACHE/segmentation) are not trained again.
"""

import argparse
import shlex
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import albumentations as A  # noqa: N812  # as its manual does
import cv2
import numpy as np
import torch
from collect import processor
from PIL import Image
from sets import unpacked
from tables import table
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from ganaug import Pix2Pix, __version__
from ganaug.evaluation.baselines import PLAIN
from ganaug.evaluation.comparison import Comparison, Method, Predictions
from ganaug.evaluation.scores import Scores, _summed, interval
from ganaug.integrations.masks import edited_masks
from ganaug.training.pictures import columns

CACHE = Path.home() / ".cache" / "ganaug-benchmarks" / "segmentation"
LABELS, VOID = 11, 11
SHARES = (0.25, 0.5)
CLASSICAL = "classical augmentation"
PIXELS = 4  # every fourth row and column of a test frame is scored
BLOCK = 10  # neighboring frames show nearly the same
MAX_MASKS = 2000


def pairs(part: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Photos (N, 96, 128, 3) and label images (N, 96, 128) of a part, and the names of the frames, in order."""
    root = unpacked() / "camvid" / part
    files = sorted((root / "photo").glob("*.png"))
    photos = np.stack([np.array(Image.open(file).convert("RGB")) for file in files])
    masks = np.stack([np.array(Image.open(root / "mask" / file.name)) for file in files])
    return photos, masks, [file.stem for file in files]


class UNet(nn.Module):
    """Three scales, 0.5 million weights; logits (N, 11, H, W) of float images (N, 3, H, W)."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()

        def block(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
            first = [nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]
            return nn.Sequential(*first, nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU())

        widths = [width, 2 * width, 4 * width]
        self.down = nn.ModuleList(block(n_in, n_out, 2) for n_in, n_out in zip([3, *widths], widths, strict=False))
        self.up = nn.ModuleList([block(widths[2] + widths[1], widths[1]), block(widths[1] + widths[0], widths[0])])
        self.head = nn.Conv2d(width, LABELS, 1)

    def forward(self, images: Tensor) -> Tensor:
        kept = []
        found = images
        for down in self.down:
            found = down(found)
            kept.append(found)
        for up, beside in zip(self.up, kept[-2::-1], strict=True):
            found = up(torch.cat([interpolate(found, beside.shape[2:], mode="nearest"), beside], 1))
        return interpolate(self.head(found), images.shape[2:], mode="bilinear", align_corners=False)


def classical() -> A.Compose:
    """Mirrored, shifted, resized, and other light."""
    whole = {"border_mode": cv2.BORDER_REFLECT_101, "mask_interpolation": cv2.INTER_NEAREST}
    return A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            A.Affine(scale=(0.75, 1.35), translate_percent=(-0.1, 0.1), rotate=(-5, 5), p=0.9, **whole),
            A.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.03, p=0.8),
        ]
    )


def trained(
    real: tuple[np.ndarray, np.ndarray],
    synthetic: tuple[np.ndarray, np.ndarray],
    share: float,
    *,
    altered: bool,
    seed: int,
    steps: int,
    batch_size: int = 8,
) -> UNet:
    """A network after `steps` steps, of whose images a `share` is synthetic."""
    torch.manual_seed(seed)
    draws = np.random.default_rng(seed)
    alter = classical()
    alter.set_random_seed(seed)
    net = UNet()
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps)
    for _ in range(steps):
        chosen = []
        for made in draws.random(batch_size) < share:
            photos, masks = synthetic if made else real
            row = draws.integers(len(photos))
            pair = {"image": photos[row], "mask": masks[row]}
            pair = alter(**pair) if altered else pair
            chosen.append((pair["image"], pair["mask"]))
        photos, masks = (torch.from_numpy(np.stack(side)) for side in zip(*chosen, strict=True))
        loss = cross_entropy(net(_floats(photos)), masks.long(), ignore_index=VOID)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net.eval()


def _floats(photos: Tensor) -> Tensor:
    return photos.permute(0, 3, 1, 2).float() / 255 - 0.5


@torch.no_grad()
def predicted(net: UNet, photos: np.ndarray) -> np.ndarray:
    """Log-probabilities of every fourth pixel: (N, H / 4 * W / 4, 11), flat over frames."""
    found = []
    for part in torch.from_numpy(photos).split(32):
        logits = net(_floats(part))[:, :, ::PIXELS, ::PIXELS].log_softmax(1)
        found.append(logits.permute(0, 2, 3, 1).reshape(-1, LABELS))
    return torch.cat(found).numpy()


class OfIoU(Comparison):
    """The comparison and verdict of `utility_report`, by intersection over union in place of recall."""

    is_uneven = False  # offsets of classes trade recall, and IoU already counts what they cost

    def way(self, name: str, table: np.ndarray, chosen: tuple[str, ...] = ()) -> Method:
        seeds = self.resamples.seeds.T
        found = sum(self._iou(one.argmax(1)) * share[:, None] for one, share in zip(table, seeds, strict=True))
        nothing = np.full(len(found), np.nan)
        return Method(name, table, Scores(found, np.nanmean(found, axis=1), nothing, nothing), tuple(chosen))

    def _iou(self, said: np.ndarray) -> np.ndarray:
        labels = self.given.labels
        right = (said == labels).astype(float)
        ones = np.ones(len(labels))
        both, actual, named = _summed(
            self.resamples.images, [(labels, right, LABELS), (labels, ones, LABELS), (said, ones, LABELS)]
        )
        with np.errstate(invalid="ignore"):
            return np.where(actual > 0, both / (actual + named - both), np.nan)

    def _best_of(self, names: list[str], images: np.ndarray, seeds: np.ndarray) -> str:
        labels = self.given.labels[images]

        def worth(name: str) -> float:
            found = []
            for said in self._tables[name][seeds][:, images].argmax(2):
                both = np.bincount(labels[said == labels], minlength=LABELS)
                union = np.bincount(labels, minlength=LABELS) + np.bincount(said, minlength=LABELS) - both
                found.append((both[union > 0] / union[union > 0]).mean())
            return float(np.mean(found))

        return max(names, key=worth)


def translator(n_pairs: int, photos: np.ndarray, masks: np.ndarray, minutes: float) -> Pix2Pix:
    """Pix2Pix from masks to photos, trained on these pairs or read from the cache."""
    folder = CACHE / f"pix2pix_{n_pairs}_{minutes:g}min"
    if not (folder / "model").is_dir():
        made = Pix2Pix(num_labels=LABELS + 1, time_budget=60 * minutes, run_dir=folder, device="cpu", random_state=0)
        (made.resume if folder.exists() else made.fit)(masks, photos)
    return Pix2Pix.load(folder / "model")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[40, 367])
    parser.add_argument("--minutes", type=float, default=10, help="training of a translator")
    parser.add_argument("--steps", type=int, default=600, help="of a segmentation network")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True, help="the table's path, without .md")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    began = time.monotonic()
    photos, masks, _ = pairs("train")
    test_photos, test_masks, names = pairs("test")
    labels = test_masks[:, ::PIXELS, ::PIXELS].reshape(-1)
    scored = labels != VOID
    in_frame = labels.size // len(names)
    blocks = np.repeat([f"{name.split('_')[0]} {number // BLOCK}" for number, name in enumerate(names)], in_frame)
    turns = np.unique(blocks, return_inverse=True)[1] % 2
    rows, per_label = [], []
    for n_pairs in options.pairs:
        chosen = np.sort(np.random.default_rng(0).permutation(len(photos))[:n_pairs])
        real = photos[chosen], masks[chosen]
        maker = translator(n_pairs, *real, options.minutes)
        altered, _ = edited_masks(real[1], min(MAX_MASKS, 10 * n_pairs), seed=0)
        synthetic = maker.transform(altered), altered
        shown = {"mask": altered[:8] * 23, "translated": synthetic[0][:8]}
        columns(
            {
                name: torch.from_numpy(side[:, None] if side.ndim == 3 else side.transpose(0, 3, 1, 2))
                for name, side in shown.items()
            }
        ).save(options.out.with_name(f"{options.out.name}_{n_pairs}.png"))
        ways: dict[str, tuple[float, bool]] = {PLAIN: (0.0, False), CLASSICAL: (0.0, True)}
        for share in SHARES:
            ways |= {f"{share:.0%} translated": (share, False), f"{share:.0%} translated, classical": (share, True)}
        tables = {}
        for name, (share, is_altered) in ways.items():
            each = []
            for seed in options.seeds:
                where = CACHE / f"{n_pairs}_{options.minutes:g}min_{options.steps}_{name.replace(' ', '_')}_{seed}.npy"
                if not where.exists():
                    net = trained(real, synthetic, share, altered=is_altered, seed=seed, steps=options.steps)
                    where.parent.mkdir(parents=True, exist_ok=True)
                    np.save(where, predicted(net, test_photos).astype(np.float16))
                each.append(np.load(where)[scored].astype(np.float32))
                print(f"{n_pairs} pairs, {name}, seed {seed}: {time.monotonic() - began:.0f} s", flush=True)
            tables[name] = np.stack(each)
        ours = {share: {name: tables[name] for name in ways if ways[name][0] == share} for share in SHARES}
        given = Predictions(
            labels[scored].astype(int),
            turns[scored],
            blocks[scored],
            np.zeros(LABELS),
            {name: tables[name] for name in (PLAIN, CLASSICAL)},
            ours,
            {},
            adjust=False,
        )
        compared = OfIoU(given)
        best = compared.best_baseline.scores.balanced_accuracy
        for name in ways:
            way = compared.way(name, tables[name])
            gain = "" if ways[name][0] == 0 else str(interval(way.scores.balanced_accuracy - best))
            rows.append([str(n_pairs), name, str(interval(way.scores.balanced_accuracy)), gain, ""])
        for name, way in (("best without", compared.best_baseline), ("best with", compared.best)):
            gain = "" if way is compared.best_baseline else str(compared.gain(way))
            verdict = "" if way is compared.best_baseline else compared.verdict
            rows.append(
                [str(n_pairs), f"{name}, chosen in turns", str(interval(way.scores.balanced_accuracy)), gain, verdict]
            )
        without, with_ = (way.scores.recall[0] for way in (compared.best_baseline, compared.best))
        per_label += [[str(n_pairs), str(k), f"{without[k]:.3f}", f"{with_[k]:.3f}"] for k in range(LABELS)]
    command = f"python benchmarks/segmentation.py {shlex.join(sys.argv[1:])}"
    text = [
        "# Segmentation of CamVid with photos that Pix2Pix made of masks",
        "",
        f"`{command}`",
        "",
        f"ganaug {__version__}, torch {torch.__version__}, {options.threads} threads of {processor()}, "
        f"{datetime.now(tz=UTC):%Y-%m-%d}. Pix2Pix of {options.minutes:g} minutes on the same pairs; networks of "
        f"{options.steps} steps of 8 pairs, {len(options.seeds)} seeds; {len(names)} test frames. Mean IoU of {LABELS} "
        "labels with 95 % intervals over blocks of ten frames and seeds, scored on every fourth row and column. One "
        "translator a number of pairs, whose own chance is in no interval. Gain: over the best way without, in turns.",
        "",
        *table(["pairs", "trained on", "mean IoU", "gain", "verdict"], rows),
        "",
        "IoU by label, chosen in turns:",
        "",
        *table(["pairs", "label", "best without", "best with"], per_label),
    ]
    options.out.with_suffix(".md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
