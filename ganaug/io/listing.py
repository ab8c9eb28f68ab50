"""List the images of a folder and their classes. No file is opened except metadata.csv.

A folder has one of two forms: class folders (``ROOT/<class>/<image>``, or any depth below the class folder), or images
anywhere below ROOT together with ``ROOT/metadata.csv``. If metadata.csv exists, its columns `file_name` and `label`
decide, even if there are class folders.
"""

import os
from pathlib import Path

from ganaug.io.candidates import Candidate, Listing, Problem
from ganaug.io.class_folders import list_class_folders
from ganaug.io.items import similar_names_message
from ganaug.io.metadata_csv import list_metadata
from ganaug.io.paths import METADATA, STORE, find_shards, is_folder, shorten

__all__ = ["Candidate", "Listing", "Problem", "list_images"]


def list_images(root: Path, *, subfolder_groups: bool = False, follow_links: bool = False) -> Listing:
    """List the images of a folder.

    Parameters
    ----------
    root : pathlib.Path
    subfolder_groups : bool, default=False
        Add the path of the subfolder that an image has in its class folder as `group_id`.
    follow_links : bool, default=False
        Follow links that lead out of the folder.

    Returns
    -------
    Listing
        Its `problems`, `warnings` and `errors` describe what is wrong with the folder; nothing is raised.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from ganaug.io.listing import list_images
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for file in ("cat/1.png", "dog/1.png", "dog/notes.txt"):
    ...         path = Path(root, file)
    ...         path.parent.mkdir(exist_ok=True)
    ...         path.touch()
    ...     listing = list_images(Path(root))
    >>> sorted(listing.classes), [candidate.file for candidate in listing.candidates], listing.ignored
    (['cat', 'dog'], ['cat/1.png', 'dog/1.png'], ['dog/notes.txt'])
    """
    listing = Listing(root, subfolder_groups=subfolder_groups, follow_links=follow_links)
    try:
        # file systems list files in different orders
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except FileNotFoundError:
        listing.errors.append(f"{root}: does not exist. Check the path")
        return listing
    except NotADirectoryError:
        listing.errors.append(f"{root}: is a file, not a folder. Unpack it, or pass the folder that contains it")
        return listing
    except OSError as error:
        listing.errors.append(f"{root}: cannot be listed: {error.strerror or error}. Allow reading it")
        return listing
    # stores and shards would look like folders without images
    if any(entry.name == STORE for entry in entries):
        listing.errors.append(f"{root}: is a store, which only `fit` reads. Pass the folder of the images instead")
        return listing
    if find_shards(root) and not any(is_folder(entry) for entry in entries):
        listing.errors.append(
            f"{root}: contains shards. Build a store from them (ganaug store {root} STORE), and fit on the store"
        )
        return listing
    names = [entry.name for entry in entries]
    other = next((name for name in names if name.lower() == METADATA and METADATA not in names), None)
    if other is not None:  # some systems take it for metadata.csv, and others take the folders for the classes
        listing.errors.append(f"{root}: contains {other}. Rename it to {METADATA}, or remove it")
        return listing
    if METADATA in names:
        listing.form = "metadata"
        list_metadata(listing)
    else:
        list_class_folders(listing, entries)
    if listing.ignored:
        listing.warnings.append(f"ignored, because hidden or not named as an image: {shorten(listing.ignored)}")
    if message := similar_names_message(sorted(listing.classes)):
        listing.notes.append(message)
    return listing
