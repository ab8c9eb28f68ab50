"""Weights that are copied between networks of other classes: each class draws and scores as the one it came from."""

import pytest
import torch

from ganaug.models import NETWORKS
from ganaug.models.networks.transfer import transfer_weights

SHAPE, LATENT, WIDTH = (3, 16, 16), 8, 4
ROWS = [[2], [0], [1], [0, 1, 2], [2]]  # classes of a network of three, for one of five


def generator(name, n_classes, seed):
    torch.manual_seed(seed)
    return NETWORKS[name].generator(SHAPE, n_classes, LATENT, WIDTH)


def discriminator(name, n_classes, seed, norm):
    torch.manual_seed(seed)
    return NETWORKS[name].discriminator(SHAPE, n_classes, WIDTH, norm)


def disturb(network):
    """Move every weight, so that no table is left with equal rows."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_a_generator_draws_the_images_of_the_class_it_came_from(name):
    trained, network = disturb(generator(name, 3, 0)), generator(name, 5, 1)
    transfer_weights(network, trained.state_dict(), ROWS, 3)
    latent = torch.randn(3, LATENT)
    old = trained.eval()(latent, torch.tensor([2, 0, 1]))
    torch.testing.assert_close(network.eval()(latent, torch.tensor([0, 1, 2])), old)


@pytest.mark.parametrize("norm", ["spectral", "none"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_discriminator_scores_as_the_class_it_came_from(name, norm):
    # in another order: the largest response of a table, which spectral norm divides by, does not depend on it
    trained, network = disturb(discriminator(name, 3, 0, norm)), discriminator(name, 3, 1, norm)
    images, order = torch.rand(3, *SHAPE) * 2 - 1, torch.tensor([2, 0, 1])
    transfer_weights(network, trained.state_dict(), [[2], [0], [1]], 3)
    for _ in range(100):  # it is estimated by iteration
        trained(images, order)
        network(images, torch.arange(3))
    old, new = trained.eval()(images, order), network.eval()(images, torch.arange(3))
    torch.testing.assert_close(new, old, atol=1e-4, rtol=1e-3)


def test_other_layers_are_refused():
    with pytest.raises(ValueError, match="other layers"):
        transfer_weights(generator("dcgan", 3, 0), generator("resnet", 3, 0).state_dict(), [[0], [1], [2]], 3)


@pytest.mark.parametrize("name", NETWORKS)
def test_one_class_of_several(name):
    trained, network = disturb(generator(name, 3, 0)), generator(name, 1, 1)
    transfer_weights(network, trained.state_dict(), [[2]], 3)
    latent = torch.randn(2, LATENT)
    old = trained.eval()(latent, torch.tensor([2, 2]))
    torch.testing.assert_close(network.eval()(latent, torch.tensor([0, 0])), old)
