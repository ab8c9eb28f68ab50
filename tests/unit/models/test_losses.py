"""Losses and penalties against their formulas, computed by hand or with torch's functions."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from ganaug.models import LOSSES, NETWORKS, PENALTIES, PenaltyInputs, class_spectral, gradient_penalty, lecam, r1, r2
from ganaug.models.penalties import resolve_penalties

REAL, FAKE = torch.tensor([2.0, -0.5, 0.3]), torch.tensor([-1.0, 0.4, 3.0])
ONES, ZEROS = torch.ones(3), torch.zeros(3)


@pytest.mark.parametrize("name", ["vanilla", "non-saturating"])
def test_the_logistic_discriminator_is_binary_cross_entropy(name):
    expected = binary_cross_entropy_with_logits(REAL, ONES) + binary_cross_entropy_with_logits(FAKE, ZEROS)
    torch.testing.assert_close(LOSSES[name].discriminator(REAL, FAKE), expected)


def test_generator_losses_of_the_first_gan():
    torch.testing.assert_close(LOSSES["vanilla"].generator(FAKE), torch.log(1 - torch.sigmoid(FAKE)).mean())
    torch.testing.assert_close(LOSSES["non-saturating"].generator(FAKE), -torch.log(torch.sigmoid(FAKE)).mean())


def test_the_minimax_loss_saturates_and_the_non_saturating_loss_does_not():
    gradients = {}
    for name in ("vanilla", "non-saturating"):
        confident = torch.tensor([-20.0], requires_grad=True)
        LOSSES[name].generator(confident).backward()
        gradients[name] = confident.grad.abs().item()
    assert gradients["vanilla"] < 1e-6
    assert gradients["non-saturating"] > 0.99


def test_hinge_least_squares_and_wasserstein_by_hand():
    assert LOSSES["hinge"].discriminator(REAL, FAKE).item() == pytest.approx((0 + 1.5 + 0.7 + 0 + 1.4 + 4) / 3)
    squares = ((1 + 2.25 + 0.49) / 3 + (1 + 0.16 + 9) / 3) / 2
    assert LOSSES["lsgan"].discriminator(REAL, FAKE).item() == pytest.approx(squares)
    assert LOSSES["lsgan"].generator(FAKE).item() == pytest.approx((4 + 0.36 + 4) / 6)
    assert LOSSES["wgan"].discriminator(REAL, FAKE).item() == pytest.approx(0.8 - 0.6)
    assert LOSSES["wgan-gp"].generator(FAKE).item() == pytest.approx(-0.8)


def test_gradient_penalties_of_a_linear_discriminator_follow_from_its_weights():
    weights = torch.randn(1, 4, 4, generator=torch.Generator().manual_seed(0))
    images = torch.randn(2, 5, 1, 4, 4, generator=torch.Generator().manual_seed(1))

    def discriminator(images, labels):
        return (images * weights).sum((1, 2, 3)) + labels

    inputs = penalty_inputs(discriminator, images[0], images[1], torch.arange(5))
    assert gradient_penalty(inputs).item() == pytest.approx((weights.norm().item() - 1) ** 2, rel=1e-5)
    assert r1(inputs).item() == pytest.approx(weights.norm().item() ** 2, rel=1e-5)
    assert r2(inputs).item() == pytest.approx(weights.norm().item() ** 2, rel=1e-5)


@pytest.mark.parametrize("term", [gradient_penalty, r1, r2])
def test_gradient_penalties_have_gradients_for_the_discriminator(term):
    discriminator = torch.nn.Linear(4, 1)
    images = torch.randn(2, 3, 1, 2, 2, generator=torch.Generator().manual_seed(1))
    term(penalty_inputs(lambda x, _: discriminator(x.flatten(1).square()).squeeze(1), *images, ZEROS.long())).backward()
    assert discriminator.weight.grad.abs().sum() > 0


def test_r1_is_evaluated_at_real_images_and_r2_at_fake_ones():
    constant_above_zero = penalty_inputs(
        lambda x, _: x.clamp_max(0).sum((1, 2, 3)), torch.ones(2, 1, 2, 2), -torch.ones(2, 1, 2, 2)
    )
    assert r1(constant_above_zero).item() == 0
    assert r2(constant_above_zero).item() == pytest.approx(4)


def test_lecam_compares_logits_with_the_moving_average_of_the_other_kind_of_image():
    images = torch.zeros(3, 1, 2, 2)
    inputs = penalty_inputs(lambda x, _: x.sum((1, 2, 3)), images, images, ema_logits=(0.5, -1.0))
    inputs = replace(inputs, real_logits=REAL, fake_logits=FAKE)
    expected = ((REAL + 1) ** 2).mean() + ((FAKE - 0.5) ** 2).mean()
    assert lecam(inputs).item() == pytest.approx(expected.item())


def test_the_class_regularizer_is_zero_at_initialization_and_larger_for_rare_classes():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = NETWORKS["dcgan"].generator((1, 16, 16), 2, 4, 4)
    counts = torch.tensor([1000, 2])
    assert class_spectral(generator, counts).item() == pytest.approx(0, abs=1e-6)
    values = []
    for label in (0, 1):
        for norm in generator.norms:
            torch.nn.init.zeros_(norm.bias.weight)
            norm.bias.weight.data[label] = 1.0
        values.append(class_spectral(generator, counts).item())
    effective = [(1 - 0.99**n) / 0.01 for n in (1000, 2)]
    assert values[1] / values[0] == pytest.approx(effective[0] / effective[1], rel=1e-4)


def test_relativistic_losses_compare_pairs():
    pairs = torch.log(1 + torch.exp(FAKE - REAL)).mean()
    torch.testing.assert_close(LOSSES["relativistic"].discriminator(REAL, FAKE), pairs)
    torch.testing.assert_close(LOSSES["relativistic"].generator(FAKE, REAL), pairs)


def test_penalties_are_selected_by_name_by_list_or_not_at_all():
    assert resolve_penalties("r1, lecam") == [PENALTIES["r1"], PENALTIES["lecam"]]
    assert resolve_penalties(None) == resolve_penalties("") == []
    with pytest.raises(ValueError, match="Did you mean 'lecam'"):
        resolve_penalties("lecan")


def penalty_inputs(discriminator, real, fake, labels=None, ema_logits=(0.0, 0.0)):
    labels = torch.zeros(len(real), dtype=torch.int64) if labels is None else labels
    ema_real_logits, ema_fake_logits = torch.tensor(ema_logits)
    real_logits, fake_logits = discriminator(real, labels), discriminator(fake, labels)
    random = torch.Generator().manual_seed(2)
    return PenaltyInputs(
        discriminator, real, fake, labels, real_logits, fake_logits, ema_real_logits, ema_fake_logits, random
    )
