"""What a training of the utility test can be: alterations, balance of the classes, length, synthetic images first."""

import re
import threading
from dataclasses import replace
from pathlib import Path
from unittest import mock

import cloudpickle
import numpy as np
import pytest
import torch

from ganaug import evaluation
from ganaug._runtime.randomness import derive
from ganaug.datasets.alterations import ClassicalAugmentation
from ganaug.datasets.image_mixing import cutmix, mixup
from ganaug.datasets.randaugment import GROUP, RandAugmentation
from ganaug.evaluation import (
    ALTERATIONS,
    CLASSIFIERS,
    CNN,
    Alteration,
    NotApplicableError,
    TrainingSet,
    balance_classes,
    classical_augmentation,
    mix_synthetic,
    resolve_classifier,
    weight_classes,
)
from ganaug.evaluation.batches import draw_batches
from ganaug.evaluation.classifiers import train_and_predict
from tests.sets import noise

REAL, SYNTHETIC = noise((64, 16, 4)), noise((20, 20, 0), seed=1)
UNIFORM = torch.arange(32, dtype=torch.uint8).view(32, 1, 1, 1).expand(32, 1, 20, 30).contiguous()  # image i is all i


def class_fractions(training, weights):
    return torch.bincount(training.images.labels, weights, minlength=3) / weights.sum()


@pytest.mark.parametrize(("balance", "expected"), [(0, [64, 16, 4]), (0.5, [8, 4, 2]), (1, [1, 1, 1])])
def test_classes_are_drawn_in_proportion_to_a_power_of_their_counts(balance, expected):
    expected = torch.tensor(expected, dtype=torch.float64)
    for training in (balance_classes(REAL, balance), mix_synthetic(REAL, SYNTHETIC, 0.25, balance)):
        fractions = class_fractions(training, training.sampling_weights)
        assert torch.allclose(fractions, expected / expected.sum(), rtol=0, atol=1e-15)
    loss_weights = weight_classes(REAL, balance).loss_weights
    assert torch.allclose(class_fractions(balance_classes(REAL), loss_weights), expected / expected.sum())


def test_as_it_is_leaves_every_weight_at_1():
    assert (balance_classes(REAL, 0).sampling_weights == 1).all()


def test_each_class_has_its_own_share():
    training = mix_synthetic(REAL, SYNTHETIC, {"a": 0.5, "c": 0.9}, 0.5)
    weights, labels = training.sampling_weights, training.images.labels
    fractions = [
        float(weights[training.is_synthetic & (labels == k)].sum() / weights[labels == k].sum()) for k in range(3)
    ]
    assert fractions == pytest.approx([0.5, 0, 0])  # "c" has no synthetic images


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: balance_classes(REAL, 1.5), r"balance.*\[0, 1\].*1\.5"),
        (lambda: mix_synthetic(REAL, SYNTHETIC, 1.0), r"share.*\[0, 1\).*1\.0.*'a'"),
        (lambda: mix_synthetic(REAL, SYNTHETIC, {"owl": 0.5}), r"'owl'.*Known: a, b, c"),
        (lambda: replace(balance_classes(REAL), alteration="mixupp"), r"'mixupp'.*Did you mean 'mixup'"),
        (lambda: replace(balance_classes(REAL), length=0), r"length.*above 0.*0"),
    ],
)
def test_a_wrong_value_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        change()


def test_synthetic_first_never_draws_a_real_image_in_the_first_half_and_no_synthetic_one_after():
    training = replace(mix_synthetic(REAL, SYNTHETIC, 0.25, 0.5), synthetic_first=True)
    rows = draw_batches(training, 101, 64, torch.Generator().manual_seed(0))
    assert rows.shape == (101, 64)
    assert training.is_synthetic[rows[:50]].all()
    assert not training.is_synthetic[rows[50:]].any()
    # class "c" has no synthetic images; the others keep their proportions
    first, second = (
        np.bincount(training.images.labels[part].flatten(), minlength=3) for part in (rows[:50], rows[50:])
    )
    assert first / first.sum() == pytest.approx([8 / 12, 4 / 12, 0], abs=0.03)
    assert second / second.sum() == pytest.approx([8 / 14, 4 / 14, 2 / 14], abs=0.03)


def test_synthetic_first_needs_synthetic_images():
    training = replace(balance_classes(REAL), synthetic_first=True)
    with pytest.raises(NotApplicableError, match="no synthetic images"):
        draw_batches(training, 2, 4, torch.Generator())


def test_each_way_of_training_has_a_fingerprint_of_its_own():
    base = mix_synthetic(REAL, SYNTHETIC, 0.25)
    trainings = [
        base,
        *(replace(base, alteration=name) for name in ALTERATIONS if name != "none"),
        replace(base, length=2),
        replace(base, synthetic_first=True),
        mix_synthetic(REAL, SYNTHETIC, 0.25, 0.5),
        mix_synthetic(REAL, SYNTHETIC, {"a": 0.25}),
    ]
    assert len({training.fingerprint() for training in trainings}) == len(trainings)
    assert replace(base, length=1).fingerprint() == base.fingerprint()


def test_twice_the_length_is_twice_the_steps():
    batches = []

    def count(images, seed):
        batches.append(len(images))
        return images

    for length in (0.5, 1, 2):
        batches.clear()
        training = replace(balance_classes(REAL), alteration="classical", length=length)
        CNN(steps=6, width=2)(training, augment=count, seed=0)
        assert len(batches) == 6 * length


