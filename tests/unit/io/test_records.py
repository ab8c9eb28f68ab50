"""Tar and Parquet shards and Hugging Face data sets are written and read without loss."""

import io
import json
import tarfile

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import (
    ClassLabel,
    Dataset,
    DatasetDict,
    Features,
    Image,
    IterableDatasetDict,
    Sequence,
    Value,
    load_dataset,
)
from PIL import Image as Pillow

from ganaug import read_folder, write_folder
from ganaug.datasets.convert import convert
from ganaug.errors import DataError
from ganaug.io.records import open_records, read_records
from ganaug.io.store import build_store, open_store, verify_store
from ganaug.io.writing import stream_contents
from ganaug.sampling.shards import Shard, write_shard
from tests.sets import SMALL, augmenter, clothes, noise


def write_shards(path, form, sets):
    for number, images in enumerate(sets):
        contents = lambda images=images: stream_contents(iter([images]), images.counts, images.shape)  # noqa: E731
        write_shard(contents, Shard(number, len(sets)), path, {}, form=form)
    return path


@pytest.mark.parametrize("form", ["tar", "parquet"])
def test_shards_become_a_store(tmp_path, form):
    sets = [noise((6, 4), seed=number) for number in range(3)]
    folder = write_shards(tmp_path / "shards", form, sets)
    stored = open_store(build_store(folder, tmp_path / "store"))
    verify_store(tmp_path / "store")
    assert stored.classes == ("a", "b")
    assert torch.equal(stored.images[:], torch.cat([images.images for images in sets]))
    assert torch.equal(stored.labels, torch.cat([images.labels for images in sets]))
    build_store(folder, tmp_path / "store")  # is complete already
    shard = next(folder.glob(f"*00001-of*.{form}"))
    assert torch.equal(open_store(build_store(shard, tmp_path / "one")).images[:], sets[1].images)


def test_reading_shards_as_a_folder_is_refused_with_the_fix(tmp_path):
    folder = write_shards(tmp_path / "shards", "tar", [noise()])
    with pytest.raises(DataError, match="ganaug store"):
        read_folder(folder)


def test_hugging_face_reads_the_parquet_files(tmp_path):
    write_shards(tmp_path / "out", "parquet", [noise(seed=0), noise(seed=1)])
    files = str(tmp_path / "out" / "*.parquet")
    data = load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))["train"]
    assert data.features["label"].names == ["a", "b"]
    assert np.array_equal(np.asarray(data[0]["image"]), noise(seed=0).images[0, 0].numpy())
    assert sorted(data["label"]) == [0] * 12 + [1] * 8


def hugging_face(images, **columns):
    features = Features({"image": Image(), "label": ClassLabel(names=list(images.classes))})
    pillow_images = [Pillow.fromarray(image[0].numpy()) for image in images.images]
    return Dataset.from_dict({"image": pillow_images, "label": images.labels.tolist()}, features=features)


def test_fit_resample_of_a_hugging_face_data_set_returns_one(tmp_path):
    images = clothes(12).take(torch.cat([torch.arange(12), torch.arange(12, 20), torch.arange(24, 36)]))
    data = hugging_face(images)
    converted = convert(data)
    assert torch.equal(converted.images.images, images.images)
    assert converted.images.classes == images.classes
    resampled, labels = augmenter(n_steps=2, check_every=1, **SMALL).fit_resample(data)
    assert type(resampled) is Dataset
    assert resampled.features == data.features
    assert list(labels) == resampled["label"]
    assert [resampled["label"].count(k) for k in range(3)] == [12, 12, 12]
    assert resampled[len(images)]["image"].size == (28, 28)
    data.save_to_disk(tmp_path / "saved")
    assert open_store(build_store(tmp_path / "saved", tmp_path / "store")).fingerprint() == images.fingerprint()
    assert open_store(build_store(data, tmp_path / "other")).fingerprint() == images.fingerprint()


