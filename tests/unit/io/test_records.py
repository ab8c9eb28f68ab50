"""Tar and Parquet shards and Hugging Face data sets are written and read without loss."""

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Image, Value, load_dataset
from PIL import Image as Pillow

from ganaug import read_folder, write_folder
from ganaug.datasets.convert import convert
from ganaug.errors import DataError
from ganaug.io.records import open_records
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
