"""Generators of known quality: the verdict that the utility test must reach for each."""

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from ganaug import LabeledImages, utility_report
from ganaug.errors import DataError
from ganaug.evaluation import CNN

TRAIN_PER_CLASS, TEST_PER_CLASS = 8, 60  # the other images are held out for the generators
SEEDS = [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)]
LINEAR = LogisticRegression(C=10, max_iter=300)


class PoolGenerator(BaseEstimator):
    """A generator that returns images of a pool, drawn with replacement within the class."""

    def __init__(self, pool):
        self.pool = pool

    def fit(self, X, y=None):
        return self

    def sample(self, counts, *, random_state=None):
        generator = torch.Generator().manual_seed(random_state or 0)
        rows = []
        for name, count in counts.items():
            of_class = torch.nonzero(self.pool.labels == self.pool.classes.index(str(name))).flatten()
            rows.append(of_class[torch.randint(len(of_class), (count,), generator=generator)])
        return self.pool.take(torch.cat(rows))


def digits(seed, train=TRAIN_PER_CLASS):
    """(training, held-out, test) images of scikit-learn's 8 x 8 digits, shuffled by `seed`."""
    data = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.target))
    pixels = torch.from_numpy((data.images[order, None] * 15.9).astype(np.uint8))
    images = LabeledImages(pixels, torch.from_numpy(data.target[order]), tuple("0123456789"))
    of_class = [torch.nonzero(images.labels == label).flatten() for label in range(10)]
    parts = [(0, train), (train, -TEST_PER_CLASS), (-TEST_PER_CLASS, None)]
    return tuple(images.take(torch.cat([rows[start:end] for rows in of_class])) for start, end in parts)


def evaluate(pool, train, test, seed, classifier=LINEAR):
    options = {"n_seeds": 5, "resamples": 300, "random_state": seed}
    return utility_report(train, PoolGenerator(pool), classifier=classifier, test=test, **options)


def states_by_share(report):
    frame = report.to_frame()
    rows = frame[(frame["metric"] == "gain over best baseline") & frame["subject"].str.endswith("% synthetic")]
    return rows.set_index("subject")["state"]


def noise(like):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, like.images.shape, dtype=torch.uint8, generator=generator)
    return LabeledImages(pixels, like.labels, like.classes)


def mislabeled(like):
    order = torch.randperm(len(like), generator=torch.Generator().manual_seed(0))
    return LabeledImages(like.images, like.labels[order], like.classes)


@pytest.mark.parametrize("seed", SEEDS)
def test_held_out_real_images_help(seed):
    train, validation, test = digits(seed)
    report = evaluate(validation, train, test, seed)
    assert report.verdict == "helps"
    assert report.facts["share"] > 0


@pytest.mark.slow
def test_noise_is_never_recommended():
    """Uniform noise is so unlike any image that a network separates it, and is hardly harmed by it."""
    train, validation, test = digits(0)
    report = evaluate(noise(validation), train, test, 0, CNN(steps=30, width=8))
    assert report.facts["share"] == 0
    assert report.verdict != "helps"


@pytest.mark.parametrize("seed", SEEDS)
def test_wrong_labels_hurt(seed):
    train, validation, test = digits(seed)
    report = evaluate(mislabeled(validation), train, test, seed)
    assert report.facts["share"] == 0
    assert (states_by_share(report)[["25% synthetic", "50% synthetic"]] == "fail").all()


@pytest.mark.parametrize("seed", SEEDS)
def test_copies_of_training_images_are_no_evidence(seed):
    train, _, test = digits(seed)
    report = evaluate(train, train, test, seed)
    assert (report.verdict, report.facts["share"]) == ("no evidence", 0)


@pytest.mark.parametrize("has_test_images", [True, False])
def test_a_generator_that_returns_test_images_is_refused(has_test_images):
    train, _, test = digits(0, train=30)
    source, options = (PoolGenerator(test), {"test": test}) if has_test_images else (PoolGenerator(train), {})
    with pytest.raises(DataError, match="test images"):
        utility_report(train, source, classifier=LINEAR, n_seeds=1, **options)
