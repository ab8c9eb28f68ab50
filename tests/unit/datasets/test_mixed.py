import pickle
import threading
import time
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, DataLoader, Subset, TensorDataset, WeightedRandomSampler, default_collate
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from ganaug import GANAugmenter, LabeledImages, MixedDataset
from ganaug.errors import DataError
from ganaug.io.resizing import ImageSize, resize_picture
from tests.sets import noise

REAL, FAKE = noise((14, 4)), noise((10, 30), seed=1)


class Split(torch.utils.data.Dataset):
    """A data set with attributes that name its split, as torchvision's have."""

    def __init__(self, **marks):
        self.__dict__.update(marks)

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return torch.zeros(1, 8, 8, dtype=torch.uint8), index % 2


class Pictures(Split):
    """Yields PIL images of another size."""

    def __getitem__(self, index):
        return Image.new("L", (8, 9)), index % 2


@pytest.mark.parametrize(("share", "synthetic"), [(0.0, 0), (0.1, 2), (0.5, 18), (0.9, 162), (None, 40)])
def test_the_share_is_the_requested_one(share, synthetic):
    mixed = MixedDataset(REAL, FAKE, share=share)
    assert int(mixed.is_synthetic.sum()) == synthetic
    assert len(mixed) == len(mixed.targets) == len(mixed.is_synthetic) == 18 + synthetic
    assert [mixed[i][1] for i in range(len(mixed))] == mixed.targets


def test_synthetic_images_are_repeated_evenly():
    mixed = MixedDataset(REAL, FAKE, share=0.9)
    pixels = {mixed[i][0].numpy().tobytes() for i in range(len(mixed)) if mixed.is_synthetic[i]}
    assert len(pixels) == 40


def test_real_items_are_unchanged_and_first():
    mixed = MixedDataset(REAL, FAKE, share=0.3)
    for index in range(len(REAL)):
        assert torch.equal(mixed[index][0], REAL[index][0])
    with pytest.raises(IndexError):
        mixed[len(mixed)]
    assert torch.equal(mixed[-1][0], mixed[len(mixed) - 1][0])


@pytest.mark.parametrize(
    "real",
    [
        Split(train=False),
        Split(split="val"),
        Split(_split="test"),
        LabeledImages(REAL.images, REAL.labels, REAL.classes, pd.DataFrame({"split": ["test"] * 18})),
    ],
)
def test_a_validation_set_has_no_synthetic_items(real):
    mixed = MixedDataset(real, FAKE, share=0.5)
    assert mixed.validation
    assert not mixed.is_synthetic.any()
    assert len(mixed) == len(real)


def test_a_training_split_is_mixed_unless_validation_is_true():
    assert MixedDataset(Split(train=True), FAKE, share=0.5).is_synthetic.any()
    assert not MixedDataset(REAL, FAKE, share=0.5, validation=True).is_synthetic.any()


def test_weights_balance_the_mixed_set_not_the_real_one():
    mixed = MixedDataset(REAL, FAKE, share=0.5)
    weights = mixed.sample_weights()
    labels = torch.tensor(mixed.targets)
    assert weights.sum().item() == pytest.approx(1)
    assert weights[labels == 0].sum().item() == pytest.approx(0.5)
    sampler = WeightedRandomSampler(weights, 10, generator=torch.Generator().manual_seed(0))
    assert len(list(DataLoader(mixed, sampler=sampler))) == 10


def test_the_transform_is_applied_to_real_and_synthetic_images():
    mixed = MixedDataset(REAL, FAKE, share=0.5, item_type="tensor", transform=lambda image: image.float().mean())
    assert all(isinstance(mixed[i][0], torch.Tensor) and mixed[i][0].ndim == 0 for i in (0, len(mixed) - 1))


