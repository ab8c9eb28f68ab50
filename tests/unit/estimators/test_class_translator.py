"""Common classes become rare ones, through the same doors as GANAugmenter's samples."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.tree import DecisionTreeClassifier

from ganaug import AugmentedClassifier, ClassTranslator, LabeledImages, MixedDataset, utility_report
from ganaug.errors import ClassNotLearnedError, DataError
from ganaug.training.loop import StopTraining
from tests.sets import cyclegan

TINTS = {"common": (200, 200, 200), "far": (20, 40, 200), "rare": (200, 150, 60)}
QUICK = cyclegan(n_steps=4, width=4, batch_size=4, precision="fp32")


def blobs(counts, size=16, seed=0):
    """A blob on black at a place of its own, in the tint of its class."""
    draws = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    images, labels = [], []
    for label, (name, count) in enumerate(counts.items()):
        centers = draws.uniform(4, size - 4, (count, 2, 1, 1))
        shapes = np.exp(-((rows - centers[:, 0]) ** 2 + (columns - centers[:, 1]) ** 2) / 10)
        images.append(shapes[..., None] * np.array(TINTS[name]) + draws.uniform(0, 4, (count, size, size, 3)))
        labels += [label] * count
    pixels = torch.from_numpy(np.concatenate(images).round().astype(np.uint8)).permute(0, 3, 1, 2).contiguous()
    return LabeledImages(pixels, torch.tensor(labels), tuple(counts))


@pytest.fixture(scope="module")
def images():
    return blobs({"common": 60, "far": 40, "rare": 12})


@pytest.fixture(scope="module")
def fitted(images):
    return ClassTranslator(QUICK, filters=None, device="cpu", random_state=0, sampling_strategy={"rare": 60}).fit(
        images
    )


def test_it_learns_the_tint_of_a_rare_class_and_keeps_what_is_shown(images):
    made = ClassTranslator(
        cyclegan(n_steps=200, width=12, precision="fp32"),
        sampling_strategy={"rare": 60},
        filters="label",
        device="cpu",
        random_state=0,
    ).fit(images)
    assert made.sources_ == {"rare": "common"}
    found = made.sample({"rare": 30})
    color = found.images.float().mean((0, 2, 3))
    real = images.images[images.rows_of("rare")].float().mean((0, 2, 3))
    other = images.images[images.rows_of("common")].float().mean((0, 2, 3))
    assert (color - real).norm() < (color - other).norm() / 2
    assert made.filter_report_["learned"].all()


def test_exactly_the_counts_with_provenance(fitted, images):
    found = fitted.sample({"rare": 25})
    assert found.counts == {"common": 0, "far": 0, "rare": 25}
    about = found.metadata
    assert about["is_synthetic"].all()
    assert set(about["source_class"]) <= {"common", "far"}
    assert about["seed"].is_unique
    assert {images.classes[int(images.labels[row])] for row in about["source_row"]} == set(about["source_class"])
    assert torch.equal(fitted.sample({"rare": 5}, start=20).images, found.images[20:])
    assert torch.equal(fitted.sample({"rare": 25}, start=0).images, found.images)
    assert not torch.equal(fitted.sample({"rare": 25}, random_state=5).images, found.images)
    assert len(fitted.sample(7)) == 7
    assert len(fitted.sample({"rare": 0})) == 0


def test_a_class_without_a_translator_is_not_learned(fitted):
    with pytest.raises(ClassNotLearnedError, match=r"was not trained to draw it\. Add real images"):
        fitted.sample({"far": 3})


def test_fit_resample_fills_up_in_the_container_that_came(images):
    X, y = images.images.permute(0, 2, 3, 1).numpy(), np.array(images.classes)[images.labels]
    made = ClassTranslator(QUICK, filters=None, device="cpu", random_state=0, sampling_strategy="minority")
    more, labels = made.fit_resample(X, y)
    assert more.dtype == X.dtype
    assert np.array_equal(more[: len(X)], X)
    assert dict(zip(*np.unique(labels, return_counts=True), strict=True)) == {"common": 60, "far": 40, "rare": 60}


def test_the_gate_the_data_set_and_the_classifier_take_it_as_it_is(images):
    made = ClassTranslator(QUICK, filters=None, device="cpu", random_state=0, sampling_strategy={"rare": 30})
    tree = DecisionTreeClassifier(random_state=0)
    report = utility_report(images, clone(made), classifier=tree, shares=(0.25,), n_seeds=2, n_folds=2, random_state=0)
    assert report.verdict in ("helps", "no evidence", "hurts")
    mixed = MixedDataset(images, made.fit(images).sample({"rare": 20}), share=0.25)
    assert mixed.is_synthetic.any()
    rows = images.images.permute(0, 2, 3, 1).reshape(len(images), -1).numpy()
    by_number = clone(made).set_params(sampling_strategy={2: 30}, image_shape=(16, 16, 3))
    found = AugmentedClassifier(tree, by_number, cv=2).fit(rows, images.labels.numpy())
    assert found.predict(rows[:3]).shape == (3,)


def test_what_it_cannot_learn_is_refused_by_name(images):
    even = blobs({"common": 10, "rare": 8})
    with pytest.raises(DataError, match="no other class has 2 times as many"):
        ClassTranslator(QUICK, device="cpu").fit(even)
    with pytest.raises(DataError, match="is filled up itself"):
        ClassTranslator(QUICK, source="rare", device="cpu", sampling_strategy={"rare": 60}).fit(images)
    with pytest.raises(ValueError, match="filter"):
        ClassTranslator(QUICK, filters="beauty").fit(images)


def test_nothing_to_fill_up_is_nothing_to_learn():
    even = blobs({"common": 10, "rare": 10})
    made = ClassTranslator(QUICK, device="cpu", filters=None)
    X, labels = made.fit_resample(even)
    assert len(X) == len(labels) == 20
    with pytest.raises(ClassNotLearnedError, match="filled up no class"):
        made.sample(5)


def test_a_class_that_no_other_is_common_enough_for_is_not_learned_and_the_rest_is():
    uneven = blobs({"common": 40, "far": 30, "rare": 8})
    with pytest.warns(UserWarning, match="class 'far' has 30 images, and no other class has 2 times as many"):
        made = ClassTranslator(QUICK, device="cpu", filters=None, random_state=0).fit(uneven)
    assert "far" in made.unlearned_classes_
    assert "rare" not in made.unlearned_classes_
    assert len(made.sample({"rare": 3})) == 3


def test_cut_between_two_classes_it_goes_on_with_the_second(tmp_path):
    uneven = blobs({"common": 40, "far": 16, "rare": 8})

    def made(run, **more):
        return ClassTranslator(QUICK, device="cpu", filters=None, random_state=0, run_dir=run, **more)

    seen = []

    def cut_at(last):
        def callback(done, logs):
            seen.append(done)
            if len(seen) == last:
                raise StopTraining("interrupted")

        return callback

    whole = made(tmp_path / "whole").fit(uneven)
    for last in (2, 6):
        begin = made(tmp_path / "run")
        (begin.resume if seen else begin.fit)(uneven, callbacks=[cut_at(last)])
    assert seen == [1, 2, 3, 4, 1, 2]
    again = made(tmp_path / "run").resume(uneven)
    assert again.model_.hash() == whole.model_.hash()
    longer = made(tmp_path / "run").resume(uneven, callbacks=[lambda done, logs: pytest.fail("trained once more")])
    assert longer.model_.hash() == whole.model_.hash()
