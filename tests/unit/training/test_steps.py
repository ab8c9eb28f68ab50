"""The ingredients of a training step, each by what it must do to the networks, the rates or the fakes."""

from dataclasses import replace

import pytest
import torch

from ganaug._runtime.randomness import temporary_seed
from ganaug.errors import TrainingError
from ganaug.models.losses import LOSSES
from ganaug.models.networks import NETWORKS
from ganaug.models.networks.blocks import ConditionalBatchNorm, Projection
from ganaug.models.penalties import Penalty
from ganaug.training.batches import BalancedBatches
from ganaug.training.recipe import TrainingRecipe
from ganaug.training.steps import AdversarialStep
from tests.sets import tones

IMAGES = tones(20, (1, 8, 8))
COUNTS = torch.tensor([20, 20, 20])


def recipe(**settings):
    return TrainingRecipe(latent_size=4, precision="fp32", **settings)


def step(settings, loss=LOSSES["hinge"], batch=16):
    with temporary_seed(0):
        generator = NETWORKS["dcgan"].generator(IMAGES.shape, 3, 4, 4)
        discriminator = NETWORKS["dcgan"].discriminator(IMAGES.shape, 3, 4, "spectral")
    made = AdversarialStep(generator, discriminator, loss, settings, counts=COUNTS)
    batches = BalancedBatches(IMAGES, batch, seed=0, power=0.0)
    return lambda number: made(batches(number)), made


def test_the_class_counts_for_nothing_before_its_ramp_and_fully_after_it():
    run, made = step(recipe(conditioning_ramp=(32, 96)))
    found = []
    for number in range(8):
        run(number)
        found.append(made.conditional[0].strength.item())
    assert found == pytest.approx([0, 0, 0, 0.25, 0.5, 0.75, 1, 1])
    latent, labels = torch.ones(1, 4).expand(2, -1), torch.tensor([0, 2])
    norms = [module for module in made.generator.modules() if isinstance(module, ConditionalBatchNorm)]
    for norm in norms:
        # of classes that no ReLU hides
        norm.bias.weight.data = torch.arange(1.0, 4.0)[:, None].expand_as(norm.bias.weight)
    made.generator.eval()
    assert not torch.allclose(*made.generator(latent, labels))
    for module in norms:
        module.strength.fill_(0)
    assert torch.allclose(*made.generator(latent, labels))


def test_a_projection_without_strength_does_not_see_the_class():
    with temporary_seed(0):
        head = Projection(6, 3, "none")
    features, labels = torch.ones(2, 6), torch.tensor([0, 1])
    assert not torch.allclose(*head(features, labels))
    head.strength.fill_(0)
    assert torch.allclose(*head(features, labels))


def test_rates_fall_by_a_cosine_and_stay():
    run, made = step(recipe(lr_decay_images=64, final_lr_ratio=0.1))
    rates = []
    for number in range(6):
        run(number)
        rates.append(made.pair.optimizers["generator"].param_groups[0]["lr"] / 4e-4)
    assert rates == pytest.approx([1, 0.868198, 0.55, 0.231802, 0.1, 0.1], rel=1e-4)
    made.scale_rate("generator", 0.5)
    assert made.pair.optimizers["generator"].param_groups[0]["lr"] == pytest.approx(4e-4 * 0.1 / 2)


def test_a_lazy_penalty_comes_at_its_turn_with_its_weight_times_as_much():
    seen = []

    def term(inputs):
        seen.append(inputs)
        return inputs.real_logits.new_ones(())

    run, _ = step(recipe(penalty=[Penalty(term, 0.25, every=3, start=4)]))
    logs = [run(number) for number in range(9)]
    assert ["penalty" in log for log in logs] == [False] * 5 + [True, False, False, True]
    assert logs[5]["penalty"].item() == pytest.approx(0.75)
    assert seen[0].real.shape == (16, 1, 8, 8)


def test_a_scheduled_penalty_reaches_its_last_weight():
    term = Penalty(lambda inputs: inputs.real_logits.new_ones(()), 1.0, final_weight=0.2)
    run, _ = step(recipe(penalty=[term], lr_decay_images=48))
    logs = [run(number)["penalty"].item() for number in range(5)]
    assert logs == pytest.approx([1.0, 0.8, 0.4, 0.2, 0.2])


def test_noise_on_the_class_is_for_training_alone_and_stronger_for_rare_classes():
    with temporary_seed(0):
        generator = NETWORKS["dcgan"].generator(IMAGES.shape, 3, 4, 4)
        discriminator = NETWORKS["dcgan"].discriminator(IMAGES.shape, 3, 4, "spectral")
    made = AdversarialStep(
        generator, discriminator, LOSSES["hinge"], recipe(class_noise=0.75), counts=torch.tensor([500, 50, 2])
    )
    noise = made.noisy[0].noise
    assert noise[0] < noise[1] < noise[2]
    assert noise[2].item() == pytest.approx(0.75 * (0.01 / (1 - 0.99**2)) ** 0.5)
    assert all(module.noise is None for module in made.average.module.modules() if hasattr(module, "noise"))


