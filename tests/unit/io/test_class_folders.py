"""Class folders with subfolders and links."""

import csv
import os
import shutil

import pytest
from PIL import Image

from ganaug import build_store, read_folder
from ganaug.errors import DataError, OutputError
from ganaug.io.folder import add_to_folder, read_and_inspect, write_augmented_folder
from ganaug.io.preflight import inspect_folder
from ganaug.io.store import open_store


@pytest.fixture
def nested(photos):
    """Cats of two patients and dogs of two, one of whom is the same; two dogs are directly in the class folder."""
    root = photos({"cat/p1": 3, "cat/p2": 2, "dog/p1": 2, "dog/p3/left/2024": 2})
    for number in range(2):
        shutil.copy(root / "dog" / "p1" / f"{number}.png", root / "dog" / f"loose-{number}.png")
    (root / "cat" / ".thumbnails").mkdir()
    shutil.copy(root / "cat" / "p1" / "0.png", root / "cat" / ".thumbnails" / "0.png")
    return root


def rows_of(root):
    with open(root / "metadata.csv", newline="") as file:
        return {row["file_name"]: row for row in csv.DictReader(file)}


def test_images_in_subfolders_have_the_class_that_image_folder_gives_them(nested):
    from torchvision.datasets import ImageFolder

    with pytest.warns(UserWarning, match="have the class of the outer folder.*take the innermost.*cat/p1, cat/p2"):
        images = read_folder(nested)
    files = {os.path.relpath(path, nested): label for path, label in ImageFolder(nested).samples}
    del files["cat/.thumbnails/0.png"]  # hidden folders are skipped
    assert dict(zip(images.metadata["file_name"], images.labels.tolist(), strict=True)) == files
    assert images.counts == {"cat": 5, "dog": 6}
    assert "group_id" not in images.metadata


def test_subfolders_are_groups_on_request(nested):
    images, inspection = read_and_inspect(nested, subfolder_groups=True)
    groups = dict(zip(images.metadata["file_name"], images.metadata["group_id"], strict=True))
    assert groups["cat/p1/0.png"] == groups["dog/p1/0.png"] == "p1"
    assert groups["dog/p3/left/2024/0.png"] == "p3/left/2024"
    assert groups["dog/loose-0.png"] == ""
    assert inspect_folder(nested, subfolder_groups=True).entries == inspection.entries


def test_groups_that_no_folder_has_are_an_error(photos):
    with pytest.raises(DataError, match="no class folder has subfolders with images"):
        read_folder(photos(), subfolder_groups=True)


def test_an_augmented_folder_keeps_the_groups(nested, synthetic, tmp_path):
    inspection = inspect_folder(nested, subfolder_groups=True)
    out = write_augmented_folder(inspection, synthetic, tmp_path / "out")
    rows = rows_of(out)
    assert {rows[f"cat/{name}"]["group_id"] for name in ("0.png", "0-2.png")} == {"p1", "p2"}
    again = read_folder(out, subfolder_groups=True)
    assert again.counts == {"cat": 7, "dog": 9}
    assert sorted(again.metadata["group_id"]) == sorted(
        [*(e.metadata["group_id"] for e in inspection.entries), *[""] * 5]
    )


def test_synthetic_images_are_added_to_class_folders_with_subfolders(nested, synthetic, snapshot):
    before = snapshot(nested)
    add_to_folder(inspect_folder(nested, subfolder_groups=True), synthetic)
    assert rows_of(nested)["dog/p3/left/2024/0.png"]["group_id"] == "p3/left/2024"
    assert {name: content for name, content in snapshot(nested).items() if name in before} == before
    again = read_folder(nested, subfolder_groups=True)
    assert again.counts == {"cat": 7, "dog": 9}
    assert set(again.metadata["group_id"]) == {"", "p1", "p2", "p3/left/2024"}


def test_metadata_without_groups_is_an_error_if_groups_are_requested(photos):
    root = photos()
    (root / "metadata.csv").write_text("file_name,label\ncat/0.png,cat\ncat/1.png,cat\ndog/0.png,dog\ndog/1.png,dog\n")
    with pytest.raises(DataError, match="lacks the column group_id"):
        read_folder(root, subfolder_groups=True)


@pytest.mark.parametrize("names", [["train", "test"], ["Val"], ["training", "validation"]])
def test_splits_inside_classes_are_refused(photos, names):
    root = photos({f"{label}/{name}": 2 for label in ("cat", "dog") for name in names})
    with pytest.raises(DataError, match=r"class folder 'cat': its subfolders .* are splits"):
        read_folder(root)


def test_a_subfolder_that_is_named_like_a_split_beside_others_is_read(photos):
    root = photos({"cat/test": 2, "cat/p1": 1, "dog": 2})
    assert inspect_folder(root).counts == {"cat": 3, "dog": 2}


def test_one_outer_folder_with_the_classes_is_refused(photos, tmp_path):
    photos(name="wrapped/inner")
    with pytest.raises(DataError, match="contains one folder, which contains the class folders"):
        read_folder(tmp_path / "wrapped")


