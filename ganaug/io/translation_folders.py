"""Read the two domains of an image translation: two folders, one folder with both, or images side by side."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np
from PIL import Image
from torch import Tensor

from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.user_paths import expand_user
from ganaug.errors import DataError
from ganaug.io.candidates import FOLLOW_HINT
from ganaug.io.decoding import (
    SUFFIXES,
    Pixels,
    UnusableImage,
    decode,
    decode_labels,
    stack_images,
    strict_pillow_warnings,
)
from ganaug.io.paths import walk_images
from ganaug.io.resizing import resize_picture
from ganaug.io.threads import Progress, map_in_threads

T = TypeVar("T")
UNPAIRED_FOLDERS = ("trainA", "trainB")
PAIRED_FOLDERS = ("mask", "photo")
MAX_FILES_SHOWN = 10
NO_PARTNER = "has no partner of the same name"


@dataclass(frozen=True)
class DomainImages:
    """The images of one domain, all of one size.

    Attributes
    ----------
    root : pathlib.Path
    images : Tensor of shape (N, C, H, W), uint8
    files : tuple of str
        Paths relative to `root`, with forward slashes.
    skipped : dict
        File -> why it was left out.
    """

    root: Path
    images: Tensor
    files: tuple[str, ...]
    skipped: dict[str, str]

    def take(self, indices: Sequence[int]) -> "DomainImages":
        """Return the images at these indices, in that order."""
        return DomainImages(
            self.root, self.images[list(indices)], tuple(self.files[row] for row in indices), self.skipped
        )


@library_defaults()
def read_domain(
    root: str | Path,
    *,
    image_size: tuple[int, int] | None = None,
    num_labels: int | None = None,
    skip_bad: bool = False,
    follow_links: bool = False,
    progress: Progress | None = None,
) -> DomainImages:
    """Read every image below a folder.

    Parameters
    ----------
    root : path
    image_size : tuple of int, optional
        (height, width) to resize to; label images by the nearest pixel.
    num_labels : int, optional
        Read label images: gray values or palette indices in ``0..num_labels - 1``, as they are stored.
    skip_bad : bool, default=False
        Leave unusable files out instead of raising an exception.
    follow_links : bool, default=False
        Follow links that lead out of the folder.
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of files.

    Returns
    -------
    DomainImages
        In the order of file names; gray if all files are gray, else RGB.

    Raises
    ------
    DataError
        If files are unusable, if sizes differ, or if there is no image.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> from ganaug.io.translation_folders import read_domain
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ("b.png", "a.png"):
    ...         Image.new("L", (10, 12)).save(f"{root}/{name}")
    ...     images = read_domain(root)
    >>> images.files, images.images.shape
    (('a.png', 'b.png'), torch.Size([2, 1, 12, 10]))
    """

    def read(path: Path) -> Pixels:
        if num_labels is None:
            return decode(path, image_size).pixels
        return decode_labels(path, num_labels, image_size)

    results = _read_all(expand_user(root), read, progress, follow_links=follow_links)
    return _stack(expand_user(root), results, skip_bad=skip_bad)


def read_domains(
    first: str | Path,
    second: str | Path | None,
    *,
    paired: bool,
    side_by_side: bool = False,
    swapped: bool = False,
    image_size: tuple[int, int] | None = None,
    num_labels: int | None = None,
    skip_bad: bool = False,
    follow_links: bool = False,
    progress: Progress | None = None,
) -> tuple[DomainImages, DomainImages]:
    """Read the domains X and Y of an image translation.

    Parameters
    ----------
    first, second : path
        Folders of X and Y. Without `second`, `first` contains ``trainA`` and ``trainB``, or ``mask`` and ``photo`` if
        `paired`, or images side by side.
    paired : bool
        Match X and Y by their path without its suffix. A file without a partner is an error, or skipped.
    side_by_side : bool, default=False
        Each image of `first` is a pair: X is its left half and Y its right half.
    swapped : bool, default=False
        X is the right half.
    image_size, num_labels, skip_bad, follow_links, progress
        As in `read_domain`. Label images are those of X.

    Returns
    -------
    tuple of DomainImages
        X and Y; if `paired`, of equal length and in the same order.

    Raises
    ------
    DataError
        As `read_domain`; if the folders are missing; or if files have no partner or the same name.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from ganaug.io.translation_folders import read_domains
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for file in ("mask/1.png", "mask/2.png", "photo/2.jpg", "photo/1.jpg"):
    ...         path = Path(root, file)
    ...         path.parent.mkdir(exist_ok=True)
    ...         Image.new("L", (8, 8)).save(path)
    ...     masks, photos = read_domains(root, None, paired=True, num_labels=2)
    >>> masks.files, photos.files
    (('1.png', '2.png'), ('1.jpg', '2.jpg'))
    """
    if side_by_side:
        if second is not None:
            raise DataError("images side by side are in one folder: pass only that one.")
        if num_labels is not None:
            raise DataError("images side by side are no label images: leave num_labels out.")
        left, right = _read_halves(
            expand_user(first), image_size, progress, skip_bad=skip_bad, follow_links=follow_links
        )
        return (right, left) if swapped else (left, right)
    if second is None:
        first, second = _find_folders(expand_user(first), paired=paired)
    x, y = (
        read_domain(
            folder,
            image_size=image_size,
            num_labels=labels,
            skip_bad=skip_bad,
            follow_links=follow_links,
            progress=progress,
        )
        for folder, labels in ((first, num_labels), (second, None))
    )
    return _match(x, y, skip_bad=skip_bad) if paired else (x, y)


def _read_all(
    folder: Path, read: Callable[[Path], T], progress: Progress | None, *, follow_links: bool
) -> dict[str, T | str]:
    """Apply `read` to every image below a folder. Returns its results, or why a file is unusable, by file."""

    def read_or_explain(file: str) -> T | str:
        try:
            return read(folder / file)
        except UnusableImage as error:
            return f"{error.cause}. {error.fix}."

    files = list(_find_files(folder, follow_links=follow_links))
    with strict_pillow_warnings():
        return dict(zip(files, map_in_threads(read_or_explain, files, progress), strict=True))


def _find_files(folder: Path, *, follow_links: bool) -> Iterator[str]:
    """Yield the images below a folder, by their names. Raises DataError if there are none, or if a link leads out."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder.")
    root, n_files = folder.resolve(), 0
    for file in sorted(walk_images(folder, follow_links=follow_links), key=PurePosixPath):
        # by default, because a link could copy private files into a data set
        if not follow_links and not (folder / file).resolve().is_relative_to(root):
            raise DataError(f"{folder / file}: is a link that leads out of {folder}. Copy the image in, {FOLLOW_HINT}.")
        n_files += 1
        yield file
    if not n_files:
        raise DataError(f"{folder}: contains no image ({', '.join(sorted(SUFFIXES))}).")


