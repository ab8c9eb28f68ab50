"""Copy the weights of a trained network into a new one whose classes may be others."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

NORMALIZED = "parametrizations.weight.original"  # where a layer with spectral normalization keeps its weights


def transfer_weights(
    network: nn.Module, weights: Mapping[str, Tensor], rows: Sequence[Sequence[int]], n_classes: int
) -> None:
    """Copy weights into a network, in place.

    Parameters
    ----------
    network : nn.Module
        Of the same architecture as the one that the weights are from. Only its number of classes may differ.
    weights : mapping
        `state_dict()` of the trained network.
    rows : sequence of sequences of int
        For each class of `network`: classes of the trained network. Its embeddings are the means of theirs.
    n_classes : int
        Classes of the trained network. An embedding with another number of rows is copied as it is, such as one that
        all classes share.

    Raises
    ------
    ValueError
        If the architectures differ.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from ganaug.models.networks.transfer import transfer_weights
    >>> table = nn.Sequential(nn.Embedding(3, 1))
    >>> transfer_weights(table, {"0.weight": torch.tensor([[1.0], [5.0]])}, [[1], [0], [0, 1]], n_classes=2)
    >>> table[0].weight.flatten().tolist()
    [5.0, 1.0, 3.0]
    """
    tables: dict[str, tuple[nn.Embedding, Tensor]] = {}
    for name, layer in network.named_modules():
        source = weights.get(f"{name}.weight", weights.get(f"{name}.{NORMALIZED}"))
        is_table = isinstance(layer, nn.Embedding) and layer.num_embeddings == len(rows)
        if is_table and source is not None and len(source) == n_classes:
            tables[name] = layer, source
    own = {key: value for key, value in network.state_dict().items() if not _is_of(key, tables)}
    others = {key: value for key, value in weights.items() if not _is_of(key, tables)}
    if {key: value.shape for key, value in own.items()} != {key: value.shape for key, value in others.items()}:
        raise ValueError("the trained network has other layers than the new one")
    network.load_state_dict(others, strict=False)
    for layer, source in tables.values():
        _set_rows(layer, torch.stack([source[list(of_class)].mean(0) for of_class in rows]))


def _is_of(key: str, layers: Iterable[str]) -> bool:
    """Whether a key of a state belongs to one of the layers, by name."""
    return any(key.startswith(f"{name}.") for name in layers)


def _set_rows(layer: nn.Embedding, rows: Tensor) -> None:
    """Set the rows of an embedding. A spectral normalization starts again, because its vectors fit the old rows."""
    is_normalized = parametrize.is_parametrized(layer, "weight")
    if is_normalized:
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    layer.weight = nn.Parameter(rows.detach().clone().to(layer.weight))
    if is_normalized:
        spectral_norm(layer)
