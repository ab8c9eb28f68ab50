"""Every container and every form of label gives the same labeled images at every entry point, or one named error.

A new container is one row of `CONTAINERS`, a new form of label one row of `LABEL_FORMS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from ganaug import (
    GANAugmenter,
    LabeledImages,
    MixedDataset,
    TrainingRecipe,
    build_store,
    read_folder,
    to_labeled_images,
    write_folder,
)
from ganaug.errors import DataError
from ganaug.io.decoding import to_pillow
from ganaug.io.items import label_value

COUNTS = (5, 4, 3)
LABELS = [label for label, count in enumerate(COUNTS) for _ in range(count)]
NAMES = ("ant", "bee", "cat")
PIXELS = torch.randint(0, 256, (12, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
PIXELS[0, :, 0, 0], PIXELS[0, :, 0, 1] = 0, 255  # so that the range of float images is known


def pictures() -> list[Image.Image]:
    return [to_pillow(pixels) for pixels in PIXELS]


class Items(Dataset):
    """A map-style data set of the items that `make` returns for (image, label)."""

    def __init__(self, images: Any, labels: Any, make: Callable = lambda image, label: (image, label), **attributes):
        self.images, self.labels_, self.make = images, labels, make
        vars(self).update(attributes)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        if not 0 <= index < len(self.images):
            raise IndexError(index)
        return self.make(self.images[index], self.labels_[index])


def arrays() -> np.ndarray:
    return PIXELS.permute(0, 2, 3, 1).numpy()


def object_array(values: list) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def files(folder: Path) -> list[str]:
    paths = [folder / f"{number:02d}.png" for number in range(len(PIXELS))]
    for path, picture in zip(paths, pictures(), strict=True):
        picture.save(path)
    return [str(path) for path in paths]


def hugging_face(labels: Any) -> datasets.Dataset:
    values = [label_value(label) for label in labels]
    if any(isinstance(value, str) for value in values):  # a column has one type
        values = [None if value is None else str(value) for value in values]
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.Value("string" if any(isinstance(value, str) for value in values) else "int64"),
        }
    )
    return datasets.Dataset.from_dict({"image": pictures()[: len(values)], "label": values}, features=features)


def normalized(labels: Any) -> Dataset:
    normalize = v2.Normalize([0.5, 0.4, 0.3], [0.2, 0.3, 0.4])
    return Items(normalize(PIXELS / 255), labels, transform=v2.Compose([v2.ToImage(), normalize]))


class Wrapper(Dataset):
    """A wrapper that torch does not know."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        return self.dataset[index]


@dataclass(frozen=True)
class Container:
    """make(labels, folder) -> (X, y). is_dataset: whether items are (image, label), for MixedDataset as well."""

    make: Callable[[Any, Path], tuple[Any, Any]]
    is_dataset: bool = False
    is_mixable: bool = False


def dataset(make: Callable[[Any], Any], mixable: bool = False) -> Container:
    return Container(lambda labels, folder: (make(labels), None), is_dataset=True, is_mixable=mixable)


