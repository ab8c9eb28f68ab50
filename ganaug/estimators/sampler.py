"""What every over-sampler shares: how images and labels come in, in any form, and what scikit-learn asks of it."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_target_type
from imblearn.utils._validation import ArraysTransformer
from sklearn.preprocessing import label_binarize
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor
from torch.utils.data import Dataset

from ganaug.datasets.convert import ConvertedData, are_paths, convert, is_hugging_face
from ganaug.estimators import base
from ganaug.images import LabeledImages
from ganaug.sampling.strategy import Strategy, to_generate
from ganaug.training.loop import Callback


class Sampler(base.Resumable, BaseOverSampler, ABC):  # type: ignore[misc]
    """The part of GANAugmenter and ClassTranslator that is the same. Abstract."""

    sampling_strategy: Strategy
    image_shape: Any
    model_: Any
    _to_generate: dict[int, int]

    @abstractmethod
    def sample(self, counts: Any) -> LabeledImages:
        """Exactly as many synthetic images as asked for, in all or as {class: number}."""

    @abstractmethod
    def _fit(self, converted: ConvertedData, callbacks: Sequence[Callback], *, resume: bool) -> None:
        """Train; sets model_ and _to_generate, {label: number that `sampling_strategy` adds}."""

    @abstractmethod
    def _check_params(self) -> None:
        """Raise ValueError that names the first parameter which cannot be used."""

    def _convert(self, X: Any, y: Any) -> ConvertedData:
        self._check_params()
        given = isinstance(X, LabeledImages | Dataset | Tensor | str | Path) or is_hugging_face(X)
        is_images = given or are_paths(X) or getattr(X, "ndim", 2) in (3, 4)
        if is_images:
            converted = convert(X, y, image_shape=self.image_shape)
            self.n_features_in_ = int(np.prod(converted.images.shape))
            return converted
        return self._convert_table(X, y)

    def _convert_table(self, X: Any, y: Any) -> ConvertedData:
        """Rows of numbers, checked and given back as imbalanced-learn does."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        check_classification_targets(y)
        transformer = ArraysTransformer(X, y)
        values, one_vs_all = check_target_type(y, indicate_one_vs_all=True)
        array, values = validate_data(self, X, values, dtype="numeric")
        converted = convert(array, values, image_shape=self.image_shape)

        def append(synthetic: LabeledImages) -> tuple[Any, Any]:
            both, labels = converted.append(synthetic)
            labels = label_binarize(labels, classes=np.unique(values)) if one_vs_all else labels
            given: tuple[Any, Any] = transformer.transform(both, labels)
            return given

        return ConvertedData(converted.images, converted.class_values, append)

    def fit(self, X: Any, y: Any = None, *, callbacks: Sequence[Callback] = ()) -> Self:
        """Train on labeled images: LabeledImages, a torch Dataset, or X and y in any form of `data.convert.adopt`.

        callbacks: called after every step with (steps done, what the step logged); one may raise StopTraining.
        Raises DataError (a ValueError) for data that cannot be trained on, RunError where run_dir holds a run.
        """
        self._fit(self._convert(X, y), callbacks, resume=False)
        return self

    def resume(self, X: Any, y: Any = None, *, callbacks: Sequence[Callback] = ()) -> Self:
        """Go on with the run in `run_dir`, on the same data with the same parameters, to `n_steps` or `time_budget`.

        On the CPU the result is bit-identical to that of a run that was never stopped.
        Raises RunError when there is no run, or it was begun with other data or parameters.
        """
        self._fit(self._convert(X, y), callbacks, resume=True)
        return self

    def fit_resample(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Fit, then return (X, y) with synthetic images after the originals, in their own container and dtype."""
        return self._fit_resample(X, y, **fit_params)

    def plan_counts(self, images: LabeledImages) -> dict[str, int]:
        """Class name -> how many images `sampling_strategy` asks to add to `images`; only classes that get some."""
        names = np.asarray(images.classes, dtype=object)
        resolved = to_generate(self.sampling_strategy, names[images.labels.numpy()], names, images.classes)
        return {images.classes[index]: count for index, count in resolved.items()}

    @property
    def unlearned_classes_(self) -> list[str]:
        """Names of the classes of which `sample` hands out nothing: too few samples pass the filters."""
        check_is_fitted(self, "model_")
        return [self.model_.classes[label] for label in self.model_.unlearned]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def _fit_resample(self, X: Any, y: Any, *, callbacks: Sequence[Callback] = ()) -> Any:
        converted = self._convert(X, y)
        self._fit(converted, callbacks, resume=False)
        learned = {label: n for label, n in self._to_generate.items() if label not in self.model_.unlearned}
        if len(learned) < len(self._to_generate):
            names = [self.model_.classes[label] for label in self._to_generate if label not in learned]
            warnings.warn(
                f"not learned, and so not filled up: {', '.join(names)} (see filter_report_). Train longer, or add images.",
                stacklevel=3,
            )
        return converted.append(self.sample({self.model_.classes[label]: count for label, count in learned.items()}))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.non_deterministic = False
        return tags
