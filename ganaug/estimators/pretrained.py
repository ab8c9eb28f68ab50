"""PretrainedSampler: fills up classes from generators that were fitted on other images."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ganaug._compat import SAMPLING_STRATEGY_CONSTRAINTS, Interval, validate_parameters
from ganaug._runtime.messages import warn_user
from ganaug._runtime.progress import logger
from ganaug.errors import DataError
from ganaug.estimators.augmenter import GANAugmenter
from ganaug.estimators.fitting import FitContext, FitResult, FitSetup, check_params_restored, load_estimator
from ganaug.estimators.sampler import OverSampler
from ganaug.estimators.sampler_data import SamplerData
from ganaug.images import LabeledImages
from ganaug.io.dataset_checks import MIN_IMAGE_SIZE
from ganaug.io.paths import shorten
from ganaug.io.resizing import SizeLike
from ganaug.metrics.distance import energy_distance
from ganaug.metrics.features import get_extractor
from ganaug.sampling.model_files import model_folder
from ganaug.sampling.pretrained_model import PretrainedModel, convert_pixels
from ganaug.sampling.strategy import Strategy
from ganaug.training.engine import resolve_device

MAX_COMPARED = 100  # images of a class, real and synthetic, by which sources are compared
MAX_LISTED = 10  # class names in an error message


@dataclass(frozen=True)
class PretrainedSetup(FitSetup):
    """What is decided before anything is written: the sources, and which of them have which class."""

    sources: tuple[GANAugmenter, ...]
    candidates: dict[str, list[tuple[int, int]]]  # class name -> (number of a source, label there)


class PretrainedSampler(OverSampler[PretrainedSetup]):
    """An over-sampler that draws from generators which were fitted on other images, such as those of another site.

    Nothing is trained. Classes are matched by name. Samples can bring information that the real images do not have, but
    they may look different from them. `utility_report` measures on held-out real images whether they help.

    Parameters
    ----------
    sources : path or sequence of paths
        Run or model folders of GANAugmenter, or what `export_model` wrote. A class that several have is drawn from the
        one whose samples are nearest to the real images of the class.
    class_map : dict, optional
        Class name of the real images -> its name in the sources, where they differ.
    sampling_strategy : str, float, dict or callable, default="auto"
        How many images `fit_resample` adds, in every form of imbalanced-learn.
    image_shape : (H, W) or (H, W, C), optional
        Shape of the images in the rows of a 2-D X.
    image_size : int or tuple, optional
        Size that real images are resized to, as for `GANAugmenter`. Samples are resized to the size of the real images,
        and have as many channels.
    time_budget : float, optional
        Seconds that `augment_folder` and `ganaug evaluate` may take to measure. Fitting takes a few seconds.
    run_dir : path, optional
        Folder for the run, as for `GANAugmenter`.
    device, verbose, random_state
        As for `GANAugmenter`.

    Attributes
    ----------
    model_ : PretrainedModel
    sources_ : dict
        Class name -> (folder of the source, class name there).
    training_images_ : Tensor of shape (N,)
        Hashes of the images that the sources were fitted on, if they are known.
    classes_, sampling_strategy_, filter_report_, unlearned_classes_, health_, history_, stop_reason_
        As for `GANAugmenter`. Classes that no source has are not learned.
    n_steps_, best_step_, seconds_, seed_, data_, n_features_in_
        As for `GANAugmenter`.

    See Also
    --------
    GANAugmenter : With `init_from`, continues training another generator on the images at hand.
    ganaug.estimators.export.export_model : Prepares a model for others.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from ganaug import GANAugmenter, PretrainedSampler, TrainingRecipe
    >>> X = np.random.default_rng(0).integers(0, 255, (30, 8, 8), dtype=np.uint8)
    >>> y = np.array(["naevus"] * 20 + ["melanoma"] * 10)
    >>> small = TrainingRecipe(width=4, latent_size=4)
    >>> other_site = GANAugmenter(n_steps=2, filters=None, random_state=0, recipe=small).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     other_site.save(folder)
    ...     sampler = PretrainedSampler(folder, class_map={"mel": "melanoma"}).fit(X[:12], ["naevus"] * 8 + ["mel"] * 4)
    >>> sampler.sample({"mel": 3}).counts
    {'mel': 3, 'naevus': 0}
    """

    model_: PretrainedModel
    validation_fraction = 0.0  # no image is trained on, so none is held out

    _parameter_constraints: ClassVar[dict[str, list[object]]] = {
        "sampling_strategy": SAMPLING_STRATEGY_CONSTRAINTS,
        "sources": [str, Path, list, tuple],
        "class_map": [dict, None],
        "time_budget": [Interval(Real, 0, None, closed="neither"), None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        sources: str | Path | Sequence[str | Path] = (),
        *,
        class_map: Mapping[str, str] | None = None,
        sampling_strategy: Strategy = "auto",
        image_shape: Sequence[int] | None = None,
        image_size: SizeLike | None = None,
        time_budget: float | None = None,
        run_dir: str | Path | None = None,
        device: str | torch.device = "auto",
        verbose: int | bool = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.sources = sources
        self.class_map = class_map
        self.sampling_strategy = sampling_strategy
        self.image_shape = image_shape
        self.image_size = image_size
        self.time_budget = time_budget
        self.run_dir = run_dir
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "auto") -> "PretrainedSampler":
        """Return the fitted estimator in a model folder or a run folder. Every fitted attribute is restored.

        Raises
        ------
        RunError
            If a file is missing, damaged, altered or of another format.
        """
        path, kinds = model_folder(folder), (PretrainedModel.kind,)
        loaded: PretrainedSampler = load_estimator(cls, PretrainedModel, path, device, kinds=kinds)
        return loaded

    def cache_key(self) -> str | None:
        """Return a string of everything that samples depend on except the training images; None if it is unknown."""
        key = super().cache_key()
        if key is None or hasattr(self, "model_"):
            return key
        # another model may have been written into the same folder
        return " ".join([key, *(source.model_.hash() for source in self._load_sources())])

    def other_training_images(self, images: LabeledImages) -> Tensor | None:  # noqa: ARG002  # as every over-sampler
        """Return hashes (N,) of the images that the sources were fitted on, if they are known."""
        return torch.cat([source.training_images_ for source in self._load_sources()])

    def _sampling_settings(self) -> str:
        return ""

    def _check_params(self) -> None:
        check_params_restored(self)
        validate_parameters(self)
        resolve_device(self.device)
        if not self._folders():
            raise ValueError("sources: name at least one run or model folder.")

    def _check_images(self, images: LabeledImages) -> None:
        """A class may have any number of images: nothing is learned from them."""

    def _folders(self) -> list[str | Path]:
        return [self.sources] if isinstance(self.sources, str | Path) else list(self.sources)

    def _load_sources(self) -> tuple[GANAugmenter, ...]:
        return tuple(GANAugmenter.load(folder, self.device) for folder in self._folders())

    def _set_up(
        self,
        data: SamplerData,
        seed: int,  # noqa: ARG002  # nothing is drawn
        device: torch.device,  # noqa: ARG002
        stored_recipe: Mapping[str, Any],  # noqa: ARG002
    ) -> PretrainedSetup:
        sources = self._load_sources()
        check_sources(sources, data.images)
        candidates = match_sources(data.images.classes, sources, self.class_map or {})
        hashes = [source.model_.hash() for source in sources]
        return PretrainedSetup(None, None, 1, {"sources": [f"model {each}" for each in hashes]}, sources, candidates)

    def _train(self, data: SamplerData, setup: PretrainedSetup, context: FitContext) -> FitResult:
        images, sources = data.images, setup.sources
        origins = {
            images.classes.index(name): choose_source(images, name, sources, origins)
            for name, origins in setup.candidates.items()
        }
        model = PretrainedModel(
            sources=tuple(source.model_ for source in sources),
            origins=origins,
            shape=images.shape,
            classes=images.classes,
            class_values=data.class_values,
            seed=context.seed,
        ).with_filter_stats()
        folders = [str(folder) for folder in self._folders()]
        drawn_from = {
            images.classes[label]: (folders[number], sources[number].model_.label_names[source_label])
            for label, (number, source_label) in origins.items()
        }
        for name, (folder, source_class) in drawn_from.items():
            logger.info("Class %r is drawn from class %r of %s.", name, source_class, folder)
        hashes = torch.cat([source.training_images_ for source in sources])
        return FitResult(
            model=model,
            history=pd.DataFrame(),
            health=[],
            stop_reason="finished",
            n_steps=0,
            best_step=0,
            seconds=time.perf_counter() - context.start_time,
            summary={"stop_reason": "finished", "steps": 0, "sources": drawn_from},
            extra={**self._attributes_of(data), "sources_": drawn_from, "training_images_": hashes},
        )

    def _extra_attributes_as_json(self) -> dict[str, object]:
        return {**super()._extra_attributes_as_json(), "sources": {k: list(v) for k, v in self.sources_.items()}}

    def _restore_extra_attributes(self, fitted: Mapping[str, Any], tensors: Any) -> None:
        super()._restore_extra_attributes(fitted, tensors)
        self.sources_ = {name: (str(folder), str(other)) for name, (folder, other) in fitted["sources"].items()}


def check_sources(sources: Sequence[GANAugmenter], images: LabeledImages) -> None:
    """Raise DataError for sources that cannot be drawn from for these images."""
    shapes = [images.shape, *(source.model_.shape for source in sources)]
    if any(min(shape[1:]) < MIN_IMAGE_SIZE for shape in shapes):
        raise DataError(
            "PretrainedSampler needs images, here and in the sources: rows of numbers have other scales elsewhere. Set "
            "image_shape if the rows are images."
        )
    if any(source.model_.cells is not None for source in sources):
        raise DataError(
            "a source is conditioned on attributes (condition_on), which PretrainedSampler cannot draw from."
        )


def match_sources(
    classes: Sequence[str], sources: Sequence[GANAugmenter], class_map: Mapping[str, str]
) -> dict[str, list[tuple[int, int]]]:
    """Find for each class the sources that have learned it.

    Parameters
    ----------
    classes : sequence of str
    sources : sequence of GANAugmenter
        Fitted.
    class_map : mapping
        Class name -> its name in the sources.

    Returns
    -------
    dict
        Class name -> list of (number of the source, label there); classes that no source has are left out.

    Raises
    ------
    DataError
        If no class matches, or `class_map` names a class that does not exist.
    """
    known = sorted({name for source in sources for name in source.model_.label_names})
    for name, other in class_map.items():
        if name not in classes:
            raise DataError(f"class_map: the images have no class {name!r}, only {shorten(list(classes), MAX_LISTED)}.")
        if other not in known:
            raise DataError(f"class_map: no source has a class {other!r}, only {shorten(known, MAX_LISTED)}.")
    candidates: dict[str, list[tuple[int, int]]] = {}
    for name in classes:
        other = class_map.get(name, name)
        found = [
            (number, source.model_.label_names.index(other))
            for number, source in enumerate(sources)
            if other in source.model_.label_names and other not in source.unlearned_classes_
        ]
        if found:
            candidates[name] = found
    if not candidates:
        raise DataError(
            f"no class of the images ({shorten(list(classes), MAX_LISTED)}) is a class that the sources have learned "
            f"({shorten(known, MAX_LISTED)}). Name what corresponds: class_map={{{classes[0]!r}: {known[0]!r}}} "
            f"(--map '{classes[0]}={known[0]}')."
        )
    without = [name for name in classes if name not in candidates]
    if without:
        warn_user(f"no source has learned {shorten(without, MAX_LISTED)}: no synthetic images of these classes.")
    return candidates


def choose_source(
    images: LabeledImages, name: str, sources: Sequence[GANAugmenter], candidates: Sequence[tuple[int, int]]
) -> tuple[int, int]:
    """Return the candidate whose samples are nearest to the real images of a class, by energy distance of features."""
    real = images.images[images.rows_of(name)[:MAX_COMPARED]]
    if len(candidates) == 1 or not len(real):
        return candidates[0]
    _, features = get_extractor("auto")
    of_real = features(real)

    def distance(candidate: tuple[int, int]) -> float:
        number, label = candidate
        samples: Tensor = sources[number].model_.sample({label: MAX_COMPARED}).images
        return energy_distance(features(convert_pixels(samples, images.shape)), of_real)

    return min(candidates, key=distance)
