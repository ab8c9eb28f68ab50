"""Pix2Pix and CycleGAN on sets whose answers are known."""

import random
import warnings

import numpy as np
import pytest
import torch

from ganaug import CycleGAN, Pix2Pix
from ganaug._runtime.storage import read_tree, trees_equal
from ganaug.errors import DataError, RunError, TrainingWarning
from ganaug.estimators.translator import as_images
from tests.sets import cyclegan, pix2pix

COLORS = np.array([[20, 20, 30], [220, 60, 40], [50, 180, 220]], np.uint8)
SMALL = {"width": 8, "device": "cpu", "precision": "fp32", "random_state": 0, "check_every": 50}
CUT = {"width": 4, "check_every": 4, "batch_size": 8, "ema_half_life": 50}


def masks(count, size=(20, 24), seed=0):
    """Label images: a rectangle of label 1 and one of label 2 on label 0."""
    draws = np.random.default_rng(seed)
    found = np.zeros((count, *size), np.uint8)
    for mask in found:
        for label in (1, 2):
            top, left = draws.integers(0, size[0] - 8), draws.integers(0, size[1] - 8)
            mask[top : top + 8, left : left + 8] = label
    return found


def colored(labels):
    """Each label's color."""
    return COLORS[labels]


def tinted(count, tint, seed):
    """Gray blobs on black, in one tint."""
    draws = np.random.default_rng(seed)
    rows, columns = np.mgrid[:16, :16]
    centers = draws.uniform(4, 12, (count, 2, 1, 1))
    blobs = np.exp(-((rows - centers[:, 0]) ** 2 + (columns - centers[:, 1]) ** 2) / 12)
    return (blobs[..., None] * np.array(tint)).round().astype(np.uint8)


@pytest.fixture(scope="module")
def painter():
    labels = masks(60)
    return pix2pix(3, n_steps=500, **{**SMALL, "width": 12}).fit(labels, colored(labels))


def test_pix2pix_colors_shapes_that_it_has_not_seen(painter):
    unseen = masks(20, seed=1)
    error = np.abs(painter.transform(unseen).astype(float) - colored(unseen)).mean() / 255
    assert error < 0.05
    shuffled = np.abs(painter.transform(unseen).astype(float) - colored(unseen)[::-1]).mean() / 255
    assert error < shuffled / 3


def test_what_is_dropped_makes_other_pictures_of_the_same_mask():
    """Of a mask that leaves the color open, draws differ; what a draw is depends on seed and place alone."""
    labels = masks(40)
    bright = np.where(np.arange(40)[:, None, None, None] % 2, colored(labels), 255 - colored(labels))
    made = pix2pix(3, n_steps=60, l1_weight=1.0, **SMALL).fit(labels, bright.astype(np.uint8))
    one = np.repeat(labels[:1], 8, axis=0)
    first, second = made.transform(one, random_state=1), made.transform(one, random_state=2)
    assert len(np.unique(first.reshape(8, -1), axis=0)) == 8
    assert first.astype(float).std(0).mean() > 5  # gray levels
    assert not np.array_equal(first, second)
    assert np.array_equal(first, made.transform(one, random_state=1))
    assert np.array_equal(first[3:5], made.transform(one[:2], random_state=1, start=3))


def test_cyclegan_learns_a_tint_and_keeps_what_is_shown():
    x, y = tinted(80, (200, 200, 200), 0), tinted(60, (200, 120, 20), 1)
    made = cyclegan(n_steps=250, **{**SMALL, "width": 12}).fit(x, y)
    unseen = tinted(20, (200, 200, 200), 2)
    there = made.transform(unseen)
    target = tinted(20, (200, 120, 20), 2)
    assert np.abs(there.mean((0, 1, 2)) - target.mean((0, 1, 2))).max() < 12
    assert np.abs(there.astype(float) - target).mean() / 255 < 0.06  # the blob stays where it was
    assert made.cycle_error(unseen).mean() < 0.05
    assert made.cycle_error_.shape == (80,)
    back = made.transform(there, direction="y_to_x")
    assert np.abs(back.astype(float) - unseen).mean() / 255 < 0.06


