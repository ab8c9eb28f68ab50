"""ClassTranslator: fill up rare classes with images of a common one, translated by CycleGAN."""

import json
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from imblearn.over_sampling.base import BaseOverSampler
from sklearn.base import clone
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from ganaug._runtime.allocator import freed_memory_kept
from ganaug._runtime.launch import part_of_launch
from ganaug._runtime.randomness import derive
from ganaug._runtime.storage import read_json
from ganaug.datasets.convert import ConvertedData
from ganaug.datasets.holdout import split_validation
from ganaug.errors import ClassNotLearnedError, DataError, RunError
from ganaug.estimators import base
from ganaug.estimators.cyclegan import CycleGAN
from ganaug.estimators.sampler import Sampler
from ganaug.estimators.translator import thumbnails
from ganaug.images import LabeledImages, image_hashes
from ganaug.io.names import safe_name
from ganaug.metrics.distance import energy_distance
from ganaug.metrics.mirror_symmetry import keeps_meaning_mirrored
from ganaug.sampling.class_translator_model import ClassTranslation, ClassTranslatorModel, trial_filter_stats
from ganaug.sampling.filters import filter_names, make_filters
from ganaug.sampling.strategy import Strategy, counts_for, to_generate
from ganaug.training.engine import device_for
from ganaug.training.loop import Callback
from ganaug.training.run import INTERRUPTED
from ganaug.training.translation_batches import Domain

MAX_COMPARED = 200  # images of a class by which the nearest common class is found
COMMON = 2  # a class is common to another where it has so many times as many images