CONTAINERS = {
    "array (N, H, W, C)": Container(lambda labels, folder: (arrays(), labels)),
    "array (N, C, H, W)": Container(lambda labels, folder: (PIXELS.numpy(), labels)),
    "array of floats": Container(lambda labels, folder: (arrays() / 255, labels)),
    "array in -1..1": Container(lambda labels, folder: (arrays() / 127.5 - 1, labels)),
    "array with opacity": Container(
        lambda labels, folder: (np.concatenate([arrays(), np.full((12, 8, 8, 1), 255, np.uint8)], axis=3), labels)
    ),
    "tensor": Container(lambda labels, folder: (PIXELS.clone(), labels)),
    "array of floats to 255": Container(
        lambda labels, folder: (arrays() - np.float32(0.25) * (arrays() > 254), labels)
    ),
    "array in Fortran order": Container(lambda labels, folder: (np.asfortranarray(arrays()), labels)),
    "array of 16 bits": Container(lambda labels, folder: (arrays().astype(">u2") * 257, labels)),
    "tensor of floats": Container(lambda labels, folder: (PIXELS / 255, labels)),
    "list of arrays": Container(lambda labels, folder: (list(arrays()), labels)),
    "list of tensors": Container(lambda labels, folder: (list(PIXELS), labels)),
    "list of pictures": Container(lambda labels, folder: (pictures(), labels)),
    "tuple of pictures": Container(lambda labels, folder: (tuple(pictures()), labels)),
    "series of pictures": Container(lambda labels, folder: (pd.Series(pictures()), labels)),
    "object array of pictures": Container(lambda labels, folder: (object_array(pictures()), labels)),
    "list of files": Container(lambda labels, folder: (files(folder), labels)),
    "series of files": Container(lambda labels, folder: (pd.Series(files(folder)), labels)),
    "frame of files": Container(lambda labels, folder: (pd.DataFrame({"file": files(folder)}), labels)),
    "data set of pictures": dataset(lambda labels: Items(pictures(), labels), mixable=True),
    "data set of uint8 tensors": dataset(lambda labels: Items(PIXELS, labels), mixable=True),
    "data set of float tensors": dataset(lambda labels: Items(PIXELS / 255, labels)),
    "data set of normalized tensors": dataset(normalized),
    "data set of arrays": dataset(lambda labels: Items(arrays(), labels)),
    "data set with paths": dataset(
        lambda labels: Items(pictures(), labels, lambda image, label: (image, label, "path.png")), mixable=True
    ),
    "data set of dictionaries": dataset(
        lambda labels: Items(PIXELS, labels, lambda image, label: {"pixel_values": image, "labels": label}),
        mixable=True,
    ),
    "subset": dataset(lambda labels: Subset(Items(pictures(), labels), range(12)), mixable=True),
    "concatenation": dataset(
        lambda labels: ConcatDataset([Items(PIXELS[:6], list(labels)[:6]), Items(PIXELS[6:], list(labels)[6:])]),
        mixable=True,
    ),
    "Hugging Face": dataset(hugging_face, mixable=True),
    "Hugging Face with a transform": dataset(
        lambda labels: hugging_face(labels).with_transform(lambda rows: {**rows, "label": rows["label"]}), mixable=True
    ),
    "unknown wrapper": dataset(lambda labels: Wrapper(Items(pictures(), labels)), mixable=True),
}


def write_class_folders(folder: Path) -> None:
    write_folder(LabeledImages(PIXELS, torch.tensor(LABELS), NAMES), folder)
    (folder / "metadata.csv").unlink()


def write_table(folder: Path) -> None:
    rows = [f"{Path(file).name},{NAMES[label]}" for file, label in zip(files(folder), LABELS, strict=True)]
    (folder / "metadata.csv").write_text("\n".join(["file_name,label", *rows]))


def write_parquet(folder: Path) -> None:
    hugging_face([NAMES[label] for label in LABELS]).to_parquet(str(folder / "images.parquet"))


# what holds names of classes on the disk: write(folder)
SOURCES = {"class folders": write_class_folders, "metadata.csv": write_table, "Parquet": write_parquet}


def one_element_arrays(labels: list[int]) -> list[np.ndarray]:
    return [np.array([label], dtype=np.uint8) for label in labels]


def zero_dimensional_tensors(labels: list[int]) -> list[torch.Tensor]:
    return [torch.tensor(label) for label in labels]


LABEL_FORMS: dict[str, Callable[[list[int]], Any]] = {
    "int": lambda labels: labels,
    "numpy int": lambda labels: np.array(labels, dtype=np.int8),
    "whole float": lambda labels: np.array(labels, dtype=np.float32),
    "tensor": torch.tensor,
    "one-element arrays": one_element_arrays,
    "column": lambda labels: np.array(labels)[:, None],
    "tensors": zero_dimensional_tensors,
    "text": lambda labels: [NAMES[label] for label in labels],
    "numpy text": lambda labels: np.array([NAMES[label] for label in labels]),
    "bytes": lambda labels: [NAMES[label].encode() for label in labels],
    "text and numbers": lambda labels: [label if label < 2 else "cat" for label in labels],
}
EXPECTED_NAMES = {"text": NAMES, "bytes": NAMES, "numpy text": NAMES, "text and numbers": ("0", "1", "cat")}


def check_images(images: LabeledImages, names: tuple[str, ...] = ("0", "1", "2")) -> None:
    assert images.classes == names
    assert images.targets == LABELS
    assert (images.images[:].int() - PIXELS.int()).abs().max() <= 1  # floats are rounded
    assert images.shape == (3, 8, 8)


