"""What the listing of a folder consists of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ganaug.io.names import is_utf8
from ganaug.io.paths import to_utf8

FOLLOW_HINT = "or follow such links: --follow-links (in Python follow_links=True)"


@dataclass(frozen=True)
class Problem:
    """A file that cannot be used.

    Attributes
    ----------
    file : str
        Path relative to the root.
    cause : str
        What is wrong with the file.
    fix : str
        What the user can do.

    Examples
    --------
    >>> from ganaug.io.candidates import Problem
    >>> print(Problem("cat/1.png", "has zero bytes", "Replace it"))
    cat/1.png: has zero bytes. Replace it.
    """

    file: str
    cause: str
    fix: str

    def __str__(self) -> str:
        return f"{self.file}: {self.cause}. {self.fix}."


@dataclass(frozen=True)
class Candidate:
    """A file that is an image by its name, and may prove unusable when it is opened.

    Attributes
    ----------
    file : str
        Path relative to the root, with forward slashes.
    label : str
        Name of its class.
    metadata : mapping, optional
        Its other columns of metadata.csv.
    """

    file: str
    label: str
    metadata: Mapping[str, str] | None = None


@dataclass
class Listing:
    """The images of a folder by their names.

    Attributes
    ----------
    root : pathlib.Path
    form : {"folders", "metadata", "files"}
        Class folders, metadata.csv, or a list of files without classes.
    subfolder_groups : bool
        Whether the subfolder of an image in its class folder is its `group_id`.
    follow_links : bool
        Whether links may lead out of the folder.
    classes : set of str
        Names of the classes, including empty ones.
    candidates : list of Candidate
    problems : list of Problem
        Files that cannot be used.
    notes, warnings, errors : list of str
        Sentences, without the final period, about the folder as a whole. Notes are warnings about how labels were read.
    ignored : list of str
        Hidden files, and files without the name of an image.
    """

    root: Path
    form: str = "folders"
    subfolder_groups: bool = False
    follow_links: bool = False
    classes: set[str] = field(default_factory=set)
    candidates: list[Candidate] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def may_open(self, file: str, *, is_link: bool) -> bool:
        """Return whether a file may be opened. If not, a problem is added.

        Parameters
        ----------
        file : str
            Path relative to the root.
        is_link : bool
            Whether the file or one of its folders is a link.
        """
        if not is_utf8(file):
            self.problems.append(Problem(to_utf8(file), "its name is not UTF-8", "Rename it"))
            return False
        if is_link and self.leads_out(self.root / file):
            self.problems.append(
                Problem(file, "is a link that leads out of the folder", f"Copy the image in, {FOLLOW_HINT}")
            )
            return False
        return True

    def leads_out(self, path: Path) -> bool:
        """Return whether a path leads out of the root by links that may not be followed."""
        return not self.follow_links and not path.resolve().is_relative_to(self.root.resolve())
