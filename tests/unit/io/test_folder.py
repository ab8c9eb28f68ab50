import csv
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from ganaug import LabeledImages, augment_folder, read_folder, write_folder
from ganaug.augmentation import forecast_augmentation
from ganaug.errors import DataError, OutputError
from ganaug.images import concatenate
from ganaug.io import folder as folder_module
from ganaug.io.folder import add_to_folder, inspect_folder, read_and_inspect, read_files, write_augmented_folder
from ganaug.io.items import folded
from ganaug.io.provenance import is_marked, read_mark
from ganaug.io.table import MISSING_TEXTS
from tests.sets import augmenter

COLUMNS = ["file_name", "label", "is_synthetic", "origin", "class_index", "seed", "model_hash", "ganaug_version"]


def rows_of(root) -> list[dict[str, str]]:
    with open(root / "metadata.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_is_read_unchanged(photos):
    root = photos()
    real = read_folder(root)
    assert real.images.dtype == torch.uint8
    assert real.shape == (3, 12, 10)
    assert real.counts == {"cat": 4, "dog": 3}
    assert list(real.metadata.columns) == ["file_name", "label"]
    for image, file, label in zip(real.images, real.metadata["file_name"], real.metadata["label"], strict=True):
        assert file.startswith(f"{label}/")
        with Image.open(root / file) as stored:
            assert (image.permute(1, 2, 0).numpy() == np.asarray(stored)).all()


def test_gray_sets_have_one_channel_and_gray_files_in_color_sets_three(photos):
    root = photos(mode="L")
    assert read_folder(root).shape == (1, 12, 10)
    Image.new("RGB", (10, 12), "red").save(root / "dog" / "red.png")
    real = read_folder(root)
    assert real.shape == (3, 12, 10)
    assert (real.images[0, 0] == real.images[0, 2]).all()


@pytest.mark.parametrize(("image_size", "shape"), [(9, (3, 9, 9)), ((20, 8), (3, 20, 8)), (None, (3, 12, 10))])
def test_image_size_is_height_and_width(photos, image_size, shape):
    assert read_folder(photos(), image_size=image_size).shape == shape


def test_bad_files_raise_an_error_and_can_be_skipped(photos):
    root = photos()
    (root / "cat" / "bad.png").touch()
    with pytest.raises(DataError, match=r"cat/bad\.png: has zero bytes"):
        read_folder(root)
    real, inspection = read_and_inspect(root, skip_bad=True)
    assert real.counts == inspection.counts == {"cat": 4, "dog": 3}
    assert [problem.file for problem in inspection.problems] == ["cat/bad.png"]


def test_user_columns_stay_text_exactly_as_written(photos):
    root = photos()
    (root / "metadata.csv").write_text(
        "attr_age,file_name,label,seed\n007,cat/0.png,a,x\n,cat/1.png,a,1.50\nNA,dog/0.png,b,\n1e5,dog/1.png,b,y\n"
    )
    frame = read_folder(root).metadata
    assert list(frame.columns) == ["file_name", "label", "attr_age", "seed"]
    assert list(frame["attr_age"]) == ["007", "", "NA", "1e5"]
    assert list(frame["seed"]) == ["x", "1.50", "", "y"]


def test_large_sets_are_memory_mapped_and_equal(photos, tmp_path, monkeypatch):
    root = photos()
    in_memory = read_folder(root)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(folder_module.tempfile, "tempdir", str(tmp_path / "scratch"))
    monkeypatch.setattr(folder_module, "MAX_BYTES_IN_MEMORY", 500)
    mapped = read_folder(root)
    assert list((tmp_path / "scratch").iterdir()) == []
    assert mapped.fingerprint() == in_memory.fingerprint()
    assert mapped.images.untyped_storage().is_shared()
    monkeypatch.setattr(folder_module.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 9}))
    with pytest.raises(OutputError, match="set TMPDIR"):
        read_folder(root)


def test_files_are_read_in_the_requested_order_even_twice(photos):
    root = photos()
    real = read_folder(root)
    paths = [root / "dog" / "1.png", root / "cat" / "0.png", root / "dog" / "1.png"]
    assert torch.equal(read_files(paths), real.images[[5, 0, 5]])
    Image.new("RGB", (9, 9)).save(root / "cat" / "0.png")
    with pytest.raises(DataError, match="2 sizes"):
        read_files(paths)
    (root / "cat" / "0.png").unlink()
    with pytest.raises(DataError, match=r"cat/0\.png: does not exist"):
        read_files(paths)


