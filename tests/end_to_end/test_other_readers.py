"""Three common readers load the folders that ganaug writes, unmodified and with equal counts per class."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from ganaug import LabeledImages, read_folder, write_folder
from ganaug.io.folder import add_to_folder, inspect_folder, write_augmented_folder

CLASSES = ("-7", "ankle boot", "zebra", "猫")


@pytest.fixture
def synthetic():
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([0] * 3 + [1] * 7 + [3] * 2)
    names = [CLASSES[label] for label in labels]
    metadata = pd.DataFrame(
        {
            "label": names,
            "is_synthetic": True,
            "class_index": labels.numpy(),
            "seed": range(2**53 - 12, 2**53),
            "model_hash": "89abcdef01234567",
            "ganaug_version": "0.1.0",
        }
    )
    return LabeledImages(
        torch.randint(0, 256, (12, 3, 16, 12), generator=generator, dtype=torch.uint8), labels, CLASSES, metadata
    )


def write_originals(tmp_path, layout):
    """Write 5 + label images of each class, PNG and JPEG, in class folders or in one flat folder with metadata.csv."""
    root = tmp_path / "photos"
    rng = np.random.default_rng(0)
    lines = ["file_name,label,attr_site"]
    for label, name in enumerate(CLASSES):
        (root / (name if layout == "folders" else "")).mkdir(parents=True, exist_ok=True)
        for index in range(5 + label):
            file = f"{name}/{index}" if layout == "folders" else f"{label}_{index}"
            file += ".JPG" if index % 2 else ".png"
            Image.fromarray(rng.integers(0, 256, (16, 12, 3), dtype=np.uint8)).save(root / file)
            lines.append(f"{file},{name},{'north' if index % 2 else 'south'}")
    if layout == "metadata":
        (root / "metadata.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(params=["written", "augmented folders", "augmented metadata", "in place"])
def folder(request, tmp_path, synthetic):
    """Write a folder in one of four forms; return (root, expected counts, expected synthetic counts)."""
    synthetic_counts = {name: n for name, n in synthetic.counts.items() if n}
    if request.param == "written":
        return write_folder(synthetic, tmp_path / "out"), synthetic_counts, synthetic_counts
    expected = {name: 5 + label + synthetic_counts.get(name, 0) for label, name in enumerate(CLASSES)}
    data = inspect_folder(write_originals(tmp_path, "metadata" if "metadata" in request.param else "folders"))
    if request.param == "in place":
        return add_to_folder(data, synthetic), expected, synthetic_counts
    return write_augmented_folder(data, synthetic, tmp_path / "out"), expected, synthetic_counts


def test_torchvision_reads_it(folder):
    from torchvision.datasets import ImageFolder

    root, expected, _ = folder
    data = ImageFolder(root)
    assert Counter(data.classes[target] for target in data.targets) == expected
    assert all(image.size == (12, 16) for image, _ in data)


def test_timm_reads_it(folder):
    from timm.data import create_dataset

    root, expected, _ = folder
    data = create_dataset("", root)
    names = {index: name for name, index in data.reader.class_to_idx.items()}
    assert Counter(names[data[index][1]] for index in range(len(data))) == expected


def test_hugging_face_reads_it(folder, tmp_path):
    from datasets import load_dataset

    root, expected, synthetic_counts = folder
    data = load_dataset("imagefolder", data_dir=str(root), cache_dir=str(tmp_path / "cache"))
    assert list(data) == ["train"]
    rows = data["train"].with_format(None)
    assert Counter(rows["label"]) == expected
    assert Counter(row["label"] for row in rows if row["is_synthetic"]) == synthetic_counts
    assert all(row["image"].size == (12, 16) for row in rows)
    seeds = {int(row["seed"]) for row in rows if row["is_synthetic"]}
    assert seeds == set(range(2**53 - 12, 2**53))  # exact, although missing values make the column float


def test_ganaug_reads_it(folder, synthetic):
    root, expected, synthetic_counts = folder
    images = read_folder(root)
    assert {name: n for name, n in images.counts.items() if n} == expected
    frame = images.metadata
    assert Counter(frame.loc[frame["is_synthetic"], "label"]) == synthetic_counts
    read_back = images.take(np.flatnonzero(frame["is_synthetic"]))
    order = read_back.metadata["seed"].astype("int64").argsort().tolist()
    assert torch.equal(read_back.images[order], synthetic.images)


ODD_NAMES = ("007", "T-shirt/top", "M\u00f6we", "a, b", "cat", "it's", 'quo"te', "true", "what?", "\u732b")


@pytest.fixture
def odd(tmp_path):
    """A folder with three images of each of `ODD_NAMES`."""
    count = 3 * len(ODD_NAMES)
    pixels = torch.randint(0, 256, (count, 3, 16, 12), dtype=torch.uint8)
    images = LabeledImages(pixels, torch.arange(len(ODD_NAMES)).repeat(3), ODD_NAMES)
    return write_folder(images, tmp_path / "odd")


def test_odd_class_names_are_read_by_pandas_and_hugging_face(odd, tmp_path):
    from datasets import load_dataset

    frame = pd.read_csv(odd / "metadata.csv")
    expected = dict.fromkeys(ODD_NAMES, 3)
    assert Counter(frame["label"]) == expected
    assert all((odd / file).is_file() for file in frame["file_name"])
    data = load_dataset("imagefolder", data_dir=str(odd), cache_dir=str(tmp_path / "cache"))["train"]
    assert Counter(data["label"]) == expected
    assert read_folder(odd).counts == dict(sorted(expected.items()))


def test_class_folders_of_odd_names_are_read_by_image_folder_and_timm(odd):
    from timm.data import create_dataset
    from torchvision.datasets import ImageFolder

    frame = pd.read_csv(odd / "metadata.csv")
    folders = frame["file_name"].str.split("/").str[0]
    labels = dict(zip(folders, frame["label"], strict=True))
    for data in (ImageFolder(odd), create_dataset("", odd).reader):
        assert {labels[folder] for folder in data.class_to_idx} == set(ODD_NAMES)
    index = ImageFolder(odd).class_to_idx
    assert [index[folder] for folder in folders] == frame["class_index"].tolist()


def test_names_with_leading_zeros_alone_stay_different_classes(tmp_path):
    """Folders such as 00000 .. 00042: pandas reads them as numbers."""
    images = LabeledImages(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.arange(2).repeat(2), ("00000", "00001"))
    out = write_folder(images, tmp_path / "out")
    assert sorted(pd.read_csv(out / "metadata.csv")["label"]) == [0, 0, 1, 1]
    assert read_folder(out).counts == {"00000": 2, "00001": 2}