@pytest.mark.parametrize("workers", [0, 2])
def test_items_are_the_same_with_workers_and_cutmix_works(workers):
    mixed = MixedDataset(REAL, FAKE, share=0.4, item_type="tensor", transform=v2.ToDtype(torch.float32, scale=True))
    mix = v2.RandomChoice([v2.CutMix(num_classes=2), v2.MixUp(num_classes=2)])
    loader = DataLoader(mixed, batch_size=6, num_workers=workers, collate_fn=lambda items: mix(*default_collate(items)))
    batches = list(loader)
    assert sum(len(images) for images, _ in batches) == len(mixed)
    assert all(labels.shape[1] == 2 for _, labels in batches)
    plain = [images for images, _ in DataLoader(mixed, batch_size=6, num_workers=workers)]
    assert torch.equal(torch.cat(plain), torch.stack([mixed[i][0] for i in range(len(mixed))]))


def test_it_can_be_pickled():
    mixed = MixedDataset(REAL, FAKE, share=0.4)
    copy = pickle.loads(pickle.dumps(mixed))
    assert torch.equal(copy[20][0], mixed[20][0])


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_synthetic_images_match_the_mode_and_classes_of_an_image_folder(tmp_path, mode):
    for name in ("a", "b", "other"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).convert(mode).save(tmp_path / name / "1.png")
    reordered = LabeledImages(FAKE.images, FAKE.labels, ("b", "a"))
    mixed = MixedDataset(ImageFolder(tmp_path), reordered, transform=v2.PILToTensor())
    assert mixed.classes == ("a", "b", "other")
    assert mixed.targets[3] == 1  # the first synthetic image has class b
    assert {tuple(mixed[i][0].shape) for i in range(len(mixed))} == {(3, 8, 8)}


def test_classes_and_validation_splits_are_detected_through_wrappers():
    part = Subset(noise((6, 6)), [0, 1, 6])
    mixed = MixedDataset(ConcatDataset([part, part]), LabeledImages(FAKE.images, FAKE.labels, ("b", "a")))
    assert mixed.classes == ("a", "b")
    assert mixed.targets[:7] == [0, 0, 1, 0, 0, 1, 1]
    hidden = Subset(ConcatDataset([Split(train=False)]), [0, 1, 2])
    assert not MixedDataset(hidden, FAKE, share=0.5).is_synthetic.any()


def test_labels_without_class_names_match_classes_that_are_named_by_a_number():
    real = TensorDataset(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.tensor([10, 20, 10, 20]))
    mixed = MixedDataset(real, LabeledImages(FAKE.images, FAKE.labels, ("10", "20")))
    assert set(mixed.targets) == {10, 20}
    assert mixed.targets[4:] == [10 if label == 0 else 20 for label in FAKE.labels.tolist()]
    assert mixed.class_to_idx == {"10": 10, "20": 20}
    assert {(name.split("/")[1], label) for name, label in mixed.samples[4:]} == {("10", 10), ("20", 20)}
    weights, labels = mixed.sample_weights(), torch.tensor(mixed.targets)
    assert float(weights[labels == 10].sum()) == pytest.approx(0.5)
    with pytest.raises(DataError, match="no label 0; its labels are 10, 20"):
        MixedDataset(real, FAKE)


def test_images_marked_as_synthetic_in_metadata_count_as_synthetic():
    marks = pd.DataFrame({"is_synthetic": [False] * 12 + [True] * 6})
    real = LabeledImages(REAL.images, REAL.labels, REAL.classes, marks)
    assert MixedDataset(real, FAKE, share=0.0).is_synthetic.tolist() == marks["is_synthetic"].tolist()
    validation = MixedDataset(real, FAKE, validation=True)
    assert len(validation) == 12
    assert not validation.is_synthetic.any()


