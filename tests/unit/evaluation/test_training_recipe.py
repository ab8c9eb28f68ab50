"""The recipe of every training method is a program that runs."""

import sys

import pytest

import ganaug
from ganaug import write_folder
from ganaug.evaluation import BASELINES, CLASSIFIERS, CNN, TrainingMethod, write_recipe
from tests.sets import SMALL, augmenter, noise

REAL = noise((12, 6, 4))
METHODS = [
    *(TrainingMethod(base) for base in BASELINES),
    *(TrainingMethod(base, balance=0.5, length=2.0) for base in ("real only", "CutMix", "RandAugment")),
    TrainingMethod("mixup", share=0.25),
    TrainingMethod("classical augmentation", balance=0.0, share=0.5),
    TrainingMethod("CutMix", length=2.0, share=0.25, synthetic_first=True),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("recipe")
    write_folder(REAL, root / "DATA")
    write_folder(noise((5, 5, 5), seed=1), root / "TEST")
    return root


@pytest.fixture(autouse=True)
def in_folder(folder, monkeypatch):
    """The folders of the program are in the current one, and its networks are small."""
    monkeypatch.chdir(folder)
    monkeypatch.setitem(CLASSIFIERS, "cnn", CNN(steps=4, width=2))
    monkeypatch.setattr(ganaug, "GANAugmenter", lambda time_budget: augmenter(n_steps=2, **SMALL))


def run(code):
    namespace = {}
    exec(compile(code, "recipe.py", "exec"), namespace)
    return namespace


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
@pytest.mark.parametrize("tau", [0.0, 0.5])
def test_the_program_predicts_the_classes_of_the_test_images(method, tau):
    recipe = write_recipe(method, REAL, CLASSIFIERS["cnn"], tau=tau)
    assert len(recipe.code.splitlines()) <= 11
    assert max(map(len, recipe.code.splitlines())) <= 130
    result = run(recipe.code)
    assert len(result["classes"]) == 15
    assert set(result["classes"]) <= set(REAL.classes)
    training = result["training"]
    assert training.length == method.length
    # the program trains on what the method was tested on
    if not method.uses_synthetic:
        assert training.fingerprint() == method.prepare(result["real"]).fingerprint()
    assert training.synthetic_first == method.synthetic_first


def test_classes_without_a_share_get_no_synthetic_images():
    shares = {"a": 0.25, "b": 0.0, "c": 0.25}
    recipe = write_recipe(TrainingMethod("mixup", share=0.25), REAL, CLASSIFIERS["cnn"], class_shares=shares)
    assert "Use no synthetic images of b" in recipe.text
    training = run(recipe.code)["training"]
    assert set(training.images.labels[training.is_synthetic].tolist()) == {0, 2}


def test_a_classifier_of_the_user_has_a_placeholder():
    class Mine:
        name = "mine"

    code = write_recipe(TrainingMethod("mixup"), REAL, Mine()).code
    assert "resolve_classifier(your_classifier)" in code
    compile(code, "recipe.py", "exec")


def test_a_classifier_with_other_settings_is_written_with_them():
    code = write_recipe(TrainingMethod("real only"), REAL, CNN(steps=3, width=2)).code
    assert "CNN(steps=3, width=2" in code
    run(code)
    assert "ganaug" in sys.modules
