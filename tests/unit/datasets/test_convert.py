import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, Subset, TensorDataset

from ganaug.datasets.convert import convert
from ganaug.errors import DataError
from ganaug.images import LabeledImages
from ganaug.io.decoding import resize_images, to_pillow
from ganaug.io.folder import write_folder
from tests.sets import noise

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 8, 3), dtype=np.uint8)
Y = np.array([5, 5, 5, 9, 9, 9])


@pytest.mark.parametrize(
    ("X", "shape"),
    [
        (PIXELS, (3, 9, 8)),
        (PIXELS.transpose(0, 3, 1, 2), (3, 9, 8)),
        (PIXELS[..., 0], (1, 9, 8)),
        (PIXELS[..., :1], (1, 9, 8)),
        (torch.from_numpy(PIXELS).permute(0, 3, 1, 2), (3, 9, 8)),
        (PIXELS.astype(np.float32) / 255, (3, 9, 8)),
        (PIXELS.astype(np.float64), (3, 9, 8)),
        (PIXELS.astype(np.int64), (3, 9, 8)),
    ],
)
def test_every_layout_gives_the_same_pixels_and_is_restored_by_append(X, shape):
    converted = convert(X, Y)
    assert converted.images.shape == shape
    expected = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)[:, : shape[0]]
    assert torch.equal(converted.images.images, expected)
    both, labels = convert(X, Y).append(converted.images)
    assert type(both) is type(X)
    assert both.dtype == X.dtype
    assert bool((both[6:] == both[:6]).all())
    assert bool((both[:6] == X).all())
    assert labels.tolist() == [5, 5, 5, 9, 9, 9] * 2


def test_rows_are_reshaped_by_image_shape():
    rows = PIXELS.reshape(6, -1)
    converted = convert(rows, Y, image_shape=(9, 8, 3))
    assert torch.equal(converted.images.images, torch.from_numpy(PIXELS).permute(0, 3, 1, 2))
    assert (converted.append(converted.images)[0] == np.concatenate([rows, rows])).all()
    with pytest.raises(DataError, match="does not fit rows of 216"):
        convert(rows, Y, image_shape=(9, 9))


def test_feature_vectors_keep_the_range_of_each_feature():
    X = np.random.default_rng(0).normal(size=(6, 4)) * [1, 100, 0.01, 0] + [0, 5, 0, 3]
    converted = convert(X, Y)
    both, _ = converted.append(converted.images)
    steps = np.ptp(X, axis=0) / 255
    assert (np.abs(both[6:] - X) <= steps / 2 + 1e-12).all()


def test_class_names_of_a_torch_data_set_are_used():
    images = TensorDataset(torch.from_numpy(PIXELS).permute(0, 3, 1, 2), torch.tensor([0, 0, 0, 2, 2, 2]))
    assert convert(images).images.classes == ("0", "2")
    images.classes = ["x", "y", "z"]
    assert convert(images).images.classes == ("x", "z")
    assert convert(images).class_values.tolist() == [0, 2]
    assert convert(Subset(images, [1, 4])).images.classes == ("x", "z")
    both, labels = convert(images).append(convert(images).images)
    assert labels.tolist() == [0, 0, 0, 2, 2, 2] * 2
    assert both.classes == ("x", "z")
    assert convert(noise()).images.classes == ("a", "b")


def test_files_are_read_and_synthetic_images_cannot_be_appended_to_them(tmp_path):
    for index, image in enumerate(PIXELS):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    paths = [tmp_path / f"{index}.png" for index in range(6)]
    for files in (paths, [str(p) for p in paths], pd.DataFrame({"file": [str(p) for p in paths]})):
        converted = convert(files, Y)
        assert torch.equal(converted.images.images, torch.from_numpy(PIXELS).permute(0, 3, 1, 2))
    with pytest.raises(TypeError, match="write_folder"):
        converted.append(converted.images)
    (tmp_path / "3.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"3\.png"):
        convert(paths, Y)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (PIXELS, Y[:3], "6 images and y 3 labels"),
        (np.zeros((6, 2, 2, 5)), Y, "C 1, 3 or 4"),
        (np.full((6, 8, 8), np.nan), Y, "NaN"),
        (np.array([["a"]] * 6, dtype="U1")[:, 0].reshape(6, 1, 1) == "b", None, "requires y"),
        (PIXELS.astype("datetime64[s]"), Y, "must be numbers"),
    ],
)
def test_invalid_images_and_labels_are_refused(X, y, message):
    with pytest.raises(ValueError, match=message):
        convert(X, y)


