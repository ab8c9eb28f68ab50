"""GANAugmenter under the checks of scikit-learn and of imbalanced-learn."""

from imblearn.utils.estimator_checks import estimator_checks_generator as imblearn_checks
from imblearn.utils.estimator_checks import parametrize_with_checks as parametrize_with_imblearn_checks
from sklearn.utils.estimator_checks import estimator_checks_generator as sklearn_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from tests.sets import augmenter

EXPECTED_TO_FAIL = {
    "check_samplers_pandas_sparse": "images are dense: synthetic rows would fill a sparse frame with stored zeros",
}


def tiny():
    return augmenter(n_steps=2, batch_size=4, latent_size=2, width=1, device="cpu", random_state=0, filters=None)


@parametrize_with_checks([tiny()], expected_failed_checks=lambda estimator: EXPECTED_TO_FAIL)
def test_scikit_learn(estimator, check):
    check(estimator)


@parametrize_with_imblearn_checks([tiny()], expected_failed_checks=lambda estimator: EXPECTED_TO_FAIL)
def test_imbalanced_learn(estimator, check):
    check(estimator)


def test_as_many_checks_ran_as_we_think():
    assert len(list(sklearn_checks(tiny()))) >= 42
    assert len(list(imblearn_checks(tiny()))) >= 14


def test_every_expected_failure_has_a_reason():
    assert all(len(reason) > 20 for reason in EXPECTED_TO_FAIL.values())
