"""Losses and penalties against their formulas, worked out by hand or by torch's own functions."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from ganaug.models.losses import LOSSES
from ganaug.models.networks import NETWORKS
from ganaug.models.penalties import PENALTIES, PenaltyInputs, class_spectral, gradient_penalty, lecam, penalties, r1, r2

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
    """Why "non-saturating" exists: with a sure discriminator, only that one still has a gradient."""
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

    def discriminator(shown, labels):
        return (shown * weights).sum((1, 2, 3)) + labels

    labels = torch.arange(5)
    seen = inputs(discriminator, images[0], images[1], labels)
    assert gradient_penalty(seen).item() == pytest.approx((weights.norm().item() - 1) ** 2, rel=1e-5)
    assert r1(seen).item() == pytest.approx(weights.norm().item() ** 2, rel=1e-5)
    assert r2(seen).item() == pytest.approx(weights.norm().item() ** 2, rel=1e-5)


@pytest.mark.parametrize("term", [gradient_penalty, r1, r2])
def test_penalties_on_gradients_can_be_trained_on(term):
    discriminator = torch.nn.Linear(4, 1)
    images = torch.randn(2, 3, 1, 2, 2, generator=torch.Generator().manual_seed(1))
    term(inputs(lambda x, _: discriminator(x.flatten(1).square()).squeeze(1), *images, ZEROS.long())).backward()
    assert discriminator.weight.grad.abs().sum() > 0


def test_r1_looks_at_real_images_and_r2_at_fake_ones():
    flat_above_zero = inputs(
        lambda x, _: x.clamp_max(0).sum((1, 2, 3)), torch.ones(2, 1, 2, 2), -torch.ones(2, 1, 2, 2)
    )
    assert r1(flat_above_zero).item() == 0
    assert r2(flat_above_zero).item() == pytest.approx(4)


def test_lecam_measures_from_the_other_sides_usual_logit():
    seen = inputs(lambda x, _: x.sum((1, 2, 3)), torch.zeros(3, 1, 2, 2), torch.zeros(3, 1, 2, 2), usual=(0.5, -1.0))
    seen = replace(seen, real_logits=REAL, fake_logits=FAKE)
    expected = ((REAL + 1) ** 2).mean() + ((FAKE - 0.5) ** 2).mean()
    assert lecam(seen).item() == pytest.approx(expected.item())


def test_the_class_regularizer_weighs_rare_classes_more_and_leaves_fresh_networks_alone():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = NETWORKS["dcgan"].generator((1, 16, 16), 2, 4, 4)
    counts = torch.tensor([1000, 2])
    assert class_spectral(generator, counts).item() == pytest.approx(0, abs=1e-6)
    found = []
    for label in (0, 1):
        for norm in generator.norms:
            torch.nn.init.zeros_(norm.bias.weight)
            norm.bias.weight.data[label] = 1.0
        found.append(class_spectral(generator, counts).item())
    effective = [(1 - 0.99**n) / 0.01 for n in (1000, 2)]
    assert found[1] / found[0] == pytest.approx(effective[0] / effective[1], rel=1e-4)


def test_relativistic_pairs_by_hand():
    pairs = torch.log(1 + torch.exp(FAKE - REAL)).mean()
    torch.testing.assert_close(LOSSES["relativistic"].discriminator(REAL, FAKE), pairs)
    torch.testing.assert_close(LOSSES["relativistic"].generator(FAKE, REAL), pairs)


def test_penalties_come_by_name_list_or_not_at_all():
    assert penalties("r1, lecam") == [PENALTIES["r1"], PENALTIES["lecam"]]
    assert penalties(None) == penalties("") == []
    with pytest.raises(ValueError, match="Did you mean 'lecam'"):
        penalties("lecan")


def inputs(discriminator, real, fake, labels=None, usual=(0.0, 0.0)):
    labels = torch.zeros(len(real), dtype=torch.int64) if labels is None else labels
    ema_real_logits, ema_fake_logits = torch.tensor(usual)
    real_logits, fake_logits = discriminator(real, labels), discriminator(fake, labels)
    random = torch.Generator().manual_seed(2)
    return PenaltyInputs(
        discriminator, real, fake, labels, real_logits, fake_logits, ema_real_logits, ema_fake_logits, random
    )
