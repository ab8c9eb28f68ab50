"""Embeddings of cells as sums of an embedding of the class and one of each attribute value.

A network that is built for cells (combinations of a class and attribute values) has a row of weights for each cell. As
sums, the rows of a rare cell are learned from the images of all cells that share its class or its attribute value.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm


class SumOfFactors(nn.Module):
    """Parametrization of a table of weights: each row is a sum of rows of a smaller table.

    Parameters
    ----------
    design : float32 Tensor of shape (n_cells, n_factors)
        1 where a factor is part of a cell, else 0.

    Examples
    --------
    >>> import torch
    >>> from ganaug.models.networks.factors import SumOfFactors
    >>> design = torch.tensor([[1.0, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1]])  # 2 classes, 2 values
    >>> SumOfFactors(design)(torch.tensor([[10.0], [20.0], [1.0], [2.0]])).flatten().tolist()
    [11.0, 12.0, 21.0, 22.0]
    """

    def __init__(self, design: Tensor) -> None:
        super().__init__()
        self.design: Tensor
        self.register_buffer("design", design, persistent=False)

    def forward(self, factors: Tensor) -> Tensor:
        """Factors (n_factors, ...) -> rows of the cells (n_cells, ...)."""
        return self.design @ factors


def factorize(network: nn.Module, design: Tensor) -> None:
    """Replace the embeddings of cells in a network by sums of factors, in place.

    Parameters
    ----------
    network : nn.Module
        Each `nn.Embedding` with a row for each cell is replaced. The first values are those sums that are closest to
        the rows the network has, so tables of ones or zeros stay as they are.
    design : float32 Tensor of shape (n_cells, n_factors)
        As for `SumOfFactors`.
    """
    for layer in list(network.modules()):
        if isinstance(layer, nn.Embedding) and layer.num_embeddings == len(design):
            factorize_parameter(layer, "weight", design)


def factorize_parameter(layer: nn.Module, name: str, design: Tensor) -> None:
    """Replace one parameter of a layer, with a row for each cell, by sums of factors.

    A spectral normalization is then one of the table of factors: a cell's row has a norm of at most the number of its
    factors.
    """
    is_normalized = parametrize.is_parametrized(layer, name)
    if is_normalized:
        parametrize.remove_parametrizations(layer, name, leave_parametrized=False)
    rows = getattr(layer, name)
    factors = torch.linalg.pinv(design) @ rows.detach()
    setattr(layer, name, nn.Parameter(factors))
    if is_normalized:
        spectral_norm(layer, name)
    parametrize.register_parametrization(layer, name, SumOfFactors(design), unsafe=True)


def merge_factors(network: nn.Module) -> None:
    """Store the sums instead of the factors, in place: the network is then an ordinary one with a row for each cell."""
    for layer in list(network.modules()):
        if not parametrize.is_parametrized(layer):
            continue
        parametrizations: Any = layer.parametrizations
        if not any(isinstance(step, SumOfFactors) for steps in parametrizations.values() for step in steps):
            continue
        sums = {name: getattr(layer, name).detach().clone() for name in parametrizations}
        # torch's `remove_parametrizations` would change the class of the layer, which copies of the network share
        layer.__class__ = parametrize.type_before_parametrizations(layer)
        del layer.parametrizations
        for name, value in sums.items():
            layer.register_parameter(name, nn.Parameter(value))
