"""AugmentedClassifier: any scikit-learn classifier, trained with as much synthetic data as inner validation favors."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, has_fit_parameter, validate_data

from ganaug.datasets.convert import ConvertedData, convert
from ganaug.errors import DataError
from ganaug.evaluation.baselines import PLAIN
from ganaug.evaluation.classifiers import fit_rows, log_probabilities
from ganaug.evaluation.comparison import Comparison, Predictions, log_prior, share_name
from ganaug.evaluation.splits import Fold, fold_numbers, folds
from ganaug.evaluation.training_set import TrainingSet, balanced, mixed
from ganaug.evaluation.trial import MAX_SAMPLES, draw, gathered, unfitted
from ganaug.images import LabeledImages
from ganaug.reports.comparison import report_on
from ganaug.reports.report import Report
from ganaug.reports.utility import SHARES, checked_shares

INSUFFICIENT = "insufficient"
OVERSAMPLING = "oversampling"


def _has(method: str) -> Any:
    """Whether the classifier inside has `method`, before and after fitting."""

    def check(self: "AugmentedClassifier") -> bool:
        getattr(getattr(self, "estimator_", self.estimator), method)
        return True

    return available_if(check)


class AugmentedClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """Trains `estimator` on real rows and on what `augmenter` makes of them, in `fit` only.

    With share="auto", inner cross-validation compares real rows as they are, real rows with classes drawn equally often
    (oversampling), and the same with synthetic rows in place of `share` of each class. The augmenter is fitted inside
    each inner fold, and once more on everything if its images are used. The smallest share within one standard error
    of the best is taken; 0 is among them, so that synthetic images must earn their place.

    Synthetic rows count through sample weights where `estimator.fit` takes them, else rows are repeated as often.

    Parameters
    ----------
    estimator : classifier
        Of rows, as X has them.
    augmenter : GANAugmenter
        Or any estimator with `fit` of LabeledImages, `sample({class name: n}, random_state=...)` and, where rows are
        images, `image_shape`.
    share : "auto" or float in [0, 1)
        Synthetic part of what stands for each class; 0 is the estimator alone, on real rows as they are.
    shares : sequence of float
        What "auto" tries beside 0.
    cv : int
        Inner folds, each of which fits an augmenter.
    n_samples : int, optional
        Synthetic images of each class. None: as many as the largest class has, 100 to 2,000.
    random_state : int, RandomState or None
        Seed of folds and samples; the estimator and augmenter have their own.

    Attributes
    ----------
    classes_ : (K,) array
        Class values, sorted.
    estimator_, augmenter_ : estimators
        Fitted; the augmenter is None where no synthetic rows are used.
    share_ : float
        The share that is used.
    synthetic_weight_ : float
        Mean weight of a synthetic row relative to a real one; 0 where none is used.
    balanced_ : bool
        Whether classes count equally in training.
    verdict_ : str
        "helps", "no evidence" or "hurts" of synthetic rows against the best without; "insufficient" where it could not
        be tried; "not tried" where share is a number.
    report_ : Report or None
        What inner validation showed, without pictures.
    n_features_in_ : int
        Numbers a row.
    """

    def __init__(
        self,
        estimator: Any,
        augmenter: Any,
        *,
        share: str | float = "auto",
        shares: Sequence[float] = SHARES,
        cv: int = 3,
        n_samples: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.augmenter = augmenter
        self.share = share
        self.shares = shares
        self.cv = cv
        self.n_samples = n_samples
        self.random_state = random_state

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None, groups: Any = None, **fit_params: Any) -> Self:
        """Choose the share, fit augmenter and estimator. groups: (N,), kept together by the inner folds.

        sample_weight: (N,), of real rows, for the estimator; the augmenter takes no weights. fit_params: for the
        estimator's `fit`, by metadata routing where that is on. Raises ValueError for parameters that cannot be used.
        """
        self._check()
        params = self._routed(fit_params)
        X, y = validate_data(self, X, y, dtype="numeric", allow_nd=True)
        check_classification_targets(y)
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float64)
        if weights is not None and not has_fit_parameter(self.estimator, "sample_weight"):
            raise TypeError(f"{type(self.estimator).__name__}.fit takes no sample_weight.")
        self.classes_ = np.unique(y)
        converted = convert(X, y, image_shape=getattr(self.augmenter, "image_shape", None))
        rows = _Rows(X, y, converted, weights, params)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.verdict_ = "not tried"
        self.report_: Report | None = None
        share, self.balanced_ = (
            (self.share, float(self.share) > 0)
            if self.share != "auto"
            else self._tried(rows, seed, None if groups is None else np.asarray(groups).astype(str))
        )
        self._finish(rows, seed, float(share))
        return self

    def _finish(self, rows: "_Rows", seed: int, share: float) -> None:
        """Fit on everything with what was chosen."""
        images, everything = rows.converted.images, np.arange(len(rows.y))
        self.augmenter_, self.share_, self.synthetic_weight_ = None, share, 0.0
        if share > 0:
            self.augmenter_ = unfitted(self.augmenter).fit(images)
            synthetic = self._samples(self.augmenter_, images, seed)
            training = mixed(images, synthetic, share)
            weights = training.sample_weights()
            if len(synthetic):
                self.synthetic_weight_ = float(
                    weights[training.is_synthetic].mean() / weights[~training.is_synthetic].mean()
                )
            self.estimator_ = self._trained(rows, everything, training, synthetic)
        elif self.balanced_:
            self.estimator_ = self._trained(rows, everything, balanced(images), None)
        else:
            self.estimator_ = self._trained(rows, everything, None, None)

    def _tried(self, rows: "_Rows", seed: int, groups: np.ndarray | None) -> tuple[float, bool]:
        """The share that inner validation favors, and whether classes are to count equally."""
        images = rows.converted.images
        try:
            if len(images.classes) < 2:
                raise DataError("there is one class only")
            splits = folds(images, self.cv, groups=groups, seed=seed)
            parts = [self._fold(rows, fold, seed) for fold in splits]
        except DataError as error:
            warnings.warn(f"no synthetic images are used: {error}", stacklevel=3)
            self.verdict_ = INSUFFICIENT
            return 0.0, False
        tables = {name: table[None] for name, table in gathered(splits, parts).items()}
        found = Comparison(
            Predictions(
                images.labels.numpy(),
                fold_numbers(splits, len(images)),
                groups,
                log_prior(images.counts.values()),
                {name: tables[name] for name in (PLAIN, OVERSAMPLING)},
                {share: {share_name(share): tables[share_name(share)]} for share in checked_shares(self.shares)},
                {},
                adjust=False,
            ),
            seed=seed,
        )
        settings = {"classifier": type(self.estimator).__name__, "training images": len(images), "folds": len(splits)}
        self.report_ = report_on(found, images, images, settings, [], pictures=False)
        self.verdict_ = found.verdict
        if found.cautious_share > 0:
            return found.cautious_share, True
        plain, even = (found.baselines[name].scores.balanced_accuracy for name in (PLAIN, OVERSAMPLING))
        return 0.0, bool(even[0] - even[1:].std() > plain[0])

    def _fold(self, rows: "_Rows", fold: Fold, seed: int) -> dict[str, np.ndarray]:
        """{way: (n, K) log-probabilities of the fold's test rows}."""
        part, places = rows.converted.images.take(fold.train), fold.train.numpy()
        synthetic = self._samples(unfitted(self.augmenter).fit(part), part, seed)
        fitted = {
            PLAIN: self._trained(rows, places, None, None),
            OVERSAMPLING: self._trained(rows, places, balanced(part), None),
        }
        for share in checked_shares(self.shares):
            fitted[share_name(share)] = self._trained(rows, places, mixed(part, synthetic, share), synthetic)
        shown = rows.X[fold.test.numpy()]
        return {name: log_probabilities(model, shown, self.classes_) for name, model in fitted.items()}

    def _samples(self, augmenter: Any, images: LabeledImages, seed: int) -> LabeledImages:
        """Synthetic images of every class that was learned."""
        each = self.n_samples or min(MAX_SAMPLES, max(100, max(images.counts.values())))
        return draw(augmenter, dict.fromkeys(images.classes, each), seed, images)

    def _trained(
        self,
        rows: "_Rows",
        places: np.ndarray,
        training: TrainingSet | None,
        synthetic: LabeledImages | None,
    ) -> Any:
        """A clone of the estimator, fitted on real rows at `places` and synthetic ones; training None: as they are."""
        X, y = rows.X[places], rows.y[places]
        own = None if rows.weights is None else rows.weights[places]
        if synthetic is not None and len(synthetic):
            new_X, new_y = rows.of(synthetic)
            X, y = np.concatenate([X, new_X]), np.concatenate([y, new_y])
            own = None if own is None else np.concatenate([own, np.full(len(new_y), own.mean())])
        params = rows.params if own is None else {**rows.params, "sample_weight": own}
        model = clone(self.estimator)
        return model.fit(X, y, **params) if training is None else fit_rows(model, X, y, training, **params)

    def _check(self) -> None:
        if self.share == "auto":
            checked_shares(self.shares)
        elif isinstance(self.share, bool | str) or not 0 <= self.share < 1:
            raise ValueError(f"share must be 'auto' or a number in [0, 1); got {self.share!r}.")
        if isinstance(self.cv, bool) or not isinstance(self.cv, int | np.integer) or self.cv < 2:
            raise ValueError(f"cv must be a whole number of folds, at least 2; got {self.cv!r}.")

    def _routed(self, fit_params: dict[str, Any]) -> dict[str, Any]:
        if not fit_params:
            return {}
        routed = process_routing(self, "fit", **fit_params)
        found: dict[str, Any] = dict(routed.estimator.fit)
        return found

    @_has("predict")  # type: ignore[untyped-decorator]  # scikit-learn ships no types
    def predict(self, X: Any) -> np.ndarray:
        """Class values (N,) of rows."""
        return self._ask("predict", X)

    @_has("predict_proba")  # type: ignore[untyped-decorator]  # scikit-learn ships no types
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (N, K), in the order of `classes_`."""
        return self._ask("predict_proba", X)

    @_has("predict_log_proba")  # type: ignore[untyped-decorator]  # scikit-learn ships no types
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Log-probabilities (N, K), in the order of `classes_`."""
        return self._ask("predict_log_proba", X)

    @_has("decision_function")  # type: ignore[untyped-decorator]  # scikit-learn ships no types
    def decision_function(self, X: Any) -> np.ndarray:
        """The estimator's own margins."""
        return self._ask("decision_function", X)

    def _ask(self, method: str, X: Any) -> np.ndarray:
        check_is_fitted(self, "estimator_")
        X = validate_data(self, X, dtype="numeric", allow_nd=True, reset=False)
        answer: np.ndarray = getattr(self.estimator_, method)(X)
        return answer

    def get_metadata_routing(self) -> MetadataRouter:
        """sample_weight and groups are for this estimator, everything else for the one inside."""
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return MetadataRouter(owner=self).add_self_request(self).add(estimator=self.estimator, method_mapping=mapping)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags


@dataclass(frozen=True)
class _Rows:
    """The user's rows as they are for the estimator, with what goes into its `fit`; `converted`: for the augmenter."""

    X: np.ndarray
    y: np.ndarray
    converted: ConvertedData
    weights: np.ndarray | None
    params: dict[str, Any]

    def of(self, synthetic: LabeledImages) -> tuple[np.ndarray, np.ndarray]:
        """Synthetic images as such rows, and their labels."""
        X, y = self.converted.append(synthetic)
        return np.asarray(X)[len(self.X) :], np.asarray(y)[len(self.y) :]