def test_a_data_set_without_images_or_labels_is_named():
    with pytest.raises(DataError, match="no column of images; its columns are text"):
        convert(Dataset.from_dict({"text": ["a"]}))
    unlabeled = Dataset.from_dict({"image": [Pillow.new("L", (8, 8))]}, features=Features({"image": Image()}))
    with pytest.raises(DataError, match="no column label"):
        convert(unlabeled)
    named = Dataset.from_dict(
        {"image": [Pillow.new("L", (8, 8)), Pillow.new("RGB", (8, 9))], "label": ["x", "y"]},
        features=Features({"image": Image(), "label": Value("string")}),
    )
    with pytest.raises(DataError, match=r"is 8x8 and .* 9x8"):
        convert(named)
    with pytest.raises(ValueError, match="give no y"):
        convert(named, [0, 1])


def test_numbers_as_class_names_are_ordered_as_numbers(tmp_path):
    data = Dataset.from_dict(
        {"img": [Pillow.new("L", (8, 8), tone) for tone in range(12)], "label": [11 - k for k in range(12)]},
        features=Features({"img": Image(), "label": Value("int64")}),
    )
    stored = open_store(build_store(data, tmp_path / "store"))
    assert stored.classes == tuple(str(k) for k in range(12))
    assert stored.labels.tolist() == [11 - k for k in range(12)]
    assert stored.images[0, 0, 0, 0] == 0


def test_records_of_a_folder_start_at_any_number(tmp_path):
    folder = write_folder(noise((5, 4)), tmp_path / "folder")
    records, rest = (list(open_records(folder).iterate_from(start)) for start in (0, 6))
    assert [record.name for record in records[6:]] == [record.name for record in rest]
    assert np.array_equal(records[7].decode(None).pixels, rest[1].decode(None).pixels)


NAMES = ["cat", "dog"]


def labeled(labels, feature=None, tones=None):
    """A Hugging Face data set of gray images with these labels."""
    images = [Pillow.new("L", (8, 8), tone) for tone in (tones or range(len(labels)))]
    feature = ClassLabel(names=NAMES) if feature is None else feature
    return Dataset.from_dict(
        {"image": images, "label": labels}, features=Features({"image": Image(), "label": feature})
    )


def parquet(data, path):
    data.to_parquet(path)
    return path


SOURCES = {
    "data set": lambda data, path: data,
    "saved": lambda data, path: (data.save_to_disk(path / "saved"), path / "saved")[1],
    "parquet": lambda data, path: parquet(data, path / "train.parquet"),
}


@pytest.mark.parametrize("form", SOURCES)
@pytest.mark.parametrize(
    ("labels", "feature", "reason"),
    [
        ([0, None, 1, None], None, ""),
        ([0, -1, 1, -1], None, " \\(-1 stands for no label\\)"),
        ([3, None, 4, None], Value("int64"), ""),
        ([3, -1, 4, -1], Value("int64"), " \\(-1 stands for no label\\)"),
        (["x", None, "y", " "], Value("string"), ""),
        ([0.0, float("nan"), 1.0, None], Value("float64"), ""),
    ],
)
def test_images_without_a_label_are_named_or_left_out(tmp_path, form, labels, feature, reason):
    source = SOURCES[form](labeled(labels, feature), tmp_path)
    with pytest.raises(DataError, match=f"has no label in rows 1, 3{reason}. Give them a class.*--unlabeled drop"):
        build_store(source, tmp_path / "store")
    assert not (tmp_path / "store").exists()
    with pytest.raises(DataError, match=f"has no label in rows 1, 3{reason}"):
        read_records(open_records(source))
    expected = {"y" if label == "y" else str(label).removesuffix(".0") for label in (labels[0], labels[2])}
    expected = set(NAMES) if feature is None else expected
    read = read_records(open_records(source), unlabeled="drop")
    stored = open_store(build_store(source, tmp_path / "store", unlabeled="drop"))
    for images in (read, stored):
        assert set(images.classes) == expected
        assert images.images[:, 0, 0, 0].tolist() == [0, 2]
    skipped = json.loads((tmp_path / "store" / "store.json").read_text())["skipped"]
    assert [each["cause"] for each in skipped] == ["has no label"] * 2
    assert stored.fingerprint() == read.fingerprint()


