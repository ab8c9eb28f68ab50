"""A run keeps the precision in which it was started, also on a processor that would not choose it."""

import warnings

import pytest
import torch

from ganaug.errors import RunError
from ganaug.training import engine
from tests.sets import SMALL, augmenter, cyclegan, noise

IMAGES = noise((9, 5), shape=(1, 16, 16))
PHOTOS = noise((4,), shape=(1, 16, 16)), noise((4,), shape=(1, 16, 16), seed=1)
ESTIMATORS = {
    "GANAugmenter": (lambda **params: augmenter(**{**SMALL, **params}), (IMAGES,)),
    "CycleGAN": (lambda **params: cyclegan(width=2, device="cpu", random_state=0, **params), PHOTOS),
}
pytestmark = pytest.mark.filterwarnings("ignore::ganaug.errors.TrainingWarning")


@pytest.fixture
def processor(monkeypatch):
    """A function that says whether the processor multiplies in bfloat16."""
    return lambda has_bfloat16: monkeypatch.setattr(engine, "_multiplies_bfloat16", lambda device: has_bfloat16)


def weights(estimator):
    return estimator.model_.networks().state_dict()


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("has_bfloat16", [True, False])
def test_a_run_continues_in_its_precision_on_another_processor(tmp_path, processor, name, has_bfloat16):
    make, data = ESTIMATORS[name]
    processor(has_bfloat16)
    whole = make(n_steps=4, check_every=2).fit(*data)
    make(n_steps=2, check_every=2, run_dir=tmp_path).fit(*data)
    processor(not has_bfloat16)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        resumed = make(n_steps=4, check_every=2, run_dir=tmp_path).resume(*data)
    messages = [str(each.message) for each in caught if "bfloat16" in str(each.message)]
    assert len(messages) == has_bfloat16
    expected = weights(whole)
    assert all(torch.equal(value, expected[key]) for key, value in weights(resumed).items())


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize(("before", "now"), [("bf16", "fp32"), ("fp32", "bf16")])
def test_another_precision_is_refused(tmp_path, processor, name, before, now):
    make, data = ESTIMATORS[name]
    processor(before == "bf16")
    make(n_steps=2, run_dir=tmp_path).fit(*data)
    with pytest.raises(RunError, match=f"recipe__precision was '{before}' and is now '{now}'"):
        make(n_steps=4, precision=now, run_dir=tmp_path).resume(*data)
    assert make(n_steps=3, precision=before, run_dir=tmp_path).resume(*data).n_steps_ == 3


def test_the_plan_tells_why(tmp_path, processor):
    make, data = ESTIMATORS["GANAugmenter"]
    processor(True)
    make(n_steps=2, run_dir=tmp_path).fit(*data)
    processor(False)
    with pytest.warns(UserWarning, match="continues in it, but this cpu does not multiply in bfloat16"):
        resumed = make(n_steps=3, run_dir=tmp_path).resume(*data)
    assert resumed.plan_.recipe.precision == "bf16"
    assert resumed.plan_.reasons["precision"] == "as when the run was started"
