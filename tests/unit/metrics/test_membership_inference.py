import pytest
import torch

from ganaug.datasets.embedded import fashion_mnist_lt
from ganaug.metrics.membership_inference import membership_advantage, nearest_synthetic_distances

SHIRTS = fashion_mnist_lt().of_class("T-shirt")
MEMBERS, OTHERS, UNRELATED = SHIRTS[:120], SHIRTS[120:240], SHIRTS[240:400]


def noisy(images, deviation=4):
    changed = images.float() + deviation * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    return changed.clamp(0, 255).to(torch.uint8)


def attack(members, others, synthetic):
    return membership_advantage(
        nearest_synthetic_distances(members, synthetic), nearest_synthetic_distances(others, synthetic)
    )


def test_a_generator_that_repeats_training_images_reveals_them():
    result = attack(MEMBERS, OTHERS, noisy(MEMBERS))
    assert result.advantage > 0.9
    assert result.true_positives - result.false_positives == pytest.approx(result.advantage)
    assert result.p < 1e-9


def test_samples_that_avoid_training_images_reveal_them_too():
    result = attack(OTHERS, MEMBERS, noisy(MEMBERS))
    assert result.advantage > 0.9
    assert result.true_positives > 0.9


def test_samples_that_depend_on_neither_set_reveal_nothing():
    result = attack(MEMBERS, OTHERS, UNRELATED)
    assert result.p > 0.02
    assert result.advantage == pytest.approx(result.by_chance, abs=0.12)


def test_repeating_half_of_the_members_gives_half_of_the_advantage():
    result = attack(MEMBERS, OTHERS, torch.cat([noisy(MEMBERS[:60]), UNRELATED]))
    assert 0.35 < result.advantage < 0.65


def test_an_empty_set_is_refused():
    with pytest.raises(ValueError, match="at least one image that was trained on"):
        attack(MEMBERS[:0], OTHERS, UNRELATED)