def test_ranges_that_would_be_almost_black_are_stretched():
    for array in (PIXELS > 127, (PIXELS // 16).astype(int), (PIXELS > 127) * 1.0, PIXELS / 1000 - 3):
        assert convert(array, Y).images.images.max() == 255
        both, _ = convert(array, Y).append(convert(array, Y).images)
        assert both.dtype == array.dtype
        assert np.allclose(both[6:], both[:6], atol=1e-3)
    assert convert(PIXELS // 16, Y).images.images.max() == 15  # uint8 is not scaled


def test_palette_images_become_rgb():
    class Pictures(torch.utils.data.Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, index):
            return Image.fromarray(PIXELS[index]).quantize(16), index % 2

    assert convert(Pictures()).images.shape == (3, 9, 8)


@pytest.mark.parametrize("container", [list, tuple, np.asarray, pd.Series, torch.tensor])
def test_labels_are_returned_in_the_container_of_y(container):
    y = container(Y.tolist())
    _, labels = convert(torch.from_numpy(PIXELS[..., 0]), y).append(convert(PIXELS[..., 0], Y).images)
    assert type(labels) is type(y)
    assert [int(label) for label in labels] == Y.tolist() * 2


@pytest.mark.parametrize(
    "y", [[1, 2, None, 1, 2, 1], [1.0, float("nan"), 2, 1, 2, 1], [object()] * 6, [(1, 2)] * 3 + [(2, 1)] * 3]
)
def test_missing_and_unsupported_labels_are_refused(y):
    with pytest.raises(ValueError, match=r"no label in row|one number or string|one text or number"):
        convert(PIXELS, y if y[0] != (1,) else np.array([None] * 6, dtype=object))


def test_a_folder_is_read_and_y_is_refused_with_labeled_images(tmp_path):
    write_folder(noise(), tmp_path / "set")
    assert convert(tmp_path / "set").images.counts == {"a": 6, "b": 4}
    with pytest.raises(ValueError, match="already has labels"):
        convert(noise(), Y)
    with pytest.raises(DataError, match="X is empty"):
        convert(PIXELS[:0], Y[:0])


def test_the_error_for_an_empty_class_names_it():
    images = LabeledImages(noise().images, noise().labels, ("a", "b", "empty"))
    with pytest.raises(DataError, match="no image of class 'empty'"):
        convert(images)


@pytest.mark.parametrize("form", ["array", "tensor", "images", "dataset", "files", "folder"])
def test_images_of_every_form_are_resized(form, tmp_path):
    images = noise((4, 4), shape=(3, 20, 24))
    folder = write_folder(images, tmp_path / "photos")
    files = sorted(folder.rglob("*.png"))
    y = [0] * 4 + [1] * 4
    X, labels = {
        "array": (images.images.permute(0, 2, 3, 1).numpy(), y),
        "tensor": (images.images, y),
        "images": (images, None),
        "dataset": ([(to_pillow(pixels), label) for pixels, label in images], None),
        "files": (files, y),
        "folder": (folder, None),
    }[form]
    X = Pictures(X) if form == "dataset" else X
    resized = convert(X, labels, image_size=(12, 16)).images
    assert resized.images.shape == (8, 3, 12, 16)
    expected = resize_images(images.images, (12, 16))
    if form != "folder":  # whose files are in another order
        assert torch.equal(resized.images, expected)


class Pictures(Dataset):
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def test_pictures_of_different_sizes_are_resized_to_one():
    pictures = Pictures([(Image.new("RGB", (size, size + 3)), size % 2) for size in (20, 31, 40, 9)])
    with pytest.raises(DataError, match="Pass image_size"):
        convert(pictures)
    assert convert(pictures, image_size=16).images.shape == (3, 16, 16)


def test_an_array_cannot_hold_two_sizes():
    converted = convert(PIXELS, Y, image_size=16)
    with pytest.raises(ValueError, match="one array cannot hold both"):
        converted.append(converted.images)
    with pytest.raises(ValueError, match="rows of X are plain vectors"):
        convert(PIXELS.reshape(6, -1), Y, image_size=16)
