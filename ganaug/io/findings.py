"""What the images of a folder say as a set: the errors that stop training, and the warnings that do not."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganaug.io.listing import SPLITS, Listing, shorten

MIN_IMAGE_SIZE, LARGEST = 8, 256  # height and width that the networks are built for
MAX_CLASSES = 1000
FEW = 20  # below this a generator can do little more than repeat its class

# What other readers see; they pass over the rest without a word
TORCHVISION = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"})
TIMM = frozenset({".png", ".jpg", ".jpeg"})
HUGGING_FACE_SPLIT = re.compile(rf"(^|[-._ 0-9/])({'|'.join(sorted(SPLITS))})[-._ 0-9/]", re.IGNORECASE)
SUFFIXES_OF = {"JPEG": {".jpg", ".jpeg"}, "MPO": {".jpg", ".jpeg"}, "TIFF": {".tif", ".tiff"}}


@dataclass(frozen=True)
class ImageEntry:
    """A usable image. `height`, `width`: upright, as stored, not resized; `mode`: Pillow's, as stored; `digest`: of
    the decoded pixels; `content_hash`: of the file; `marked`: it says itself that it is synthetic; `row`: its other
    columns of metadata.csv."""

    file: str
    label: str
    height: int
    width: int
    mode: str
    format: str
    n_bytes: int
    several_frames: bool
    marked: bool
    digest: str
    content_hash: str
    row: Mapping[str, str] | None = None


def set_errors(
    listing: Listing, entries: Sequence[ImageEntry], n_problems: int, image_size: tuple[int, int] | None
) -> list[str]:
    """What stops training about the set as a whole; sentences without their full stop."""
    if not listing.classes and not entries:
        return [] if listing.errors else [f"no usable image ({n_problems:,} files are unusable). Replace them"]
    errors = [] if listing.form == "files" else _class_errors(listing, entries)
    return errors + (_size_errors(entries) if image_size is None else [])


def _class_errors(listing: Listing, entries: Sequence[ImageEntry]) -> list[str]:
    errors = []
    counts = Counter(entry.label for entry in entries)
    if len(listing.classes) == 1:
        only = next(iter(listing.classes))
        errors.append(f"one class only ({only!r}). A classifier needs two or more: add the others")
    if len(listing.classes) > MAX_CLASSES:
        errors.append(
            f"{len(listing.classes):,} classes, more than {MAX_CLASSES:,}. Check that the folders are classes"
        )
    empty = sorted(name for name in listing.classes if not counts[name])
    if empty:
        errors.append(f"no usable image in class {shorten(empty)}. Add images, or remove the class")
    single = sorted(name for name in listing.classes if counts[name] == 1)
    if single:
        errors.append(
            f"one image only in class {shorten(single)}. A generator needs two or more: add images, or remove the class"
        )
    return errors


def _size_errors(entries: Sequence[ImageEntry]) -> list[str]:
    sizes = Counter((entry.height, entry.width) for entry in entries).most_common()
    if len(sizes) > 1:
        found = shorten([f"{height}x{width} ({n:,} images)" for (height, width), n in sizes], 8)
        usual = min(max(*sizes[0][0], MIN_IMAGE_SIZE), 64)
        return [
            f"{len(sizes):,} sizes (height x width): {found}. Choose one: --image-size {usual} (image_size={usual})"
        ]
    if sizes and not all(MIN_IMAGE_SIZE <= side <= LARGEST for side in sizes[0][0]):
        height, width = sizes[0][0]
        size = f"images of {height}x{width} (height x width) are outside {MIN_IMAGE_SIZE}..{LARGEST}"
        return [f"{size}. Have them resized, as in --image-size 64 (image_size=64)"]
    return []


def set_warnings(entries: Sequence[ImageEntry], repeated: Sequence[Sequence[ImageEntry]]) -> list[str]:
    """What a user should know about the set, each with the first files it concerns.

    repeated: groups of entries whose pixels are equal.
    """
    counts = Counter(entry.label for entry in entries)
    conflicts = [group for group in repeated if len({entry.label for entry in group}) > 1]
    marked = _files(entries, lambda entry: entry.marked)
    found = {
        f"fewer than {FEW} images in a class": [f"{name} ({n})" for name, n in sorted(counts.items()) if 1 < n < FEW],
        "the same picture more than once": [" = ".join(entry.file for entry in group) for group in repeated],
        "the same picture in different classes": [" = ".join(entry.file for entry in group) for group in conflicts],
        f"{len(marked):,} images say that they are synthetic; a generator should learn from real ones": marked,
        "several frames or pages, of which the first is used": _files(entries, lambda entry: entry.several_frames),
        "the content is of another format than the name says": _files(entries, _is_misnamed),
        "torchvision's ImageFolder does not see files of this kind": _files(entries, _is_not_one_of(TORCHVISION)),
        "timm's folder reader does not see files of this kind unless told": _files(entries, _is_not_one_of(TIMM)),
        "Hugging Face datasets takes a word in these names for a split, and may leave other files out; load with "
        "data_files={'train': '**'}": _files(entries, lambda entry: HUGGING_FACE_SPLIT.search(entry.file) is not None),
    }
    return [f"{text}: {shorten(names)}" for text, names in found.items() if names]


def _files(entries: Sequence[ImageEntry], concerned: Callable[[ImageEntry], bool]) -> list[str]:
    return [entry.file for entry in entries if concerned(entry)]


def _is_not_one_of(suffixes: frozenset[str]) -> Callable[[ImageEntry], bool]:
    return lambda entry: Path(entry.file).suffix.lower() not in suffixes


def _is_misnamed(entry: ImageEntry) -> bool:
    return Path(entry.file).suffix.lower() not in SUFFIXES_OF.get(entry.format, {f".{entry.format.lower()}"})
