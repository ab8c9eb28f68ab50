"""The one format of model files: a folder with `model.json` and `model.safetensors`. Nothing in them can run code."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from ganaug._runtime.storage import Tree, check_format, read_json, read_tree, write_json, write_tree
from ganaug._runtime.storage import digest as hash_tree
from ganaug._runtime.user_paths import expand_user
from ganaug._version import __version__
from ganaug.errors import RunError

FORMAT = 5
DESCRIPTION, TENSORS = "model.json", "model.safetensors"
# Who reads which kind of model; error messages name it.
READERS = {
    "generator": "GANAugmenter and `ganaug sample`",
    "pix2pix": "Pix2Pix and `ganaug translate apply`",
    "cyclegan": "CycleGAN and `ganaug translate apply`",
    "class-translator": "ClassTranslator",
    "pretrained": "PretrainedSampler",
}
COMMON_FIELDS: dict[str, type | UnionType] = {
    "ganaug_version": str,
    "kind": str,
    "model_hash": str,
    "tensors_hash": str,
    "seed": int,
    "params": dict,
    "data": dict,
    "fit": dict,
}


class StoredModel(ABC):
    """A trained model that can be written to files and read back. Abstract.

    A subclass names its `kind`, the JSON fields of its description, and its tensors. Reading, writing and every check
    are here.
    """

    kind: str
    fields: ClassVar[Mapping[str, type | UnionType]]

    @abstractmethod
    def hash(self) -> str:
        """Return 16 hexadecimal digits that identify the trained weights."""

    @abstractmethod
    def describe(self) -> dict[str, object]:
        """Return the model's own fields of `model.json`."""

    @abstractmethod
    def tensors(self) -> Tree:
        """Return the model's own tensors, as a nested dict."""

    @classmethod
    @abstractmethod
    def build(cls, description: Mapping[str, Any], tensors: Any, **options: Any) -> Self:
        """Return the model on the CPU. May raise any error where description and tensors disagree."""

    @abstractmethod
    def networks(self) -> nn.Module:
        """Return the module that holds every trained network."""

    def save(
        self, folder: Path, extra: Mapping[str, object], extra_tensors: Mapping[str, object] | None = None
    ) -> None:
        """Write the model into `folder`.

        Parameters
        ----------
        folder : Path
            Folder of the model; created if needed.
        extra : mapping
            What an estimator adds to `model.json`: "params", "data" and "fit".
        extra_tensors : mapping, optional
            What an estimator adds to `model.safetensors`.
        """
        tensors = {**self.tensors(), **(extra_tensors or {})}
        # tensors first: after a crash in between, the hash in the old description does not match and `load` refuses
        write_tree(folder / TENSORS, tensors)
        identity = {
            "format": FORMAT,
            "ganaug_version": __version__,
            "kind": self.kind,
            "model_hash": self.hash(),
            "tensors_hash": hash_tree(tensors),
        }
        write_json(folder / DESCRIPTION, {**identity, **self.describe(), **extra})

    @classmethod
    def load(
        cls, folder: Path, device: torch.device, *, kinds: tuple[str, ...], **options: Any
    ) -> tuple[Self, dict[str, Any], Any]:
        """Read what `save` wrote.

        Parameters
        ----------
        folder : Path
            Folder of the model.
        device : torch.device
            Where the networks are put.
        kinds : tuple of str
            Kinds of model that the caller can use.
        **options
            Passed to `build`.

        Returns
        -------
        model : StoredModel
        description : dict
            The content of `model.json`.
        tensors : dict
            The content of `model.safetensors`.

        Raises
        ------
        RunError
            If a file is missing, damaged, altered, of another format or of another kind of model.
        """
        description: dict[str, Any] = read_json(folder / DESCRIPTION)
        check_format(folder / DESCRIPTION, description, FORMAT, COMMON_FIELDS)
        kind = description["kind"]
        if kind not in kinds:
            reader = READERS.get(kind)
            raise RunError(
                f"{folder}: holds a model of kind {kind!r}, not {' or '.join(map(repr, kinds))}. "
                f"{f'It is read by {reader}.' if reader else 'This ganaug cannot read it.'}"
            )
        check_format(folder / DESCRIPTION, description, FORMAT, cls.fields)
        tensors: Any = read_tree(folder / TENSORS)
        if hash_tree(tensors) != description["tensors_hash"]:
            raise RunError(
                f"{folder / TENSORS}: is not the file that model.json names; one of the two was altered. "
                "Use a copy, or fit again."
            )
        try:
            model = cls.build(description, tensors, **options)
        except Exception as error:  # anybody may have written these files, so any error is possible
            raise RunError(f"{folder}: model.json and model.safetensors do not fit each other ({error}).") from error
        if model.hash() != description["model_hash"]:
            raise RunError(f"{folder}: the weights are not those that model.json names; one of the two was altered.")
        if not all(bool(value.isfinite().all()) for value in model.networks().state_dict().values()):
            raise RunError(f"{folder}: some weights are not finite. Use another checkpoint, or fit again.")
        model.networks().to(device)
        return model, description, tensors


def model_folder(folder: str | Path) -> Path:
    """Return the model folder inside a run folder, or `folder` itself if it is not a run folder."""
    path = expand_user(folder)
    return path / "model" if (path / "model" / DESCRIPTION).exists() else path


def hash_weights(identity: object, network: nn.Module) -> str:
    """Return 16 hexadecimal digits that identify an object with a stable repr and the weights of a network."""
    digest = hashlib.blake2b(repr(identity).encode(), digest_size=8)
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        # contiguous, so that the hash does not depend on the memory format
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def check_sizes(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Raise ValueError if stored weights have other names or sizes than those of a network on the meta device.

    The description of a model comes from a file that anybody may have written. The check on the meta device comes
    before memory is allocated for what the description says.
    """
    described = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    if described != {name: tuple(value.shape) for name, value in weights.items()}:
        raise ValueError("the weights have other sizes than the description")