@pytest.mark.parametrize("form", LABEL_FORMS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_and_label_gives_the_same_labeled_images(container, form, tmp_path):
    X, y = CONTAINERS[container].make(LABEL_FORMS[form](LABELS), tmp_path)
    check_images(to_labeled_images(X, y), EXPECTED_NAMES.get(form, ("0", "1", "2")))


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_can_be_fitted_and_resampled(container, tmp_path):
    X, y = CONTAINERS[container].make(LABELS, tmp_path)
    gan = GANAugmenter(n_steps=1, batch_size=4, filters=None, random_state=0, recipe=TrainingRecipe(width=2))
    gan.fit(X, y)
    assert gan.data_["counts"] == dict(zip(("0", "1", "2"), COUNTS, strict=True))
    assert gan.classes_.tolist() == [0, 1, 2]
    if "files" in container:  # synthetic images have no file
        with pytest.raises(TypeError, match="cannot return file paths"):
            gan.fit_resample(X, y)
        return
    resampled, new_y = gan.fit_resample(X, y)
    assert list(new_y) == [*LABELS, 1, 2, 2]
    if not CONTAINERS[container].is_dataset:
        assert type(resampled) is type(X)
        original, restored = X, resampled[: len(X)]
        assert all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(original, restored, strict=True))
        again = to_labeled_images(resampled, new_y)
        assert again.counts == {"0": 5, "1": 5, "2": 5}
        assert (again.images[:12].int() - PIXELS.int()).abs().max() <= 1


@pytest.mark.parametrize("form", LABEL_FORMS)
@pytest.mark.parametrize("container", [name for name, each in CONTAINERS.items() if each.is_mixable])
def test_every_data_set_can_be_mixed(container, form, tmp_path):
    names = EXPECTED_NAMES.get(form, ("0", "1", "2"))
    real, _ = CONTAINERS[container].make(LABEL_FORMS[form](LABELS), tmp_path)
    mixed = MixedDataset(real, LabeledImages(PIXELS[9:], torch.tensor([2, 2, 2]), names))
    assert mixed.targets == [*LABELS, 2, 2, 2]
    assert [mixed[index][1] for index in range(len(mixed))] == mixed.targets
    for index in range(len(mixed)):
        image = mixed[index][0]
        pixels = image if isinstance(image, torch.Tensor) else v2.functional.pil_to_tensor(image)
        assert torch.equal(pixels, [*PIXELS, *PIXELS[9:]][index])


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_gives_the_same_labeled_images_directly_and_as_a_store(source, tmp_path):
    (tmp_path / "data").mkdir()
    SOURCES[source](tmp_path / "data")
    store = build_store(tmp_path / "data", tmp_path / "store")
    paths = [store] if source == "Parquet" else [store, tmp_path / "data"]
    for path in paths:
        check_images(read_folder(path), NAMES)
        check_images(to_labeled_images(path), NAMES)
        gan = GANAugmenter(n_steps=1, batch_size=4, filters=None, random_state=0, recipe=TrainingRecipe(width=2))
        assert gan.fit(path).data_["counts"] == dict(zip(NAMES, COUNTS, strict=True))
        resampled, _ = gan.fit_resample(path)
        assert resampled.counts == {"ant": 5, "bee": 5, "cat": 5}
        assert resampled.targets[:12] == LABELS
    if source != "Parquet":
        mixed = MixedDataset(read_folder(tmp_path / "data"), LabeledImages(PIXELS, torch.tensor(LABELS), NAMES))
        assert mixed.targets == LABELS * 2


UNLABELED = {
    "None": [*LABELS[:-2], None, None],
    "NaN": np.array([*LABELS[:-2], np.nan, np.nan]),
    "masked": np.ma.masked_array(LABELS, mask=[False] * 10 + [True] * 2),
    "nullable": pd.Series([*LABELS[:-2], None, None], dtype="Int64"),
    "-1": [*LABELS[:-2], -1, -1],
    "blank": [*(NAMES[label] for label in LABELS[:-2]), "", "  "],
}