def test_sets_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="below 1"):
        MixedDataset(REAL, FAKE, share=1.0)
    with pytest.raises(DataError, match="no class 'b'"):
        MixedDataset(LabeledImages(REAL.images, REAL.labels * 0, ("a",)), FAKE)
    floats = TensorDataset(torch.zeros(4, 1, 8, 8), torch.tensor([0, 1, 0, 1]))
    with pytest.raises(DataError, match="already applied a transform"):
        MixedDataset(floats, FAKE)
    with pytest.raises(ValueError, match="resize must be one of"):
        MixedDataset(REAL, FAKE, resize="zoom")


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_real_images_of_another_size_are_resized_to_that_of_the_synthetic_ones(resize):
    mixed = MixedDataset(Pictures(), FAKE, resize=resize)
    assert {mixed[index][0].size for index in range(len(mixed))} == {(8, 8)}
    kept = MixedDataset(Pictures(), FAKE, resize=None)
    assert {kept[index][0].size for index in range(len(kept))} == {Pictures()[0][0].size, (8, 8)}


def test_real_images_keep_their_size_without_synthetic_ones():
    mixed = MixedDataset(Pictures(), FAKE, share=0)
    assert {mixed[index][0].size for index in range(len(mixed))} == {Pictures()[0][0].size}


def test_gray_synthetic_images_become_rgb_beside_real_ones_in_color():
    mixed = MixedDataset(noise((4, 4), shape=(3, 8, 8)), FAKE)
    assert {tuple(mixed[index][0].shape) for index in range(len(mixed))} == {(3, 8, 8)}


class Advice:
    """The part of a utility report that MixedDataset reads."""

    def __init__(self, share, **facts):
        self.facts = {"share": share, **facts}


@pytest.mark.parametrize("advised_share", [0.0, 0.25])
def test_share_auto_follows_the_report(advised_share):
    mixed = MixedDataset(REAL, FAKE, share="auto", report=Advice(advised_share))
    assert mixed.share == pytest.approx(advised_share)
    with pytest.raises(ValueError, match="report=utility_report"):
        MixedDataset(REAL, FAKE, share="auto")


def test_share_auto_uses_nothing_synthetic_of_classes_that_the_report_leaves_out():
    advice = Advice(0.25, class_shares={"a": 0.25, "b": 0.0}, balance=1.0)
    mixed = MixedDataset(REAL, FAKE, share="auto", report=advice)
    labels = torch.tensor(mixed.targets)
    # of the 14 real images of class "a", not of all 18
    assert mixed.is_synthetic.sum() == round(14 / 3)
    assert set(labels[mixed.is_synthetic].tolist()) == {0}
    assert torch.bincount(labels, mixed.sample_weights()).tolist() == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(("balance", "expected"), [(0.0, [14, 4]), (0.5, [14**0.5, 2]), (1.0, [1, 1]), (None, [1, 1])])
def test_share_auto_balances_classes_as_the_report_found_best(balance, expected):
    mixed = MixedDataset(REAL, FAKE, share="auto", report=Advice(0.25, balance=balance))
    weights = torch.bincount(torch.tensor(mixed.targets), mixed.sample_weights())
    assert (weights * sum(expected)).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("share", [0.4, 0.7])
def test_synthetic_items_have_the_requested_share_of_the_weights_in_every_class(share):
    mixed = MixedDataset(REAL, FAKE, share=share)
    weights, labels = mixed.sample_weights(), torch.tensor(mixed.targets)
    for label in (0, 1):
        in_class = labels == label
        synthetic = weights[in_class & mixed.is_synthetic].sum() / weights[in_class].sum()
        assert synthetic.item() == pytest.approx(mixed.share)


def test_a_synthetic_weight_of_one_half_halves_the_weight_of_synthetic_items():
    mixed = MixedDataset(REAL, FAKE, synthetic_weight=0.5)
    weights, first = mixed.sample_weights(), torch.tensor(mixed.targets) == 0
    real, synthetic = (weights[first & origin][0] for origin in (~mixed.is_synthetic, mixed.is_synthetic))
    assert (synthetic / real).item() == pytest.approx(0.5)


