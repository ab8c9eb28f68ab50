"""AugmentedClassifier: scikit-learn's checks, and what a user relies on beyond them."""

import warnings

import numpy as np
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from ganaug import AugmentedClassifier, LabeledImages
from ganaug.estimators import share_selection
from ganaug.evaluation import Fold
from tests.planted.test_utility_verdict import PoolGenerator, digits
from tests.sets import augmenter

EXPECTED_TO_FAIL = {
    "check_sample_weight_equivalence_on_dense_data": "weights reach the classifier only: the generator samples every "
    "image equally often, so that an image of weight 2 is not two images to it",
}


def tiny(**options):
    gan = augmenter(n_steps=2, batch_size=4, latent_size=2, width=1, device="cpu", random_state=0, filters=None)
    return AugmentedClassifier(LogisticRegression(), gan, cv=2, shares=(0.25,), n_samples=8, random_state=0, **options)


@pytest.mark.filterwarnings("ignore:no synthetic images are used")
@parametrize_with_checks([tiny()], expected_failed_checks=lambda estimator: EXPECTED_TO_FAIL)
def test_scikit_learn(estimator, check):
    check(estimator)


def test_at_least_45_checks_ran():
    assert len(list(estimator_checks_generator(tiny()))) >= 45


class OfRows(PoolGenerator):
    """A pool for rows of 8 x 8 digits. Without a pool it returns the images that it is fitted on."""

    image_shape = (8, 8)

    def fit(self, X, y=None):
        self.pool = X if self.pool is None else self.pool
        return self


def with_pool(pool, estimator=None, **options):
    estimator = LogisticRegression(C=10, max_iter=300) if estimator is None else estimator
    return AugmentedClassifier(estimator, OfRows(pool), random_state=0, **options)


@pytest.fixture(scope="module")
def sets():
    train, validation, test = digits(0, train=14)
    rows = [(part.images.flatten(1).numpy(), part.labels.numpy()) for part in (train, test)]
    return train, validation, rows[0], rows[1]


def test_new_real_images_are_used_and_improve_the_classifier(sets):
    _, validation, (X, y), (X_test, y_test) = sets
    model = with_pool(validation).fit(X, y)
    assert model.share_ > 0
    assert model.verdict_ == model.report_.verdict != "hurts"
    assert 0 < model.synthetic_weight_ < 1
    assert model.score(X_test, y_test) > clone(model.estimator).fit(X, y).score(X_test, y_test) + 0.02


def test_copies_of_training_rows_are_not_used(sets):
    _, _, (X, y), _ = sets
    model = with_pool(None, KNeighborsClassifier(1)).fit(X, y)
    assert (model.share_, model.synthetic_weight_, model.augmenter_) == (0, 0, None)
    assert model.verdict_ == "no evidence"


def test_the_verdict_on_copies_is_never_helps(sets):
    _, _, (X, y), _ = sets
    verdicts = [with_pool(None).set_params(random_state=seed).fit(X, y).verdict_ for seed in range(4)]
    assert "helps" not in verdicts


def test_share_0_is_the_estimator_alone(sets):
    _, validation, (X, y), (X_test, _) = sets
    model = with_pool(validation, share=0).fit(X, y)
    alone = clone(model.estimator).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X_test), alone.predict_proba(X_test))
    assert (model.verdict_, model.report_) == ("not tried", None)


def test_it_works_in_a_pipeline_a_grid_search_and_cross_validation(sets):
    _, validation, (X, y), _ = sets
    model = with_pool(validation, share=0.25)
    assert cross_val_score(make_pipeline(StandardScaler(), with_pool(validation, share=0)), X, y, cv=2).shape == (2,)
    search = GridSearchCV(model, {"share": [0, 0.5], "estimator__C": [1.0]}, cv=2).fit(X, y)
    assert search.best_params_["share"] == 0.5


def test_groups_stay_together_in_the_inner_folds(sets, monkeypatch):
    _, validation, (X, y), _ = sets
    groups = np.arange(len(y)) // 2 * 7
    folds = []
    original = share_selection.ShareSelector._predict_fold

    def recorded(self, rows, fold, *options):
        folds.append((set(groups[fold.train.numpy()]), set(groups[fold.test.numpy()])))
        return original(self, rows, fold, *options)

    monkeypatch.setattr(share_selection.ShareSelector, "_predict_fold", recorded)
    with_pool(validation, shares=(0.25,), cv=2).fit(X, y, groups=groups)
    assert folds
    assert not any(train & test for train, test in folds)


