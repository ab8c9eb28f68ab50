"""SyntheticSwap in a Compose, serialized, replayed, and in DataLoader workers."""

import json
import os

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations as A  # noqa: N812  # the name that its manual uses
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from ganaug import GANAugmenter, LabeledImages
from ganaug.errors import ClassNotLearnedError, DataError
from ganaug.integrations.albumentations import SyntheticSwap
from tests.sets import SMALL, augmenter, tones


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gan") / "model"
    # averaged weights of so few steps would draw images that are all gray
    augmenter(n_steps=30, ema_half_life=0, **SMALL).fit(tones(8)).save(folder)
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


DEPENDENT = {
    "mask": PLAIN[..., 0],
    "masks": [PLAIN[..., 0]],
    "mask3d": np.zeros((2, 16, 16), np.uint8),
    "bboxes": [[0, 0, 8, 8, 1]],
    "keypoints": [[1, 2]],
    "images": np.zeros((2, 16, 16, 1), np.uint8),
    "volume": np.zeros((2, 16, 16, 1), np.uint8),
    "left": PLAIN,
    "outline": PLAIN[..., 0],
    "second_boxes": [[0, 0, 8, 8, 1]],
}
TARGETS = {"left": "image", "outline": "mask", "second_boxes": "bboxes"}


def pipeline_with_targets(model, p):
    flip = [A.OneOf([A.HorizontalFlip(), A.VerticalFlip()])]
    return A.Compose(
        [SyntheticSwap(model, p=p), *flip],
        bbox_params=A.BboxParams("pascal_voc"),
        keypoint_params=A.KeypointParams("xy"),
        additional_targets=TARGETS,
        seed=0,
    )


@pytest.mark.parametrize("name", DEPENDENT)
@pytest.mark.parametrize("p", [0.01, 1.0])
def test_what_belongs_to_the_replaced_image_is_refused_at_the_first_call(model, name, p):
    with pytest.raises(DataError, match=f"and {name} would still belong to the image before"):
        pipeline_with_targets(model, p)(image=PLAIN, label="dark", **{name: DEPENDENT[name]})


def test_without_a_compose_too_and_in_a_nested_one(model):
    with pytest.raises(DataError, match="mask, bboxes would still belong"):
        SyntheticSwap(model, p=0.01)(image=PLAIN, label="dark", mask=PLAIN, bboxes=[[0, 0, 1, 1]])
    nested = A.Compose([A.Sequential([SyntheticSwap(model, p=0.01)], p=1)], additional_targets={"left": "image"})
    with pytest.raises(DataError, match="left would still belong"):
        nested(image=PLAIN, label="dark", left=PLAIN)


def test_empty_lists_of_boxes_masks_and_keypoints_are_allowed(model):
    done = pipeline_with_targets(model, 1)(image=PLAIN, label="bright", masks=[], bboxes=[], keypoints=[], mask=None)
    assert done["image"].any()
    assert len(done["bboxes"]) == len(done["masks"]) == len(done["keypoints"]) == 0


def test_other_arguments_pass_through(model):
    done = A.Compose([SyntheticSwap(model, p=1)])(image=PLAIN, label="bright", name="a.png", weight=np.ones(3))
    assert (done["name"], done["weight"].tolist(), done["label"]) == ("a.png", [1, 1, 1], "bright")


@pytest.mark.parametrize(
    "label",
    [np.array([2]), np.array(2, np.uint8), torch.tensor(2), torch.tensor([2]), [2], 2.0, np.str_("bright"), b"bright"],
)
def test_labels_of_one_element_stand_for_it(model, label):
    expected = SyntheticSwap(model, p=1, pool=1)(image=PLAIN, label="bright")["image"]
    assert np.array_equal(SyntheticSwap(model, p=1, pool=1)(image=PLAIN, label=label)["image"], expected)


@pytest.mark.parametrize("p", [0.01, 1.0])
@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({}, r"needs the label of the image. Call transform\(image=image, label=label\)"),
        ({"class": "dark"}, r"needs the label"),
        ({"label": None}, "label=None is no label"),
        ({"label": float("nan")}, "label=nan is no label"),
        ({"label": " "}, "label=' ' is no label"),
        ({"label": -1}, "Unknown label -1 .* -1 stands for no label"),
        ({"label": 7}, "Unknown label 7"),
        ({"label": "Dark"}, "Did you mean 'dark'"),
        ({"label": np.array([0, 1, 0])}, "a label has 3 numbers"),
    ],
)
def test_a_call_without_a_usable_label_is_refused_whether_the_image_is_replaced_or_not(model, p, call, message):
    with pytest.raises(DataError, match=message):
        A.Compose([SyntheticSwap(model, p=p)], seed=0)(image=PLAIN, **call)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((16, 16, 3), 200, np.float32), r"float32 in \[200, 200\]"),
        (np.full((16, 16, 3), -1, np.float32), r"float32 in \[-1, -1\]"),
        (np.full((16, 16), np.nan, np.float32), r"float32 in \[nan, nan\]"),
        (np.zeros((16, 16, 4), np.uint8), r"\(16, 16, 4\).* Of RGBA"),
        (np.zeros((16, 16, 1), np.uint16), "uint16"),
        (np.zeros((16, 16, 1), np.int64), "int64"),
        (np.zeros((16, 16), bool), "bool"),
        (np.zeros((1, 1, 16, 16), np.uint8), r"\(1, 1, 16, 16\)"),
        (torch.zeros(1, 16, 16), "is a Tensor"),
    ],
)
@pytest.mark.parametrize("p", [0.01, 1.0])
def test_an_image_of_another_form_is_named(model, image, message, p):
    with pytest.raises(DataError, match=message):
        SyntheticSwap(model, p=p)(image=image, label="dark")


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_in_the_unit_interval_are_accepted(model, dtype):
    swap = SyntheticSwap(model, p=1, pool=1)
    expected = swap(image=PLAIN, label="bright")["image"]
    image = swap(image=np.full((16, 16, 1), 1.01, dtype), label="bright")["image"]
    assert image.dtype == dtype
    assert np.array_equal((image * 255).round().astype(int), expected.astype(int))


def test_numbers_of_numpy_are_parameters_and_survive_serialization(model):
    swap = SyntheticSwap(model, pool=np.int64(100), p=np.float32(0.5), device=torch.device("cpu"))
    pipeline = A.Compose([swap, A.HorizontalFlip()], seed=0)
    copy = A.from_dict(json.loads(json.dumps(A.to_dict(pipeline))))
    assert (copy[0].pool, copy[0].p, copy[0].device) == (100, 0.5, "cpu")
    assert {type(value) for value in (copy[0].pool, swap.pool)} == {int}
    assert type(swap.p) is float
    for invalid in ({"pool": 0}, {"pool": np.float32(1.5)}, {"p": np.float32(1.5)}):
        with pytest.raises(ValueError, match="InitSchema"):
            SyntheticSwap(model, **invalid)


def test_a_number_that_is_a_name_and_the_number_of_another_class_is_refused(tmp_path):
    images = tones(8)
    named = LabeledImages(images.images, images.labels, ("1", "10", "2"))
    augmenter(n_steps=1, **SMALL).fit(named).save(tmp_path / "model")
    swap = SyntheticSwap(tmp_path / "model", p=1)
    assert swap(image=PLAIN, label="10")["image"].shape == PLAIN.shape
    assert swap(image=PLAIN, label=10)["image"].shape == PLAIN.shape  # not the number of a class
    with pytest.raises(DataError, match="can mean the class named '1', or class number 1, which is '10'"):
        swap(image=PLAIN, label=1)