def test_the_share_fades_to_zero():
    mixed = MixedDataset(REAL, FAKE, share=0.5, fade_epochs=4)
    n_synthetic = []
    for epoch in range(6):
        mixed.set_epoch(epoch)
        n_synthetic.append(int(mixed.is_synthetic.sum()))
        assert len(mixed) == len(mixed.targets) == len(mixed.is_synthetic) == len(mixed.samples)
        assert mixed.sample_weights().sum().item() == pytest.approx(1)
    assert n_synthetic == [18, 14, 9, 4, 0, 0]


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_follow_the_epoch_and_yield_refreshed_images(persistent):
    epochs = []

    def refresh(epoch):
        epochs.append(epoch)
        return LabeledImages(torch.full_like(FAKE.images, 10 * epoch), FAKE.labels, FAKE.classes)

    mixed = MixedDataset(REAL, FAKE, fade_epochs=4, refresh=refresh)
    loader = DataLoader(mixed, batch_size=64, num_workers=1, persistent_workers=persistent)
    for epoch in range(3):
        mixed.set_epoch(epoch)
        images = torch.cat([images for images, _ in loader])
        assert len(images) == len(mixed) == 18 + round(40 * (1 - epoch / 4))
        if epoch:
            assert (images[18:] == 10 * epoch).all()
    assert epochs[:2] == [1, 2]


def test_refreshes_of_epochs_out_of_order_do_not_overlap():
    epochs, drawing = [], threading.Lock()

    def refresh(epoch):
        assert drawing.acquire(blocking=False), "two draws at once"
        time.sleep(0.05)
        epochs.append(epoch)
        drawing.release()
        return replace(FAKE, images=torch.full_like(FAKE.images, epoch))

    mixed = MixedDataset(REAL, FAKE, refresh=refresh)
    for epoch in (3, 3, 7, 1):
        mixed.set_epoch(epoch)
        assert int(mixed._pool.images[0, 0, 0, 0]) == epoch
    assert {3, 7, 1} <= set(epochs)


def test_an_error_in_refresh_is_raised_by_set_epoch():
    def refresh(epoch):
        raise RuntimeError("out of memory")

    mixed = MixedDataset(REAL, FAKE, refresh=refresh)
    with pytest.raises(RuntimeError, match="out of memory"):
        mixed.set_epoch(1)


def test_a_refresh_that_changes_the_counts_is_refused():
    mixed = MixedDataset(REAL, FAKE, refresh=lambda epoch: FAKE.take(range(5)))
    mixed.set_epoch(0)
    with pytest.raises(DataError, match="same counts"):
        mixed.set_epoch(1)


def test_samples_are_named_like_those_of_an_image_folder(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / name / "1.png")
    folder = ImageFolder(tmp_path)
    mixed = MixedDataset(folder, FAKE)
    assert mixed.samples[: len(folder)] == folder.samples
    assert [label for _, label in mixed.samples] == mixed.targets
    assert mixed.samples[2] == ("synthetic/a/0", 0)