def test_a_written_folder_is_read_back(tmp_path, synthetic):
    out = write_folder(synthetic, tmp_path / "out")
    assert out == tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == [".ganaug.json", "cat", "dog", "metadata.csv"]
    again = read_folder(out)
    names = [
        f"{label}/synthetic-01234567-{seed}.png"
        for label, seed in zip(synthetic.metadata["label"], synthetic.metadata["seed"], strict=True)
    ]
    order = [list(again.metadata["file_name"]).index(name) for name in names]
    again = again.take(order)
    assert again.fingerprint() == synthetic.fingerprint()
    assert list(again.metadata.columns) == COLUMNS
    assert again.metadata["is_synthetic"].tolist() == [True] * 5
    assert again.metadata["seed"].tolist() == [7, 8, 2**53 - 1, 0, 1]
    assert again.metadata["model_hash"].tolist() == ["0123456789abcdef"] * 5


def test_synthetic_files_carry_marks_and_real_ones_do_not(tmp_path, photos, synthetic):
    real = read_folder(photos())
    out = write_folder(concatenate(real, synthetic), tmp_path / "out")
    is_synthetic = {row["file_name"]: row["is_synthetic"] == "True" for row in rows_of(out)}
    assert len(is_synthetic) == 12
    assert all(is_marked(out / file) == expected for file, expected in is_synthetic.items())
    mark = read_mark(out / "dog" / f"synthetic-01234567-{2**53 - 1}.png")
    assert (mark["label"], mark["seed"], mark["model_hash"]) == ("dog", 2**53 - 1, "0123456789abcdef")
    real_rows = [row for row in rows_of(out) if row["is_synthetic"] == "False"]
    assert {(row["seed"], row["model_hash"], row["ganaug_version"]) for row in real_rows} == {("", "", "")}
    assert read_folder(out).metadata["is_synthetic"].sum() == 5


def test_images_without_metadata_get_numbered_names(tmp_path):
    images = LabeledImages(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.tensor([1, 0, 1]), ("a", "b"))
    out = write_folder(images, tmp_path / "deep" / "er" / "out")
    assert [row["file_name"] for row in rows_of(out)] == [
        "b/image-000001.png",
        "a/image-000002.png",
        "b/image-000003.png",
    ]
    with Image.open(out / "a" / "image-000002.png") as image:
        assert image.mode == "L"


def test_unsafe_class_names_become_slugs_and_nothing_is_written_outside(tmp_path, snapshot):
    classes = ("../x", "/etc/passwd", "a/b", " ", "con", "fine")
    count = len(classes)
    images = LabeledImages(
        torch.arange(2 * count).view(-1, 1, 1, 1).expand(-1, 1, 8, 8).to(torch.uint8),
        torch.arange(count).repeat(2),
        classes,
        pd.DataFrame({"file_name": ["../../up.png"] * (2 * count)}),
    )
    before = set(snapshot(tmp_path))
    out = write_folder(images, tmp_path / "out")
    assert {path.split("/")[0] for path in set(snapshot(tmp_path)) - before} == {"out"}
    assert sum(path.is_dir() for path in out.iterdir()) == count
    assert {row["label"] for row in rows_of(out)} == set(classes)
    assert (out / "fine" / "up.png").exists()
    assert (out / "fine" / "up-2.png").exists()


def test_user_columns_come_last_and_the_first_rows_have_every_class_and_origin(tmp_path, photos, synthetic):
    root = photos()
    (root / "metadata.csv").write_text(
        "file_name,attr_age,label\n"
        + "".join(f"{name}/{i}.png,{i},{name}\n" for name in ("cat", "dog") for i in range(3))
    )
    out = write_folder(concatenate(read_folder(root), synthetic), tmp_path / "out")
    rows = rows_of(out)
    assert list(rows[0]) == [*COLUMNS, "attr_age"]
    combinations = [(row["label"], row["is_synthetic"]) for row in rows]
    assert len(set(combinations[:4])) == len(set(combinations)) == 4
    assert [row["attr_age"] for row in rows if row["is_synthetic"] == "True"] == [""] * 5


