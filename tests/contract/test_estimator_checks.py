"""The over-samplers under the checks of scikit-learn and of imbalanced-learn."""

import pytest
from imblearn.utils.estimator_checks import estimator_checks_generator as imblearn_checks
from imblearn.utils.estimator_checks import parametrize_with_checks as parametrize_with_imblearn_checks
from sklearn.utils.estimator_checks import estimator_checks_generator as sklearn_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from ganaug import ClassTranslator
from tests.sets import augmenter, cyclegan

EXPECTED_TO_FAIL = {
    "check_samplers_pandas_sparse": "images are dense: synthetic rows would fill a sparse frame with stored zeros",
}


def tiny_augmenter():
    return augmenter(n_steps=2, batch_size=4, latent_size=2, width=1, device="cpu", random_state=0, filters=None)


def tiny_translator():
    inner = cyclegan(n_steps=2, width=1, batch_size=2, precision="fp32")
    return ClassTranslator(inner, min_source_ratio=1.0, filters=None, device="cpu", random_state=0)


OVER_SAMPLERS = [tiny_augmenter(), tiny_translator()]


@parametrize_with_checks(OVER_SAMPLERS, expected_failed_checks=lambda estimator: EXPECTED_TO_FAIL)
def test_scikit_learn(estimator, check):
    check(estimator)


@parametrize_with_imblearn_checks(OVER_SAMPLERS, expected_failed_checks=lambda estimator: EXPECTED_TO_FAIL)
def test_imbalanced_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", OVER_SAMPLERS, ids=lambda estimator: type(estimator).__name__)
def test_the_checks_are_collected(estimator):
    assert len(list(sklearn_checks(estimator))) >= 42
    assert len(list(imblearn_checks(estimator))) >= 14


def test_every_expected_failure_has_a_reason():
    assert all(len(reason) > 20 for reason in EXPECTED_TO_FAIL.values())