@pytest.mark.parametrize("options", [{"synthetic_weight": 0}, {"fade_epochs": 0}, {"share": "half"}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        MixedDataset(REAL, FAKE, **options)


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_real_and_synthetic_images_are_equally_sharp(resize, tmp_path):
    """A generator that repeats its training images perfectly cannot be told from them after any transform."""
    draws = np.random.default_rng(0)
    for index in range(6):
        (tmp_path / "ab"[index % 2]).mkdir(exist_ok=True)
        noise_image = draws.integers(0, 256, (40 + index, 48, 3), dtype=np.uint8)
        Image.fromarray(noise_image).save(tmp_path / "ab"[index % 2] / f"{index}.png")
    photos = ImageFolder(tmp_path)
    small = torch.stack(
        [v2.functional.pil_to_tensor(resize_picture(image, ImageSize(16, 16, resize))) for image, _ in photos]
    )
    synthetic = LabeledImages(small, torch.tensor(photos.targets), ("a", "b"))
    transform = v2.Compose([v2.Resize((32, 32)), v2.PILToTensor()])
    mixed = MixedDataset(photos, synthetic, transform=transform, resize=resize)
    images = torch.stack([mixed[index][0] for index in range(len(mixed))])
    assert torch.equal(images[:6], images[6:])
    kept = MixedDataset(photos, synthetic, transform=transform, resize=None)
    images = torch.stack([kept[index][0] for index in range(len(kept))]).float()
    sharpness = (images[..., 1:] - images[..., :-1]).square().mean(dim=(1, 2, 3))
    assert sharpness[:6].min() > 1.5 * sharpness[6:].max()  # without resizing, sharpness tells which are synthetic


def test_a_transform_gets_pil_images_as_with_image_folder():
    chain = transforms.Compose([transforms.Resize(12), transforms.ToTensor(), transforms.Normalize([0.5], [0.5])])
    mixed = MixedDataset(REAL, FAKE, share=0.5, transform=chain)
    shapes = {tuple(image.shape) for image, _ in mixed}
    assert shapes == {(1, 12, 12)}
    seen = []
    MixedDataset(REAL, FAKE, share=0.5, transform=lambda image: seen.append(type(image)) or image)[0]
    assert issubclass(seen[0], Image.Image)


def test_pil_items_can_reach_a_transform_as_tensors(tmp_path):
    for name in REAL.classes:
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8), 90).save(tmp_path / name / "1.png")
    fake = LabeledImages(FAKE.images[:, :, :8, :8], FAKE.labels, FAKE.classes)
    mixed = MixedDataset(ImageFolder(tmp_path), fake, item_type="tensor", transform=lambda image: image.dtype)
    assert {dtype for dtype, _ in mixed} == {torch.uint8}
    with pytest.raises(ValueError, match="item_type must be one of pil, tensor or None; got 'array'"):
        MixedDataset(REAL, FAKE, item_type="array")


def test_what_is_no_data_set_is_refused_with_what_to_pass():
    for real, fake, message in (
        (REAL, GANAugmenter(), r"synthetic is of type GANAugmenter, .* Pass its samples: sample\(\{class: number\}\)"),
        (REAL, "fake", "synthetic is of type str, .* Pass LabeledImages"),
        ("photos", FAKE, r"real is a path. Pass read_folder\('photos'\)"),
        (3, FAKE, "real is of type int, not a data set"),
    ):
        with pytest.raises(DataError, match=message):
            MixedDataset(real, fake)


def test_the_text_form_shows_counts_and_share():
    text = repr(MixedDataset(REAL, FAKE, share=0.25))
    assert text.startswith("MixedDataset(")
    assert "synthetic (share 0.25)" in text
    assert all(f"{name}: " in text for name in REAL.classes)


def test_a_share_that_repeats_images_many_times_warns():
    few = FAKE.take([0])
    with pytest.warns(UserWarning, match=r"uses each of 1 synthetic images \d+ times. Draw about \d+"):
        MixedDataset(REAL, few, share=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MixedDataset(REAL, REAL, share=0.5)


def test_samples_of_several_generators_are_joined_by_class_name():
    real = noise((4, 3), shape=(1, 8, 8))
    cats = LabeledImages(noise((2,), seed=1).images, torch.zeros(2, dtype=torch.int64), ("b",))
    both = LabeledImages(noise((1, 2), seed=2).images, torch.tensor([0, 1, 1]), ("b", "a"))
    mixed = MixedDataset(real, [cats, both])
    assert [mixed.targets.count(label) for label in range(2)] == [4 + 2, 3 + 3]
    assert int(mixed.is_synthetic.sum()) == 5
    with pytest.raises(DataError, match="Pass its samples"):
        MixedDataset(real, [cats, GANAugmenter()])
