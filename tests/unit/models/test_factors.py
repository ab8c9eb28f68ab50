"""Sums of factors: rows of cells that share factors change together, and merging keeps every image."""

import copy

import pytest
import torch
from torch import nn

from ganaug.datasets.cells import Cells
from ganaug.models import NETWORKS
from ganaug.models.networks.factors import factorize, factorize_parameter, merge_factors

CELLS = Cells(("a", "b", "c"), {"s": ("x", "y"), "t": ("1", "2", None)}, (1,) * 18)
DESIGN, LABELS = CELLS.design(), torch.tensor([0, 5, 9, 17])
# networks whose tables start as ones and zeros, which sums of factors can be
EXACT = [name for name in NETWORKS if name != "resnet-plain"]


def generator(name):
    torch.manual_seed(0)
    return NETWORKS[name].generator((3, 16, 16), len(CELLS), 8, 4).eval()


@pytest.mark.parametrize("name", EXACT)
def test_a_generator_starts_as_it_was(name):
    network, latent = generator(name), torch.randn(4, 8)
    before = network(latent, LABELS)
    factorize(network, DESIGN)
    torch.testing.assert_close(network(latent, LABELS), before, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_merged_generator_is_an_ordinary_one_that_draws_the_same_images(name):
    network, latent = generator(name), torch.randn(4, 8)
    factorize(network, DESIGN)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    merged = copy.deepcopy(network)
    merge_factors(merged)
    assert torch.equal(merged(latent, LABELS), network(latent, LABELS))
    ordinary = generator(name)
    ordinary.load_state_dict(merged.state_dict())
    assert torch.equal(ordinary(latent, LABELS), network(latent, LABELS))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_on_other_cells_moves_a_cell_that_shares_its_factors(name):
    """A cell without images, whose class and whose values occur elsewhere, is learned from them."""
    network = generator(name).train()
    factorize(network, DESIGN)
    unseen = CELLS.index("c", "y", "1")
    seen = torch.tensor([CELLS.index("c", "x", "1"), CELLS.index("a", "y", "2")] * 4)
    tables = [layer for layer in network.modules() if isinstance(layer, nn.Embedding) and layer.num_embeddings == 18]
    before = [layer.weight[unseen].detach().clone() for layer in tables]
    optimizer = torch.optim.SGD(network.parameters(), 1.0)
    network(torch.randn(8, 8), seen).square().sum().backward()
    optimizer.step()
    assert tables
    assert any(not torch.equal(layer.weight[unseen], row) for layer, row in zip(tables, before, strict=True))


def test_rows_are_sums_of_their_factors():
    layer = nn.Linear(5, len(CELLS))
    for name in ("weight", "bias"):
        factorize_parameter(layer, name, DESIGN)
    with torch.no_grad():
        for step in layer.parametrizations.values():
            step.original.copy_(torch.randn_like(step.original))

    def row(*cell):
        return layer.weight[CELLS.index(*cell)]

    # the effect of one attribute value does not depend on the class or on the other attribute
    torch.testing.assert_close(row("a", "y", "1") - row("a", "x", "1"), row("c", "y", "2") - row("c", "x", "2"))
    bias = layer.bias.detach()
    torch.testing.assert_close(bias[0] - bias[3], bias[6] - bias[9])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("normalization", ["spectral", "none"])
def test_a_discriminator_has_sums_too_and_finite_gradients(name, normalization):
    torch.manual_seed(0)
    network = NETWORKS[name].discriminator((3, 16, 16), len(CELLS), 4, normalization)
    factorize(network, DESIGN)
    network(torch.randn(4, 3, 16, 16), LABELS).sum().backward()
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    assert gradients
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    # one row for each class and value instead of one for each cell
    tables = [value for key, value in network.state_dict().items() if key.endswith(("original", "original0"))]
    assert any(value.shape[0] == DESIGN.shape[1] for value in tables)
