"""Rare settings live in a recipe, which takes part in searches and in cloning."""

import numpy as np
import pytest
from sklearn.base import clone

from ganaug import CycleGAN, GANAugmenter, TrainingRecipe, TranslationRecipe
from tests.sets import noise

PAIRS = [(GANAugmenter, TrainingRecipe), (CycleGAN, TranslationRecipe)]


@pytest.mark.parametrize(("estimator", "recipe"), PAIRS)
def test_deep_parameters_show_every_setting_and_set_it(estimator, recipe):
    shown = estimator().get_params(deep=True)
    for name, value in recipe().get_params().items():
        assert shown[f"recipe__{name}"] == value
    changed = estimator().set_params(recipe__generator_lr=1e-5)
    assert changed.recipe.generator_lr == 1e-5
    assert clone(changed).get_params()["recipe__generator_lr"] == 1e-5
    assert estimator().recipe is None


def test_a_recipe_that_is_shared_is_not_changed_by_a_clone():
    recipe = TrainingRecipe(width=4)
    first = GANAugmenter(recipe=recipe)
    clone(first).set_params(recipe__width=8)
    assert recipe.width == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"generator_lr": 0}, "generator_lr"),
        ({"betas": 5}, "betas must be two numbers"),
        ({"conditioning_ramp": (3, 2)}, "conditioning_ramp must be"),
        ({"precision": "fp64"}, "precision"),
        ({"penalty": "r9"}, "r9"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_before_training(settings, message):
    with pytest.raises(ValueError, match=message):
        GANAugmenter(n_steps=1, recipe=TrainingRecipe(**settings)).fit(noise())


def test_something_else_than_a_recipe_is_refused():
    with pytest.raises(ValueError, match="'recipe' parameter of GANAugmenter must be an instance of"):
        GANAugmenter(n_steps=1, recipe={"width": 4}).fit(noise())


def test_equal_settings_in_a_recipe_or_by_name_train_the_same():
    options = {"n_steps": 2, "batch_size": 4, "filters": None, "device": "cpu", "random_state": 0}
    first = GANAugmenter(recipe=TrainingRecipe(width=3, latent_size=5), **options).fit(noise())
    second = GANAugmenter(**options).set_params(recipe__width=3, recipe__latent_size=5).fit(noise())
    assert np.array_equal(first.sample(4).images.numpy(), second.sample(4).images.numpy())
