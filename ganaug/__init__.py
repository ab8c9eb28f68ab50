"""GAN data augmentation for image classifiers: fit on a labelled set, sample the rare classes, mix into training.

The public names load on first use, so that `import ganaug` needs neither torch nor pandas.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOMES = {
    "GANAugmenter": "ganaug.estimators.augmenter",
    "LabelledImages": "ganaug.images",
    "MixedDataset": "ganaug.data.mixed",
    "read_folder": "ganaug.data.folder",
    "write_folder": "ganaug.data.folder",
}

__all__ = ["GANAugmenter", "LabelledImages", "MixedDataset", "__version__", "read_folder", "write_folder"]

if TYPE_CHECKING:
    from ganaug.data.folder import read_folder, write_folder
    from ganaug.data.mixed import MixedDataset
    from ganaug.estimators.augmenter import GANAugmenter
    from ganaug.images import LabelledImages


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'ganaug' has no attribute {name!r}. Public names: {', '.join(__all__)}.")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
