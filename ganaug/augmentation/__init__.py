"""The main job: augment a folder of labeled images. `ganaug augment` calls these functions and prints their results."""

from ganaug.augmentation.forecast import Forecast, forecast_augmentation
from ganaug.augmentation.job import augment_folder
from ganaug.augmentation.result import AugmentedFolder

__all__ = ["AugmentedFolder", "Forecast", "augment_folder", "forecast_augmentation"]
