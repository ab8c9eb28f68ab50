"""The base of the over-samplers: data in any form, scikit-learn's and imbalanced-learn's contracts, and sampling."""

import json
import threading
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Self, TypeVar, cast

import numpy as np
import pandas as pd
from imblearn.utils import check_target_type
from sklearn.preprocessing import label_binarize
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from ganaug._compat import ArraysTransformer, BaseOverSampler
from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.messages import warn_user
from ganaug.datasets.alterations import classical_augmentation
from ganaug.datasets.cells import Cells
from ganaug.datasets.convert import ConvertedData, convert, is_table
from ganaug.datasets.row_format import RowFormat, row_format
from ganaug.errors import RunError, TrainingWarning
from ganaug.estimators.fitting import FitResult, FitSetup, Trainable
from ganaug.estimators.parameters import as_json, is_fully_stored
from ganaug.estimators.sampler_data import SamplerData, check_trainable
from ganaug.images import LabeledImages, image_hashes
from ganaug.io.resizing import SizeLike
from ganaug.sampling.composition import alter_images, check_share, join_additions, split_additions
from ganaug.sampling.conditional_model import ConditionalModel
from ganaug.sampling.model_files import StoredModel
from ganaug.sampling.shards import Shard
from ganaug.sampling.strategy import (
    Strategy,
    check_sampling_seed,
    check_start,
    fills_cells,
    resolve_counts,
    resolve_strategy,
    sampling_keys,
)
from ganaug.training.loop import Callback

Setup = TypeVar("Setup", bound=FitSetup)
TRAINING_IMAGES = "training_images"
_indices_lock = threading.Lock()
FILTER_REPORT_COLUMNS = ["class", "drawn", "copies", "mislabeled", "pass_rate", "learned"]


