"""Inner cross-validation of `AugmentedClassifier`: which share of synthetic rows to train with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from ganaug._runtime.messages import warn_user
from ganaug.datasets.convert import ConvertedData
from ganaug.errors import DataError
from ganaug.estimators.fitting import Trainable
from ganaug.evaluation.augmenters import clone_unfitted, sample_learned_classes
from ganaug.evaluation.baselines import REAL_ONLY
from ganaug.evaluation.comparison import Comparison
from ganaug.evaluation.log_probabilities import predict_log_probabilities
from ganaug.evaluation.predictions import Predictions, estimate_log_prior, share_name
from ganaug.evaluation.sklearn_classifier import fit_weighted
from ganaug.evaluation.splits import Fold, fold_numbers, merge_folds, split_folds
from ganaug.evaluation.training_set import TrainingSet, balance_classes, mix_synthetic
from ganaug.evaluation.trial import MAX_SAMPLES
from ganaug.images import LabeledImages
from ganaug.reports.comparison import report_on
from ganaug.reports.report import Report
from ganaug.reports.utility import checked_shares

INSUFFICIENT = "insufficient"
OVERSAMPLING = "oversampling"
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
    is_balanced : bool
        Whether classes count equally in training.
    verdict : str
        "helps", "no evidence", "hurts" or "insufficient".
    report : Report or None
        Without figures. None where nothing could be tried.
    """

    share: float
    is_balanced: bool
    verdict: str
    report: Report | None


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
    """

    estimator: Any
    augmenter: Any
    shares: Sequence[float]
    cv: int
    n_samples: int | None
    seed: int

    def select(self, rows: TrainingRows, groups: np.ndarray | None) -> ShareSelection:
        """Select the share by the one-standard-error rule.

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
            tables = [self._predict_fold(rows, fold) for fold in splits]
        except DataError as error:
            warn_user(f"no synthetic images are used: {error}")
            return ShareSelection(0.0, False, INSUFFICIENT, None)
        # add the seed axis: (1, N, K)
        merged = {name: table[None] for name, table in merge_folds(splits, tables).items()}
        comparison = Comparison(
            Predictions(
                labels=images.labels.numpy(),
                folds=fold_numbers(splits, len(images)),
                groups=groups,
                log_prior=estimate_log_prior(images.counts.values()),
                baselines={name: merged[name] for name in (REAL_ONLY, OVERSAMPLING)},
                with_synthetic={
                    share: {share_name(share): merged[share_name(share)]} for share in checked_shares(self.shares)
                },
                display_only={},
                logit_adjustment=False,  # `predict` of the fitted estimator does not apply it
            ),
            seed=self.seed,
        )
        settings = {"classifier": type(self.estimator).__name__, "training images": len(images), "folds": len(splits)}
        # the folds train and test on the same images
        report = report_on(comparison, real=images, test=images, settings=settings, notes=[], pictures=False)
        share = comparison.one_standard_error_share
        return ShareSelection(share, share > 0 or _gains_by_balancing(comparison), comparison.verdict, report)

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

    def _predict_fold(self, rows: TrainingRows, fold: Fold) -> dict[str, np.ndarray]:
        """{training method: log-probabilities (n, K) of the fold's test rows}."""
        images, indices = rows.converted.images.take(fold.train), fold.train.numpy()
        synthetic = self.sample(clone_augmenter(self.augmenter).fit(images), images)
        models = {
            REAL_ONLY: self.train(rows, indices, None, None),
            OVERSAMPLING: self.train(rows, indices, balance_classes(images), None),
        }
        for share in checked_shares(self.shares):
            models[share_name(share)] = self.train(rows, indices, mix_synthetic(images, synthetic, share), synthetic)
        test, classes = rows.X[fold.test.numpy()], np.unique(rows.y)
        return {name: predict_log_probabilities(model, test, classes) for name, model in models.items()}


def clone_augmenter(augmenter: Any) -> Any:
    """Clone an augmenter. Clones of ganaug's estimators can share `run_dir`, where each fit has a subfolder."""
    return clone(augmenter) if isinstance(augmenter, Trainable) else clone_unfitted(augmenter)


def _gains_by_balancing(comparison: Comparison) -> bool:
    """Whether oversampling beats real rows as they are by more than its standard error."""
    real_only, oversampled = (comparison.baselines[name].scores.balanced_accuracy for name in (REAL_ONLY, OVERSAMPLING))
    return bool(oversampled[0] - oversampled[1:].std() > real_only[0])
