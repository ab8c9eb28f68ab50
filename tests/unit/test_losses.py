"""Losses and penalties against their formulas, worked out by hand or by torch's own functions."""

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from ganaug.losses import LOSSES
from ganaug.penalties import gradient_penalty

REAL, FAKE = torch.tensor([2.0, -0.5, 0.3]), torch.tensor([-1.0, 0.4, 3.0])
ONES, ZEROS = torch.ones(3), torch.zeros(3)


@pytest.mark.parametrize("name", ["vanilla", "non-saturating"])
def test_the_logistic_critic_is_binary_cross_entropy(name):
    expected = binary_cross_entropy_with_logits(REAL, ONES) + binary_cross_entropy_with_logits(FAKE, ZEROS)
    torch.testing.assert_close(LOSSES[name].discriminator(REAL, FAKE), expected)


def test_generators_of_the_original_gan():
    torch.testing.assert_close(LOSSES["vanilla"].generator(FAKE), torch.log(1 - torch.sigmoid(FAKE)).mean())
    torch.testing.assert_close(LOSSES["non-saturating"].generator(FAKE), -torch.log(torch.sigmoid(FAKE)).mean())


def test_the_minimax_generator_saturates_where_the_other_does_not():
    """Why "non-saturating" exists: with a sure critic, only that one still has a gradient."""
    sizes = {}
    for name in ("vanilla", "non-saturating"):
        sure = torch.tensor([-20.0], requires_grad=True)
        LOSSES[name].generator(sure).backward()
        sizes[name] = sure.grad.abs().item()
    assert sizes["vanilla"] < 1e-6
    assert sizes["non-saturating"] > 0.99


def test_the_others_by_hand():
    assert LOSSES["hinge"].discriminator(REAL, FAKE).item() == pytest.approx((0 + 1.5 + 0.7 + 0 + 1.4 + 4) / 3)
    squares = ((1 + 2.25 + 0.49) / 3 + (1 + 0.16 + 9) / 3) / 2
    assert LOSSES["lsgan"].discriminator(REAL, FAKE).item() == pytest.approx(squares)
    assert LOSSES["lsgan"].generator(FAKE).item() == pytest.approx((4 + 0.36 + 4) / 6)
    assert LOSSES["wgan"].discriminator(REAL, FAKE).item() == pytest.approx(0.8 - 0.6)
    assert LOSSES["wgan-gp"].generator(FAKE).item() == pytest.approx(-0.8)


def test_the_gradient_penalty_of_a_linear_critic_is_known():
    weights = torch.randn(1, 4, 4, generator=torch.Generator().manual_seed(0))
    images = torch.randn(2, 5, 1, 4, 4, generator=torch.Generator().manual_seed(1))

    def critic(shown, labels):
        return (shown * weights).sum((1, 2, 3)) + labels

    labels = torch.arange(5)
    penalty = gradient_penalty(critic, images[0], images[1], labels, torch.Generator().manual_seed(2), weight=10.0)
    assert penalty.item() == pytest.approx(10 * (weights.norm().item() - 1) ** 2, rel=1e-5)


def test_the_gradient_penalty_can_be_trained_on():
    critic = torch.nn.Linear(4, 1)
    images = torch.randn(2, 3, 1, 2, 2, generator=torch.Generator().manual_seed(1))
    shown = gradient_penalty(
        lambda x, _: critic(x.flatten(1).square()).squeeze(1), *images, ZEROS.long(), torch.Generator().manual_seed(0)
    )
    shown.backward()
    assert critic.weight.grad.abs().sum() > 0