def test_the_running_means_of_logits_follow_the_discriminator():
    run, made = step(recipe())
    made.loss = replace(
        made.loss, discriminator=lambda real, fake: seen.append((real.mean(), fake.mean())) or real.sum()
    )
    seen = []
    for number in range(3):
        run(number)
    expected = torch.zeros(2)
    for real, fake in seen:
        expected = 0.99 * expected + 0.01 * torch.stack([real, fake]).detach()
    torch.testing.assert_close(made.ema_logits, expected)
    assert made.ema_logits.grad_fn is None


def test_a_shared_stage_takes_no_noise():
    with temporary_seed(0):
        generator = NETWORKS["dcgan-halved"].generator(IMAGES.shape, 3, 4, 4)
        discriminator = NETWORKS["dcgan"].discriminator(IMAGES.shape, 3, 4, "spectral")
    made = AdversarialStep(
        generator, discriminator, LOSSES["hinge"], recipe(class_noise=0.75), counts=torch.tensor([20, 20, 20])
    )
    logs = made(BalancedBatches(IMAGES, 16, seed=0, power=0.0)(0))
    assert all(torch.isfinite(value).all() for value in logs.values())


def test_a_discriminator_with_batch_norm_sees_real_and_fake_apart():
    with temporary_seed(0):
        generator = NETWORKS["dcgan"].generator((1, 16, 16), 3, 4, 4)
        discriminator = NETWORKS["dcgan"].discriminator((1, 16, 16), 3, 4, "batch")
    large = tones(20, (1, 16, 16))
    made = AdversarialStep(generator, discriminator, LOSSES["hinge"], recipe(), counts=torch.tensor([20, 20, 20]))
    sizes = []
    discriminator.register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))
    made(BalancedBatches(large, 16, seed=0, power=0.0)(0))
    assert sizes == [16, 16, 16]


def test_a_relativistic_generator_learns_from_the_real_partner():
    seen = []
    spy = replace(
        LOSSES["relativistic"],
        generator=lambda real, fake: seen.append(real) or (fake - real).square().mean(),
        penalties=(),
    )
    run, made = step(recipe(), spy)
    batch = BalancedBatches(IMAGES, 16, seed=0, power=0.0)(0)
    run(0)
    expected = made.discriminator.eval()(batch.images, batch.labels)
    torch.testing.assert_close(seen[0], expected, atol=0.05, rtol=0.1)


def test_no_half_life_keeps_no_average():
    run, made = step(recipe(ema_half_life=0))
    run(0)
    pairs = zip(made.average.module.parameters(), made.generator.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def short_of_memory(network, most):
    """Lets `network` run out of memory where it gets more than `most` images at once."""
    forward = network.forward

    def limited(images, labels):
        if len(images) > most:
            raise torch.OutOfMemoryError("no room")
        return forward(images, labels)

    network.forward = limited


@pytest.mark.parametrize("side", ["generator", "discriminator"])
def test_where_memory_is_short_a_batch_is_taken_in_parts_to_the_same_end(side):
    """Without batch norm a part's images know nothing of each other, so gradients add up to those of the batch."""

    def made():
        shape = (1, 16, 16)
        with temporary_seed(0):
            pair = NETWORKS["resnet-plain"]
            networks = pair.generator(shape, 3, 8, 8), pair.discriminator(shape, 3, 8, "none")
        return AdversarialStep(
            *networks,
            LOSSES["hinge"],
            TrainingRecipe(latent_size=8, ema_half_life=0, precision="fp32"),
            counts=torch.tensor([40, 40, 40]),
        )

    batches = BalancedBatches(tones(), 16, seed=0, power=0.0)
    whole, cut = made(), made()
    short_of_memory(getattr(cut, side), 8 if side == "discriminator" else 4)
    for number in range(2):
        logs, others = whole(batches(number)), cut(batches(number))
    assert cut.n_micro_batches == 4
    assert float(others["micro_batches"]) == 4
    assert "micro_batches" not in logs
    for name in ("loss_discriminator", "loss_generator", "accuracy_real", "gradient_generator"):
        assert float(others[name]) == pytest.approx(float(logs[name]), rel=1e-3)
    for one, other in zip(whole.discriminator.parameters(), cut.discriminator.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-3, atol=1e-6)
    for one, other in zip(whole.generator.parameters(), cut.generator.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-3, atol=1e-6)


def test_memory_for_not_even_two_images_is_a_named_failure():
    training, made = step(recipe())
    short_of_memory(made.generator, 1)
    with pytest.raises(TrainingError, match=r"batch of 16 images does not fit.*batch_size"):
        training(0)