def test_another_value_of_unlabeled_is_refused(tmp_path):
    with pytest.raises(DataError, match="unlabeled must be 'error' or 'drop'; got 'skip'"):
        build_store(labeled([0, 1]), tmp_path / "store", unlabeled="skip")


def test_a_shard_names_the_first_image_without_a_label(tmp_path):
    file = tmp_path / "a.tar"
    with tarfile.open(file, "w") as archive:
        for number, label in enumerate([b"2", b"-1", b"1"]):
            buffer = io.BytesIO()
            Pillow.new("L", (8, 8), number).save(buffer, "PNG")
            for suffix, content in (("png", buffer.getvalue()), ("cls", label)):
                member = tarfile.TarInfo(f"{number}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    with pytest.raises(DataError, match=r"a\.tar has no label in row 1\. Give"):
        build_store(file, tmp_path / "store")
    stored = open_store(build_store(file, tmp_path / "other", unlabeled="drop"))
    assert stored.classes == ("1", "2")


@pytest.mark.parametrize("form", SOURCES)
def test_minus_one_is_a_class_beside_one(tmp_path, form):
    source = SOURCES[form](labeled([-1, 1, -1], Value("int64")), tmp_path)
    assert open_store(build_store(source, tmp_path / "store")).counts == {"-1": 2, "1": 1}


@pytest.mark.parametrize("form", SOURCES)
def test_class_labels_in_lists_of_one(tmp_path, form):
    source = SOURCES[form](labeled([[1], [0], [1]], Sequence(ClassLabel(names=NAMES))), tmp_path)
    assert read_records(open_records(source)).counts == {"cat": 1, "dog": 2}
    source = labeled([[1], [0, 1]], Sequence(ClassLabel(names=NAMES)))
    with pytest.raises(DataError, match="a label is a list; expected one text or number"):
        read_records(open_records(source))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.with_format("torch"),
        lambda data: data.with_format("numpy", columns=["label"]),
        lambda data: data.with_transform(lambda batch: {"pixel_values": [0] * len(batch["label"])}),
        lambda data: data.with_transform(lambda batch: {**batch, "label": [0] * len(batch["label"])}),
        lambda data: data.to_iterable_dataset(),
        lambda data: data.to_iterable_dataset().with_format("torch"),
    ],
    ids=range(6),
)
def test_a_format_or_transform_does_not_change_what_is_read(tmp_path, change):
    data = labeled([0, 1, 1, 0])
    expected = read_records(open_records(data)).fingerprint()
    assert read_records(open_records(change(data))).fingerprint() == expected
    assert open_store(build_store(change(data), tmp_path / "store")).fingerprint() == expected


def test_other_names_of_columns_are_known():
    data = labeled([0, 1]).rename_columns({"image": "pixel_values", "label": "fine_label"})
    assert read_records(open_records(data)).classes == ("cat", "dog")


def test_a_dict_of_splits_is_refused_with_what_to_pass(tmp_path):
    data = labeled([0, 1])
    splits = DatasetDict(test=data, train=data)
    streamed = IterableDatasetDict(validation=data.to_iterable_dataset())
    for source, kind, key in ((splits, "DatasetDict", "train"), (streamed, "IterableDatasetDict", "validation")):
        for read in (convert, open_records, lambda each: build_store(each, tmp_path / "store")):
            with pytest.raises(DataError, match=rf"an? {kind} with the splits .*such as data\['{key}'\]"):
                read(source)
    splits.save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match=r"holds several splits \(test, train\)\. Pass one, such as"):
        open_records(tmp_path / "saved")
    with pytest.raises(DataError, match="got a list; pass a path"):
        open_records([1, 2])


