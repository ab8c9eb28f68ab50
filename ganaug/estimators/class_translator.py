"""ClassTranslator: fills up rare classes with images of a common class, translated by CycleGAN."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone

from ganaug._compat import SAMPLING_STRATEGY_CONSTRAINTS, Interval, validate_parameters
from ganaug._runtime.launch import rank_and_world_size
from ganaug._runtime.messages import warn_user
from ganaug._runtime.progress import logger
from ganaug._runtime.randomness import derive
from ganaug.datasets.holdout import split_validation
from ganaug.errors import ClassNotLearnedError, DataError, RunError
from ganaug.estimators.cyclegan import CycleGAN
from ganaug.estimators.evaluators import thumbnails
from ganaug.estimators.fitting import (
    FitContext,
    FitResult,
    FitSetup,
    check_params_restored,
    load_estimator,
    load_or_train_auxiliary_classifier,
)
from ganaug.estimators.sampler import OverSampler
from ganaug.estimators.sampler_data import SamplerData
from ganaug.images import LabeledImages, image_hashes
from ganaug.io.names import folder_names
from ganaug.io.resizing import SizeLike
from ganaug.metrics.distance import energy_distance
from ganaug.metrics.mirror_symmetry import is_mirror_symmetric
from ganaug.sampling.class_translator_model import ClassTranslation, ClassTranslatorModel
from ganaug.sampling.filters import filter_names, make_filters
from ganaug.sampling.model_files import model_folder
from ganaug.sampling.strategy import Strategy, resolve_counts
from ganaug.training.engine import resolve_device
from ganaug.training.run_folder import INTERRUPTED, finished_steps, is_unstarted
from ganaug.training.translation_batches import Domain

MAX_COMPARED = 200  # images of a class by which the nearest common class is found


@dataclass(frozen=True)
class ClassTranslatorSetup(FitSetup):
    """What is decided before a ClassTranslator trains: the validation split, and the source of each class."""

    train: LabeledImages
    validation: LabeledImages
    sources: dict[str, str]


class ClassTranslator(OverSampler[ClassTranslatorSetup]):
    """An over-sampler that translates images of a common class into images of a rare one.

    For each class that `sampling_strategy` fills up, a CycleGAN learns to translate images of a common class into it.
    A common class has at least `min_source_ratio` times as many images; the nearest such class is used.

    Parameters
    ----------
    translator : CycleGAN, optional
        Trained for each class. None: a CycleGAN whose augmentation suits the images. Its device, verbose, random_state
        and run_dir are set by this estimator, and its time_budget if one is given here; augmentation="auto" is chosen
        from all classes.
    source : "auto", class value or class name, default="auto"
        Class whose images are translated. "auto": the nearest common class, by the energy distance of images averaged
        to 8 x 8 pixels.
    sampling_strategy : str, float, dict or callable, default="auto"
        How many images `fit_resample` adds, in every form of imbalanced-learn. Only its classes are learned.
    image_shape : (H, W) or (H, W, C), optional
        Shape of the images in the rows of a 2-D X.
    image_size : int or tuple, optional
        Size that images are resized to, as for `GANAugmenter`.
    time_budget : float, optional
        Seconds for all translators together, split equally.
    min_source_ratio : float, default=2.0
        How many times as many images a class needs to be the source of another, for `source="auto"`.
    source_fraction : float, default=0.9
        Fraction of the common class that is translated: the images with the smallest cycle error.
    validation_fraction : float, default=0.1
        Fraction of each class that training does not see, if it amounts to ten images. Filters use it.
    filters : str, sequence or None, default="copies,label"
        As for `GANAugmenter`.
    run_dir : path, optional
        Folder of the run. It has a run folder of `CycleGAN` for each class, with previews and a model. Each fit of a
        clone has a subfolder, as for `GANAugmenter`.
    device, verbose, random_state
        As for `GANAugmenter`.

    Attributes
    ----------
    model_ : ClassTranslatorModel
        The translators, by label.
    sources_ : dict
        Class name -> name of the common class whose images are translated into it.
    cycle_error_ : dict
        Class name -> cycle errors (N,) of the images of its source.
    history_ : DataFrame
        The histories of all translators, with a column "class".
    n_steps_, best_step_ : int
        Sums over all translators.
    classes_, sampling_strategy_, filter_report_, unlearned_classes_, health_, stop_reason_, training_images_
        As for `GANAugmenter`.
    seconds_, seed_, data_, n_features_in_
        As for `GANAugmenter`.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug import ClassTranslator, CycleGAN, TranslationRecipe
    >>> draws = np.random.default_rng(0)
    >>> X = np.concatenate([draws.integers(0, 100, (20, 8, 8)), draws.integers(150, 250, (6, 8, 8))]).astype(np.uint8)
    >>> y = ["common"] * 20 + ["rare"] * 6
    >>> small = CycleGAN(n_steps=2, recipe=TranslationRecipe(width=4))
    >>> translator = ClassTranslator(small, filters=None, random_state=0).fit(X, y)
    >>> translator.sources_
    {'rare': 'common'}
    >>> translator.sample({"rare": 3}).counts
    {'common': 0, 'rare': 3}
    """

    model_: ClassTranslatorModel
    _nested: ClassVar[dict[str, type]] = {"translator": CycleGAN}

    _parameter_constraints: ClassVar[dict[str, list[object]]] = {
        "sampling_strategy": SAMPLING_STRATEGY_CONSTRAINTS,
        "translator": [CycleGAN, None],
        "time_budget": [Interval(Real, 0, None, closed="neither"), None],
        "min_source_ratio": [Interval(Real, 1, None, closed="left")],
        "source_fraction": [Interval(Real, 0, 1, closed="right")],
        "validation_fraction": [Interval(Real, 0, 0.5, closed="both")],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        translator: CycleGAN | None = None,
        *,
        source: Any = "auto",
        sampling_strategy: Strategy = "auto",
        image_shape: Sequence[int] | None = None,
        image_size: SizeLike | None = None,
        time_budget: float | None = None,
        min_source_ratio: float = 2.0,
        source_fraction: float = 0.9,
        validation_fraction: float = 0.1,
        filters: str | Sequence[str] | None = "copies,label",
        run_dir: str | Path | None = None,
        device: str | torch.device = "auto",
        verbose: int | bool = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.translator = translator
        self.source = source
        self.sampling_strategy = sampling_strategy
        self.image_shape = image_shape
        self.image_size = image_size
        self.time_budget = time_budget
        self.min_source_ratio = min_source_ratio
        self.source_fraction = source_fraction
        self.validation_fraction = validation_fraction
        self.filters = filters
        self.run_dir = run_dir
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "auto") -> "ClassTranslator":
        """Return the fitted estimator in a model folder or a run folder. Every fitted attribute is restored.

        Raises
        ------
        RunError
            If a file is missing, damaged, altered or of another format.
        """
        path, kinds = model_folder(folder), (ClassTranslatorModel.kind,)
        loaded: ClassTranslator = load_estimator(cls, ClassTranslatorModel, path, device, kinds=kinds)
        return loaded

    def _sampling_settings(self) -> str:
        return f"{self.filters} {self.source_fraction}"

    def _check_params(self) -> None:
        check_params_restored(self)
        validate_parameters(self)
        filter_names(self.filters)
        resolve_device(self.device)
        if self.translator is not None:
            self.translator._check_params()  # noqa: SLF001  # a translator is checked before any fit begins

    def _request(self, counts: int | Mapping[Any, int], *, filtered: bool = True) -> dict[int, int]:
        is_total = isinstance(counts, int | np.integer) and not isinstance(counts, bool)
        if is_total and hasattr(self, "model_") and not self.model_.trained_labels:
            raise ClassNotLearnedError(
                "sampling_strategy filled up no class, so no translator was trained. Name classes in sampling_strategy."
            )
        return super()._request(counts, filtered=filtered)

    def _set_up(
        self,
        data: SamplerData,
        seed: int,
        device: torch.device,  # noqa: ARG002  # each translator sets itself up
        stored_recipe: Mapping[str, Any],  # noqa: ARG002
    ) -> ClassTranslatorSetup:
        if rank_and_world_size()[1] > 1:
            raise RunError("ClassTranslator trains in one process. Launch CycleGAN().fit or `ganaug translate fit`.")
        train, validation = split_validation(data.images, self.validation_fraction, seed=seed)
        names = [data.images.classes[label] for label, count in data.additions.items() if count]
        sources = self._find_sources(names, train, data.class_values)
        return ClassTranslatorSetup(None, None, 1, {}, train, validation, sources)

    def _train(self, data: SamplerData, setup: ClassTranslatorSetup, context: FitContext) -> FitResult:
        translators: dict[str, CycleGAN] = {}
        for name, source in setup.sources.items():
            logger.info("Class %r: training a CycleGAN from class %r.", name, source)
            translators[name] = self._fit_translator(name, setup, context)
            if translators[name].stop_reason_ == INTERRUPTED:
                break
        was_interrupted = any(translator.stop_reason_ == INTERRUPTED for translator in translators.values())
        # an interrupted fit is measured when it is resumed
        names = filter_names(self.filters) if translators and not was_interrupted else ()
        needs_classifier = "label" in names
        classifier = (
            load_or_train_auxiliary_classifier(context, setup.train, setup.validation) if needs_classifier else None
        )
        images = data.images
        model = ClassTranslatorModel(
            translations={
                images.classes.index(name): self._translation(translator, setup.sources[name], data, setup.train)
                for name, translator in translators.items()
            },
            shape=images.shape,
            classes=images.classes,
            class_values=data.class_values,
            seed=context.seed,
            filters=make_filters(names, setup.train, classifier) if names else None,
        )
        stop_reason = INTERRUPTED if was_interrupted else "finished"
        n_steps = sum(translator.n_steps_ for translator in translators.values())
        best_step = sum(translator.best_step_ for translator in translators.values())
        seconds = time.perf_counter() - context.start_time
        health = [finding for translator in translators.values() for finding in translator.health_]
        summary = {
            "stop_reason": stop_reason,
            "steps": n_steps,
            "best_step": best_step,
            "seconds": round(seconds, 2),
            "findings": [str(finding) for finding in health],
            "sources": setup.sources,
        }
        histories = [translator.history_.assign(**{"class": name}) for name, translator in translators.items()]
        return FitResult(
            model=model.with_filter_stats(),
            history=pd.concat(histories, ignore_index=True) if histories else pd.DataFrame(),
            health=health,
            stop_reason=stop_reason,
            n_steps=n_steps,
            best_step=best_step,
            seconds=seconds,
            summary=summary,
            extra={
                "sources_": setup.sources,
                "cycle_error_": {name: translator.cycle_error_ for name, translator in translators.items()},
                **self._attributes_of(data),
            },
        )

    def _fit_translator(self, name: str, setup: ClassTranslatorSetup, context: FitContext) -> CycleGAN:
        """Train, or resume, the translator into one class, in its own run folder."""
        train = setup.train
        translator: CycleGAN = clone(CycleGAN(augmentation="auto") if self.translator is None else self.translator)
        if translator.augmentation == "auto":  # all classes say more about mirror images than two of them
            translator.set_params(augmentation=default_augmentation(train))
        run_dir = None if context.folder is None else context.folder / folder_names(train.classes)[name]
        translator.set_params(
            # NumPy and scikit-learn accept seeds of 32 bits only
            random_state=derive(context.seed, name) % 2**31,
            device=self.device,
            verbose=self.verbose,
            run_dir=run_dir,
        )
        if self.time_budget is not None:
            translator.set_params(time_budget=self.time_budget / len(setup.sources))
        resume = context.resume and run_dir is not None and not is_unstarted(run_dir)
        if resume and run_dir is not None and (n_steps := finished_steps(run_dir)):
            translator.set_params(n_steps=n_steps)  # else the time budget would be spent once more
        fit = translator.resume if resume else translator.fit
        sources = train.images[train.rows_of(setup.sources[name])]
        # the time budget of the whole fit is split, so of the outer callbacks only the user's are passed on
        outer = context.callbacks if self.time_budget is None else context.callbacks[:-1]
        # as plain functions, because this fit has entered those that are context managers
        callbacks = [partial(callback) for callback in outer]
        fit(sources, train.images[train.rows_of(name)], callbacks=callbacks)
        return translator

    def _translation(
        self, translator: CycleGAN, source: str, data: SamplerData, train: LabeledImages
    ) -> ClassTranslation:
        """Return the translation into one class, of the source images with the smallest cycle errors."""
        errors = torch.from_numpy(translator.cycle_error_)
        # a large cycle error suggests that a translation loses what its source shows
        n_sources = max(1, round(self.source_fraction * len(errors)))
        smallest = errors.argsort()[:n_sources].sort().values
        images = train.images[train.rows_of(source)[smallest]]
        rows = data.images.rows_of(source)
        # by hash, because rows of the training split have other numbers than those of the user's data
        row_of_hash = dict(zip(data.hashes[rows].tolist(), rows.tolist(), strict=True))
        source_rows = torch.tensor([row_of_hash[image_hash] for image_hash in image_hashes(images).tolist()])
        return ClassTranslation(source, translator.model_, images, source_rows)

    def _find_sources(self, names: Sequence[str], images: LabeledImages, values: np.ndarray) -> dict[str, str]:
        """Return the source of each class. Warn of classes without one, and raise DataError if none has one."""
        sources = {name: self._find_source(name, images, values) for name in names}
        without = [name for name, source in sources.items() if source is None]
        if without:
            message = (
                f"class {without[0]!r} has {images.counts[without[0]]} images, and no other class has "
                f"{self.min_source_ratio:g} times as many to be translated into it ({len(without)} such classes). "
                "Lower min_source_ratio, name a class with source="
            )
            if len(without) == len(names):
                raise DataError(f"{message}, or fill up with GANAugmenter.")
            warn_user(f"{message}; otherwise it is not learned.")
        return {name: source for name, source in sources.items() if source is not None}

    def _find_source(self, name: str, images: LabeledImages, values: np.ndarray) -> str | None:
        if not isinstance(self.source, str) or self.source != "auto":
            (label,) = resolve_counts({self.source: 1}, values, images.classes)
            if images.classes[label] == name:
                raise DataError(
                    f"source={self.source!r} is filled up itself. Leave it out of sampling_strategy, or name another "
                    "class."
                )
            return images.classes[label]
        counts = images.counts
        common = [
            other for other, count in counts.items() if other != name and count >= self.min_source_ratio * counts[name]
        ]
        if not common:
            return None
        domain = Domain(images.shape)
        features = thumbnails(domain, images.images[images.rows_of(name)[:MAX_COMPARED]])

        def distance(other: str) -> float:
            rows = images.rows_of(other)[:MAX_COMPARED]
            return energy_distance(features, thumbnails(domain, images.images[rows]))

        return min(common, key=distance)

    def _extra_attributes_as_json(self) -> dict[str, object]:
        errors = {name: values.tolist() for name, values in self.cycle_error_.items()}
        return {**super()._extra_attributes_as_json(), "sources": self.sources_, "cycle_error": errors}

    def _restore_extra_attributes(self, fitted: Mapping[str, Any], tensors: Any) -> None:
        super()._restore_extra_attributes(fitted, tensors)
        self.sources_ = dict(fitted["sources"])
        if not set(self.sources_) | set(self.sources_.values()) <= set(self.model_.classes):
            raise ValueError("sources name unknown classes")
        self.cycle_error_ = {
            name: np.asarray(errors, dtype=np.float32) for name, errors in fitted["cycle_error"].items()
        }


def default_augmentation(images: LabeledImages) -> str:
    """Return "translation,flip" where in no class images differ from their mirror images, else "translation"."""
    return "translation,flip" if is_mirror_symmetric(images) else "translation"