TWENTY = pytest.param(random.Random(0).sample(range(1, 40), 20), marks=[pytest.mark.slow, pytest.mark.timeout(3600)])


@pytest.mark.parametrize("kind", [pix2pix, cyclegan])
@pytest.mark.parametrize("cuts", [[1, 6], TWENTY])
def test_cut_and_resumed_is_bit_identical(tmp_path, kind, cuts):
    x, y = tinted(14, (200, 200, 200), 0), tinted(14, (200, 120, 20), 0)
    n_steps = max(cuts) + 3

    def last(run):
        state = read_tree(sorted((run / "checkpoints").glob("*.safetensors"))[-1])
        return {name: value for name, value in state.items() if name not in ("seconds", "rows")}

    def made(run):
        return kind(n_steps=n_steps, run_dir=run, **{**SMALL, **CUT})

    whole = made(tmp_path / "whole").fit(x, y)
    for cut in sorted(
        cuts
    ):  # the rates fall over n_steps: a run of another length is another run, and is no part of it
        begin = made(tmp_path / "run")
        (begin.fit if cut == min(cuts) else begin.resume)(x, y, callbacks=[stop_at(cut)])
    again = made(tmp_path / "run").resume(x, y)
    assert again.n_steps_ == n_steps
    assert again.model_.hash() == whole.model_.hash()
    assert trees_equal(last(tmp_path / "run"), last(tmp_path / "whole"))
    assert (tmp_path / "whole" / "previews" / "00000004.png").exists()
    with pytest.raises(RunError, match="other data"):
        made(tmp_path / "whole").resume(y, x)


def stop_at(step):
    from ganaug.training.loop import StopTraining

    def callback(done, logs):
        if done == step:
            raise StopTraining("interrupted")

    return callback


@pytest.mark.parametrize("size", [(12, 18), (20, 24), (33, 31), (40, 8)])
def test_it_takes_any_size_and_gives_it_back(painter, size):
    assert painter.transform(masks(3, (20, 24))).shape == (3, 20, 24, 3)
    assert painter.transform(np.zeros((2, *size), np.uint8)).shape == (2, *size, 3)


def test_company_does_not_change_a_translation(painter):
    labels = masks(70)
    assert np.array_equal(painter.transform(labels)[65:], painter.transform(labels[65:], start=65))


def test_gray_and_tensors_and_labels_as_tensors():
    gray = tinted(12, (200, 200, 200), 0)[..., 0]
    made = cyclegan(n_steps=2, **SMALL).fit(torch.from_numpy(gray), tinted(9, (200, 120, 20), 1))
    assert made.transform(gray).shape == (12, 16, 16, 3)
    assert made.transform(tinted(3, (9, 9, 9), 1), direction="y_to_x").shape == (3, 16, 16)