class ClassTranslator(Sampler):
    """An over-sampler that makes a rare class's images out of a common one's: `fit`, `sample`, `fit_resample`.

    For each class that `sampling_strategy` fills up, a CycleGAN learns to turn images of a common class into its own.
    Common classes have at least twice as many images; of them the nearest is taken.

    Parameters
    ----------
    translator : CycleGAN, optional
        How each is trained; None: CycleGAN() with `default_augmentation`. Its device, random_state and run_dir are set by
        this estimator.
    source : "auto" or a class value or name
        The class whose images are translated; "auto": the common class nearest to each (energy distance of images
        averaged down to 8 x 8).
    sampling_strategy : str, float, dict or callable
        How many images `fit_resample` adds, in every form of imbalanced-learn. Its classes are those that are learned.
    image_shape : (H, W) or (H, W, C), optional
        Cuts the rows of a 2-D X into images.
    time_budget : float, optional
        Seconds for all translators together, shared equally.
    source_fraction : float
        Share of the common class that is translated: those whose cycle error is smallest.
    validation_fraction : float
        Share of each class that training is not shown, where it comes to ten images: filters go by it.
    filters : names joined by commas, sequence or None
        As for `GANAugmenter`: "copies", "label".
    run_dir : path, optional
        Folder of the run, with a run folder of `CycleGAN` for each class in it: previews, and a model that
        `CycleGAN.load` and `ganaug translate apply` take. `resume` goes on in it.
    device, random_state
        As for `GANAugmenter`.

    Attributes
    ----------
    classes_ : (K,) array
        Class values, sorted.
    model_ : ClassTranslatorModel
        The translators, by label.
    sources_ : dict
        Class name -> name of the common class whose images become it.
    cycle_error_ : dict
        Class name -> cycle errors of the images of its source, (N,).
    sampling_strategy_, filter_report_, training_images_, seconds_
        As for `GANAugmenter`.
    """

    model_: ClassTranslatorModel

    _parameter_constraints: ClassVar[dict[str, list[object]]] = {
        "sampling_strategy": BaseOverSampler._parameter_constraints["sampling_strategy"],  # noqa: SLF001  # scikit-learn's own way
        "translator": [CycleGAN, None],
        "time_budget": [Interval(Real, 0, None, closed="neither"), None],
        "source_fraction": [Interval(Real, 0, 1, closed="right")],
        "validation_fraction": [Interval(Real, 0, 0.5, closed="both")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        translator: CycleGAN | None = None,
        *,
        source: Any = "auto",
        sampling_strategy: Strategy = "auto",
        image_shape: Sequence[int] | None = None,
        time_budget: float | None = None,
        source_fraction: float = 0.9,
        validation_fraction: float = 0.1,
        filters: str | Sequence[str] | None = "copies,label",
        run_dir: str | Path | None = None,
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.translator = translator
        self.source = source
        self.sampling_strategy = sampling_strategy
        self.image_shape = image_shape
        self.time_budget = time_budget
        self.source_fraction = source_fraction
        self.validation_fraction = validation_fraction
        self.filters = filters
        self.run_dir = run_dir
        self.device = device
        self.random_state = random_state

    def sample(
        self,
        counts: int | Mapping[Any, int],
        *,
        random_state: int | None = None,
        start: int = 0,
        filtered: bool = True,
    ) -> LabeledImages:
        """Exactly as many synthetic images as asked for, with a row of provenance each in `metadata`.

        As `GANAugmenter.sample`; `source_row` is the image of X that was translated. A total is shared out over
        the classes that have a translator. Raises ClassNotLearnedError for a class that has none.
        """
        check_is_fitted(self, "model_")
        model = self.model_
        if isinstance(counts, int | np.integer) and not isinstance(counts, bool):
            labels = list(model.class_translations)
            if not labels:
                raise ClassNotLearnedError(
                    "no class was to be filled up, so none was learned. Name some in sampling_strategy."
                )
            shares = counts_for(int(counts), model.class_values[labels], tuple(model.classes[k] for k in labels))
            request = {labels[k]: count for k, count in shares.items()}
        else:
            request = counts_for(counts, model.class_values, model.classes)
        seed = model.seed if random_state is None else int(random_state)
        return model.sample(request, seed=seed, start=start, filtered=filtered)

    @property
    def filter_report_(self) -> pd.DataFrame:
        """By class, what the filters took of trial translations at the end of training."""
        check_is_fitted(self, "model_")
        rows = [
            {"class": self.model_.classes[label], **asdict(found), "yield": found.share, "learned": found.learned}
            for label, found in self.model_.filter_stats.items()
        ]
        return pd.DataFrame(rows, columns=["class", "drawn", "copies", "mislabeled", "yield", "learned"])

    def cache_key(self) -> str | None:
        """Names all that samples depend on beside the training images; None where they depend on chance."""
        if hasattr(self, "model_"):
            return f"fitted {self.model_.hash()} {self.filters} {self.source_fraction}"
        params = {name: value for name, value in self.get_params().items() if name not in ("run_dir", "translator")}
        if not base.is_plain(params) or not isinstance(self.random_state, int | np.integer):
            return None
        return json.dumps({name: base.as_json(value) for name, value in params.items()}, sort_keys=True)

    def _check_params(self) -> None:
        self._validate_params()
        filter_names(self.filters)
        if self.translator is not None:
            self.translator._validate_params()  # noqa: SLF001  # of the same house
            self.translator._check_params()  # noqa: SLF001

    @freed_memory_kept()
    def _fit(self, converted: ConvertedData, callbacks: Sequence[Callback], *, resume: bool) -> None:
        images, values, began = converted.images, converted.class_values, time.perf_counter()
        if part_of_launch()[1] > 1:
            raise RunError("ClassTranslator trains in one process. Launch CycleGAN().fit or `ganaug translate fit`.")
        base.check_trainable(images)
        wanted = to_generate(self.sampling_strategy, values[images.labels.numpy()], values, images.classes)
        resume = resume and not self._was_killed_at_once()
        seed, device = self._seed(resume), device_for(self.device)
        train, validation = split_validation(images, self.validation_fraction, seed=seed)
        names = [images.classes[label] for label, count in wanted.items() if count]
        sources = self._sources(names, train, values)
        hashes = image_hashes(images.images)
        data = {"fingerprint": images.fingerprint(hashes), "shape": list(images.shape), "counts": images.counts}
        about = {"seed": seed, "params": self._described(), "data": data}
        folder = None if self.run_dir is None else Path(self.run_dir)
        with base.run_folder(folder, about, resume=resume) if folder is not None else nullcontext():
            made: dict[str, CycleGAN] = {}
            for name in sources:
                made[name] = self._translated(name, sources[name], train, seed, len(sources), callbacks, resume=resume)
                if made[name].stop_reason_ == INTERRUPTED:
                    break
            cut = any(translator.stop_reason_ == INTERRUPTED for translator in made.values())
            chosen = () if cut else filter_names(self.filters)  # what is to be gone on with is not judged yet
            judged = "label" in chosen and len(made) > 0
            auxiliary_classifier = (
                base.stored_auxiliary_classifier(folder, train, validation, seed=seed, device=device, resume=resume)
                if judged
                else None
            )
        class_translations = {}
        for name, translator in made.items():
            errors = torch.from_numpy(translator.cycle_error_)
            kept = errors.argsort()[: max(1, round(self.source_fraction * len(errors)))].sort().values
            used = train.images[train.rows_of(sources[name])[kept]]
            own = images.rows_of(sources[name])
            given = dict(zip(hashes[own].tolist(), own.tolist(), strict=True))
            origin = torch.tensor([given[found] for found in image_hashes(used).tolist()])
            class_translations[images.classes.index(name)] = ClassTranslation(
                sources[name], translator.model_, used, origin
            )
        filters = make_filters(chosen, train, auxiliary_classifier) if chosen and made else None
        model = ClassTranslatorModel(class_translations, images.shape, images.classes, values, seed, filters, {})
        self.model_ = replace(model, filter_stats=trial_filter_stats(model))
        self.classes_, self.sources_ = values, sources
        self.cycle_error_ = {name: translator.cycle_error_ for name, translator in made.items()}
        self.sampling_strategy_ = {values[label]: count for label, count in wanted.items()}
        self.training_images_, self._to_generate = hashes, wanted
        self.seconds_ = time.perf_counter() - began

    def _translated(
        self,
        name: str,
        source: str,
        train: LabeledImages,
        seed: int,
        parts: int,
        callbacks: Sequence[Callback],
        *,
        resume: bool,
    ) -> CycleGAN:
        default = CycleGAN(augmentation=default_augmentation(train))
        made: CycleGAN = clone(default if self.translator is None else self.translator)
        budget: dict[str, Any] = {} if self.time_budget is None else {"time_budget": self.time_budget / parts}
        where = None if self.run_dir is None else Path(self.run_dir) / safe_name(name)
        made.set_params(random_state=derive(seed, name) % 2**31, device=self.device, run_dir=where, **budget)
        resume = resume and where is not None and not base.is_unbegun(where)
        if resume and where is not None and (done := _steps_done(where)):
            made.set_params(n_steps=done)  # a time budget would be spent once more
        begin = made.resume if resume else made.fit
        return begin(train.images[train.rows_of(source)], train.images[train.rows_of(name)], callbacks=callbacks)

    def _sources(self, names: Sequence[str], images: LabeledImages, values: np.ndarray) -> dict[str, str]:
        """Class -> the one that is translated into it. Those without are warned of; raises DataError where none has."""
        found = {name: self._source_of(name, images, values) for name in names}
        lonely = [name for name, source in found.items() if source is None]
        if lonely:
            told = (
                f"class {lonely[0]!r} has {images.counts[lonely[0]]} images, and no other class twice as many to be "
                f"translated into it ({len(lonely)} such classes). Name one by source="
            )
            if len(lonely) == len(names):
                raise DataError(f"{told}, or fill up with GANAugmenter.")
            warnings.warn(f"{told}; as it is, it is not learned.", stacklevel=3)
        return {name: source for name, source in found.items() if source is not None}

    def _source_of(self, name: str, images: LabeledImages, values: np.ndarray) -> str | None:
        if not isinstance(self.source, str) or self.source != "auto":
            (label,) = counts_for({self.source: 1}, values, images.classes)
            if images.classes[label] == name:
                raise DataError(f"source={self.source!r} is itself to be filled up. Leave it out of sampling_strategy.")
            return images.classes[label]
        counts = images.counts
        common = [other for other, count in counts.items() if other != name and count >= COMMON * counts[name]]
        if not common:
            return None
        domain = Domain(images.shape)
        own = thumbnails(domain, images.images[images.rows_of(name)[:MAX_COMPARED]])

        def distance(other: str) -> float:
            return energy_distance(own, thumbnails(domain, images.images[images.rows_of(other)[:MAX_COMPARED]]))

        return min(common, key=distance)


def default_augmentation(images: LabeledImages) -> str:
    """Shifts, and mirror images where no class differs from its own."""
    return "translation,flip" if keeps_meaning_mirrored(images) else "translation"


def _steps_done(run: Path) -> int | None:
    """Steps of a run that came to its own end; None of one that was cut."""
    if not (run / "summary.json").exists():
        return None
    about: dict[str, Any] = read_json(run / "summary.json")
    return None if about.get("stop_reason") == INTERRUPTED else int(about["steps"])