def test_shards_of_several_splits_are_refused(tmp_path):
    for name in ("train-00000-of-00001", "test-00000-of-00001"):
        parquet(labeled([0, 1]), tmp_path / f"{name}.parquet")
    with pytest.raises(DataError, match="holds files of the splits test, train"):
        open_records(tmp_path)


@pytest.mark.parametrize("form", SOURCES)
def test_16_bit_images_of_a_data_set_share_one_scale(tmp_path, form):
    images = [Pillow.fromarray(np.full((8, 8), value, np.uint16)) for value in (100, 4000, 2000)]
    features = Features({"image": Image(), "label": ClassLabel(names=NAMES)})
    data = Dataset.from_dict({"image": images, "label": [0, 1, 0]}, features=features)
    source = SOURCES[form](data, tmp_path)
    expected = [round(value * 255 / 4095) for value in (100, 4000, 2000)]
    with pytest.warns(UserWarning, match="16-bit images use 12 bits"):
        assert read_records(open_records(source)).images[:, 0, 0, 0].tolist() == expected
    with pytest.warns(UserWarning, match="16-bit images use 12 bits"):
        stored = open_store(build_store(source, tmp_path / "store"))
    assert stored.images[:][:, 0, 0, 0].tolist() == expected


@pytest.mark.parametrize("name", ["photos[1]", "a*b?", "[ab]", "it's {x}"])
def test_a_path_with_brackets_and_asterisks_is_no_pattern(tmp_path, name):
    root = tmp_path / name
    folder = write_folder(noise((5, 4)), root / "folder [x]")
    expected = read_folder(folder).fingerprint()
    assert read_folder(build_store(folder, root / "store [1]")).fingerprint() == expected
    for form in ("tar", "parquet"):
        shards = write_shards(root / f"{form} [2]*", form, [noise((6, 4))])
        assert len(open_store(build_store(shards, root / f"{form} store [1]*"))) == 10
        assert len(open_store(build_store(next(shards.glob(f"*.{form}")), root / f"{form} one?"))) == 10
    labeled([0, 1]).save_to_disk(root / "saved [3]*")
    assert len(open_store(build_store(root / "saved [3]*", root / "saved store*"))) == 2


def test_a_class_folder_that_is_named_like_a_shard_is_a_class(tmp_path):
    folder = write_folder(noise((5, 4)), tmp_path / "folder")
    (folder / "metadata.csv").unlink()
    (folder / "a").rename(folder / "a.tar")
    assert open_store(build_store(folder, tmp_path / "store")).counts == {"a.tar": 5, "b": 4}


@pytest.mark.parametrize("as_dict", [False, True])
def test_parquet_files_of_pandas_hold_images_as_bytes(tmp_path, as_dict):
    contents = []
    for tone in (3, 200):
        buffer = io.BytesIO()
        Pillow.new("L", (8, 8), tone).save(buffer, "PNG")
        contents.append({"bytes": buffer.getvalue(), "path": None} if as_dict else buffer.getvalue())
    pd.DataFrame({"image": contents, "label": ["cat", "dog"]}).to_parquet(tmp_path / "a.parquet")
    images = open_store(build_store(tmp_path / "a.parquet", tmp_path / "store"))
    assert images.classes == ("cat", "dog")
    assert images.images[:, 0, 0, 0].tolist() == [3, 200]


def test_rows_of_a_selection_are_those_of_the_selection():
    data = labeled([0, 1, -1, 0]).select([3, 2, 1])
    with pytest.raises(DataError, match="has no label in row 1 "):
        read_records(open_records(data))
    assert read_records(open_records(data), unlabeled="drop").images[:, 0, 0, 0].tolist() == [3, 1]


def test_similar_class_names_of_a_data_set_are_reported():
    with pytest.warns(UserWarning, match="'a' = 'a '"):
        read_records(open_records(labeled(["a", "a ", "b"], Value("string"))))
