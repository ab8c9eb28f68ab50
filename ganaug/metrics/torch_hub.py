"""Feature networks with weights that the user provides: those of torch-fidelity. Nothing is downloaded here."""

import hashlib
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganaug._runtime.cache import cached, content_key
from ganaug.errors import DataError
from ganaug.images import apply_in_batches

IMAGES_PER_PASS = 32


@dataclass(frozen=True)
class TorchHubFeatures:
    """Features of a network of torch-fidelity, with weights that the user has placed in torch.hub's folder.

    Parameters
    ----------
    name, layer : str
        The network and its layer, as torch-fidelity names them.
    weights_file : str
        File in the folder `checkpoints` of torch.hub's folder (`torch.hub.get_dir()`).
    sha256 : str
        SHA-256 of the published weights. Only this file is opened, since torch unpickles it and another file could run
        code.
    origin : str
        Where the user gets the files, for error messages.
    code_folder : str or None
        Folder in torch.hub's folder with a `hubconf.py` that builds the network. It runs as it is, so the user must
        trust it.
    entry_point : str
        Function of `hubconf.py` that returns the network.
    """

    name: str
    layer: str
    weights_file: str
    sha256: str
    origin: str
    code_folder: str | None = None
    entry_point: str = ""

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 (N, C, H, W) -> float (N, D), cached on disk. Raises DataError for missing files or other weights."""
        hub = Path(torch.hub.get_dir())
        weights = hub / "checkpoints" / self.weights_file
        for path in (weights, *([hub / self.code_folder] if self.code_folder else [])):
            if not path.exists():
                raise DataError(
                    f"{path}: not found. {self.name} needs it, and ganaug does not download it. Put it there "
                    f"({self.origin}), or keep features='auto'."
                )
        sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
        if sha256 != self.sha256:
            raise DataError(
                f"{weights}: not the published weights, and opening the file could run code: its SHA-256 is {sha256}, "
                f"expected {self.sha256}. Put the published file there ({self.origin}), or keep features='auto'."
            )
        key = content_key(self.name, self.sha256, images)
        return cached("features", key, lambda: {"features": self._compute(images, hub)})["features"]

    def _compute(self, images: Tensor, hub: Path) -> Tensor:
        net = self._network(hub)

        @torch.no_grad()
        def features_of(batch: Tensor) -> Tensor:
            (features,) = net(batch.expand(-1, 3, -1, -1))
            return torch.as_tensor(features)

        return apply_in_batches(features_of, images, IMAGES_PER_PASS)

    def _network(self, hub: Path) -> Any:
        """Build the network from local files only; torch-fidelity's constructors could ask GitHub or download."""
        try:
            from torch_fidelity.feature_extractor_base import FeatureExtractorBase
            from torch_fidelity.feature_extractor_dinov2 import FeatureExtractorDinoV2
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError as error:
            raise DataError(f"{self.name} comes with torch-fidelity: pip install 'ganaug[inception]'.") from error
        if self.code_folder is None:
            weights = str(hub / "checkpoints" / self.weights_file)
            return FeatureExtractorInceptionV3(self.name, [self.layer], feature_extractor_weights_path=weights)
        net: Any = FeatureExtractorDinoV2.__new__(FeatureExtractorDinoV2)
        FeatureExtractorBase.__init__(net, self.name, [self.layer])  # DinoV2's constructor asks GitHub for a branch
        net.feature_extractor_internal_dtype = torch.float32
        os.environ["XFORMERS_DISABLED"] = "1"  # torch-fidelity sets it too; with xFormers the features differ slightly
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="xFormers is")
            net.model = torch.hub.load(  # type: ignore[no-untyped-call]
                str(hub / self.code_folder), self.entry_point, source="local"
            )
        return net.eval().requires_grad_(False)


INCEPTION = TorchHubFeatures(
    "inception-v3-compat",
    "2048",
    "weights-inception-2015-12-05-6726825d.pth",
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    "torch-fidelity's release v0.2.0 has it",
)
DINOV2 = TorchHubFeatures(
    "dinov2-vit-s-14",
    "dinov2",
    "dinov2_vits14_pretrain.pth",
    "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
    "torch.hub.load('facebookresearch/dinov2', 'dinov2_vits14') gets weights and code",
    code_folder="facebookresearch_dinov2_main",
    entry_point="dinov2_vits14",
)