@pytest.mark.parametrize("form", UNLABELED)
@pytest.mark.parametrize("container", CONTAINERS)
def test_missing_labels_are_refused_with_their_rows_or_left_out(container, form, tmp_path):
    X, y = CONTAINERS[container].make(UNLABELED[form], tmp_path)
    gan = GANAugmenter(n_steps=1, filters=None)
    refused = "no label in rows 10, 11"
    with pytest.raises(DataError, match=refused):
        to_labeled_images(X, y)
    for use in (gan.fit, gan.fit_resample):
        # -1 means that an image is used without a class, so that one image of its class is left
        with pytest.raises(DataError, match=f"{refused}|has one image only" if form == "-1" else refused):
            use(X, y)
    if CONTAINERS[container].is_mixable:
        with pytest.raises(DataError, match="no label in rows 10, 11"):
            MixedDataset(X, LabeledImages(PIXELS[:1], torch.tensor([0]), ("0",)))
    labeled = to_labeled_images(X, y, unlabeled="drop")
    assert labeled.targets == LABELS[:-2]
    assert (labeled.images.int() - PIXELS[:10].int()).abs().max() <= 1


def test_minus_one_beside_one_is_a_class():
    assert to_labeled_images(arrays(), [-1, 1] * 6).classes == ("-1", "1")


@pytest.fixture
def tones(tmp_path):
    """A folder with dark images of class "a" and bright ones of class "b"."""
    for name, level in {"a": 30, "b": 220}.items():
        (tmp_path / name).mkdir()
        for number in range(4):
            Image.new("RGB", (8, 8), (level + number,) * 3).save(tmp_path / name / f"{number}.png")
    return tmp_path


def mean_by_class(images: LabeledImages) -> dict[str, float]:
    return {name: images.of_class(name).float().mean().item() for name in images.classes}


class Relabeled(Wrapper):
    """A wrapper that exchanges the labels 0 and 1."""

    def __getitem__(self, index):
        image, label = self.dataset[index]
        return image, 1 - label


def tone_set() -> LabeledImages:
    return LabeledImages(
        torch.tensor([30, 220]).to(torch.uint8).view(2, 1, 1, 1).expand(2, 3, 8, 8), torch.tensor([0, 1]), ("a", "b")
    )


@pytest.mark.parametrize("exchange", ["target_transform", "wrapper", "wrapper of a subset"])
def test_the_label_of_the_item_counts_and_class_names_follow_it(exchange, tones):
    real = ImageFolder(tones, target_transform=(lambda label: 1 - label) if exchange == "target_transform" else None)
    if exchange != "target_transform":
        real = Relabeled(Subset(real, range(8)) if "subset" in exchange else real)
    labeled = to_labeled_images(real)
    means = mean_by_class(labeled)
    assert means["a"] < 100 < means["b"]
    mixed = MixedDataset(real, tone_set())
    assert mixed.class_to_idx == {"b": 0, "a": 1}
    assert mixed.classes == ("b", "a")
    assert mixed.targets == [1, 1, 1, 1, 0, 0, 0, 0, 1, 0]
    for index in range(len(mixed)):
        image, label = mixed[index]
        assert label == mixed.targets[index]
        assert (np.asarray(image).mean() < 100) == (label == 1)


@pytest.mark.parametrize(
    "attributes",
    [
        {"classes": NAMES[::-1]},
        {"classes": np.array(NAMES[::-1])},
        {"classes": pd.Index(NAMES[::-1])},
        {"classes": {2: "ant", 1: "bee", 0: "cat"}},
        {"classes": NAMES, "class_to_idx": {"cat": 0, "bee": 1, "ant": 2}},
        {"class_to_idx": {"ant": np.int64(2), "bee": np.int64(1), "cat": np.int64(0)}},
        {"classes": [("cat",), ("bee",), ("ant",)]},
    ],
)
def test_class_names_are_read_in_every_form(attributes):
    reverse = [2 - label for label in LABELS]
    labeled = to_labeled_images(Items(PIXELS, reverse, **attributes))
    assert [labeled.classes[label] for label in labeled.targets] == [NAMES[label] for label in LABELS]
    mixed = MixedDataset(Items(PIXELS, reverse, **attributes), LabeledImages(PIXELS[:1], torch.tensor([0]), ("ant",)))
    assert mixed.targets == [*reverse, 2]


def test_numbers_in_classes_are_no_names():
    assert to_labeled_images(Items(PIXELS, LABELS, classes=[1, 0, 2])).counts == {"0": 5, "1": 4, "2": 3}


def exchanged_without_stored_labels() -> Dataset:
    exchange = lambda label: 2 - label  # noqa: E731
    make = lambda image, label: (image, exchange(label))  # noqa: E731
    return Items(PIXELS, LABELS, make, classes=NAMES, target_transform=exchange)


