import json
import os
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from ganaug import read_folder
from ganaug.errors import DataError
from ganaug.io.folder import read_and_inspect
from ganaug.io.preflight import inspect_folder
from ganaug.io.provenance import make_mark


def errors_of(root, **options) -> str:
    inspection = inspect_folder(root, **options)
    with pytest.raises(DataError) as raised:
        inspection.raise_for_errors()
    assert all(error in str(raised.value) for error in inspection.errors)
    return str(raised.value)


def warnings_of(root, **options) -> str:
    inspection = inspect_folder(root, **options)
    inspection.raise_for_errors()
    return "\n".join(inspection.warnings)


def test_a_valid_folder(photos):
    inspection = inspect_folder(photos({"dog": 3, "Cat": 2, "cat": 20}))
    inspection.raise_for_errors()
    assert inspection.classes == ("Cat", "cat", "dog")  # as sorted() and ImageFolder order them
    assert inspection.counts == {"Cat": 2, "cat": 20, "dog": 3}
    assert inspection.sizes == {(12, 10): 25}
    assert inspection.modes == {"RGB": 25}
    assert inspection.shape == (3, 12, 10)
    assert inspection.problems == ()
    assert inspection.warnings == (
        "classes whose names differ only in case, spaces or accents: 'Cat' = 'cat'. If they are one class, rename one",
        "fewer than 20 images in a class: Cat (2), dog (3)",
    )


def test_a_data_set_is_gray_only_if_every_file_is(photos):
    root = photos(mode="L")
    Image.new("1", (10, 12)).save(root / "cat" / "bits.png")
    Image.new("I;16", (10, 12)).save(root / "cat" / "deep.png")
    assert inspect_folder(root).shape == (1, 12, 10)
    Image.new("RGB", (10, 12)).save(root / "cat" / "color.png")
    assert inspect_folder(root).shape == (3, 12, 10)