def test_nothing_is_left_when_writing_fails(tmp_path, synthetic, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ganaug.io.image_files.make_mark", fail)
    with pytest.raises(OutputError, match=r"out: cannot be written \(up to [\d,]+ bytes\): No space left on device"):
        write_folder(synthetic, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_space_is_reported_before_writing(tmp_path, synthetic, monkeypatch):
    monkeypatch.setattr("ganaug.io.output.shutil.disk_usage", lambda path: type("Usage", (), {"free": 4096}))
    with pytest.raises(OutputError, match=r"out: needs up to 0 MiB, 0 MiB are free"):
        write_folder(synthetic, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_out_must_be_new_or_empty(tmp_path, synthetic):
    (tmp_path / "empty").mkdir()
    write_folder(synthetic, tmp_path / "empty")
    with pytest.raises(OutputError, match=r"holds what ganaug wrote before.*--undo"):
        write_folder(synthetic, tmp_path / "empty")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(OutputError, match=r"is not empty \(holds 'thesis.tex'\)"):
        write_folder(synthetic, tmp_path / "full")
    with pytest.raises(OutputError, match="is a file"):
        write_folder(synthetic, tmp_path / "full" / "thesis.tex")


def test_a_selection_of_a_read_folder_is_written_again(photos, synthetic, tmp_path):
    """Missing values of pandas, which are unequal to everything, become empty cells."""
    mixed = write_augmented_folder(inspect_folder(photos()), synthetic, tmp_path / "mixed")
    part = read_folder(mixed).take([0, 3, 7, 9])
    again = read_folder(write_folder(part, tmp_path / "again"))
    assert sorted(map(bytes, again.images.numpy())) == sorted(map(bytes, part.images.numpy()))


def images_of(*names):
    """Two different images of each class."""
    count = 2 * len(names)
    pixels = torch.arange(count).view(-1, 1, 1, 1).expand(-1, 1, 8, 8).to(torch.uint8)
    return LabeledImages(pixels, torch.arange(len(names)).repeat(2), names)


def test_class_folders_are_distinct_on_every_disk_and_labels_are_unchanged(tmp_path):
    names = ("Cat", "cat", "caf\u00e9", "cafe\u0301", "what?", "a:b", "dot.", "end ", "con", "metadata.csv", "x.tar")
    out = write_folder(images_of(*names), tmp_path / "out")
    folders = [path.name for path in out.iterdir() if path.is_dir()]
    assert len({folded(folder) for folder in folders}) == len(names)
    assert not any(set('<>:"|?*') & set(folder) or folder[-1] in ". " for folder in folders)
    assert Counter(row["label"] for row in rows_of(out)) == dict.fromkeys(names, 2)
    with pytest.warns(UserWarning, match="differ only in case"):
        assert read_folder(out).counts == dict.fromkeys(sorted(names), 2)


def test_files_of_one_folder_are_distinct_on_every_disk(photos, synthetic, tmp_path):
    root = photos()
    (root / "cat" / "0.png").rename(root / "cat" / "A.png")
    (root / "cat" / "1.png").rename(root / "cat" / "a.png")
    out = write_augmented_folder(inspect_folder(root), synthetic, tmp_path / "out")
    names = [path.name for path in (out / "cat").iterdir()]
    assert len({name.casefold() for name in names}) == len(names) == 6


@pytest.mark.parametrize("name", ["NA", "null", "None", "nan", "N/A", ""])
def test_a_class_name_that_other_readers_take_for_a_missing_label_is_refused(tmp_path, name, snapshot):
    with pytest.raises(DataError, match=rf"class '{name}': pandas and Hugging Face.*Rename the class"):
        write_folder(images_of("cat", name), tmp_path / "out")
    assert snapshot(tmp_path) == {}
    images = images_of("cat", name)
    write_folder(images.take(images.labels == 0), tmp_path / "out")  # without an image of that class


def test_such_names_are_refused_before_training(photos, tmp_path, snapshot):
    root = photos({"null": 4, "cat": 8})
    before = snapshot(tmp_path)
    for out in (tmp_path / "out", None):
        with pytest.raises(DataError, match=r"class 'null'.*its folder"):
            augment_folder(root, out, method=augmenter(n_steps=10**9))
    with pytest.raises(DataError, match="class 'null'"):
        forecast_augmentation(root)
    with pytest.raises(DataError, match="class 'null'"):
        write_augmented_folder(inspect_folder(root), images_of("cat"), tmp_path / "out")
    with pytest.raises(DataError, match="class 'null'"):
        add_to_folder(inspect_folder(root), images_of("cat"))
    assert snapshot(tmp_path) == before


def test_the_names_are_those_of_pandas():
    from pandas._libs.parsers import STR_NA_VALUES

    assert set(STR_NA_VALUES) == MISSING_TEXTS


def test_a_link_that_leads_out_is_refused_before_training_in_place(photos, tmp_path):
    root = photos({"cat": 8, "dog": 4})
    (root / "dog").rename(tmp_path / "dog")
    (root / "dog").symlink_to(tmp_path / "dog")
    with pytest.raises(OutputError, match="is a link that leads out"):
        augment_folder(root, method=augmenter(n_steps=10**9), follow_links=True)