def exchanged_by_a_transform_of_hugging_face() -> datasets.Dataset:
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(NAMES))})
    real = datasets.Dataset.from_dict({"image": pictures(), "label": LABELS}, features=features)
    return real.with_transform(lambda rows: {**rows, "label": [2 - label for label in rows["label"]]})


@pytest.mark.parametrize("make", [exchanged_without_stored_labels, exchanged_by_a_transform_of_hugging_face])
def test_class_names_go_with_the_images_if_labels_are_exchanged(make):
    labeled = to_labeled_images(make())
    assert [labeled.classes[label] for label in labeled.targets] == [NAMES[label] for label in LABELS]
    mixed = MixedDataset(make(), LabeledImages(PIXELS[:1], torch.tensor([0]), ("ant",)))
    assert mixed.class_to_idx == {"cat": 0, "bee": 1, "ant": 2}
    assert mixed.targets == [*(2 - label for label in LABELS), 2]


@pytest.mark.parametrize("values", [(5, 2, "cat"), (0.5, 0.7, 1.0), (1.0, 1.5, 2.0), (-1, 1, 7.5)])
def test_labels_of_a_mixed_set_never_share_a_number(values):
    labels = [values[label] for label in LABELS]
    if -1 in values:
        with pytest.raises(DataError, match="-1 stands for no label"):
            MixedDataset(Items(PIXELS, labels), LabeledImages(PIXELS, torch.tensor(LABELS), NAMES))
        return
    images = to_labeled_images(Items(PIXELS, labels))
    mixed = MixedDataset(Items(PIXELS, labels), images)
    assert mixed.targets == images.targets * 2
    assert mixed.classes == images.classes
    assert [mixed[index][1] for index in range(12)] == images.targets


def test_negative_binary_labels_can_be_mixed_and_weighted():
    labels = [-1] * 9 + [1] * 3
    mixed = MixedDataset(Items(PIXELS, labels), to_labeled_images(PIXELS, labels).take([9]))
    assert mixed.targets == [*labels, 1]
    weights = mixed.sample_weights()
    assert weights[:9].sum().item() == pytest.approx(0.5)
    assert weights.sum().item() == pytest.approx(1)


def test_classes_matched_by_position_are_warned_of():
    with pytest.warns(UserWarning, match=r"matched by position: 'ant' = 0, 'bee' = 1, 'cat' = 2"):
        MixedDataset(Items(PIXELS, LABELS), LabeledImages(PIXELS, torch.tensor(LABELS), NAMES))


def test_a_label_that_appears_later_is_named():
    labels = list(LABELS)
    mixed = MixedDataset(Items(PIXELS, labels), to_labeled_images(PIXELS, LABELS))
    labels[3] = 9
    with pytest.raises(DataError, match="item 3 of the real set has the label 9, which no item had"):
        mixed[3]


def test_a_wrapper_that_relabels_late_classes_of_a_sorted_set_is_noticed():
    class Late(Wrapper):
        def __getitem__(self, index):
            image, label = self.dataset[index]
            return image, label if label < 250 else label + 1000

    stored = [index // 2 for index in range(600)]
    real = Late(Items(torch.zeros(600, 1, 2, 2, dtype=torch.uint8), stored, targets=stored))
    synthetic = LabeledImages(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), torch.tensor([0]), ("0",))
    assert MixedDataset(real, synthetic).targets[:-1] == [label if label < 250 else label + 1000 for label in stored]


def test_labels_that_merge_classes_are_named_by_number(tones):
    labeled = to_labeled_images(ImageFolder(tones, target_transform=lambda label: 7))
    assert labeled.classes == ("7",)
    mixed = MixedDataset(
        ImageFolder(tones, target_transform=lambda label: 7),
        LabeledImages(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.tensor([0]), ("7",)),
    )
    assert set(mixed.targets) == {7}