class OverSampler(Trainable[SamplerData, Setup], BaseOverSampler):  # type: ignore[misc]  # imbalanced-learn has no types
    """An over-sampler of images. Abstract.

    Fitted attributes that every over-sampler has are documented at `GANAugmenter`.
    """

    sampling_strategy: Strategy
    image_shape: Any
    image_size: SizeLike | None
    model_: ConditionalModel
    row_format_: RowFormat | None
    _checks_time_budget = True  # False where the time budget is a part of another one, which was checked
    _missing_labels = "error"  # what becomes of images without a label, see `ganaug.datasets.convert.convert`
    _next_indices: Mapping[int, int] = MappingProxyType({})  # by label: where the next call of `sample` begins

    @library_defaults()
    def fit(self, X: Any, y: Any = None, *, callbacks: Sequence[Callback] = ()) -> Self:
        """Fit to labeled images.

        Parameters
        ----------
        X : LabeledImages, torch Dataset, Hugging Face Dataset, folder, array, tensor, DataFrame or list of files
            Images, in any form that `ganaug.datasets.convert.convert` reads. Data sets and folders hold their labels.
        y : array-like of shape (N,), optional
            Class of each image. Required unless X is a data set or a folder, which hold their labels.
        callbacks : sequence of callable
            Called after every training step with (steps done, dict of logged scalars). A callback that raises
            `ganaug.training.loop.StopTraining` ends the fit, with a checkpoint from which `resume` continues. A
            callback that is a context manager is entered while the fit runs.

        Returns
        -------
        self

        Raises
        ------
        DataError
            If the images cannot be trained on (a ValueError).
        RunError
            If `run_dir` holds another run.
        """
        self._fit(self._prepare(self._convert(X, y)), callbacks, resume=False)
        return self

    @library_defaults()
    def resume(self, X: Any, y: Any = None, *, callbacks: Sequence[Callback] = ()) -> Self:
        """Continue the run in `run_dir`, with the same data and parameters, to `n_steps` or `time_budget`.

        On the CPU, the result equals that of an uninterrupted run bit by bit. Parameters as in `fit`.

        Raises
        ------
        RunError
            If there is no run, or it was started with other data or parameters.
        """
        self._fit(self._prepare(self._convert(X, y)), callbacks, resume=True)
        return self

    def fit_resample(self, X: Any, y: Any = None, *, synthetic_share: float = 1.0, **fit_params: Any) -> Any:
        """Fit, and return X and y with altered copies and synthetic images after the originals.

        Parameters
        ----------
        X, y
            As in `fit`.
        synthetic_share : float in [0, 1], default=1.0
            Synthetic fraction of the images of each class; the other additions are altered copies of its real images
            (`ganaug.datasets.alterations.ClassicalAugmentation`), which classes that are not learned get as well. 1:
            all additions are synthetic. A share of 0.1 to 0.25 rarely hurts a classifier; 1 often does.
        **fit_params
            Passed to `fit`.

        Returns
        -------
        X, y
            In the container and dtype that came in, with images without a class (-1). A torch data set is returned as
            LabeledImages, without these.
        """
        return self._fit_resample(X, y, synthetic_share, **fit_params)

    def sample_blocks(
        self,
        counts: int | Mapping[Any, int],
        *,
        shard: tuple[int, int] = (0, 1),
        block_size: int | None = None,
        random_state: int | None = None,
        start: int | None = None,
        filtered: bool = True,
        **options: Any,
    ) -> Iterator[LabeledImages]:
        """Yield what `sample` returns, block after block, so that memory does not grow with the number of images.

        Parameters
        ----------
        counts, random_state, start, filtered
            As in `sample`.
        shard : (int, int), default=(0, 1)
            (i, n): the i-th, from 0, of n parts, which together are the whole and can be drawn on different machines.
            Of a class with c images, part i has images c * i // n to c * (i + 1) // n. Machines do not know of each
            other's calls, so parts of several do not continue: they begin at `start`, or at 0.
        block_size : int, optional
            Images in a block. None: about 16 MiB, at least 64 and at most 1,024.
        **options
            Further parameters of `sample`.
        """
        request, part_of = self._request(counts, filtered=filtered), Shard(*shard).part
        drawing = self._drawing_options(random_state, **options)
        start = 0 if start is None and tuple(shard) != (0, 1) else start
        starts = self._take_indices(request, start, random_state, filtered=filtered)
        in_shard = {label: part_of(count) for label, count in request.items()}
        ranges = {
            label: range(part.start + starts[label], part.stop + starts[label]) for label, part in in_shard.items()
        }
        return self.model_.blocks(ranges, size=block_size, filtered=filtered, **drawing)

    def cache_key(self) -> str | None:
        """Return a string of everything that samples depend on except the training images.

        None if a parameter cannot be written as text, or random_state is not a whole number.
        """
        if hasattr(self, "model_"):
            return f"fitted {self.model_.hash()} {self._sampling_settings()}"
        # where a run is stored does not change its samples
        params = as_json({name: value for name, value in self.get_params(deep=False).items() if name != "run_dir"})
        if not is_fully_stored(params) or not isinstance(self.random_state, int | np.integer):
            return None
        return json.dumps(params, sort_keys=True)

    @abstractmethod
    def _sampling_settings(self) -> str:
        """Return the parameters that samples of a fitted model depend on, as text."""

    def plan_counts(self, images: LabeledImages) -> dict[str, int]:
        """Return, by class name, how many images `sampling_strategy` adds to `images`; only classes that get some."""
        names = np.asarray(images.classes, dtype=object)
        resolved = resolve_strategy(self.sampling_strategy, names[images.labels.numpy()], names, images.classes)
        return {images.classes[label]: count for label, count in resolved.items()}

    @property
    def unlearned_classes_(self) -> list[str]:
        """Names of the classes (or cells) that `sample` refuses, because too few samples pass the filters."""
        check_is_fitted(self, "model_")
        return [self.model_.label_names[label] for label in self.model_.unlearned]

    @property
    def filter_report_(self) -> pd.DataFrame:
        """By class, of samples drawn after training: number, near-copies, mislabeled, pass rate, learned or not."""
        check_is_fitted(self, "model_")
        names = self.model_.label_names
        rows = [
            (names[label], stats.drawn, stats.copies, stats.mislabeled, stats.pass_rate, stats.is_learned)
            for label, stats in self.model_.filter_stats.items()
        ]
        return pd.DataFrame(rows, columns=FILTER_REPORT_COLUMNS)

    def _drawing_options(self, random_state: int | None, **options: Any) -> dict[str, Any]:
        """Return the options of the model's `sample`, checked."""
        if options:
            raise TypeError(f"{type(self).__name__}.sample_blocks got unexpected options: {', '.join(options)}.")
        return {"seed": check_sampling_seed(random_state)}

    def _take_indices(
        self, request: Mapping[int, int], start: int | None, random_state: int | None, *, filtered: bool
    ) -> dict[int, int]:
        """Return the first index of each label in a request, and reserve the indices if the sequences continue."""
        if start is not None or random_state is not None:
            return dict.fromkeys(request, check_start(0 if start is None else start))
        # before indices are reserved, so that a refused request leaves no gap
        self.model_.check_learned([label for label, count in request.items() if count], filtered=filtered)
        with _indices_lock:
            indices = self._next_indices
            starts = {label: indices.get(label, 0) for label in request}
            # a new mapping, so that a shallow copy of the estimator does not share it
            self._next_indices = {**indices, **{label: starts[label] + count for label, count in request.items()}}
        return starts

    def sample_rows(self, counts: int | Mapping[Any, int], **options: Any) -> tuple[Any, np.ndarray]:
        """Draw images in the form of the X and y that were passed to `fit`, to stack them onto these.

        Parameters
        ----------
        counts : int or dict
            As in `sample`.
        **options
            Further parameters of `sample`.

        Returns
        -------
        X : array, DataFrame or Tensor
            In the container, shape, scale and dtype of the X that was passed to `fit`; a tensor is on the CPU.
        y : array of shape (n,)
            Class values.

        Raises
        ------
        TypeError
            If `fit` got another container, such as a folder or a list.
        ValueError
            If `image_size` changed the size of the images.
        """
        check_is_fitted(self, "model_")
        if self.row_format_ is None:
            raise TypeError("sample_rows needs a fit on an array or table. Use sample, which returns LabeledImages.")
        images = self.sample(counts, **options)
        return self.row_format_.rows(images.images.numpy()), self.classes_[images.labels.numpy()]

    def _request(self, counts: int | Mapping[Any, int], *, filtered: bool = True) -> dict[int, int]:
        """Return the requested number of images by label."""
        check_is_fitted(self, "model_")
        model = self.model_
        if not isinstance(counts, int | np.integer) or isinstance(counts, bool) or model.cells is not None:
            return resolve_counts(counts, model.class_values, model.classes, model.cells)
        left_out = set(model.unlearned) if filtered else set(range(len(model.classes))) - set(model.trained_labels)
        labels = [label for label in range(len(model.classes)) if label not in left_out]
        if not labels or not left_out:  # the error is raised by what draws
            return resolve_counts(int(counts), model.class_values, model.classes)
        failed = sorted(left_out & set(model.trained_labels))
        if failed:
            names = ", ".join(model.classes[label] for label in failed)
            warn_user(
                f"not learned: {names}. The {counts:,} images are split among the other classes.", TrainingWarning
            )
        split = resolve_counts(int(counts), model.class_values[labels], [model.classes[label] for label in labels])
        return {labels[place]: count for place, count in split.items()}

    def _convert(self, X: Any, y: Any) -> ConvertedData:
        """Convert a user's data, after the parameters are checked."""
        self._check_params()
        # imbalanced-learn validates two-dimensional tables only
        if not is_table(X):
            converted = self._convert_images(X, y)
            self.n_features_in_ = int(np.prod(converted.images.shape))
            return converted
        return self._convert_table(X, y)

    def _convert_table(self, X: Any, y: Any) -> ConvertedData:
        """Convert rows of numbers, with the checks and the containers of imbalanced-learn."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        check_classification_targets(y)
        transformer = ArraysTransformer(X, y)
        values, is_one_vs_all = check_target_type(y, indicate_one_vs_all=True)
        array, values = validate_data(self, X, values, dtype="numeric")
        converted = self._convert_images(array, values)

        def append(synthetic: LabeledImages) -> tuple[Any, Any]:
            rows, labels = converted.append(synthetic)
            labels = label_binarize(labels, classes=np.unique(values)) if is_one_vs_all else labels
            containers: tuple[Any, Any] = transformer.transform(rows, labels)
            return containers

        inner = cast(RowFormat, converted.row_format)
        form = row_format(X, inner.layout, inner.scale, array.dtype)
        return replace(converted, append=append, row_format=form)

    def _convert_images(self, X: Any, y: Any) -> ConvertedData:
        size, missing = self.image_size, self._missing_labels
        return convert(X, y, image_shape=self.image_shape, image_size=size, unlabeled=missing)

    def _prepare(self, converted: ConvertedData) -> SamplerData:
        """Check that a model can be fitted, and resolve the sampling strategy."""
        images, values = converted.images, converted.class_values
        self._check_images(images)
        cells = self.cells_of(images)
        if fills_cells(self.sampling_strategy, cells):
            additions = cast(Cells, cells).missing_counts()
        else:
            names = values[images.labels.numpy()]
            by_class = resolve_strategy(self.sampling_strategy, names, values, images.classes)
            additions = by_class if cells is None else cells.split_all(by_class)
        return SamplerData(images, values, image_hashes(images.images), additions, cells, converted.row_format)

    def _check_images(self, images: LabeledImages) -> None:
        """Raise DataError where nothing can be fitted to these images."""
        check_trainable(images)

    def other_training_images(self, images: LabeledImages) -> Tensor | None:  # noqa: ARG002  # as above
        """Return hashes (N,) of images that a fit to `images` uses besides them; None if there are none."""
        return None

    def smallest_time_budget(self, images: LabeledImages) -> float:  # noqa: ARG002  # as above
        """Return the smallest `time_budget`, in seconds, in which a fit to `images` makes sense; 0 if any does."""
        return 0.0

    def cells_of(self, images: LabeledImages) -> Cells | None:  # noqa: ARG002  # not every over-sampler has cells
        """Return the cells that a model of these images is conditioned on; None if it knows classes only."""
        return None

    def _describe_data(self, data: SamplerData) -> dict[str, Any]:
        return {
            "fingerprint": data.groups.fingerprint(data.hashes),
            "shape": list(data.images.shape),
            "counts": data.images.counts,
        }

    @library_defaults()
    def _fit_resample(self, X: Any, y: Any, share: float = 1.0, *, callbacks: Sequence[Callback] = ()) -> Any:
        converted = self._convert(X, y)
        check_share(share, converted.images)
        data = self._prepare(converted)
        self._fit(data, callbacks, resume=False)
        groups, unlearned = data.groups, self.unlearned_classes_
        names, counts = groups.classes, groups.counts
        if share == 1:
            counts = {names[k]: count for k, count in data.additions.items() if names[k] not in unlearned}
            return converted.append(self.sample(counts))
        targets = {names[k]: counts[names[k]] + count for k, count in data.additions.items()}
        additions = split_additions(counts, targets, share, unlearned)
        copies = alter_images(groups, additions.altered, classical_augmentation(groups), self.model_.seed)
        copies = copies if data.cells is None else data.cells.with_classes(copies)
        return converted.append(join_additions(copies, self.sample(additions.synthetic)))

    def sample(
        self,
        counts: int | Mapping[Any, int],
        *,
        random_state: int | None = None,
        start: int | None = None,
        filtered: bool = True,
    ) -> LabeledImages:
        """Draw exactly the requested number of images; a call continues where the call before it ended.

        Parameters
        ----------
        counts, random_state, start, filtered
            As in `GANAugmenter.sample`.

        Returns
        -------
        LabeledImages
            With a row of provenance for each image in `metadata`.

        Raises
        ------
        ClassNotLearnedError
            If the model cannot draw a class, or too few of its samples pass the filters.
        """
        return self._draw(counts, random_state, start, filtered=filtered)

    def _draw(
        self,
        counts: int | Mapping[Any, int],
        random_state: int | None,
        start: int | None,
        *,
        filtered: bool,
        **options: Any,
    ) -> LabeledImages:
        """Draw samples. options: further parameters of `sample`."""
        request, drawing = self._request(counts, filtered=filtered), self._drawing_options(random_state, **options)
        starts = self._take_indices(request, start, random_state, filtered=filtered)
        return self.model_.sample(request, start=starts, filtered=filtered, **drawing)

    def _publish(self, result: FitResult, description: dict[str, Any], seed: int) -> None:
        super()._publish(result, description, seed)
        self._next_indices = {}

    def _restore(self, model: StoredModel, description: dict[str, Any], tensors: Any) -> None:
        super()._restore(model, description, tensors)
        self._next_indices = {}

    def _attributes_of(self, data: SamplerData) -> dict[str, object]:
        """Return the fitted attributes that depend on the data alone."""
        keys = sampling_keys(data.class_values, data.cells)
        return {
            "classes_": data.class_values,
            "sampling_strategy_": {keys[label]: count for label, count in data.additions.items()},
            "training_images_": data.hashes,
            "row_format_": data.row_format,
            "n_features_in_": int(np.prod(data.images.shape)),
        }

    def _warn_of_findings(self, data: SamplerData, result: FitResult) -> None:
        super()._warn_of_findings(data, result)
        names = self.unlearned_classes_
        if names:
            warn_user(
                f"{len(names)} of {len(data.groups.classes)} classes are not learned, and get no synthetic images: "
                f"{', '.join(names)} (see filter_report_). Train longer, or add images.",
                TrainingWarning,
            )

    def _extra_attributes_as_json(self) -> dict[str, object]:
        index = {value: label for label, value in enumerate(sampling_keys(self.classes_, self.model_.cells))}
        # by index, because keys of a JSON object are strings and class values can be numbers
        strategy = [[index[value], count] for value, count in self.sampling_strategy_.items()]
        form = {} if self.row_format_ is None else {"row_format": self.row_format_.to_json()}
        return {"sampling_strategy": strategy, **form}

    def _extra_tensors(self) -> dict[str, object]:
        return {TRAINING_IMAGES: self.training_images_}

    def _restore_extra_attributes(self, fitted: Mapping[str, Any], tensors: Any) -> None:
        self.classes_ = self.model_.class_values
        keys = sampling_keys(self.classes_, self.model_.cells)
        self.sampling_strategy_ = {keys[label]: count for label, count in fitted["sampling_strategy"]}
        self.n_features_in_ = int(np.prod(self.model_.shape))
        self.row_format_ = RowFormat.from_json(fitted["row_format"]) if "row_format" in fitted else None
        if not isinstance(tensors[TRAINING_IMAGES], Tensor):
            raise RunError("model.safetensors has no hashes of the training images")
        self.training_images_ = tensors[TRAINING_IMAGES]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.non_deterministic = False
        return tags