def test_mixup_mixes_labels_and_pixels_alike():
    targets = torch.eye(32)
    for seed in range(20):
        images, mixed = mixup(UNIFORM, targets, seed)
        assert torch.allclose(mixed.sum(1), torch.ones(32))
        expected = (mixed @ torch.arange(32.0)).view(-1, 1, 1, 1).expand(UNIFORM.shape)
        assert (images - expected).abs().max() <= 0.5001  # rounded
    assert not torch.equal(mixup(UNIFORM, targets, 0)[0], mixup(UNIFORM, targets, 1)[0])


def test_the_area_of_a_box_is_the_weight_of_its_label():
    targets, areas = torch.eye(32), []
    for seed in range(200):
        images, mixed = cutmix(UNIFORM, targets, seed)
        assert torch.allclose(mixed.sum(1), torch.ones(32))
        own = (images == UNIFORM).flatten(1).float().mean(1)
        assert torch.allclose(mixed.diag(), torch.where(own == 1, 1, own))
        areas.append(1 - float(own.min()))
    changed = np.array([area for area in areas if area])
    assert 70 < len(changed) < 130  # half of the batches
    assert 0.2 < changed.mean() < 0.5  # boxes are cut off at the border: less than the half of a uniform weight
    assert changed.max() > 0.8


@pytest.mark.parametrize("alter", [RandAugmentation(), ClassicalAugmentation(flip=True)])
@pytest.mark.parametrize("channels", [1, 3])
def test_two_threads_alter_images_as_one_does_and_the_global_seed_has_no_effect(alter, channels):
    images = torch.randint(0, 256, (40, channels, 28, 28), dtype=torch.uint8)
    alone = [alter(images, seed) for seed in range(4)]
    results = {}
    threads = [threading.Thread(target=lambda n=n: results.update({n: alter(images, n)})) for n in range(4)]
    torch.manual_seed(123)
    state = torch.random.get_rng_state()
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        alter(images, 9)
    for n, expected in enumerate(alone):
        assert torch.equal(results[n], expected)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not torch.equal(alone[0], alone[1])


def test_randaugment_is_that_of_torchvision():
    from torchvision.transforms.v2 import RandAugment

    images = torch.randint(0, 256, (100, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    altered, transform = RandAugmentation()(images, 5), RandAugment()
    torch.manual_seed(derive(5, "randaugment"))
    groups = [transform(group) for group in (images / 255).split(GROUP)]
    assert torch.equal(altered, (255 * torch.cat(groups)).round().to(torch.uint8))
    assert GROUP < len(images)


def test_randaugment_does_not_depend_on_the_default_dtype():
    images = torch.randint(0, 256, (100, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = RandAugmentation()(images, 0)
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(RandAugmentation()(images, 0), expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_an_entry_of_the_user_is_applied_but_its_results_are_not_cached(monkeypatch, tmp_path):
    monkeypatch.setenv("GANAUG_CACHE", str(tmp_path))
    calls = []
    monkeypatch.setitem(ALTERATIONS, "counted", Alteration(alter=lambda images, seed: calls.append(seed) or images))
    training = replace(balance_classes(REAL), alteration="counted")
    for _ in range(2):
        calls.clear()
        train_and_predict(CNN(steps=3, width=2), training, None, REAL.images, 0)
        assert len(calls) == 3
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize("name", ALTERATIONS)
def test_loss_weights_of_a_class_count_however_images_are_altered(name):
    tones = noise((30, 30), shape=(1, 12, 12))
    training = replace(TrainingSet.from_images(tones), alteration=name)
    favored = replace(training, loss_weights=torch.where(tones.labels == 1, 1.9, 0.1).double())
    augment = classical_augmentation(tones)
    predictions = [CNN(steps=30, width=4)(each, augment, 0)(tones.images)[:, 1].mean() for each in (training, favored)]
    assert predictions[1] > predictions[0]


@pytest.mark.parametrize("classifier", ["features", "linear"])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"alteration": "mixup"}, "two"),
        ({"alteration": "cutmix"}, "two"),
        ({"length": 2}, "steps"),
        ({"synthetic_first": True}, "steps"),
    ],
)
def test_a_classifier_that_is_not_trained_on_batches_says_what_it_cannot_do(classifier, change, reason):
    from sklearn.linear_model import LogisticRegression

    trainer = CLASSIFIERS[classifier] if classifier in CLASSIFIERS else resolve_classifier(LogisticRegression())
    with pytest.raises(NotApplicableError, match=reason):
        trainer(replace(mix_synthetic(REAL, SYNTHETIC, 0.5), **change), augment=None, seed=0)


def test_the_example_of_the_documentation_adds_a_training_method():
    page = (Path(__file__).parents[3] / "docs" / "extending.md").read_text()
    (block,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "ALTERATIONS[" in block]
    with mock.patch.dict(ALTERATIONS), mock.patch.dict(evaluation.BASELINES):
        exec(compile(block, "extending.md", "exec"), {"torch": torch})  # our own page
        training = evaluation.BASELINES["inverted, twice the steps"](REAL, 0)
    # another process does not have the entry
    training = cloudpickle.loads(cloudpickle.dumps(training))
    assert training.length == 2
    CNN(steps=2, width=2)(training, classical_augmentation(REAL), 0)
    altered = training.operations.alter(REAL.images, 0)
    inverted = (altered == 255 - REAL.images).flatten(1).all(1)
    assert 0.3 < inverted.float().mean() < 0.7