def _stack(folder: Path, results: Mapping[str, Pixels | str], *, skip_bad: bool) -> DomainImages:
    """Stack the images of one domain. Raises DataError for unusable files without `skip_bad`, or if sizes differ."""
    skipped = {file: pixels for file, pixels in results.items() if isinstance(pixels, str)}
    usable = {file: pixels for file, pixels in results.items() if not isinstance(pixels, str)}
    if skipped and not (skip_bad and usable):  # without any usable image, skipping does not help
        lines = [f"{folder}: {len(skipped):,} files cannot be used:"]
        lines += [f"{folder / file}: {cause}" for file, cause in list(skipped.items())[:MAX_FILES_SHOWN]]
        if len(skipped) > MAX_FILES_SHOWN:
            lines.append(f"... and {len(skipped) - MAX_FILES_SHOWN:,} more.")
        if usable:
            lines.append("To leave them out: --skip-bad (in Python skip_bad=True).")
        raise DataError("\n  ".join(lines))
    examples = {pixels.shape[:2]: file for file, pixels in usable.items()}
    if len(examples) > 1:
        shown = sorted(examples.items())[:MAX_FILES_SHOWN]
        sizes = ", ".join(f"{height}x{width} ({file})" for (height, width), file in shown)
        raise DataError(f"{folder}: {len(examples)} sizes (height x width): {sizes}. Choose one with --image-size.")
    return DomainImages(folder, stack_images(list(usable.values())), tuple(usable), skipped)