def test_saved_and_loaded_it_translates_alike(painter, tmp_path):
    painter.save(tmp_path)
    again = Pix2Pix.load(tmp_path, "cpu")
    assert np.array_equal(again.transform(masks(3)), painter.transform(masks(3)))
    assert again.num_labels == 3
    with pytest.raises(RunError, match="holds a model of kind 'pix2pix', not 'cyclegan'"):
        CycleGAN.load(tmp_path)
    (tmp_path / "model.json").write_text((tmp_path / "model.json").read_text().replace('"width": 12', '"width": 9'))
    with pytest.raises(RunError, match="do not fit"):
        Pix2Pix.load(tmp_path)


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (masks(4), colored(masks(5)), "X has 4 images and Y 5"),
        (masks(4), colored(masks(4, (20, 32))), "X is 20x24 pixels and Y 20x32"),
        (masks(1), colored(masks(1)), "two or more"),
        (masks(4) + 1, colored(masks(4)), r"labels lie in 0\.\.2 \(num_labels=3\)"),
        (masks(4) / 2, colored(masks(4)), "must be whole numbers"),
        (masks(4)[..., None].repeat(2, -1), colored(masks(4)), "X has 2 channels"),
        (np.zeros((4, 6, 20), np.uint8), np.zeros((4, 6, 20), np.uint8), "X is 6x20 pixels"),
        (np.zeros((4, 20), np.uint8), colored(masks(4)), "X must be images"),
        (np.zeros((0, 20, 24), np.uint8), colored(masks(4)), "X must hold images"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_by_name(x, y, said):
    with pytest.raises(DataError, match=said):
        pix2pix(3, n_steps=2, **SMALL).fit(x, y)


def test_losses_that_judge_no_patches_are_refused():
    with pytest.raises(ValueError, match="Use one of vanilla, non-saturating, lsgan, hinge"):
        pix2pix(3, "wgan-gp", n_steps=2, **SMALL).fit(masks(4), colored(masks(4)))
    with pytest.raises(ValueError, match="direction must be one of x_to_y; got 'y_to_x'"):
        pix2pix(3, n_steps=2, **SMALL).fit(masks(4), colored(masks(4)))._transform(masks(1), "y_to_x", None, 0)


def test_colors_of_both_sides_are_not_altered_alike():
    with pytest.raises(ValueError, match="augmentation 'color' would alter X and Y alike"):
        pix2pix(3, augmentation="flip,color", n_steps=2, **SMALL).fit(masks(4), colored(masks(4)))


def test_a_run_is_not_resumed_with_networks_of_another_width(tmp_path):
    x, y = tinted(4, (200, 200, 200), 0), tinted(4, (200, 120, 20), 0)
    options = {**SMALL, "n_steps": 2, "run_dir": tmp_path / "run"}
    cyclegan(**{**options, "width": 32}).fit(x, y)
    with pytest.raises(RunError, match="recipe__width was 32 and is now 8"):
        cyclegan(**options).resume(x, y)
    with pytest.raises(RunError, match="recipe__precision was 'fp32' and is now 'bf16'"):
        cyclegan(**{**options, "width": 32, "precision": "bf16"}).resume(x, y)


def test_a_cycle_is_of_images_that_it_takes():
    made = cyclegan(n_steps=1, **SMALL).fit(tinted(4, (200, 200, 200), 0), tinted(4, (200, 120, 20), 0))
    with pytest.raises(ValueError, match="direction must be one of x_to_y, y_to_x"):
        made.cycle_error(tinted(2, (9, 9, 9), 0), direction="back")
    with pytest.raises(ValueError, match="has one translation of each image"):
        made.write(tinted(2, (9, 9, 9), 0), "nowhere", draws=2)


def test_images_keep_their_pixels():
    photos = np.random.default_rng(0).integers(0, 256, (3, 9, 10, 3), dtype=np.uint8)
    assert np.array_equal(as_images(photos, "X").permute(0, 2, 3, 1).numpy(), photos)
    assert np.array_equal(as_images(photos[..., 0], "X")[:, 0].numpy(), photos[..., 0])


def test_the_global_random_state_has_no_part_in_it(untouched_global_randomness):
    labels = masks(6)
    pix2pix(3, n_steps=3, **SMALL).fit(labels, colored(labels)).transform(labels)


@pytest.mark.parametrize("kind", ["labels", "photos"])
def test_sets_in_another_order_are_no_pairs_and_it_is_said(kind):
    x = masks(40)
    y = colored(x)
    labels = {"num_labels": 4} if kind == "labels" else {}
    x = x if kind == "labels" else 255 - y
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", TrainingWarning)
        right = pix2pix(n_steps=1, **labels, **SMALL).fit(x, y)
    assert right.pairing_.p < 0.01
    with pytest.warns(UserWarning, match="do not look like pairs"):
        wrong = pix2pix(n_steps=1, **labels, **SMALL).fit(x, np.roll(y, 7, axis=0))
    assert wrong.pairing_.p > 0.05
    assert pix2pix(n_steps=1, **labels, **SMALL).fit(x[:6], y[:6]).pairing_ is None
