import pytest
import torch
from ganaug.metrics.intervals import difference_of_shares
from ganaug.metrics.membership_inference import membership, nearest_synthetic

from ganaug.datasets.embedded import fashion_mnist_lt

SHIRTS = fashion_mnist_lt().of_class("T-shirt")
MEMBERS, OTHERS, MORE = SHIRTS[:120], SHIRTS[120:240], SHIRTS[240:400]


def noisy(images, by=4):
    moved = images.float() + by * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    return moved.clamp(0, 255).to(torch.uint8)


def attacked(members, others, synthetic):
    return membership(nearest_synthetic(members, synthetic), nearest_synthetic(others, synthetic))


def test_a_generator_that_repeats_betrays_its_training_images():
    found = attacked(MEMBERS, OTHERS, noisy(MEMBERS))
    assert found.advantage > 0.9
    assert found.true_positives - found.false_positives == pytest.approx(found.advantage)
    assert found.p < 1e-9


def test_samples_that_keep_away_from_training_images_betray_them_too():
    away = attacked(OTHERS, MEMBERS, noisy(MEMBERS))
    assert away.advantage > 0.9
    assert away.true_positives > 0.9


def test_images_that_have_seen_neither_betray_nothing():
    found = attacked(MEMBERS, OTHERS, MORE)
    assert found.p > 0.02
    assert found.advantage == pytest.approx(found.by_chance, abs=0.12)


def test_half_of_the_members_repeated_is_half_an_advantage():
    found = attacked(MEMBERS, OTHERS, torch.cat([noisy(MEMBERS[:60]), MORE]))
    assert 0.35 < found.advantage < 0.65


def test_nothing_to_compare_is_refused():
    with pytest.raises(ValueError, match="at least one image that was trained on"):
        attacked(MEMBERS[:0], OTHERS, MORE)


def test_the_interval_of_a_difference_of_shares():
    """Newcombe (1998), table II, (a), method 10: 56/70 - 48/80 lies in 0.0524 to 0.3339."""
    low, high = difference_of_shares(56 / 70, 70, 48 / 80, 80)
    assert (low, high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))
