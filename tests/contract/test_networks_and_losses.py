"""What every network and every loss guarantees, and every combination of the two."""

import pytest
import torch

from ganaug.models import LOSSES, NETWORKS
from tests.sets import SMALL, augmenter, tones

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 48), (3, 17, 33), (1, 9, 64)]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_combination_trains_and_samples_the_requested_counts(network, loss):
    gan = augmenter(network, loss, n_steps=12, check_every=6, **SMALL).fit(tones(8, (1, 12, 8)))
    synthetic = gan.sample({"bright": 3, "dark": 2})
    assert synthetic.counts == {"dark": 2, "middle": 0, "bright": 3}
    assert synthetic.shape == (1, 12, 8)
    assert gan.history_["score"].notna().all()
    assert gan.history_["loss_discriminator"].notna().all()
    weights = torch.cat([parameter.flatten() for parameter in gan.model_.generator.parameters()])
    assert torch.isfinite(weights).all()


@pytest.mark.parametrize("normalization", ["spectral", "batch", "none"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_has_the_shape_and_range_of_images(network, shape, normalization):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = NETWORKS[network].generator(shape, 5, 7, 4)
        discriminator = NETWORKS[network].discriminator(shape, 5, 4, normalization)
        latent = torch.randn(6, 7)
    labels = torch.tensor([0, 1, 2, 3, 4, 0])
    images = generator(latent, labels)
    assert images.shape == (6, *shape)
    assert images.abs().max() <= 1
    assert discriminator(images, labels).shape == (6,)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_depends_on_the_class_and_the_latent_vector(network):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = NETWORKS[network].generator((1, 16, 16), 2, 8, 16).eval()
        discriminator = NETWORKS[network].discriminator((1, 16, 16), 2, 8, "spectral").eval()
        latent = torch.randn(2, 8)
        for name, parameter in generator.named_parameters():
            if name.endswith("bias.weight"):
                torch.nn.init.normal_(parameter)  # biases of classes start equal; training separates them
    zeros, ones = torch.zeros(2, dtype=torch.int64), torch.ones(2, dtype=torch.int64)
    assert not torch.allclose(generator(latent, zeros), generator(latent, ones))
    assert not torch.allclose(generator(latent, zeros)[0], generator(latent, zeros)[1])
    images = generator(latent, zeros)
    assert not torch.allclose(discriminator(images, zeros), discriminator(images, ones))


@pytest.mark.parametrize("loss", [name for name, entry in LOSSES.items() if not entry.allows_batch_norm])
@pytest.mark.parametrize("network", NETWORKS)
def test_a_wasserstein_critic_with_batch_norm_is_an_error(network, loss):
    with pytest.raises(ValueError, match="batch norm in the discriminator mixes images"):
        augmenter(network, loss, discriminator_norm="batch", n_steps=1, **SMALL).fit(tones(4))


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_is_lower_for_the_better_network(loss):
    entry = LOSSES[loss]
    high, low = torch.tensor([3.0, 3.0]), torch.tensor([-3.0, -3.0])
    assert entry.discriminator(high, low) < entry.discriminator(low, high)
    realistic, unrealistic, real = torch.tensor([0.9]), torch.tensor([-3.0]), torch.tensor([1.0])
    arguments = (real,) if entry.relativistic else ()
    assert entry.generator(*arguments, realistic) < entry.generator(*arguments, unrealistic)


@pytest.mark.parametrize("loss", ["hinge", "non-saturating", "wgan-gp"])
def test_a_conditional_gan_learns_the_brightness_of_each_class(loss):
    steps = 900 if loss == "wgan-gp" else 250
    settings = {**SMALL, "width": 16, "batch_size": 32, "ema_half_life": 500}
    gan = augmenter("dcgan", loss, n_steps=steps, check_every=50, **settings).fit(tones(40, (1, 8, 8)))
    synthetic = gan.sample(90)
    brightness = {name: synthetic.of_class(name).float().mean().item() for name in synthetic.classes}
    assert brightness["dark"] + 40 < brightness["middle"] < brightness["bright"] - 40
    assert brightness["dark"] == pytest.approx(40, abs=30)
    assert brightness["bright"] == pytest.approx(215, abs=30)