def test_parts_that_number_classes_differently_are_refused(tones, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    for name in ("b", "c"):
        (other / name).mkdir()
        Image.new("RGB", (8, 8)).save(other / name / "0.png")
    both = ConcatDataset([ImageFolder(tones), ImageFolder(other)])
    with pytest.raises(DataError, match="number their classes differently"):
        to_labeled_images(both)
    with pytest.raises(DataError, match="number their classes differently"):
        MixedDataset(both, tone_set())


def test_labels_after_the_last_class_name_are_not_named():
    with pytest.warns(UserWarning, match="has the label 3, and the data set has 3 class names"):
        labeled = to_labeled_images(Items(PIXELS, [label + 1 for label in LABELS], classes=NAMES))
    assert labeled.classes == ("1", "2", "3")


def test_labels_of_a_data_set_with_class_names_are_never_minus_one():
    labels = [0, 0, 1, 1, -1, -1]
    for unlabeled in (labels, [1, 1, 1, 1, -1, -1]):
        items = Items(PIXELS[:6], unlabeled, classes=NAMES)
        with pytest.raises(DataError, match=r"no label in rows 4, 5 \(-1 stands for no label\)"):
            to_labeled_images(items)
        with pytest.raises(DataError, match="no label in rows 4, 5"):
            MixedDataset(items, LabeledImages(PIXELS, torch.tensor(LABELS), NAMES))
    assert to_labeled_images(Items(PIXELS[:6], labels, classes=NAMES), unlabeled="drop").counts == {"ant": 2, "bee": 2}


def gray_levels(transform) -> Dataset:
    levels = [np.full((8, 8, 3), level, np.uint8) for level in (10, 200, 10, 200)]
    images = [Image.fromarray(array) for array in levels]
    return Items(images, [0, 1, 0, 1], lambda image, label: (transform(image), label), transform=transform)


MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TO_FLOAT = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]


@pytest.mark.parametrize("wrap", [lambda items: items, lambda items: Subset(items, range(4)), Wrapper])
def test_a_known_normalization_is_undone(wrap):
    normalizing = gray_levels(v2.Compose([*TO_FLOAT, v2.Normalize(MEAN, STD)]))
    for levels in (to_labeled_images(wrap(normalizing)), to_labeled_images(wrap(gray_levels(v2.Compose(TO_FLOAT))))):
        assert levels.images.flatten(1).unique(dim=1).T.tolist() == [[10, 200, 10, 200]]


def test_an_unknown_normalization_is_refused_with_the_fix():
    normalize = v2.Normalize(MEAN, STD)
    unknown = gray_levels(lambda image: normalize(v2.Compose(TO_FLOAT)(image)))
    for use in (to_labeled_images, GANAugmenter(n_steps=1).fit):
        with pytest.raises(DataError, match=r"were normalized.*value_range"):
            use(unknown)
    low = [-mean / std for mean, std in zip(MEAN, STD, strict=True)]
    high = [(1 - mean) / std for mean, std in zip(MEAN, STD, strict=True)]
    levels = to_labeled_images(unknown, value_range=(low, high))
    assert levels.images.flatten(1).unique(dim=1).T.tolist() == [[10, 200, 10, 200]]
    with pytest.raises(DataError, match="outside the range of black"):
        to_labeled_images(unknown, value_range=(0, 1))


def test_an_array_of_unknown_range_is_used_with_a_warning():
    X = np.random.default_rng(0).normal(size=(12, 8, 8))
    with pytest.warns(UserWarning, match=r"are used as black and white.*value_range"):
        labeled = to_labeled_images(X, LABELS)
    assert (labeled.images.min(), labeled.images.max()) == (0, 255)


@pytest.mark.parametrize("wrap", [lambda X: X, list, lambda X: Items(list(X), LABELS)])
@pytest.mark.parametrize("error", [-0.01, 0.01])
def test_numbers_slightly_outside_0_and_1_keep_their_gray_levels(wrap, error):
    X = wrap(PIXELS / 255 + error)
    labeled = to_labeled_images(X, None if isinstance(X, Dataset) else LABELS)
    assert (labeled.images.int() - PIXELS.int()).abs().max() <= 3


def test_negative_whole_numbers_are_no_gray_levels():
    X = PIXELS.int() * 10 - 1000
    with pytest.warns(UserWarning, match="are used as black and white"):
        to_labeled_images(X, LABELS)
    with pytest.raises(DataError, match="numbers from -1000 to 1550"):
        to_labeled_images(Items(X, LABELS))
    assert torch.equal(to_labeled_images(X, LABELS, value_range=(-1000, 1550)).images, PIXELS)


