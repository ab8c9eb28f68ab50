"""Check the images of a folder as a data set: errors that prevent training, and warnings that do not."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganaug.io.candidates import Listing
from ganaug.io.paths import SPLITS, shorten
from ganaug.io.table import MISSING_TEXTS

MIN_IMAGE_SIZE, MAX_IMAGE_SIZE = 8, 256  # height and width that the networks support
MAX_CLASSES = 1000
FEW_IMAGES = 20  # with fewer, a generator can do little more than repeat its class
MAX_SIZES_SHOWN = 8
DARK = 128  # if no 8-bit value reaches it, the highest bit is not in use

# Files that other readers load; they skip the rest silently
TORCHVISION_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"})
TIMM_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
HUGGING_FACE_SPLIT = re.compile(rf"(^|[-._ 0-9/])({'|'.join(sorted(SPLITS))})[-._ 0-9/]", re.IGNORECASE)
JPEG_SUFFIXES = {".jpg", ".jpeg", ".jfif", ".jpe"}
SUFFIXES_BY_FORMAT = {
    "PNG": {".png", ".apng"},
    "JPEG": JPEG_SUFFIXES,
    "MPO": JPEG_SUFFIXES,
    "TIFF": {".tif", ".tiff"},
    "PPM": {".ppm", ".pgm", ".pbm", ".pnm"},
}


@dataclass(frozen=True)
class ImageEntry:
    """An image file that can be used.

    Attributes
    ----------
    file, label : str
        Path relative to the root, with forward slashes, and name of the class.
    height, width : int
        Size after applying the EXIF orientation and before resizing.
    mode, format : str
        Pillow's names of the mode and the format of the file.
    n_bytes : int
        Size of the file.
    is_multiframe : bool
        Whether the file has several frames or pages.
    is_marked : bool
        Whether the file says that it is synthetic (`provenance.is_marked`).
    pixel_hash, content_hash : str
        Hashes of the decoded pixels and of the file.
    maximum : int or None
        Largest value of a 16-bit image; None for other images.
    upper_maximum : int or None
        Largest 8-bit value of a 16-bit color image, of which Pillow reads the upper 8 bits; None for other images.
    metadata : mapping, optional
        Its other columns of metadata.csv.
    """

    file: str
    label: str
    height: int
    width: int
    mode: str
    format: str
    n_bytes: int
    is_multiframe: bool
    is_marked: bool
    pixel_hash: str
    content_hash: str
    maximum: int | None = None
    upper_maximum: int | None = None
    metadata: Mapping[str, str] | None = None


def find_errors(
    listing: Listing, entries: Sequence[ImageEntry], n_problems: int, image_size: tuple[int, int] | None
) -> list[str]:
    """Find what prevents training on the data set as a whole.

    Parameters
    ----------
    listing : Listing
    entries : sequence of ImageEntry
        The images that can be used.
    n_problems : int
        Number of files that cannot be used.
    image_size : tuple of int or None
        (height, width) that the images are resized to. Without it, their sizes must agree.

    Returns
    -------
    list of str
        Sentences without the final period.
    """
    if not listing.classes and not entries:
        return [] if listing.errors else [f"no usable image ({n_problems:,} files are unusable). Replace them"]
    errors = [] if listing.form == "files" else _find_class_errors(listing, entries)
    return errors + (_find_size_errors(entries) if image_size is None else [])


def _find_class_errors(listing: Listing, entries: Sequence[ImageEntry]) -> list[str]:
    """Check the number of classes and of their images."""
    errors = []
    counts = Counter(entry.label for entry in entries)
    if len(listing.classes) == 1:
        name = next(iter(listing.classes))
        errors.append(f"one class only ({name!r}). A classifier needs two or more: add the others")
    if len(listing.classes) > MAX_CLASSES:
        errors.append(
            f"{len(listing.classes):,} classes, more than {MAX_CLASSES:,}. Check that the folders are classes"
        )
    empty = sorted(name for name in listing.classes if not counts[name])
    if empty:
        ignored = [file for file in listing.ignored if file.split("/")[0] in empty]
        reason = f" (hidden, or not named as an image: {shorten(ignored)})" if ignored else ""
        errors.append(f"no usable image in class {shorten(empty)}{reason}. Add images, or remove the class")
    single = sorted(name for name in listing.classes if counts[name] == 1)
    if single:
        errors.append(
            f"one image only in class {shorten(single)}. A generator needs two or more: add images, or remove the class"
        )
    return errors


def _find_size_errors(entries: Sequence[ImageEntry]) -> list[str]:
    """Check that the images have one size, which the networks support."""
    sizes = Counter((entry.height, entry.width) for entry in entries).most_common()
    if len(sizes) > 1:
        counts = shorten([f"{height}x{width} ({n:,} images)" for (height, width), n in sizes], MAX_SIZES_SHOWN)
        # the most common size, but not so large that training takes long
        suggestion = min(max(*sizes[0][0], MIN_IMAGE_SIZE), 64)
        return [
            f"{len(sizes):,} sizes (height x width): {counts}. "
            f"Choose one: --image-size {suggestion} (image_size={suggestion})"
        ]
    if sizes and not all(MIN_IMAGE_SIZE <= length <= MAX_IMAGE_SIZE for length in sizes[0][0]):
        height, width = sizes[0][0]
        return [
            f"images of {height}x{width} (height x width) are outside {MIN_IMAGE_SIZE}..{MAX_IMAGE_SIZE}. "
            "Resize them, for example with --image-size 64 (image_size=64)"
        ]
    return []


def find_warnings(entries: Sequence[ImageEntry], duplicates: Sequence[Sequence[ImageEntry]]) -> list[str]:
    """Find what a user should know about the data set, although training is possible.

    Parameters
    ----------
    entries : sequence of ImageEntry
        The images that can be used.
    duplicates : sequence of sequences of ImageEntry
        Groups of images with equal pixels.

    Returns
    -------
    list of str
        Each with the first files that it concerns; without the final period.
    """
    counts = Counter(entry.label for entry in entries)
    small_classes = [f"{name} ({n})" for name, n in sorted(counts.items()) if 1 < n < FEW_IMAGES]
    missing = sorted(name for name in counts if name in MISSING_TEXTS)
    conflicts = [group for group in duplicates if len({entry.label for entry in group}) > 1]
    marked = _select_files(entries, lambda entry: entry.is_marked)
    warnings = {
        f"fewer than {FEW_IMAGES} images in a class": small_classes,
        "pandas and Hugging Face datasets read this class name as a missing label; ganaug writes no metadata.csv with "
        "it. Rename the class": missing,
        "the same image more than once": [" = ".join(entry.file for entry in group) for group in duplicates],
        "the same image in different classes": [" = ".join(entry.file for entry in group) for group in conflicts],
        f"{len(marked):,} images say that they are synthetic; a generator should learn from real ones": marked,
        "several frames or pages, of which the first is used": _select_files(
            entries, lambda entry: entry.is_multiframe
        ),
        "the content has another format than the file name says": _select_files(entries, _is_misnamed),
        "torchvision's ImageFolder skips files with this suffix": _select_files(entries, _lacks(TORCHVISION_SUFFIXES)),
        "timm's folder reader skips files with this suffix by default": _select_files(entries, _lacks(TIMM_SUFFIXES)),
        "Hugging Face datasets takes a word in these names for a split, and may leave other files out; load with "
        "data_files={'train': '**'}": _select_files(
            entries, lambda entry: HUGGING_FACE_SPLIT.search(entry.file) is not None
        ),
    }
    return [f"{text}: {shorten(names)}" for text, names in warnings.items() if names]


def dark_color_message(entries: Sequence[ImageEntry]) -> str | None:
    """Return a warning about 16-bit color images that do not use all bits, or None."""
    upper = {entry.file: entry.upper_maximum for entry in entries if entry.upper_maximum is not None}
    if max(upper.values(), default=DARK) >= DARK:
        return None
    return (
        "16-bit color images are dark, because Pillow reads their upper 8 bits only. Scale them to 8 bits: "
        f"{shorten(list(upper))}"
    )


def _select_files(entries: Sequence[ImageEntry], condition: Callable[[ImageEntry], bool]) -> list[str]:
    return [entry.file for entry in entries if condition(entry)]


def _lacks(suffixes: frozenset[str]) -> Callable[[ImageEntry], bool]:
    """Return the condition that a file has none of these suffixes."""
    return lambda entry: Path(entry.file).suffix.lower() not in suffixes


def _is_misnamed(entry: ImageEntry) -> bool:
    """Return whether the suffix of a file does not belong to its format."""
    return Path(entry.file).suffix.lower() not in SUFFIXES_BY_FORMAT.get(entry.format, {f".{entry.format.lower()}"})
