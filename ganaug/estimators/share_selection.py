"""Inner cross-validation of `AugmentedClassifier`: which share of synthetic rows to train with."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.base import clone

from ganaug._runtime.messages import warn_user
from ganaug._runtime.parallel import run_parallel, uses_threads
from ganaug.datasets.convert import ConvertedData
from ganaug.errors import DataError
from ganaug.estimators.fitting import Trainable
from ganaug.evaluation.augmenters import clone_unfitted, sample_learned_classes
from ganaug.evaluation.baselines import OVERSAMPLING, REAL_ONLY
from ganaug.evaluation.comparison import Comparison
from ganaug.evaluation.generators import MAX_SAMPLES
from ganaug.evaluation.log_probabilities import predict_log_probabilities
from ganaug.evaluation.methods import share_name
from ganaug.evaluation.predictions import Predictions, estimate_log_prior
from ganaug.evaluation.recognition import find_unrecognized, list_mostly_unrecognized
from ganaug.evaluation.sklearn_classifier import fit_weighted
from ganaug.evaluation.splits import Fold, fold_numbers, merge_folds, split_folds
from ganaug.evaluation.training_set import TrainingSet, balance_classes, mix_synthetic
from ganaug.evaluation.verdict import smallest_within_one_standard_error
from ganaug.images import LabeledImages
from ganaug.reports.comparison import report_on
from ganaug.reports.report import Report
from ganaug.reports.utility import checked_shares

INSUFFICIENT = "insufficient"
# {name: how far classes are balanced} of the methods without synthetic rows
BALANCES = {REAL_ONLY: 0.0, "square-root balance": 0.5, OVERSAMPLING: 1.0}
MIN_SAMPLES = 100


@dataclass(frozen=True)
class TrainingRows:
    """The rows that a user passes to `fit`.

    Attributes
    ----------
    X : array of shape (N, ...)
        Rows as the estimator takes them.
    y : array of shape (N,)
        Class values.
    converted : ConvertedData
        The same rows as images, for the augmenter.
    weights : array of shape (N,) or None
        Sample weights of the user.
    params : dict
        Further arguments of the estimator's `fit`.
    """

    X: np.ndarray
    y: np.ndarray
    converted: ConvertedData
    weights: np.ndarray | None
    params: dict[str, Any]

    def from_images(self, synthetic: LabeledImages) -> tuple[np.ndarray, np.ndarray]:
        """Convert M synthetic images to rows of the same form, (M, ...), and their class values, (M,)."""
        X, y = self.converted.append(synthetic)
        return np.asarray(X)[len(self.X) :], np.asarray(y)[len(self.y) :]


@dataclass(frozen=True)
class ShareSelection:
    """Result of the inner cross-validation.

    Attributes
    ----------
    share : float
        Selected share of synthetic rows; 0 for none.
    balance : float
        How far classes are balanced in training, as for `balance_classes`.
    verdict : str
        That of the report, or "insufficient".
    report : Report or None
        Without figures. None where nothing could be tried.
    unrecognized : tuple of str
        Classes that get no synthetic rows, because classifiers of the real rows do not recognize them.
    """

    share: float
    balance: float
    verdict: str
    report: Report | None
    unrecognized: tuple[str, ...] = ()


@dataclass(frozen=True)
class ShareSelector:
    """Select a share of synthetic rows by cross-validation.

    Attributes
    ----------
    estimator : classifier
        Unfitted; cloned for each training.
    augmenter : Augmenter
        Unfitted; cloned and fitted on the training part of each fold.
    shares : sequence of float
        Shares to try besides 0.
    cv : int
        Number of folds.
    n_samples : int or None
        Synthetic images of each class. None: as many as the largest class has, between 100 and 2,000.
    seed : int
        Seed of the folds, the samples and the bootstrap.
    n_jobs : int or None
        Folds that are worked on at once; None: one, unless joblib has a backend of processes.
    """

    estimator: Any
    augmenter: Any
    shares: Sequence[float]
    cv: int
    n_samples: int | None
    seed: int
    n_jobs: int | None = None

    def select(self, rows: TrainingRows, groups: np.ndarray | None) -> ShareSelection:
        """Select the balance of the classes and the share by the one-standard-error rule.

        Parameters
        ----------
        rows : TrainingRows
            All training rows.
        groups : array of shape (N,) or None
            Group of each row; whole groups are held out.

        Returns
        -------
        ShareSelection
            Share 0 with verdict "insufficient", and a warning, if cross-validation raises DataError (one class, too few
            rows, or the augmenter cannot be fitted).
        """
        images = rows.converted.images
        try:
            if len(images.classes) < 2:
                raise DataError("there is only one class")
            splits = split_folds(images, self.cv, groups=groups, seed=self.seed)
            samples = self._sample_folds(images, splits)
            baselines, unrecognized = self._predict_baselines(rows, splits, samples)
        except DataError as error:
            warn_user(f"no synthetic images are used: {error}")
            return ShareSelection(0.0, 0.0, INSUFFICIENT, None)
        predictions = Predictions(
            labels=images.labels.numpy(),
            folds=fold_numbers(splits, len(images)),
            groups=groups,
            log_prior=estimate_log_prior(images.counts.values()),
            baselines=baselines,
            with_synthetic={},
            display_only={},
            logit_adjustment=False,  # `predict` of the fitted estimator does not apply it
            unrecognized=list_mostly_unrecognized(unrecognized, images.classes),
        )
        scores = {
            BALANCES[name]: method.scores.balanced_accuracy
            for name, method in Comparison(predictions, seed=self.seed).baselines.items()
        }
        balance = smallest_within_one_standard_error(scores)
        samples = [without_classes(part, names) for part, names in zip(samples, unrecognized, strict=True)]
        with_synthetic = self._predict_shares(rows, splits, samples, balance)
        comparison = Comparison(replace(predictions, with_synthetic=with_synthetic), seed=self.seed)
        settings = {"classifier": type(self.estimator).__name__, "training images": len(images), "folds": len(splits)}
        # the folds train and test on the same images
        report = report_on(comparison, real=images, test=images, settings=settings, notes=[], pictures=False)
        share = comparison.one_standard_error_share
        return ShareSelection(share, balance, comparison.verdict, report, predictions.unrecognized)

    def sample(self, augmenter: Any, images: LabeledImages) -> LabeledImages:
        """Sample synthetic images of every class that a fitted augmenter has learned.

        Parameters
        ----------
        augmenter : Augmenter
            Fitted on `images`.
        images : LabeledImages
            Training images.

        Returns
        -------
        LabeledImages
        """
        per_class = self.n_samples or min(MAX_SAMPLES, max(MIN_SAMPLES, max(images.counts.values())))
        return sample_learned_classes(augmenter, dict.fromkeys(images.classes, per_class), self.seed, images)

    def train(
        self, rows: TrainingRows, indices: np.ndarray, training: TrainingSet | None, synthetic: LabeledImages | None
    ) -> Any:
        """Fit a clone of the estimator on some real rows and on synthetic ones.

        Parameters
        ----------
        rows : TrainingRows
            All training rows.
        indices : array of shape (n,), int
            The real rows to train on.
        training : TrainingSet or None
            Weights of these rows, then of the synthetic ones. None: real rows without weights.
        synthetic : LabeledImages or None
            Synthetic images.

        Returns
        -------
        classifier
            Fitted.
        """
        X, y = rows.X[indices], rows.y[indices]
        weights = None if rows.weights is None else rows.weights[indices]
        if synthetic is not None and len(synthetic):
            synthetic_X, synthetic_y = rows.from_images(synthetic)
            X, y = np.concatenate([X, synthetic_X]), np.concatenate([y, synthetic_y])
            if weights is not None:
                # synthetic rows have no weight from the user; the mean leaves their share as it is
                weights = np.concatenate([weights, np.full(len(synthetic_y), weights.mean())])
        params = rows.params if weights is None else {**rows.params, "sample_weight": weights}
        model = clone(self.estimator)
        return model.fit(X, y, **params) if training is None else fit_weighted(model, X, y, training, **params)

    def _sample_folds(self, images: LabeledImages, splits: Sequence[Fold]) -> list[LabeledImages]:
        """Fit the augmenter on the training part of each fold; return its samples."""
        parts = [images.take(fold.train) for fold in splits]
        jobs = [(clone_augmenter(self.augmenter), part) for part in parts]
        if uses_threads():  # a fit uses all cores
            return [self._fit_and_sample(*job) for job in jobs]
        return list(run_parallel(self._fit_and_sample, jobs, self.n_jobs))

    def _fit_and_sample(self, augmenter: Any, images: LabeledImages) -> LabeledImages:
        return self.sample(augmenter.fit(images), images)

    def _predict_baselines(
        self, rows: TrainingRows, splits: Sequence[Fold], samples: Sequence[LabeledImages]
    ) -> tuple[dict[str, np.ndarray], list[frozenset[str]]]:
        """{balance: log-probabilities (1, N, K)}, and for each fold the classes whose samples are not recognized."""
        methods = {name: (balance, 0.0) for name, balance in BALANCES.items()}
        jobs = [(rows, fold, part, methods, True) for fold, part in zip(splits, samples, strict=True)]
        results = list(self._run(self._predict_fold, jobs))
        tables = merge_folds(splits, [tables for tables, _ in results])
        return {name: table[None] for name, table in tables.items()}, [names for _, names in results]

    def _predict_shares(
        self, rows: TrainingRows, splits: Sequence[Fold], samples: Sequence[LabeledImages], balance: float
    ) -> dict[float, dict[str, np.ndarray]]:
        """{share: {name: log-probabilities (1, N, K)}}."""
        names = {share_name(share): share for share in checked_shares(self.shares)}
        methods = {name: (balance, share) for name, share in names.items()}
        jobs = [(rows, fold, part, methods, False) for fold, part in zip(splits, samples, strict=True)]
        tables = merge_folds(splits, [tables for tables, _ in self._run(self._predict_fold, jobs)])
        return {share: {name: tables[name][None]} for name, share in names.items()}

    def _run(self, function: Callable[..., Any], jobs: Sequence[tuple[Any, ...]]) -> Iterable[Any]:
        """Run jobs in order. One after another by default, as in scikit-learn: estimators may not bear threads."""
        if self.n_jobs is None and uses_threads():
            return [function(*job) for job in jobs]
        return run_parallel(function, jobs, self.n_jobs)

    def _predict_fold(
        self,
        rows: TrainingRows,
        fold: Fold,
        synthetic: LabeledImages,
        methods: Mapping[str, tuple[float, float]],
        recognize: bool,
    ) -> tuple[dict[str, np.ndarray], frozenset[str]]:
        """{method: log-probabilities (n, K) of the fold's test rows}, and the classes that are not recognized.

        `methods`: {name: (balance, share)}. `recognize`: whether the last method shows which samples are recognized.
        """
        images, indices = rows.converted.images.take(fold.train), fold.train.numpy()
        test, classes = rows.X[fold.test.numpy()], np.unique(rows.y)
        tables, model = {}, None
        for name, (balance, share) in methods.items():
            training = mix_synthetic(images, synthetic, share, balance) if share else balance_classes(images, balance)
            # real rows as they are need no weights, which the estimator may not take
            model = self.train(rows, indices, training if balance or share else None, synthetic if share else None)
            tables[name] = predict_log_probabilities(model, test, classes)
        if not recognize or not len(synthetic):
            return tables, frozenset()
        samples, _ = rows.from_images(synthetic)
        predicted = predict_log_probabilities(model, samples, classes).argmax(1)
        return tables, find_unrecognized(synthetic, predicted)


def without_classes(images: LabeledImages, names: Collection[str]) -> LabeledImages:
    """Return the images of all classes but some.

    Parameters
    ----------
    images : LabeledImages
        Images.
    names : collection of str
        Classes to leave out.

    Returns
    -------
    LabeledImages
        With the same class names.
    """
    labels = torch.tensor([label for label, name in enumerate(images.classes) if name in names], dtype=torch.int64)
    return images.take(~torch.isin(images.labels, labels))


def clone_augmenter(augmenter: Any) -> Any:
    """Clone an augmenter. Clones of ganaug's estimators can share `run_dir`, where each fit has a subfolder."""
    return clone(augmenter) if isinstance(augmenter, Trainable) else clone_unfitted(augmenter)
