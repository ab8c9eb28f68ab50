"""A trained conditional generator: what samples are drawn from, what is saved, and what a model hash names."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ganaug import __version__
from ganaug.errors import RunError
from ganaug.estimators.base import FORMAT
from ganaug.images import LabelledImages, to_uint8
from ganaug.lookup import lookup
from ganaug.networks import NETWORKS, Network
from ganaug.networks.blocks import Shape
from ganaug.randomness import image_seeds, latents, own_state
from ganaug.storage import read_json, read_tree, write_json, write_tree

# A convolution's last bits can depend on the size of its batch, so on the CPU every pass has this many rows: the same
# image comes out whatever was asked for beside it.
ROWS = 64


def laid_out(module: nn.Module, shape: Shape) -> nn.Module:
    """`module` in the memory format that is quickest for `shape`: always the same, for the last bits' sake."""
    return module.to(memory_format=torch.channels_last if min(shape[1:]) > 1 else torch.contiguous_format)


@dataclass(frozen=True)
class GeneratorModel:
    """A generator in evaluation mode with the classes it knows.

    class_values: the user's own value for each label (a name, a number). seed: the fit's seed, the default for samples.
    """

    generator: nn.Module
    network: str
    shape: Shape
    classes: tuple[str, ...]
    class_values: np.ndarray
    latent_size: int
    width: int
    seed: int

    @property
    def device(self) -> torch.device:
        """Where the generator is."""
        return next(self.generator.parameters()).device

    def hash(self) -> str:
        """16 hexadecimal digits that name weights, classes and shape."""
        digest = hashlib.blake2b(
            repr((self.network, self.shape, self.classes, self.latent_size)).encode(), digest_size=8
        )
        for name, value in sorted(self.generator.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    @torch.no_grad()
    def draw(self, labels: Tensor, seeds: Tensor, *, batch_size: int | None = None) -> Tensor:
        """Images of `labels` (N,) from `seeds` (N,): uint8, (N, C, H, W). Row i depends on label i and seed i alone.

        batch_size: images a pass on an accelerator; on the CPU passes are always of 64 rows.
        """
        rows = ROWS if self.device.type == "cpu" else batch_size or 256
        out = torch.empty((len(labels), *self.shape), dtype=torch.uint8)
        for start in range(0, len(labels), rows):
            part = slice(start, start + rows)
            latent, own = latents(seeds[part], self.latent_size), labels[part]
            lacking = rows - len(own)
            if lacking:
                latent = torch.cat([latent, latent[-1:].expand(lacking, -1)])
                own = torch.cat([own, own[-1:].expand(lacking)])
            images = self.generator(latent.to(self.device), own.to(self.device))
            out[part] = to_uint8(images[: rows - lacking]).cpu()
        return out

    def sample(
        self, counts: Mapping[int, int], *, seed: int | None = None, start: int = 0, batch_size: int | None = None
    ) -> LabelledImages:
        """Exactly `counts` ({label: n}) images, class after class, with a row of provenance each.

        start: the first image's place in each class's stream, for drawing more without drawing the same again.
        """
        seed = self.seed if seed is None else seed
        labels = torch.cat([torch.empty(0, dtype=torch.int64), *(torch.full((n,), k) for k, n in counts.items())])
        streams = [image_seeds(seed, self.classes[k], start, n) for k, n in counts.items()]
        seeds = torch.cat([torch.empty(0, dtype=torch.int64), *streams])
        metadata = pd.DataFrame(
            {
                "label": [self.classes[k] for k in labels.tolist()],
                "is_synthetic": True,
                "class_index": labels.numpy(),
                "seed": seeds.numpy(),
                "model_hash": self.hash(),
                "ganaug_version": __version__,
            }
        )
        return LabelledImages(self.draw(labels, seeds, batch_size=batch_size), labels, self.classes, metadata)

    def save(self, folder: Path, extra: Mapping[str, object]) -> None:
        """Write `model.json` and `generator.safetensors` into `folder`. Nothing in them can run code."""
        write_tree(folder / "generator.safetensors", {"generator": self.generator.state_dict()})
        description = {
            "format": FORMAT,
            "ganaug_version": __version__,
            "model_hash": self.hash(),
            "network": self.network,
            "shape": list(self.shape),
            "classes": list(self.classes),
            "class_values": self.class_values.tolist(),
            "latent_size": self.latent_size,
            "width": self.width,
            "seed": self.seed,
            **extra,
        }
        write_json(folder / "model.json", description)

    @classmethod
    def load(
        cls, folder: Path, device: torch.device, network: Network | None = None
    ) -> tuple["GeneratorModel", dict[str, Any]]:
        """Read what `save` wrote -> (model, description). Raises RunError for a damaged, altered or newer model."""
        about: dict[str, Any] = read_json(folder / "model.json")
        if about.get("format") != FORMAT:
            raise RunError(
                f"{folder}: model format {about.get('format')!r}; this ganaug ({__version__}) reads format {FORMAT}. "
                f"It was written by ganaug {about.get('ganaug_version')}: use that version or fit again."
            )
        state: Any = read_tree(folder / "generator.safetensors")
        try:
            if not isinstance(about["params"], dict) or not isinstance(about["data"], dict):
                raise TypeError("params and data must be objects")
            shape = (int(about["shape"][0]), int(about["shape"][1]), int(about["shape"][2]))
            classes = tuple(str(name) for name in about["classes"])
            pair = network or lookup(NETWORKS, str(about["network"]), "network")
            with own_state(0):
                generator = pair.generator(shape, len(classes), int(about["latent_size"]), int(about["width"]))
            generator.load_state_dict(state["generator"])
            values = np.empty(len(classes), dtype=object)
            values[:] = about["class_values"]
            values = values if isinstance(values[0], str) else np.asarray(values.tolist())
            model = cls(
                laid_out(generator.eval().requires_grad_(False), shape),
                str(about["network"]),
                shape,
                classes,
                values,
                int(about["latent_size"]),
                int(about["width"]),
                int(about["seed"]),
            )
        except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
            raise RunError(
                f"{folder}: model.json and generator.safetensors do not fit each other ({error})."
            ) from error
        if model.hash() != about.get("model_hash"):
            raise RunError(f"{folder}: the weights are not those that model.json names: one of the two was altered.")
        model.generator.to(device)
        return model, about
