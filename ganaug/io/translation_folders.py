"""Read the two sides of a translation from folders: two folders, one folder of both, or pictures side by side."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganaug.errors import DataError
from ganaug.io.decoding import SUFFIXES, Pixels, UnusableImage, decode, decode_labels, pillow_warnings_judged
from ganaug.io.threads import Progress, in_threads

T = TypeVar("T")
UNPAIRED = ("trainA", "trainB")
SHOWN = 10


@dataclass(frozen=True)
class Side:
    """Images of one size. images: uint8, (N, C, H, W). files: relative to `root`. skipped: files left out, and why."""

    root: Path
    images: Tensor
    files: tuple[str, ...]
    skipped: dict[str, str]

    def take(self, where: Sequence[int]) -> "Side":
        """Those images alone."""
        return Side(self.root, self.images[list(where)], tuple(self.files[row] for row in where), self.skipped)


def read_side(
    root: str | Path,
    *,
    image_size: tuple[int, int] | None = None,
    num_labels: int | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> Side:
    """Every image below `root`, in the order of names; gray if every file is, else RGB.

    image_size: (height, width) to resize to, label images by the nearest pixel. num_labels: label images, whose pixels
    or palette numbers are taken as they are. Raises DataError that names the unusable files, sizes that differ, and
    labels beyond `num_labels`.
    """

    def read(path: Path) -> Pixels:
        if num_labels is None:
            return decode(path, image_size).pixels
        return decode_labels(path, num_labels, image_size)

    return _side(Path(root), _each(Path(root), read, progress), skip_bad=skip_bad)


def _each(folder: Path, read: Callable[[Path], T], progress: Progress | None) -> dict[str, T | str]:
    """What `read` makes of every image below `folder`; why it is unusable, as a text."""

    def look(file: str) -> T | str:
        try:
            return read(folder / file)
        except UnusableImage as error:
            return f"{error.cause}. {error.fix}."

    files = list(_files(folder))
    with pillow_warnings_judged():
        return dict(zip(files, in_threads(look, files, progress), strict=True))


def _side(folder: Path, found: Mapping[str, Pixels | str], *, skip_bad: bool) -> Side:
    """The images, put together. Raises DataError for unusable ones without `skip_bad`, and for sizes that differ."""
    skipped = {file: pixels for file, pixels in found.items() if isinstance(pixels, str)}
    kept = {file: pixels for file, pixels in found.items() if not isinstance(pixels, str)}
    if skipped and not (skip_bad and kept):
        shown = [f"{folder / file}: {why}" for file, why in list(skipped.items())[:SHOWN]]
        more = [f"... and {len(skipped) - SHOWN:,} more."] * (len(skipped) > SHOWN)
        fix = ["To go on without them: --skip-bad (in Python skip_bad=True)."] if kept else []
        raise DataError("\n  ".join([f"{folder}: {len(skipped):,} files cannot be used:", *shown, *more, *fix]))
    sizes = {pixels.shape[:2]: file for file, pixels in kept.items()}
    if len(sizes) > 1:
        told = ", ".join(f"{height}x{width} ({file})" for (height, width), file in sorted(sizes.items())[:SHOWN])
        raise DataError(f"{folder}: {len(sizes)} sizes (height x width): {told}. Choose one with --image-size.")
    color = any(pixels.ndim == 3 for pixels in kept.values())
    rows = [
        np.broadcast_to(p[..., None] if p.ndim == 2 else p, (*p.shape[:2], 3 if color else 1)) for p in kept.values()
    ]
    images = torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2).contiguous()
    return Side(folder, images, tuple(kept), skipped)


def _halves(
    root: Path, *, image_size: tuple[int, int] | None, skip_bad: bool, progress: Progress | None
) -> tuple[Side, Side]:
    """The left and the right halves of the images below `root`."""
    found = _each(root, lambda path: _cut(decode(path).pixels, image_size), progress)
    left, right = (
        {file: pair if isinstance(pair, str) else pair[half] for file, pair in found.items()} for half in (0, 1)
    )
    return _side(root, left, skip_bad=skip_bad), _side(root, right, skip_bad=skip_bad)


def _cut(pixels: Pixels, image_size: tuple[int, int] | None) -> tuple[Pixels, Pixels]:
    """Cut first and resized then, so that neither half has a trace of the other."""
    width = pixels.shape[1]
    if width % 2:
        raise UnusableImage(f"is {width} pixels wide, an odd number: two halves side by side are of equal width")

    def resized(half: Pixels) -> Pixels:
        if image_size is None or half.shape[:2] == image_size:
            return half
        return np.asarray(Image.fromarray(half).resize(image_size[::-1], Image.Resampling.BICUBIC))

    return resized(pixels[:, : width // 2]), resized(pixels[:, width // 2 :])


def read_sides(
    first: str | Path,
    second: str | Path | None,
    *,
    paired: bool,
    side_by_side: bool = False,
    swapped: bool = False,
    image_size: tuple[int, int] | None = None,
    num_labels: int | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> tuple[Side, Side]:
    """X and Y from two folders; from one that holds trainA and trainB, or mask and photo; or from images side by side.

    swapped: X is on the right of images side by side.
    In pairs, X and Y are matched by the path without its ending; what has no partner is an error, or skipped.
    """
    more = {"image_size": image_size, "skip_bad": skip_bad, "progress": progress}
    if side_by_side:
        if second is not None:
            raise DataError("images side by side lie in one folder: give only that one.")
        if num_labels is not None:
            raise DataError("images side by side are pixels on both sides: num_labels does not go with them.")
        left, right = _halves(Path(first), **more)  # type: ignore[arg-type]
        return (right, left) if swapped else (left, right)
    if second is None:
        first, second = _within(Path(first), paired=paired)
    x = read_side(first, num_labels=num_labels, **more)  # type: ignore[arg-type]
    y = read_side(second, **more)  # type: ignore[arg-type]
    return _matched(x, y, skip_bad=skip_bad) if paired else (x, y)


def _within(root: Path, *, paired: bool) -> tuple[Path, Path]:
    if not root.is_dir():
        raise DataError(f"{root}: no such folder.")
    if (root / UNPAIRED[0]).is_dir() and (root / UNPAIRED[1]).is_dir():
        return root / UNPAIRED[0], root / UNPAIRED[1]
    if paired and (root / "mask").is_dir() and (root / "photo").is_dir():
        return root / "mask", root / "photo"
    raise DataError(
        f"{root}: holds neither trainA and trainB nor, for pairs, mask and photo. Give two folders, or --side-by-side "
        "for images that hold both halves."
    )


def _matched(x: Side, y: Side, *, skip_bad: bool) -> tuple[Side, Side]:
    rows = [_by_stem(side) for side in (x, y)]
    common = [stem for stem in rows[0] if stem in rows[1]]
    alone = [
        [side.files[row] for stem, row in own.items() if stem not in other]
        for side, own, other in (
            (x, rows[0], rows[1]),
            (y, rows[1], rows[0]),
        )
    ]
    lonely = [f"{side.root / file}" for side, files in zip((x, y), alone, strict=True) for file in files]
    if not common or (lonely and not skip_bad):
        raise DataError(
            f"{x.root}, {y.root}: {len(lonely):,} images have no partner of the same name, such as {lonely[0]}. Rename "
            "them, pass --skip-bad to leave them out, or fit without pairs."
        )
    x, y = (
        replace(side, skipped=side.skipped | dict.fromkeys(files, "has no partner of the same name"))
        for side, files in zip((x, y), alone, strict=True)
    )
    return x.take([rows[0][stem] for stem in common]), y.take([rows[1][stem] for stem in common])


def _by_stem(side: Side) -> dict[str, int]:
    """Path without its ending -> row. Raises DataError where two files have the same."""
    found: dict[str, int] = {}
    for row, file in enumerate(side.files):
        if (other := found.setdefault(_stem(file), row)) != row:
            raise DataError(
                f"{side.root}: {side.files[other]} and {file} differ in their ending alone. Remove or rename one."
            )
    return found


def _stem(file: str) -> str:
    return PurePosixPath(file).with_suffix("").as_posix()


def _files(folder: Path) -> Iterator[str]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder.")
    root, found = folder.resolve(), 0
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or path.suffix.lower() not in SUFFIXES or path.is_dir():
            continue
        if not path.resolve().is_relative_to(root):
            raise DataError(f"{path}: is a link that leads out of {folder}. Remove it, or copy the image.")
        found += 1
        yield path.relative_to(folder).as_posix()
    if not found:
        raise DataError(f"{folder}: holds no image ({', '.join(sorted(SUFFIXES))}).")
