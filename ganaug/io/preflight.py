"""Check a data folder before any long work: every unusable file with its cause, and everything else that would fail."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ganaug._runtime.user_paths import expand_user
from ganaug.errors import DataError
from ganaug.io.dataset_checks import (
    MAX_IMAGE_SIZE,
    MIN_IMAGE_SIZE,
    ImageEntry,
    dark_color_message,
    find_errors,
    find_warnings,
)
from ganaug.io.decoding import GRAY_MODES, Pixels, UnusableImage, content_hash, decode, strict_pillow_warnings
from ganaug.io.listing import Candidate, Listing, Problem, list_images
from ganaug.io.pillow_modes import MAX_16_BIT, scale_message, white_value
from ganaug.io.provenance import info_is_marked
from ganaug.io.resizing import ASPECTS, ImageSize, SizeLike
from ganaug.io.threads import Progress, map_in_threads

MAX_PROBLEMS_SHOWN = 10  # in an error; `FolderInspection.problems` and `ganaug check` list all


@dataclass(frozen=True)
class FolderInspection:
    """Everything that `inspect_folder` knows about a data folder.

    Attributes
    ----------
    root : pathlib.Path
    form : {"folders", "metadata", "files"}
        Class folders, metadata.csv, or a list of files without classes.
    image_size : tuple of int or None
        (height, width) that the images are resized to. None if they keep their size.
    classes : tuple of str
        Sorted as torchvision's ImageFolder sorts them, including empty ones.
    entries : tuple of ImageEntry
        The images that can be used.
    duplicates : tuple of tuples of str
        Groups of files with equal decoded pixels.
    problems : tuple of Problem
        Files that cannot be used. They prevent training unless they are skipped.
    notes : tuple of str
        How labels and pixels were read, where a user may expect something else.
    warnings : tuple of str
        They do not prevent training. The notes are among them.
    errors : tuple of str
        They prevent training.
    white : int or None
        The value of 16-bit images that becomes 255. None if there are none.
    """

    root: Path
    form: str
    image_size: tuple[int, int] | None
    classes: tuple[str, ...]
    entries: tuple[ImageEntry, ...]
    duplicates: tuple[tuple[str, ...], ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    errors: tuple[str, ...]
    white: int | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Class name -> number of usable images, in class order."""
        counts = Counter(entry.label for entry in self.entries)
        return {name: counts[name] for name in self.classes}

    @property
    def sizes(self) -> dict[tuple[int, int], int]:
        """(height, width) -> number of images, most frequent first."""
        return dict(Counter((entry.height, entry.width) for entry in self.entries).most_common())

    @property
    def modes(self) -> dict[str, int]:
        """Pillow mode -> number of images, most frequent first."""
        return dict(Counter(entry.mode for entry in self.entries).most_common())

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the images when read; one channel only if all are gray. Needs one size."""
        height, width = self.image_size or next(iter(self.sizes))
        return (1 if all(mode in GRAY_MODES for mode in self.modes) else 3), height, width

    def read_unchanged(self, entry: ImageEntry) -> bytes:
        """Read a file that was inspected.

        Raises
        ------
        DataError
            If it vanished or changed since then.
        """
        path = self.root / entry.file
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read any more: {error.strerror or error}. Restore it, or check again."
            ) from error
        if content_hash(content) != entry.content_hash:
            raise DataError(
                f"{path}: changed since it was checked. Do not change files while ganaug works, and start again."
            )
        return content

    def raise_for_errors(self, *, skip_bad: bool = False) -> None:
        """Raise an exception if the folder cannot be used.

        Parameters
        ----------
        skip_bad : bool, default=False
            Accept unusable files, which are then left out.

        Raises
        ------
        DataError
            It names every error and up to ten unusable files.
        """
        # unusable files can be the reason of an error, such as a class without an image
        problems = self.problems if self.errors or not skip_bad else ()
        if not self.errors and not problems:
            return
        lines = [f"{error}." for error in self.errors] + [str(problem) for problem in problems[:MAX_PROBLEMS_SHOWN]]
        if len(problems) > MAX_PROBLEMS_SHOWN:
            n_more = len(problems) - MAX_PROBLEMS_SHOWN
            lines.append(f"... and {n_more:,} more unusable files; `ganaug check {self.root}` lists them all.")
        if problems and not skip_bad:
            lines.append("To leave unusable files out: --skip-bad (in Python skip_bad=True).")
        if len(lines) > 1 or not lines[0].startswith(str(self.root)):
            lines.insert(0, f"{'These files' if self.form == 'files' else self.root} cannot be used:")
        raise DataError("\n  ".join(lines))

    def to_dict(self) -> dict[str, object]:
        """Return everything except the usable images, as values that JSON can represent."""
        return {
            "root": str(self.root),
            "form": self.form,
            "images": len(self.entries),
            "classes": self.counts,
            "sizes": [{"height": height, "width": width, "images": n} for (height, width), n in self.sizes.items()],
            "modes": self.modes,
            "duplicates": [list(group) for group in self.duplicates],
            "problems": [vars(problem) for problem in self.problems],
            "warnings": list(self.warnings),
            "errors": list(self.errors),
        }


def inspect_folder(
    path: str | Path,
    *,
    image_size: SizeLike | None = None,
    subfolder_groups: bool = False,
    follow_links: bool = False,
    progress: Progress | None = None,
) -> FolderInspection:
    """Open every image of a folder once, and report everything that would fail later.

    Parameters
    ----------
    path : path
        Class folders, or a folder with metadata.csv.
    image_size : int or tuple, optional
        Size, (height, width) or (height, width, aspect), in 8..256, that the images will be resized to. Images of
        different sizes are then accepted.
    subfolder_groups : bool, default=False
        Add the path of the subfolder that an image has in its class folder as the metadata column `group_id`.
    follow_links : bool, default=False
        Follow links that lead out of the folder, as the caches of model and data hubs have them.
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of files.

    Returns
    -------
    FolderInspection
        What is wrong with the folder is reported, not raised. See `FolderInspection.raise_for_errors`.

    Raises
    ------
    DataError
        If `image_size` is outside 8..256.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from ganaug.io.preflight import inspect_folder
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for file in ("cat/1.png", "cat/2.png", "dog/1.png"):
    ...         path = Path(root, file)
    ...         path.parent.mkdir(exist_ok=True)
    ...         Image.new("L", (10, 12)).save(path)
    ...     inspection = inspect_folder(root)
    >>> inspection.counts, inspection.shape
    ({'cat': 2, 'dog': 1}, (1, 12, 10))
    >>> print(inspection.errors[0])
    one image only in class dog. A generator needs two or more: add images, or remove the class
    """
    listing = list_images(expand_user(path), subfolder_groups=subfolder_groups, follow_links=follow_links)
    return inspect_listing(listing, parse_image_size(image_size), progress)


def inspect_listing(
    listing: Listing,
    image_size: tuple[int, int] | None,
    progress: Progress | None = None,
    on_pixels: Callable[[Pixels], object] | None = None,
    white: int | None = None,
) -> FolderInspection:
    """Open every image of a listing once.

    Parameters
    ----------
    listing : Listing
    image_size : tuple of int or None
        (height, width) to resize to.
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of files.
    on_pixels : callable, optional
        Called with the resized pixels of each usable image, in order, so that reading a folder decodes each file once.
        16-bit images are scaled by 65535; if `FolderInspection.white` is another value, decode the files again.
    white : int, optional
        The value of 16-bit images that becomes 255. By default it follows from the images.

    Returns
    -------
    FolderInspection
    """
    entries, problems = [], list(listing.problems)
    with strict_pillow_warnings():
        inspect = partial(_inspect_file, listing.root, image_size=image_size, keep_pixels=on_pixels is not None)
        for result, pixels in map_in_threads(inspect, listing.candidates, progress):
            if isinstance(result, Problem):
                problems.append(result)
                continue
            entries.append(result)
            if on_pixels is not None and pixels is not None:
                on_pixels(pixels)
    groups = defaultdict(list)
    for entry in entries:
        # by pixels, because the same image can be stored in files of different bytes
        groups[entry.pixel_hash].append(entry)
    duplicates = [group for group in groups.values() if len(group) > 1]
    maximum = max((entry.maximum for entry in entries if entry.maximum is not None), default=None)
    scale_errors = _find_scale_errors(maximum, white)
    white = None if maximum is None else white or white_value(maximum)
    messages = (scale_message(white or MAX_16_BIT), dark_color_message(entries))
    notes = (*listing.notes, *filter(None, messages))
    return FolderInspection(
        root=listing.root,
        form=listing.form,
        image_size=image_size,
        classes=tuple(sorted(listing.classes)),
        entries=tuple(entries),
        duplicates=tuple(tuple(entry.file for entry in group) for group in duplicates),
        problems=tuple(sorted(problems, key=lambda problem: problem.file)),
        notes=notes,
        warnings=(*notes, *listing.warnings, *find_warnings(entries, duplicates)),
        errors=(*listing.errors, *find_errors(listing, entries, len(problems), image_size), *scale_errors),
        white=white,
    )


def _find_scale_errors(maximum: int | None, white: int | None) -> list[str]:
    """Check that 16-bit images with this maximum fit the scale of the set that they belong to."""
    in_use = white_value(maximum)
    if maximum is None or white is None or in_use <= white:
        return []
    return [
        f"16-bit images use {in_use.bit_length()} bits, and those that they belong to {white.bit_length()}. Scale all "
        "to one range"
    ]


def parse_image_size(image_size: SizeLike | None) -> ImageSize | None:
    """Normalize an image size.

    Parameters
    ----------
    image_size : int or tuple or None
        Size, (height, width) or (height, width, aspect), aspect "stretch", "crop" or "pad" (see `ImageSize`). NumPy's
        integers, lists and arrays count as well.

    Returns
    -------
    ImageSize or None
        (height, width), as Python integers.

    Raises
    ------
    DataError
        If it is anything else, or outside 8..256.

    Examples
    --------
    >>> from ganaug.io.preflight import parse_image_size
    >>> parse_image_size(64), parse_image_size((48, 64)), parse_image_size((64, 64, "crop")).aspect
    ((64, 64), (48, 64), 'crop')
    """
    if image_size is None or isinstance(image_size, ImageSize):
        return image_size
    lengths = [image_size] * 2 if isinstance(image_size, int | np.integer) else image_size
    is_sequence = isinstance(lengths, list | tuple | np.ndarray)
    aspect = lengths[2] if is_sequence and len(lengths) == 3 else "stretch"
    is_pair = is_sequence and len(lengths) in (2, 3) and isinstance(aspect, str)
    if not is_pair or not all(_is_whole(length) for length in lengths[:2]):
        raise DataError(f"image_size must be a whole number or (height, width); got {image_size!r}.")
    if aspect not in ASPECTS:
        raise DataError(f"image_size: the aspect must be {', '.join(ASPECTS)}; got {aspect!r}.")
    height, width = map(int, lengths[:2])
    if not (MIN_IMAGE_SIZE <= height <= MAX_IMAGE_SIZE and MIN_IMAGE_SIZE <= width <= MAX_IMAGE_SIZE):
        raise DataError(
            f"image_size must be within {MIN_IMAGE_SIZE}..{MAX_IMAGE_SIZE} in height and width; got {height}x{width}."
        )
    return ImageSize(height, width, aspect)


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _inspect_file(
    root: Path, candidate: Candidate, image_size: tuple[int, int] | None, keep_pixels: bool
) -> tuple[ImageEntry | Problem, Pixels | None]:
    """Decode one file. Returns its entry, and its pixels if `keep_pixels`; or a problem and None."""
    try:
        image = decode(root / candidate.file, image_size)
    except UnusableImage as error:
        return Problem(candidate.file, error.cause, error.fix), None
    entry = ImageEntry(
        file=candidate.file,
        label=candidate.label,
        height=image.height,
        width=image.width,
        mode=image.mode,
        format=image.format,
        n_bytes=image.n_bytes,
        is_multiframe=image.is_multiframe,
        is_marked=info_is_marked(image.info),
        pixel_hash=image.pixel_hash,
        content_hash=image.content_hash,
        maximum=image.maximum,
        upper_maximum=image.upper_maximum,
        metadata=candidate.metadata,
    )
    return entry, image.pixels if keep_pixels else None  # up to 4,096 results wait in memory