def test_every_bad_file_is_listed_in_one_pass_with_cause_and_fix(photos, tmp_path):
    root = photos()
    (root / "cat" / "empty.png").touch()
    (root / "dog" / "text.jpg").write_text("hello")
    content = (root / "cat" / "0.png").read_bytes()
    (root / "dog" / "cut.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "secret.png").write_bytes(content)
    (root / "cat" / "link.png").symlink_to(tmp_path / "secret.png")
    (root / "cat" / "inner.png").symlink_to(root / "cat" / "0.png")
    (root / "cat" / "broken.png").symlink_to(root / "cat" / "nothing.png")
    inspection = inspect_folder(root)
    causes = {problem.file: problem.cause for problem in inspection.problems}
    assert list(causes) == ["cat/broken.png", "cat/empty.png", "cat/link.png", "dog/cut.png", "dog/text.jpg"]
    assert causes["cat/link.png"] == "is a link that leads out of the folder"
    assert "truncated" in causes["dog/cut.png"]
    assert "it begins with 'hello'" in causes["dog/text.jpg"]
    message = errors_of(root)
    assert all(f"{file}: {cause}" in message for file, cause in causes.items())
    assert "--skip-bad" in message
    inspection.raise_for_errors(skip_bad=True)
    assert inspection.counts == {"cat": 5, "dog": 3}


def test_an_error_names_at_most_ten_bad_files(photos):
    root = photos()
    for index in range(13):
        (root / "cat" / f"bad{index:02d}.png").touch()
    message = errors_of(root)
    assert message.count("has zero bytes") == 10
    assert "and 3 more unusable files" in message
    assert len(inspect_folder(root).to_dict()["problems"]) == 13


def test_errors_of_the_folder_itself(photos, tmp_path):
    assert "does not exist" in errors_of(tmp_path / "absent")
    (tmp_path / "file.zip").touch()
    assert "is a file, not a folder" in errors_of(tmp_path / "file.zip")
    (tmp_path / "empty").mkdir()
    assert "no images: it is empty" in errors_of(tmp_path / "empty")
    (tmp_path / "loose").mkdir()
    Image.new("L", (9, 9)).save(tmp_path / "loose" / "a.png")
    assert "1 images without a class" in errors_of(tmp_path / "loose")
    photos(name="wrapped/inner")
    assert f"Pass {tmp_path / 'wrapped' / 'inner'} instead" in errors_of(tmp_path / "wrapped")


@pytest.mark.parametrize("names", [["train", "test"], ["Train", "Valid"], ["training", "validation", "test"], ["val"]])
@pytest.mark.parametrize("nested", [True, False])
def test_splits_are_not_classes(photos, names, nested):
    for name in names:
        root = photos({f"{name}/cat" if nested else name: 2})
    message = errors_of(root)
    assert "are splits, not classes" in message
    assert f"Pass {root / names[0]} instead" in message


def test_errors_of_the_classes(photos):
    assert "one class only ('cat')" in errors_of(photos({"cat": 3}, name="one"))
    root = photos({"cat": 3, "dog": 1, "owl": 2}, name="few")
    (root / "yak").mkdir()
    (root / "emu").mkdir()
    (root / "emu" / "bad.png").touch()
    message = errors_of(root)
    assert "no usable image in class emu, yak" in message
    assert "one image only in class dog" in message
    assert "emu/bad.png: has zero bytes" in message


def test_more_than_a_thousand_classes(photos):
    root = photos()
    for index in range(1000):
        (root / str(index)).mkdir()
    assert "1,002 classes, more than 1,000" in errors_of(root)


def test_a_class_folder_that_links_outside_is_refused(photos, tmp_path):
    root = photos()
    elsewhere = photos({"owl": 2}, name="elsewhere")
    (root / "owl").symlink_to(elsewhere / "owl")
    assert "class folder 'owl': is a link that leads out" in errors_of(root)


def test_names_that_are_not_utf8(photos):
    root = photos()
    shutil.copy(root / "cat" / "0.png", os.fsencode(root / "cat") + b"/\xff.png")
    assert r"cat/\udcff.png: its name is not UTF-8" in errors_of(root)


def test_sizes(photos):
    root = photos({"cat": 9, "dog": 9}, size=(28, 28))
    photos({"dog": 2}, size=(32, 28))
    message = errors_of(root)
    assert "2 sizes (height x width): 28x28 (16 images), 32x28 (2 images)" in message
    assert "--image-size 28" in message
    resized = inspect_folder(root, image_size=(16, 20))
    resized.raise_for_errors()
    assert resized.shape == (3, 16, 20)
    for size in ((7, 30), (30, 257)):
        root = photos(size=size, name=f"photos{size}")
        assert f"images of {size[0]}x{size[1]} (height x width) are outside 8..256" in errors_of(root)
        inspect_folder(root, image_size=8).raise_for_errors()
    for size in (7, 257, (8, 300)):
        with pytest.raises(DataError, match=r"8\.\.256"):
            inspect_folder(root, image_size=size)


def test_duplicates_and_label_conflicts(photos):
    root = photos()
    shutil.copy(root / "cat" / "0.png", root / "cat" / "again.png")
    Image.open(root / "cat" / "1.png").save(root / "dog" / "other.bmp")  # the same pixels in other bytes
    inspection = inspect_folder(root)
    assert inspection.duplicates == (("cat/0.png", "cat/again.png"), ("cat/1.png", "dog/other.bmp"))
    warnings = "\n".join(inspection.warnings)
    assert "the same image more than once: cat/0.png = cat/again.png, cat/1.png = dog/other.bmp" in warnings
    assert "the same image in different classes: cat/1.png = dog/other.bmp" in warnings


def test_warnings(photos):
    root = photos({"cat": 25, "dog": 25})
    assert warnings_of(root) == ""
    (root / ".git").mkdir()
    (root / "cat" / ".DS_Store").touch()
    (root / "dog" / "notes.txt").touch()
    Image.new("RGB", (10, 12)).save(root / "loose.png")
    Image.new("RGB", (10, 12), 1).save(root / "dog" / "really.png", "JPEG")
    frames = [Image.new("RGB", (10, 12), color) for color in ("red", "blue")]
    frames[0].save(root / "cat" / "moves.gif", save_all=True, append_images=frames[1:])
    chunks = make_mark("cat", seed=1, model_hash="x")
    Image.new("RGB", (10, 12), 2).save(root / "cat" / "train-1.png", pnginfo=chunks)
    warnings = warnings_of(root)
    for expected in (
        "ignored, because hidden or not named as an image: .git, cat/.DS_Store, dog/notes.txt",
        "1 images outside the class folders are left out: loose.png",
        "another format than the file name says: dog/really.png",
        "several frames or pages, of which the first is used: cat/moves.gif",
        "ImageFolder skips files with this suffix: cat/moves.gif",
        "1 images say that they are synthetic; a generator should learn from real ones: cat/train-1.png",
        "takes a word in these names for a split",
    ):
        assert expected in warnings


def write_metadata(root, text: str) -> None:
    (root / "metadata.csv").write_text(text)


def test_metadata_is_followed_and_its_columns_kept(photos):
    root = photos()
    write_metadata(
        root, "group_id,label,file_name\n007,owl,./cat/0.png\n007,owl,cat/1.png\n8,yak,dog/0.png\n,yak,dog/1.png\n"
    )
    inspection = inspect_folder(root)
    inspection.raise_for_errors()
    assert inspection.form == "metadata"
    assert inspection.counts == {"owl": 2, "yak": 2}
    assert [entry.file for entry in inspection.entries] == ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png"]
    assert [entry.metadata for entry in inspection.entries] == [{"group_id": text} for text in ("007", "007", "8", "")]
    assert (
        "3 images are not listed in metadata.csv and are left out: cat/2.png, cat/3.png, dog/2.png"
        in inspection.warnings
    )


def test_rows_of_metadata_that_cannot_be_used(photos, tmp_path):
    root = photos()
    Image.new("L", (9, 9)).save(tmp_path / "secret.png")
    (root / "out").symlink_to(tmp_path)
    write_metadata(
        root,
        "file_name,label\ncat/0.png,cat\ncat/1.png,cat\ndog/0.png,dog\ndog/1.png,dog\n"
        "cat/0.png,dog\ncat/2.png,\ncat/9.png,cat\n../secret.png,cat\n/etc/a.png,cat\nout/secret.png,cat\n,cat\n"
        f"notes.txt,cat\nC:\\a.png,cat\ncat/3.png,cat,extra\n{'x' * 300}.png,cat\n",
    )
    inspection = inspect_folder(root)
    causes = {problem.file: problem.cause for problem in inspection.problems}
    assert causes == {
        "cat/0.png": "listed already on line 2 (line 6 of metadata.csv)",
        "cat/2.png": "no label (line 7 of metadata.csv)",
        "cat/9.png": "does not exist",
        "../secret.png": "the path leads out of the folder (line 9 of metadata.csv)",
        "/etc/a.png": "the path leads out of the folder (line 10 of metadata.csv)",
        "out/secret.png": "is a link that leads out of the folder",
        "(line 12 of metadata.csv)": "no file_name",
        "notes.txt": "not the name of an image (line 13 of metadata.csv)",
        "C:\\a.png": "the path leads out of the folder (line 14 of metadata.csv)",
        "cat/3.png": "more cells than the heading (line 15 of metadata.csv)",
        f"{'x' * 300}.png": "cannot be read: File name too long",
    }
    inspection.raise_for_errors(skip_bad=True)
    assert inspection.counts == {"cat": 2, "dog": 2}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"file_name,class\ncat/0.png,cat\n", "lacks the column label"),
        (b"", "lacks the column file_name and label"),
        (b"file_name,label\n", "lists no image"),
        (b"file_name,label\n\xff,cat\n", "cannot be read as CSV in UTF-8"),
        (b'file_name,label\n"cat/0.png,cat\n', "cannot be read as CSV in UTF-8"),
        (b"file_name,label\ncat/77.png,cat\n", "no usable image"),
    ],
)
def test_metadata_that_cannot_be_followed(photos, content, expected):
    root = photos()
    (root / "metadata.csv").write_bytes(content)
    assert expected in errors_of(root)