def _read_halves(
    root: Path,
    image_size: tuple[int, int] | None,
    progress: Progress | None,
    *,
    skip_bad: bool,
    follow_links: bool,
) -> tuple[DomainImages, DomainImages]:
    """Read the left and the right halves of the images below a folder."""
    results = _read_all(root, lambda path: _split(decode(path).pixels, image_size), progress, follow_links=follow_links)
    left, right = (
        {file: halves if isinstance(halves, str) else halves[position] for file, halves in results.items()}
        for position in (0, 1)
    )
    return _stack(root, left, skip_bad=skip_bad), _stack(root, right, skip_bad=skip_bad)


def _split(pixels: Pixels, image_size: tuple[int, int] | None) -> tuple[Pixels, Pixels]:
    """Split an image into halves, then resize them: resizing first would mix pixels of both."""
    width = pixels.shape[1]
    if width % 2:
        raise UnusableImage(f"is {width} pixels wide, an odd number: two halves side by side have equal width")

    def resize(half: Pixels) -> Pixels:
        return half if image_size is None else np.asarray(resize_picture(Image.fromarray(half), image_size))

    return resize(pixels[:, : width // 2]), resize(pixels[:, width // 2 :])


def _find_folders(root: Path, *, paired: bool) -> tuple[Path, Path]:
    """Find the folders of X and Y in one folder."""
    if not root.is_dir():
        raise DataError(f"{root}: no such folder.")
    for names in (UNPAIRED_FOLDERS, *([PAIRED_FOLDERS] if paired else [])):
        if all((root / name).is_dir() for name in names):
            return root / names[0], root / names[1]
    raise DataError(
        f"{root}: holds neither trainA and trainB nor, for pairs, mask and photo. Pass two folders, or "
        "--side-by-side for images that contain both halves."
    )


def _match(x: DomainImages, y: DomainImages, *, skip_bad: bool) -> tuple[DomainImages, DomainImages]:
    """Pair the images of two domains by name. Raises DataError if some have no partner, unless `skip_bad`."""
    x_rows, y_rows = _rows_by_stem(x), _rows_by_stem(y)
    common = [stem for stem in x_rows if stem in y_rows]
    x_unpaired = [x.files[row] for stem, row in x_rows.items() if stem not in y_rows]
    y_unpaired = [y.files[row] for stem, row in y_rows.items() if stem not in x_rows]
    unpaired = [x.root / file for file in x_unpaired] + [y.root / file for file in y_unpaired]
    if not common or (unpaired and not skip_bad):
        raise DataError(
            f"{x.root}, {y.root}: {len(unpaired):,} images have no partner of the same name, such as {unpaired[0]}. "
            "Rename them, pass --skip-bad to leave them out, or fit without pairs."
        )
    # the caller lists all skipped files, whatever the reason
    x = replace(x, skipped=x.skipped | dict.fromkeys(x_unpaired, NO_PARTNER))
    y = replace(y, skipped=y.skipped | dict.fromkeys(y_unpaired, NO_PARTNER))
    return x.take([x_rows[stem] for stem in common]), y.take([y_rows[stem] for stem in common])


def _rows_by_stem(domain: DomainImages) -> dict[str, int]:
    """Return a dict from the path without its suffix to the row. Raises DataError if two files have the same one."""
    rows: dict[str, int] = {}
    for row, file in enumerate(domain.files):
        stem = PurePosixPath(file).with_suffix("").as_posix()
        if (previous := rows.setdefault(stem, row)) != row:
            raise DataError(
                f"{domain.root}: {domain.files[previous]} and {file} differ only in their suffix. Remove or rename one."
            )
    return rows
