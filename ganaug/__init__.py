"""GAN data augmentation for image classifiers: fit on a labeled set, sample the rare classes, mix into training.

The public names load on first use, so that `import ganaug` needs neither torch nor pandas.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ganaug._version import __version__

_HOMES = {
    "AugmentedClassifier": "ganaug.estimators.classifier",
    "ClassTranslator": "ganaug.estimators.class_translator",
    "CycleGAN": "ganaug.estimators.cyclegan",
    "GANAugmenter": "ganaug.estimators.augmenter",
    "LabeledImages": "ganaug.images",
    "MixedDataset": "ganaug.datasets.mixed",
    "Pix2Pix": "ganaug.estimators.pix2pix",
    "PretrainedSampler": "ganaug.estimators.pretrained",
    "Report": "ganaug.reports.report",
    "TrainingRecipe": "ganaug.training.recipe",
    "TranslationRecipe": "ganaug.training.recipe",
    "augment_folder": "ganaug.augmentation.job",
    "bias_report": "ganaug.reports.bias",
    "build_store": "ganaug.io.store",
    "diversity_report": "ganaug.reports.diversity",
    "export_model": "ganaug.estimators.export",
    "read_folder": "ganaug.io.folder",
    "to_labeled_images": "ganaug.datasets.convert",
    "utility_report": "ganaug.reports.utility",
    "write_folder": "ganaug.io.folder",
}

__all__ = [
    "AugmentedClassifier",
    "ClassTranslator",
    "CycleGAN",
    "GANAugmenter",
    "LabeledImages",
    "MixedDataset",
    "Pix2Pix",
    "PretrainedSampler",
    "Report",
    "TrainingRecipe",
    "TranslationRecipe",
    "__version__",
    "augment_folder",
    "bias_report",
    "build_store",
    "diversity_report",
    "export_model",
    "read_folder",
    "to_labeled_images",
    "utility_report",
    "write_folder",
]

if TYPE_CHECKING:
    from ganaug.augmentation.job import augment_folder
    from ganaug.datasets.convert import to_labeled_images
    from ganaug.datasets.mixed import MixedDataset
    from ganaug.estimators.augmenter import GANAugmenter
    from ganaug.estimators.class_translator import ClassTranslator
    from ganaug.estimators.classifier import AugmentedClassifier
    from ganaug.estimators.cyclegan import CycleGAN
    from ganaug.estimators.export import export_model
    from ganaug.estimators.pix2pix import Pix2Pix
    from ganaug.estimators.pretrained import PretrainedSampler
    from ganaug.images import LabeledImages
    from ganaug.io.folder import read_folder, write_folder
    from ganaug.io.store import build_store
    from ganaug.reports.bias import bias_report
    from ganaug.reports.diversity import diversity_report
    from ganaug.reports.report import Report
    from ganaug.reports.utility import utility_report
    from ganaug.training.recipe import TrainingRecipe, TranslationRecipe


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'ganaug' has no attribute {name!r}. Public names: {', '.join(__all__)}.")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