def test_the_inspection_can_be_written_as_json(photos):
    root = photos()
    (root / "cat" / "bad.png").touch()
    content = json.loads(json.dumps(inspect_folder(root).to_dict()))
    assert content["classes"] == {"cat": 4, "dog": 3}
    assert content["sizes"] == [{"height": 12, "width": 10, "images": 7}]
    assert content["problems"] == [{"file": "cat/bad.png", "cause": "has zero bytes", "fix": "Replace it"}]


def test_progress_counts_every_file_once(photos):
    steps = []
    inspect_folder(photos({"cat": 40, "dog": 2}), progress=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (42, 42)
    assert np.all(np.diff([done for done, _ in steps]) > 0)


def save_16_bit(path, *values):
    """Write an image of 12x10 with these values; the rest is 0."""
    pixels = np.zeros((12, 10), np.uint16)
    pixels.flat[: len(values)] = values
    Image.fromarray(pixels).save(path)


def test_16_bit_images_of_a_folder_share_one_scale(photos):
    root = photos({"cat": 2, "dog": 2}, mode="L")
    save_16_bit(root / "cat" / "a.png", 4095, 16)
    save_16_bit(root / "dog" / "b.png", 1000)
    inspection = inspect_folder(root)
    assert "16-bit images use 12 bits, scaled by 4,095" in inspection.warnings
    assert inspection.white == 4095
    with pytest.warns(UserWarning, match="16-bit images use 12 bits, scaled by 4,095"):
        images = read_folder(root)
    pixels = dict(zip(images.metadata["file_name"], images.images[:, 0], strict=True))
    assert pixels["cat/a.png"].flatten()[:2].tolist() == [255, 1]
    assert int(pixels["dog/b.png"].max()) == round(1000 * 255 / 4095)
    with Image.open(root / "cat" / "0.png") as image:
        assert (pixels["cat/0.png"].numpy() == np.asarray(image)).all()


def test_16_bit_images_that_use_all_bits_are_scaled_without_a_warning(photos):
    root = photos({"cat": 2, "dog": 2}, mode="L")
    save_16_bit(root / "cat" / "a.png", 40000)
    assert inspect_folder(root).notes == ()
    assert int(read_folder(root).images[2].max()) == round(40000 / 257)


def test_dark_16_bit_images_are_no_duplicates(photos):
    root = photos({"cat": 2, "dog": 2}, mode="L")
    save_16_bit(root / "cat" / "a.png", 65535)
    for number in (1, 2, 3):
        save_16_bit(root / "dog" / f"dark-{number}.png", number)
    save_16_bit(root / "cat" / "again.png", 3)
    assert inspect_folder(root).duplicates == (("cat/again.png", "dog/dark-3.png"),)


def test_another_set_is_read_with_the_scale_of_the_first(photos):
    root, test = photos({"cat": 2, "dog": 2}, mode="L"), photos({"cat": 2, "dog": 2}, mode="L", name="test")
    save_16_bit(root / "cat" / "a.png", 4000)
    save_16_bit(test / "cat" / "a.png", 1000)
    images, inspection = read_and_inspect(test, white=inspect_folder(root).white)
    assert int(images.images[2].max()) == round(1000 * 255 / 4095)
    save_16_bit(test / "cat" / "a.png", 5000)
    with pytest.raises(DataError, match="use 13 bits, and those that they belong to 12"):
        read_and_inspect(test, white=inspection.white)


def test_class_names_that_other_readers_take_for_a_missing_label_are_reported(photos):
    root = photos({"NA": 2, "cat": 2})
    warnings = inspect_folder(root).warnings
    assert any(text.startswith("pandas and Hugging Face datasets read") and text.endswith(": NA") for text in warnings)
    assert read_folder(root).counts == {"NA": 2, "cat": 2}


def test_dark_16_bit_color_images_are_reported(photos):
    root = photos({"cat": 2, "dog": 2})
    for path in root.glob("*/*.png"):
        cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 4096, (12, 10, 3)).astype(np.uint16))
    with pytest.warns(UserWarning, match="16-bit color images are dark.*: cat/0.png, cat/1.png"):
        read_folder(root)
    cv2.imwrite(str(path), np.full((12, 10, 3), 60000, np.uint16))
    assert not any("dark" in text for text in inspect_folder(root).warnings)


def test_files_without_a_suffix_are_named_if_a_class_has_no_others(photos):
    root = photos({"cat": 2, "dog": 2})
    for path in (root / "dog").iterdir():
        path.rename(path.with_suffix(""))
    assert "no usable image in class dog (hidden, or not named as an image: dog/0, dog/1)" in errors_of(root)


def test_a_set_without_usable_images_is_explained_although_bad_files_are_skipped(photos):
    root = photos({"cat": 2, "dog": 2})
    for path in (root / "dog").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"no usable image in class dog(?s:.)*dog/0\.png: has zero bytes"):
        inspect_folder(root).raise_for_errors(skip_bad=True)