def test_metadata_routing_passes_other_parameters_to_the_wrapped_estimator(sets):
    _, validation, (X, y), _ = sets

    class Tagged(LogisticRegression):
        def fit(self, X, y, sample_weight=None, tag=None):
            self.tag_ = tag
            return super().fit(X, y, sample_weight)

    weights = np.where(y < 5, 3.0, 0.2)
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = Tagged(max_iter=300).set_fit_request(tag=True, sample_weight=True)
        model = with_pool(validation, estimator, share=0.25).set_fit_request(sample_weight=True, groups=True)
        model.set_score_request(sample_weight=True)
        weighted = clone(model).fit(X, y, sample_weight=weights, tag="a tag").estimator_
        unweighted = clone(model).fit(X, y, sample_weight=np.ones(len(y))).estimator_
        scores = cross_val_score(model, X, y, cv=2, params={"sample_weight": weights})
    assert weighted.tag_ == "a tag"
    assert not np.allclose(weighted.coef_, unweighted.coef_)
    assert scores.shape == (2,)


def test_cross_validation_routes_groups_to_the_inner_folds(sets, monkeypatch):
    """Each outer fold passes on the groups of its training rows only."""
    _, validation, (X, y), _ = sets
    groups = np.arange(len(y)) // 2 * 7
    passed_groups = []

    def record_and_halve(images, n, groups, seed):
        passed_groups.append(set(groups.astype(int)))
        even, odd = torch.arange(0, len(images), 2), torch.arange(1, len(images), 2)
        return [Fold(even, odd), Fold(odd, even)]

    monkeypatch.setattr(share_selection, "split_folds", record_and_halve)

    with sklearn.config_context(enable_metadata_routing=True):
        model = with_pool(validation, shares=(0.25,), cv=2).set_fit_request(groups=True)
        splitter = GroupKFold(2).set_split_request(groups=True)
        cross_val_score(model, X, y, cv=splitter, params={"groups": groups})
    assert len(passed_groups) == 2
    assert not passed_groups[0] & passed_groups[1]
    assert passed_groups[0] | passed_groups[1] == set(groups)


def test_a_class_too_small_to_split_warns_and_uses_nothing_synthetic(sets):
    _, validation, (X, y), _ = sets
    rows = np.concatenate([np.flatnonzero(y != 3), np.flatnonzero(y == 3)[:2]])
    with pytest.warns(UserWarning, match="class '3' has 2 images"):
        model = with_pool(validation).fit(X[rows], y[rows])
    assert (model.share_, model.verdict_) == (0.0, "insufficient")
    assert model.predict(X[:3]).shape == (3,)


@pytest.mark.parametrize(
    "options", [{"share": 1.0}, {"share": "half"}, {"shares": ()}, {"shares": (0, 0.5)}, {"cv": 1}]
)
def test_invalid_parameters_are_named(sets, options):
    _, validation, (X, y), _ = sets
    with pytest.raises(ValueError, match=next(iter(options))), warnings.catch_warnings():
        with_pool(validation, **options).fit(X, y)


class HalfWrong(OfRows):
    """A generator whose samples of the first class show another one."""

    def sample(self, counts, *, random_state=None):
        images = super().sample(counts, random_state=random_state)
        wrong = super().sample({"1": len(images)}, random_state=random_state)
        is_zero = images.labels == images.classes.index("0")
        pixels = torch.where(is_zero[:, None, None, None], wrong.images, images.images)
        return LabeledImages(pixels, images.labels, images.classes)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_class_whose_samples_show_another_gets_no_synthetic_rows(sets, n_jobs):
    _, validation, (X, y), _ = sets
    model = with_pool(validation, n_jobs=n_jobs).set_params(augmenter=HalfWrong(validation)).fit(X, y)
    assert model.share_ > 0
    assert model.class_shares_ == {value: 0.0 if value == 0 else model.share_ for value in range(10)}


def test_the_balance_of_the_classes_is_selected():
    """Where classes overlap and one is rare, balancing raises the recall."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [400, 40])
    X = np.clip(rng.normal(110 + 40 * y[:, None], 30, (440, 1)), 0, 255).repeat(64, 1)
    model = AugmentedClassifier(LogisticRegression(max_iter=300), OfRows(None), random_state=0, shares=(0.25,))
    assert model.fit(X, y).balance_ >= 0.5
    even = np.r_[0:40, 400:440]
    assert model.fit(X[even], y[even]).balance_ == 0