@pytest.fixture
def cache(photos, tmp_path):
    """A folder of links to files elsewhere, as caches of hubs are."""
    photos({"cat": 3, "dog": 2}, name="blobs")
    root = tmp_path / "snapshot"
    (root / "cat").mkdir(parents=True)
    for number in range(3):
        (root / "cat" / f"{number}.png").symlink_to(tmp_path / "blobs" / "cat" / f"{number}.png")
    (root / "dog").symlink_to(tmp_path / "blobs" / "dog")
    return root


def test_links_that_lead_out_are_followed_on_request(cache, tmp_path, synthetic):
    inspection = inspect_folder(cache)
    assert "--follow-links (in Python follow_links=True)" in inspection.errors[0]
    assert all("follow_links=True" in problem.fix for problem in inspection.problems)
    assert read_folder(cache, follow_links=True).counts == {"cat": 3, "dog": 2}
    assert open_store(build_store(cache, tmp_path / "store", follow_links=True)).counts == {"cat": 3, "dog": 2}
    (cache / "cat" / "p1").symlink_to(tmp_path / "blobs" / "cat")
    assert "cat/p1" in {problem.file for problem in inspect_folder(cache).problems}
    followed = inspect_folder(cache, follow_links=True)
    assert followed.counts == {"cat": 6, "dog": 2}
    out = write_augmented_folder(followed, synthetic, tmp_path / "out")
    assert not any(path.is_symlink() for path in out.rglob("*"))
    with pytest.raises(OutputError, match="is a link that leads out"):  # nothing is written through a link
        add_to_folder(followed, synthetic)


def test_links_of_metadata_are_followed_on_request(cache):
    lines = [f"cat/{number}.png,cat\n" for number in range(3)] + ["dog/0.png,dog\n", "dog/1.png,dog\n"]
    (cache / "metadata.csv").write_text("file_name,label\n" + "".join(lines))
    with pytest.raises(DataError, match=r"dog/0\.png: is a link that leads out.*--follow-links"):
        read_folder(cache)
    assert read_folder(cache, follow_links=True).counts == {"cat": 3, "dog": 2}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("follow_links", [False, True])
def test_loops_of_links_end(photos, tmp_path, follow_links):
    root = photos({"cat/p1": 2, "dog": 2})
    (root / "cat" / "self").symlink_to(root / "cat")
    (root / "cat" / "p1" / "up").symlink_to("..")
    (root / "cat" / "root").symlink_to(root)
    (root / "cat" / "disk").symlink_to(tmp_path.parent)
    (root / "cat" / "p1" / "again").symlink_to("again")
    (root / "dog" / "one").mkdir()
    (root / "dog" / "one" / "two").symlink_to(root / "dog" / "two")
    (root / "dog" / "two").symlink_to(root / "dog" / "one")
    inspection = inspect_folder(root, follow_links=follow_links)
    assert inspection.counts == {"cat": 2, "dog": 2}
    assert "cat/self: is a link to a folder that contains it, and is left out" in inspection.warnings


def test_a_folder_that_two_links_name_is_read_once(photos, tmp_path):
    root = photos({"cat": 2, "dog": 2})
    photos({"more": 2}, name="elsewhere")
    for name in ("a", "b"):
        (root / "cat" / name).symlink_to(tmp_path / "elsewhere" / "more")
    assert inspect_folder(root, follow_links=True).counts == {"cat": 4, "dog": 2}


def test_class_names_that_look_equal_are_reported(photos):
    root = photos({"cat": 2, "Cat": 2, "cat ": 2, "caf\u00e9": 2, "cafe\u0301": 2, "dog": 2})
    with pytest.warns(UserWarning, match="'Cat' = 'cat' = 'cat '.*'cafe\u0301' = 'caf\u00e9'"):
        read_folder(root)
    lines = [f"{label}/{number}.png,{label}\n" for label in ("cat", "Cat") for number in range(2)]
    (root / "metadata.csv").write_text("file_name,label\n" + "".join(lines))
    assert "'Cat' = 'cat'" in "\n".join(inspect_folder(root).warnings)


def test_suffixes_that_other_readers_skip_are_reported(photos):
    from datasets.packaged_modules.imagefolder.imagefolder import ImageFolder
    from timm.data.readers.img_extensions import IMG_EXTENSIONS as TIMM
    from torchvision.datasets.folder import IMG_EXTENSIONS

    from ganaug.io.dataset_checks import TIMM_SUFFIXES, TORCHVISION_SUFFIXES
    from ganaug.io.decoding import SUFFIXES

    assert set(IMG_EXTENSIONS) == TORCHVISION_SUFFIXES
    assert set(TIMM) == TIMM_SUFFIXES
    assert set(ImageFolder.EXTENSIONS) >= SUFFIXES
    root = photos({"cat": 2, "dog": 2}, suffix=".ppm")
    Image.new("RGB", (10, 12), 9).save(root / "cat" / "x.jfif", "JPEG")
    Image.new("RGB", (10, 12), 8).save(root / "cat" / "y.jpe", "JPEG")
    Image.new("1", (10, 12)).save(root / "cat" / "z.pbm")
    warnings = inspect_folder(root).warnings
    assert "torchvision's ImageFolder skips files with this suffix: cat/x.jfif, cat/y.jpe, cat/z.pbm" in warnings
    assert any(text.startswith("timm's folder reader skips") and "cat/0.ppm" in text for text in warnings)
    assert not any("another format" in text for text in warnings)