@pytest.mark.parametrize("width", [3, 8])
@pytest.mark.parametrize("form", ["tensor", "array", "list", "rows"])
def test_a_value_range_has_numbers_for_each_channel_in_every_layout(form, width):
    expected = PIXELS[..., :width]
    offsets = np.array([0.1, 0.2, 0.3])
    X = expected / 255 + torch.from_numpy(offsets).view(3, 1, 1)
    last = X.permute(0, 2, 3, 1).numpy()
    forms = {"tensor": X, "array": last, "list": list(X), "rows": last.reshape(12, -1)}
    shape = (8, width, 3) if form == "rows" else None
    labeled = to_labeled_images(forms[form], LABELS, image_shape=shape, value_range=(offsets, offsets + 1))
    assert (labeled.images.int() - expected.int()).abs().max() == 0


@pytest.mark.parametrize("wrap", [lambda X: X, list])
def test_a_value_range_is_checked_and_may_be_inverted(wrap):
    assert torch.equal(to_labeled_images(wrap(PIXELS), LABELS, value_range=(255, 0)).images, 255 - PIXELS)
    with pytest.raises(DataError, match="outside the range of black"):
        to_labeled_images(wrap(PIXELS), LABELS, value_range=(0, 1))
    with pytest.raises(DataError, match="same number for black and white"):
        to_labeled_images(wrap(PIXELS), LABELS, value_range=(3, 3))


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_whole_numbers_are_scaled_by_the_bits_in_use(dtype):
    X = np.full((4, 8, 8), 100, dtype)
    X[0, 0, 0] = 4000
    labeled = to_labeled_images(X, [0, 0, 1, 1])
    assert labeled.images.unique().tolist() == [round(100 / 4095 * 255), round(4000 / 4095 * 255)]


@pytest.mark.parametrize("first", ["L", "RGB", "P", "RGBA", "CMYK", "1"])
def test_images_of_several_modes_become_rgb(first):
    images = [Image.new(first, (8, 8)), *(Image.new("RGB", (8, 8), (255, 0, 0)) for _ in range(3))]
    real = Items(images, [0, 0, 1, 1], classes=("a", "b"))
    labeled = to_labeled_images(real)
    assert labeled.shape == (3, 8, 8)
    assert labeled.images[1:, 0].unique().tolist() == [255]
    mixed = MixedDataset(real, labeled)
    assert {mixed[index][0].mode for index in range(len(mixed))} == {"RGB"}


def test_a_color_image_among_gray_ones_is_named():
    real = Items([Image.new("L", (8, 8)), Image.new("RGB", (8, 8))], [0, 1], classes=("a", "b"))
    gray = LabeledImages(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]), ("a", "b"))
    mixed = MixedDataset(real, gray)
    with pytest.raises(DataError, match="item 1 of the real set is in color"):
        mixed[1]


@pytest.mark.parametrize("pair", [("cat", "cat "), ("cat", "Cat"), ("café", "cafe\N{COMBINING ACUTE ACCENT}")])
def test_names_that_look_like_one_class_are_warned_of(pair):
    with pytest.warns(UserWarning, match="differ only in case, spaces or accents") as caught:
        to_labeled_images(PIXELS[:4], [*pair, *pair])
    assert all(repr(name) in str(caught[0].message) for name in pair)


class Stream(torch.utils.data.IterableDataset):
    def __iter__(self):
        yield from zip(PIXELS, LABELS, strict=True)


@pytest.mark.parametrize(
    ("container", "message"),
    [
        (
            lambda: torch.utils.data.DataLoader(TensorDataset(PIXELS, torch.tensor(LABELS))),
            r"a DataLoader.*loader\.dataset",
        ),
        (Stream, "a Stream, which has no length"),
        (lambda: iter([1]), "a list_iterator, which has no length"),
        (lambda: (pair for pair in zip(PIXELS, LABELS, strict=True)), "a generator, which has no length"),
        (
            lambda: datasets.DatasetDict(train=hugging_face(LABELS)),
            r"a DatasetDict with the splits train.*data\['train'\]",
        ),
        (lambda: hugging_face(LABELS).to_iterable_dataset(), "an IterableDataset, which has no length"),
        (lambda: {"images": PIXELS, "labels": LABELS}, "a dict with the keys images, labels"),
    ],
)
def test_containers_that_cannot_be_read_by_number_say_what_to_pass(container, message):
    for use in (to_labeled_images, GANAugmenter(n_steps=1).fit, GANAugmenter(n_steps=1).fit_resample):
        with pytest.raises(DataError, match=message):
            use(container())


def test_a_one_hot_label_says_what_to_pass():
    one_hot = torch.nn.functional.one_hot(torch.tensor(LABELS))
    with pytest.raises(DataError, match=r"argmax"):
        to_labeled_images(PIXELS, one_hot)
    with pytest.raises(DataError, match=r"argmax"):
        to_labeled_images(Items(PIXELS, one_hot))


