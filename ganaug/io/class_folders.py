"""List the images of class folders, with those in their subfolders."""

import os
from collections.abc import Iterator
from pathlib import Path

from ganaug.io.candidates import FOLLOW_HINT, Candidate, Listing, Problem
from ganaug.io.names import is_utf8
from ganaug.io.paths import (
    MANIFEST,
    METADATA,
    SPLITS,
    has_image_name,
    is_folder,
    is_hidden,
    shorten,
    to_utf8,
    walk_images,
)

GROUP_COLUMN = "group_id"


def list_class_folders(listing: Listing, entries: list[os.DirEntry[str]]) -> None:
    """List the images of all class folders, after checking that the folders are classes.

    Parameters
    ----------
    listing : Listing
        Receives what is in the folders.
    entries : list of os.DirEntry
        The entries of the root, sorted.
    """
    root = listing.root
    folders = [entry for entry in entries if is_folder(entry) and not is_hidden(entry.name)]
    loose_images = [entry.name for entry in entries if not is_folder(entry) and has_image_name(entry.name)]
    listing.ignored += [entry.name for entry in entries if _is_ignored(entry)]
    if not folders:
        content = f"{len(loose_images):,} images without a class" if loose_images else "no images: it is empty"
        others = shorten([entry.name for entry in entries if entry.name.startswith("metadata.")])
        listing.errors.append(
            f"{root}: contains {content}. Create one folder per class, or add {METADATA} (file_name,label)"
            + (f", for example from {others}" if others else "")
        )
        return
    if all(folder.name.lower() in SPLITS for folder in folders):
        names = shorten([f"{folder.name}/" for folder in folders])
        training = next((folder.name for folder in folders if folder.name.lower().startswith("train")), folders[0].name)
        listing.errors.append(
            f"{root}: its folders ({names}) are splits, not classes. Pass {root / training} instead; "
            "the generator must not see test images"
        )
        return
    if len(folders) == 1 and _contains_only_folders(folders[0]):  # as unpacked archives often are
        inner = root / folders[0].name
        listing.errors.append(f"{root}: contains one folder, which contains the class folders. Pass {inner} instead")
        return
    if loose_images:
        listing.warnings.append(
            f"{len(loose_images):,} images outside the class folders are left out: {shorten(loose_images)}"
        )
    nested = [folder for entry in folders for folder in _list_class_folder(listing, entry)]
    _describe_nested(listing, nested)


def _describe_nested(listing: Listing, nested: list[str]) -> None:
    """Say how images in subfolders of class folders are read."""
    if nested:
        listing.notes.append(
            "images in subfolders have the class of the outer folder, as in torchvision's ImageFolder; timm, "
            f"and without {METADATA} Hugging Face datasets, take the innermost folder for the class: {shorten(nested)}"
        )
    elif listing.subfolder_groups and not listing.errors:
        listing.errors.append(
            f"{listing.root}: no class folder has subfolders with images, which are the groups of subfolder_groups "
            "(--subfolder-groups). Leave this option out"
        )


def _list_class_folder(listing: Listing, folder: os.DirEntry[str]) -> list[str]:
    """List the images of one class folder. Returns its subfolders that have images."""
    name = folder.name
    if not is_utf8(name):
        listing.errors.append(f"class folder {to_utf8(name)!r}: its name is not UTF-8. Rename it")
        return []
    if folder.is_symlink() and listing.leads_out(Path(folder.path)):
        listing.errors.append(
            f"class folder {name!r}: is a link that leads out of {listing.root}. Copy the images in, {FOLLOW_HINT}"
        )
        return []
    listing.classes.add(name)
    nested = []
    for subfolder, files in _walk_class_folder(listing, folder.path, name):
        metadata = {GROUP_COLUMN: subfolder} if listing.subfolder_groups else None
        if subfolder and files:
            nested.append(f"{name}/{subfolder}")
        for entry in files:
            file = f"{name}/{subfolder}/{entry.name}" if subfolder else f"{name}/{entry.name}"
            if listing.may_open(file, is_link=entry.is_symlink()):
                listing.candidates.append(Candidate(file, name, metadata))
    return nested


def _walk_class_folder(listing: Listing, folder: str, label: str) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Yield (path relative to the class folder, its images) for the class folder and each folder below it, once."""
    remaining, known = [(folder, "")], set()
    while remaining:
        path, relative = remaining.pop()
        shown = f"{label}/{relative}" if relative else label
        try:
            status = Path(path).stat()
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError as error:
            listing.errors.append(
                f"class folder {to_utf8(shown)!r}: cannot be listed: {error.strerror or error}. Allow reading it"
            )
            continue
        if (status.st_dev, status.st_ino) in known:
            listing.warnings.append(f"{to_utf8(shown)}: is a link to a folder that is read already, and is left out")
            continue
        known.add((status.st_dev, status.st_ino))
        listing.ignored += [to_utf8(f"{shown}/{entry.name}") for entry in entries if _is_ignored(entry)]
        yield relative, [entry for entry in entries if not is_folder(entry) and has_image_name(entry.name)]
        folders = [entry for entry in entries if is_folder(entry) and not is_hidden(entry.name)]
        folders = [entry for entry in folders if _may_enter(listing, entry, shown)]
        splits = [entry.name for entry in folders if _contains_images(entry.path)] if _are_splits(folders) else []
        if splits:
            listing.errors.append(
                f"class folder {to_utf8(shown)!r}: its subfolders ({shorten(splits)}) are splits. Create one folder "
                "for each split, with a folder for each class in it, and pass the one for training"
            )
            continue
        remaining += [(entry.path, f"{relative}/{entry.name}".lstrip("/")) for entry in reversed(folders)]


def _may_enter(listing: Listing, entry: os.DirEntry[str], parent: str) -> bool:
    """Return whether to list a subfolder. Links that may not be followed become problems; loops are left out."""
    if not entry.is_symlink():
        return True
    target, file = Path(entry.path).resolve(), to_utf8(f"{parent}/{entry.name}")
    here = Path(entry.path).parent.resolve()
    if here.is_relative_to(target) or listing.root.resolve().is_relative_to(target):
        listing.warnings.append(f"{file}: is a link to a folder that contains it, and is left out")
        return False
    if listing.leads_out(target):
        if _contains_images(entry.path):
            fix = f"Copy the images in, {FOLLOW_HINT}"
            listing.problems.append(Problem(file, "is a link that leads out of the folder", fix))
        return False
    return True


def _are_splits(folders: list[os.DirEntry[str]]) -> bool:
    return bool(folders) and all(entry.name.lower() in SPLITS for entry in folders)


def _contains_images(folder: str) -> bool:
    return next(walk_images(Path(folder)), None) is not None


def _contains_only_folders(folder: os.DirEntry[str]) -> bool:
    """Return whether a folder has images in its subfolders and none beside them."""
    has_loose_images = any(has_image_name(entry.name) for entry in os.scandir(folder.path) if not is_folder(entry))
    return not has_loose_images and _contains_images(folder.path)


def _is_ignored(entry: os.DirEntry[str]) -> bool:
    """Return whether to report an entry as ignored: a hidden folder, or a file without an image name.

    metadata.csv and the manifest are not reported.
    """
    if is_folder(entry):
        return is_hidden(entry.name)
    return not has_image_name(entry.name) and entry.name not in {METADATA, MANIFEST}
