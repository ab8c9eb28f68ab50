"""A trained conditional generator: draws samples, and is saved and loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import UnionType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.lookup import lookup
from ganaug._runtime.meta import meta_networks
from ganaug._runtime.randomness import latents, temporary_seed
from ganaug._runtime.storage import Tree
from ganaug.datasets.cells import Cells
from ganaug.images import ROWS_PER_BATCH, LabeledImages, apply_in_batches, to_uint8
from ganaug.models.networks import NETWORKS, Network
from ganaug.models.networks.blocks import Shape, to_memory_format
from ganaug.sampling.conditional_model import ConditionalModel, parse_class_fields
from ganaug.sampling.filters import Filters, FilterStats
from ganaug.sampling.model_files import check_sizes, hash_weights


@dataclass(frozen=True)
class Latent:
    """The distribution of latent vectors.

    Attributes
    ----------
    std : float
        Standard deviation. Above 1, samples are more varied and less faithful (Brock et al. 2019).
    truncation : float or None
        Number of standard deviations at which the normal distribution is truncated.

    Examples
    --------
    >>> from ganaug.sampling.generator_model import Latent
    >>> Latent(std=0)
    Traceback (most recent call last):
    ...
    ValueError: latent_std must be a number above 0; got 0.
    """

    std: float = 1.0
    truncation: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("latent_std", self.std), ("truncation", self.truncation)):
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} must be a number above 0; got {value!r}.")


LATENT = Latent()


@dataclass(frozen=True)
class GeneratorModel(ConditionalModel):
    """A generator in evaluation mode, with its classes.

    Attributes
    ----------
    generator : nn.Module
        (latent vectors (N, latent_size), labels (N,)) -> images (N, C, H, W) in [-1, 1].
    network : str
        Name of the network, or of the class of the user's own.
    shape, classes, class_values, cells, seed, filters, filter_stats
        As in `ConditionalModel`.
    latent_size, width : int
        Length of a latent vector, and channels of the layers of highest resolution.
    """

    kind: ClassVar[str] = "generator"  # type: ignore[misc]
    fields: ClassVar[Mapping[str, type | UnionType]] = {
        "network": str,
        **dict.fromkeys(("shape", "classes", "class_values"), list),
        **dict.fromkeys(("latent_size", "width"), int),
        "filter_stats": dict,
    }

    generator: nn.Module
    network: str
    shape: Shape
    classes: tuple[str, ...]
    class_values: np.ndarray
    latent_size: int
    width: int
    seed: int
    filters: Filters | None = None
    filter_stats: Mapping[int, FilterStats] = field(default_factory=dict)
    cells: Cells | None = None

    @property
    def device(self) -> torch.device:
        """Device of the generator."""
        return next(self.generator.parameters()).device

    @property
    def trained_labels(self) -> list[int]:
        """All labels."""
        return list(range(len(self.label_names)))

    def hash(self) -> str:
        """Return 16 hexadecimal digits that identify weights, classes and shape."""
        return hash_weights((self.network, self.shape, self.label_names, self.latent_size), self.generator)

    @library_defaults()
    @torch.no_grad()
    def draw(self, labels: Tensor, seeds: Tensor, *, batch_size: int | None = None, latent: Latent = LATENT) -> Tensor:
        """Draw images.

        Parameters
        ----------
        labels, seeds : Tensor of shape (N,), int64
            Row i of the result depends on labels[i] and seeds[i] alone.
        batch_size : int, optional
            Images in a forward pass on an accelerator. On the CPU a pass always has 64 rows.
        latent : Latent
            Distribution of the latent vectors.

        Returns
        -------
        images : Tensor of shape (N, C, H, W), uint8
        """

        def images_of(rows: Tensor) -> Tensor:
            vectors = latents(seeds[rows], self.latent_size, std=latent.std, truncation=latent.truncation)
            return to_uint8(self.generator(vectors.to(self.device), labels[rows].to(self.device))).cpu()

        rows = torch.arange(len(labels))
        return apply_in_batches(images_of, rows, ROWS_PER_BATCH if self.device.type == "cpu" else batch_size or 256)

    def sample(
        self,
        counts: Mapping[int, int],
        *,
        seed: int | None = None,
        start: int | Mapping[int, int] = 0,
        filtered: bool = True,
        batch_size: int | None = None,
        latent: Latent = LATENT,
    ) -> LabeledImages:
        """Draw as `ConditionalModel.sample`; `batch_size` and `latent` as in `draw`."""
        return self.sample_with(
            partial(self.draw, batch_size=batch_size, latent=latent),
            lambda _: {"latent_std": latent.std, "truncation": latent.truncation},
            counts,
            seed=seed,
            start=start,
            filtered=filtered,
        )

    def with_filter_stats(self, latent: Latent = LATENT) -> "GeneratorModel":
        """Return this model with what its filters reject in a trial of every class."""
        return replace(self, filter_stats=self.measure_filters(partial(self.draw, latent=latent)))

    def networks(self) -> nn.Module:
        """Return the generator."""
        return self.generator

    def describe(self) -> dict[str, object]:
        """Return the fields of `model.json`."""
        sizes = {"network": self.network, "latent_size": self.latent_size, "width": self.width}
        return {**sizes, **self.describe_classes()}

    def tensors(self) -> Tree:
        """Return the weights and what the filters need."""
        filters = None if self.filters is None else self.filters.tree()
        return {"generator": self.generator.state_dict(), "filters": filters}

    @classmethod
    def build(cls, description: Mapping[str, Any], tensors: Any, **options: Any) -> "GeneratorModel":
        """Return the model that a file describes. The option `network` replaces the name in the description."""
        network: Network | None = options.get("network")
        common = parse_class_fields(description)
        shape, cells = common["shape"], common.get("cells")
        n_classes = len(common["classes"])
        n_labels, class_labels = (n_classes, None) if cells is None else (len(cells), cells.class_labels)
        pair = network or lookup(NETWORKS, description["network"], "network")
        sizes = (shape, n_labels, description["latent_size"], description["width"])
        if network is None:
            # sizes are compared without allocating, so that a hostile description cannot exhaust memory
            with meta_networks():
                check_sizes(pair.generator(*sizes), tensors["generator"])
        with temporary_seed(0):
            generator = pair.generator(*sizes)
        generator.load_state_dict(tensors["generator"])
        filters = tensors["filters"]
        return cls(
            generator=to_memory_format(generator.eval().requires_grad_(False), shape),
            network=description["network"],
            latent_size=description["latent_size"],
            width=description["width"],
            filters=None if filters is None else Filters.from_tree(filters, shape, n_classes, class_labels),
            **common,
        )
