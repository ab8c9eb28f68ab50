"""Generators whose worth is known: what the utility test must say of each."""

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from ganaug import LabeledImages, utility_report
from ganaug.errors import DataError
from ganaug.evaluation.classifiers import CNN

TRAIN, TEST = 8, 60  # images a class of each split; the rest is held out, for the generators


class HandsOut(BaseEstimator):
    """A generator that hands out images of a pool, drawn with replacement within the class."""

    def __init__(self, pool):
        self.pool = pool

    def fit(self, X, y=None):
        return self

    def sample(self, counts, *, random_state=None):
        draws = torch.Generator().manual_seed(random_state or 0)
        places = []
        for name, count in counts.items():
            own = torch.nonzero(self.pool.labels == self.pool.classes.index(str(name))).flatten()
            places.append(own[torch.randint(len(own), (count,), generator=draws)])
        return self.pool.take(torch.cat(places))


def digits(seed, train=TRAIN):
    """(train, held out, test), of scikit-learn's 8 x 8 digits; the order is drawn by `seed`."""
    found = load_digits()
    order = np.random.default_rng(seed).permutation(len(found.target))
    images = torch.from_numpy((found.images[order, None] * 15.9).astype(np.uint8))
    everything = LabeledImages(images, torch.from_numpy(found.target[order]), tuple("0123456789"))
    places = [torch.nonzero(everything.labels == label).flatten() for label in range(10)]
    cuts = [(0, train), (train, -TEST), (-TEST, None)]
    return tuple(everything.take(torch.cat([own[start:end] for own in places])) for start, end in cuts)


LINEAR = LogisticRegression(C=10, max_iter=300)


def judged(pool, train, test, seed, classifier=LINEAR):
    options = {"n_seeds": 5, "resamples": 300, "random_state": seed}
    return utility_report(train, HandsOut(pool), classifier=classifier, test=test, **options)


def gains_by_share(report):
    frame = report.to_frame()
    rows = frame[(frame["metric"] == "gain over best without") & frame["subject"].str.endswith("% synthetic")]
    return rows.set_index("subject")["state"]


def noise(like):
    draws = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, like.images.shape, dtype=torch.uint8, generator=draws)
    return LabeledImages(pixels, like.labels, like.classes)


def mislabeled(like):
    order = torch.randperm(len(like), generator=torch.Generator().manual_seed(0))
    return LabeledImages(like.images, like.labels[order], like.classes)


@pytest.mark.parametrize("seed", range(3))
def test_held_back_real_images_help(seed):
    train, validation, test = digits(seed)
    report = judged(validation, train, test, seed)
    assert report.verdict == "helps"
    assert report.facts["share"] > 0


def test_noise_is_never_advised():
    """Uniform noise is so unlike any image that a network learns it apart, and is hardly the worse for it."""
    train, validation, test = digits(0)
    report = judged(noise(validation), train, test, 0, CNN(steps=60, width=16))
    assert report.facts["share"] == 0
    assert report.verdict != "helps"


@pytest.mark.parametrize("seed", range(2))
def test_wrong_labels_hurt(seed):
    train, validation, test = digits(seed)
    report = judged(mislabeled(validation), train, test, seed)
    assert report.facts["share"] == 0
    states = gains_by_share(report)
    assert (states[["25% synthetic", "50% synthetic"]] == "fail").all()


@pytest.mark.parametrize("seed", range(3))
def test_copies_of_the_training_images_are_no_evidence(seed):
    train, _, test = digits(seed)
    report = judged(train, train, test, seed)
    assert (report.verdict, report.facts["share"]) == ("no evidence", 0)


@pytest.mark.parametrize("apart", [True, False])
def test_what_hands_out_test_images_is_refused_however_it_is_made(apart):
    train, _, test = digits(0, train=30)
    source, options = (HandsOut(test), {"test": test}) if apart else (HandsOut(train), {})
    with pytest.raises(DataError, match="test images"):
        utility_report(train, source, classifier=LINEAR, n_seeds=1, **options)
