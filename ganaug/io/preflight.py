"""One look at a data folder before any long work: each unusable file with its cause, and all else that would fail."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ganaug.errors import DataError
from ganaug.io.decoding import GRAY_MODES, Pixels, UnusableImage, decode, pillow_warnings_judged
from ganaug.io.findings import LARGEST, MIN_IMAGE_SIZE, ImageEntry, set_errors, set_warnings
from ganaug.io.listing import Candidate, Listing, Problem, list_images
from ganaug.io.provenance import info_is_marked
from ganaug.io.threads import Progress, in_threads

SHOWN = 10  # unusable files named in an error; `problems` and `ganaug check` have them all


@dataclass(frozen=True)
class FolderInspection:
    """What `inspect_folder` found. `errors` stop training; `problems` do unless they are skipped; `warnings` do not.

    form: 'folders', 'metadata', or 'files' for a bare list of files.
    classes: sorted as torchvision's ImageFolder sorts them, empty ones included.
    duplicates: groups of files whose decoded pixels are equal. image_size: (height, width) to resize to, or None.
    """

    root: Path
    form: str
    image_size: tuple[int, int] | None
    classes: tuple[str, ...]
    entries: tuple[ImageEntry, ...]
    duplicates: tuple[tuple[str, ...], ...]
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    errors: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Class name -> number of usable images, in class order."""
        found = Counter(entry.label for entry in self.entries)
        return {name: found[name] for name in self.classes}

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
        """(channels, height, width) that the images are read as; gray only if every one is. Needs one common size."""
        height, width = self.image_size or next(iter(self.sizes))
        return (1 if all(mode in GRAY_MODES for mode in self.modes) else 3), height, width

    def raise_for_errors(self, *, skip_bad: bool = False) -> None:
        """Raise DataError that names every error, and up to ten unusable files unless `skip_bad` leaves those out."""
        problems = () if skip_bad else self.problems
        if not self.errors and not problems:
            return
        lines = [f"{error}." for error in self.errors] + [str(problem) for problem in problems[:SHOWN]]
        if len(problems) > SHOWN:
            lines.append(
                f"... and {len(problems) - SHOWN:,} more unusable files; `ganaug check {self.root}` lists them all."
            )
        if problems:
            lines.append("To go on without the unusable files: --skip-bad (in Python skip_bad=True).")
        if len(lines) > 1 or not lines[0].startswith(str(self.root)):
            lines.insert(0, f"{'These files' if self.form == 'files' else self.root} cannot be used:")
        raise DataError("\n  ".join(lines))

    def to_dict(self) -> dict[str, object]:
        """Everything but the list of sound images, as JSON takes it."""
        return {
            "root": str(self.root),
            "form": self.form,
            "images": len(self.entries),
            "classes": self.counts,
            "sizes": [{"height": height, "width": width, "images": n} for (height, width), n in self.sizes.items()],
            "modes": self.modes,
            "duplicates": [list(group) for group in self.duplicates],
            "problems": [{"file": bad.file, "cause": bad.cause, "fix": bad.fix} for bad in self.problems],
            "warnings": list(self.warnings),
            "errors": list(self.errors),
        }


def inspect_folder(
    path: str | Path, *, image_size: int | tuple[int, int] | None = None, progress: Progress | None = None
) -> FolderInspection:
    """Open every image of a folder once and report what was found; raises nothing for what it finds.

    image_size: (height, width), or one number for both, that the images shall be resized to; then mixed sizes are well.
    progress: called with (files done, files in all). Raises DataError only for an image_size outside 8..256.
    """
    return examine(list_images(Path(path)), as_size(image_size), progress)


def examine(
    listing: Listing,
    image_size: tuple[int, int] | None,
    progress: Progress | None = None,
    keep: Callable[[Pixels], object] | None = None,
) -> FolderInspection:
    """`inspect_folder` that hands each entry's resized pixels to `keep`, so that reading needs no second decoding."""
    entries, problems = [], list(listing.problems)
    with pillow_warnings_judged():
        for finding, pixels in in_threads(
            lambda candidate: _look(listing.root, candidate, image_size, keep is not None), listing.candidates, progress
        ):
            if isinstance(finding, Problem):
                problems.append(finding)
                continue
            entries.append(finding)
            if keep is not None and pixels is not None:
                keep(pixels)
    groups = defaultdict(list)
    for entry in entries:
        groups[entry.digest].append(entry)
    repeated = [group for group in groups.values() if len(group) > 1]
    return FolderInspection(
        root=listing.root,
        form=listing.form,
        image_size=image_size,
        classes=tuple(sorted(listing.classes)),
        entries=tuple(entries),
        duplicates=tuple(tuple(entry.file for entry in group) for group in repeated),
        problems=tuple(sorted(problems, key=lambda problem: problem.file)),
        warnings=(*listing.warnings, *set_warnings(entries, repeated)),
        errors=(*listing.errors, *set_errors(listing, entries, len(problems), image_size)),
    )


def as_size(image_size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """(height, width) from one number or two. Raises DataError outside 8..256."""
    if image_size is None:
        return None
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    if not (MIN_IMAGE_SIZE <= height <= LARGEST and MIN_IMAGE_SIZE <= width <= LARGEST):
        raise DataError(f"image_size must lie in {MIN_IMAGE_SIZE}..{LARGEST}, height and width; got {image_size}.")
    return height, width


def _look(
    root: Path, candidate: Candidate, image_size: tuple[int, int] | None, wanted: bool
) -> tuple[ImageEntry | Problem, Pixels | None]:
    try:
        picture = decode(root / candidate.file, image_size)
    except UnusableImage as error:
        return Problem(candidate.file, error.cause, error.fix), None
    digest = hashlib.blake2b(repr(picture.pixels.shape).encode(), digest_size=16)
    digest.update(picture.pixels.data)
    entry = ImageEntry(
        file=candidate.file,
        label=candidate.label,
        height=picture.height,
        width=picture.width,
        mode=picture.mode,
        format=picture.format,
        n_bytes=picture.n_bytes,
        several_frames=picture.several_frames,
        marked=info_is_marked(picture.info),
        digest=digest.hexdigest(),
        content_hash=picture.content_hash,
        row=candidate.row,
    )
    return entry, picture.pixels if wanted else None