def test_images_of_different_sizes_need_and_take_image_size():
    images = [np.zeros((8 + number, 8, 3), np.uint8) for number in range(12)]
    with pytest.raises(DataError, match=r"12 sizes\. Pass image_size"):
        to_labeled_images(images, LABELS)
    assert to_labeled_images(images, LABELS, image_size=8).shape == (3, 8, 8)


def test_a_mixed_hugging_face_set_and_stored_labels_are_used(tmp_path):
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(NAMES))})
    real = datasets.Dataset.from_dict({"image": pictures(), "label": LABELS}, features=features)
    mixed = MixedDataset(real, LabeledImages(PIXELS[9:], torch.tensor([0, 0, 0]), ("cat",)))
    assert mixed.classes == NAMES
    assert mixed.targets == [*LABELS, 2, 2, 2]
    assert all(mixed[index][1] == mixed.targets[index] for index in range(len(mixed)))


def test_bfloat16_tensors_are_images():
    labeled = to_labeled_images((PIXELS / 255).bfloat16(), LABELS)
    assert (labeled.images.int() - PIXELS.int()).abs().max() <= 1  # eight bits of precision


def test_masked_pixels_and_missing_images_are_refused():
    with pytest.raises(DataError, match="masked pixels"):
        to_labeled_images(np.ma.masked_array(arrays(), mask=arrays() > 250), LABELS)
    for images in ([*pictures()[:11], None], [None, *pictures()[1:]]):
        with pytest.raises(DataError, match=r"NoneType \(item (0|11)\)"):
            to_labeled_images(Items(images, LABELS))


def test_boolean_labels_of_hugging_face_are_read():
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("bool")})
    real = datasets.Dataset.from_dict(
        {"image": pictures(), "label": [label > 0 for label in LABELS]}, features=features
    )
    gan = GANAugmenter(n_steps=1, batch_size=4, filters=None, random_state=0, recipe=TrainingRecipe(width=2))
    _, y = gan.fit_resample(real)
    assert list(y) == [label > 0 for label in LABELS] + [False] * 2


def test_mixed_tensors_with_opacity_become_rgb():
    with_opacity = torch.cat([PIXELS, torch.zeros(12, 1, 8, 8, dtype=torch.uint8)], dim=1)
    mixed = MixedDataset(Items(with_opacity, LABELS), to_labeled_images(PIXELS, LABELS))
    assert mixed[0][0].unique().tolist() == [255]
    assert torch.equal(mixed[12][0], PIXELS[0])


def test_errors_name_the_row_or_what_to_pass():
    def fail(image, label):
        if image is None:
            raise OSError("broken")
        return image, label

    with pytest.raises(OSError, match="broken") as caught:
        to_labeled_images(Items([*pictures()[:7], None], LABELS[:8], fail))
    assert caught.value.__notes__ == ["This happened at item 7 of the data set."]
    with pytest.raises(DataError, match="row 1 of X is a float, not the name of a file"):
        to_labeled_images(pd.Series(["1.png", np.nan]), [0, 1])
    with pytest.raises(ValueError, match=r"images, labels = zip\(\*X\)"):
        to_labeled_images(list(zip(PIXELS, LABELS, strict=True)))
    synthetic = to_labeled_images(PIXELS, LABELS)
    with pytest.raises(DataError, match="item 0 of the real set cannot be used: mode 'F'"):
        MixedDataset(Items([Image.new("F", (8, 8))] * 12, LABELS), synthetic)


def test_vectors_without_a_label_are_left_out():
    vectors = torch.rand(12, 20, generator=torch.Generator().manual_seed(0))
    labeled = to_labeled_images(Items(vectors, UNLABELED["None"]), unlabeled="drop")
    assert labeled.targets == LABELS[:-2]
    assert labeled.shape == (1, 1, 20)


def test_similar_names_are_warned_of_once(tmp_path):
    for name in ("cat", "Cat"):
        (tmp_path / name).mkdir()
        for picture, number in zip(pictures(), range(2), strict=False):
            picture.save(tmp_path / name / f"{number}.png")
    with pytest.warns(UserWarning, match="differ only in case") as caught:
        to_labeled_images(tmp_path)
    assert sum("differ only in case" in str(each.message) for each in caught) == 1
