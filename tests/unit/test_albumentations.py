"""SyntheticSwap in a Compose, serialized, replayed, and in DataLoader workers."""

import os

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations as A  # noqa: N812  # the name that its manual uses
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from ganaug import GANAugmenter
from ganaug.errors import ClassNotLearnedError, DataError
from ganaug.integrations.albumentations import SyntheticSwap
from tests.sets import SMALL, augmenter, tones


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gan") / "model"
    augmenter(n_steps=5, **SMALL).fit(tones(8)).save(folder)
    return folder


PLAIN = np.zeros((16, 16, 1), np.uint8)


def test_the_image_becomes_a_synthetic_image_of_its_class(model):
    gan = GANAugmenter.load(model, "cpu")
    expected = {image.numpy().tobytes() for image in gan.sample({"middle": 20}).images}
    swap = A.Compose([SyntheticSwap(model, pool=20, p=1)], seed=0)
    images = [swap(image=PLAIN, label="middle")["image"] for _ in range(10)]
    assert all(image.transpose(2, 0, 1).tobytes() in expected for image in images)
    assert len({image.tobytes() for image in images}) > 3


@pytest.mark.parametrize(("p", "low", "high"), [(0.0, 0, 0), (1.0, 200, 200), (0.3, 35, 90)])
def test_images_are_replaced_with_probability_p(model, p, low, high):
    swap = A.Compose([SyntheticSwap(model, p=p)], seed=1)
    n_replaced = sum(bool(swap(image=PLAIN, label="dark")["image"].any()) for _ in range(200))
    assert low <= n_replaced <= high


@pytest.mark.parametrize("label", ["bright", 0, np.int64(0)])
def test_labels_are_class_names_values_or_indices(model, label):
    swap = A.Compose([SyntheticSwap(model, p=1, pool=1)], seed=0)
    expected = GANAugmenter.load(model, "cpu").sample({"bright" if label == "bright" else "dark": 1}).images[0]
    assert np.array_equal(swap(image=PLAIN, label=label)["image"], expected.permute(1, 2, 0).numpy())


def test_it_can_be_serialized(model):
    pipeline = A.Compose([SyntheticSwap(model, pool=7, p=0.4)], seed=3)
    copy = A.from_dict(A.to_dict(pipeline))
    assert (copy[0].model, copy[0].pool, copy[0].p) == (str(model), 7, 0.4)
    copy.set_random_seed(3)
    for _ in range(10):
        first, second = (transform(image=PLAIN, label="dark")["image"] for transform in (pipeline, copy))
        assert np.array_equal(first, second)


def test_a_replay_gives_the_same_image(model):
    pipeline = A.ReplayCompose([SyntheticSwap(model, p=1)])
    first = pipeline(image=PLAIN, label="bright")
    assert np.array_equal(A.ReplayCompose.replay(first["replay"], image=PLAIN, label="bright")["image"], first["image"])


class Items(Dataset):
    def __init__(self, transform):
        self.transform = transform

    def __len__(self):
        return 40

    def __getitem__(self, index):
        return torch.from_numpy(self.transform(image=PLAIN, label="dark")["image"])


def test_several_workers_draw_different_samples(model):
    transform = A.Compose([SyntheticSwap(model, p=1, pool=1000)], seed=0)
    batches = list(DataLoader(Items(transform), 20, num_workers=2))
    assert len({image.numpy().tobytes() for image in torch.cat(batches)}) > 30


def test_the_replaced_images_differ_by_worker_and_epoch(model):
    torch.manual_seed(0)
    loader = DataLoader(Items(A.Compose([SyntheticSwap(model, p=0.3)], seed=0)), 20, num_workers=2)
    is_replaced = [(image != 0).any().item() for _ in range(3) for batch in loader for image in batch]
    batches = [tuple(is_replaced[start : start + 20]) for start in range(0, 120, 20)]
    assert len(set(batches)) == 6
    assert 0.15 < np.mean(is_replaced) < 0.45


def test_images_of_a_class_that_was_not_learned_stay_with_a_warning(model, monkeypatch):
    def refuse(self, *args, **options):
        raise ClassNotLearnedError("class 'dark' was not learned.")

    monkeypatch.setattr(GANAugmenter, "sample", refuse)
    with pytest.warns(UserWarning, match="left as they are"):
        assert np.array_equal(SyntheticSwap(model, p=1)(image=PLAIN, label="dark")["image"], PLAIN)


@pytest.mark.parametrize(("shape", "dtype"), [((16, 16), np.uint8), ((16, 16, 3), np.uint8), ((16, 16, 1), np.float32)])
def test_synthetic_images_have_the_shape_and_dtype_of_the_image(model, shape, dtype):
    image = np.zeros(shape, dtype)
    swapped = A.Compose([SyntheticSwap(model, p=1)], seed=0)(image=image, label="bright")["image"]
    assert (swapped.shape, swapped.dtype) == (shape, np.dtype(dtype))
    assert swapped.max() <= (1 if dtype == np.float32 else 255)


def test_another_size_and_an_unknown_label_are_refused(model):
    swap = A.Compose([SyntheticSwap(model, p=1)], seed=0)
    with pytest.raises(DataError, match="16x16"):
        swap(image=np.zeros((8, 8, 1), np.uint8), label="dark")
    with pytest.raises(ValueError, match="classes are dark, middle, bright"):
        swap(image=PLAIN, label="purple")
