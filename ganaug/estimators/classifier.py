"""AugmentedClassifier: a scikit-learn classifier, trained with the share of synthetic data that validation favors."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, has_fit_parameter, validate_data

from ganaug._compat import check_sample_weight
from ganaug._runtime.library_defaults import library_defaults
from ganaug.datasets.convert import convert
from ganaug.estimators.share_selection import (
    ShareSelection,
    ShareSelector,
    TrainingRows,
    clone_augmenter,
    without_classes,
)
from ganaug.evaluation.groups import name_groups
from ganaug.evaluation.training_set import balance_classes, mix_synthetic
from ganaug.reports.utility import SHARES, checked_shares


def _available_if_estimator_has(method: str) -> Any:
    """Make a method available only if the wrapped classifier has it, before and after fitting."""

    def check(self: "AugmentedClassifier") -> bool:
        getattr(getattr(self, "estimator_", self.estimator), method)
        return True

    return available_if(check)


class AugmentedClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """Train a classifier on real rows and on synthetic ones, which an augmenter generates inside `fit`.

    With ``share="auto"``, inner cross-validation compares how far classes are balanced (real rows as they are, by the
    square root of the class sizes, every class equally), and then shares of synthetic rows with the balance that was
    selected. It selects the smallest balance and the smallest share within one standard error of the best; 0 is a
    candidate, so that synthetic rows are used only if they pay. Classes whose samples a classifier of the real rows
    does not recognize get none. The augmenter is fitted on the training part of each inner fold, and on all rows if the
    selected share is above 0.

    Parameters
    ----------
    estimator : classifier
        Classifier of rows in the form of X.
    augmenter : GANAugmenter
        Or any estimator with ``fit(LabeledImages)``, ``sample({class name: n}, random_state=...)`` and, if rows are
        flattened images, `image_shape`. If it has a `run_dir`, each of its fits writes a run into a subfolder.
    share : "auto" or float in [0, 1), default="auto"
        Fraction of synthetic rows in each class. 0 trains the estimator alone, on real rows as they are.
    shares : sequence of float
        Shares that "auto" tries besides 0.
    cv : int, default=3
        Number of inner folds. Each fits an augmenter.
    n_samples : int, optional
        Synthetic rows of each class. None: as many as the largest class has, between 100 and 2,000.
    n_jobs : int, optional
        Inner folds whose classifiers are trained at once, as in scikit-learn. Generators are fitted one after another,
        on all cores, unless `joblib.parallel_config` sets a backend of processes.
    random_state : int, RandomState or None
        Seed of folds and samples. The estimator and the augmenter have their seeds as parameters.

    Attributes
    ----------
    classes_ : array of shape (K,)
        Sorted class values.
    estimator_ : classifier
        Fitted.
    augmenter_ : estimator or None
        Fitted; None if no synthetic rows are used.
    share_ : float
        Share that is used.
    class_shares_ : dict
        {class value: share}: `share_`, or 0 for a class whose samples are not recognized.
    synthetic_weight_ : float
        Mean weight of a synthetic row relative to a real one; 0 if none is used.
    balance_ : float
        How far classes are balanced in training: 0 (rows as they are), 0.5 (square root) or 1 (every class equally).
    verdict_ : str
        "helps", "helps rare classes", "no evidence" or "hurts": synthetic rows against the best method without.
        "insufficient" if there were too few rows to cross-validate; "not tried" if `share` is a number.
    report_ : Report or None
        Report of the inner cross-validation, without figures.
    n_features_in_ : int
        Number of features of a row.

    Notes
    -----
    Shares become sample weights if ``estimator.fit`` takes them. Otherwise rows are repeated.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from ganaug import AugmentedClassifier, GANAugmenter
    >>> X, y = np.repeat([[0.0] * 16, [255.0] * 16], 4, axis=0), np.repeat(["dark", "bright"], 4)
    >>> augmenter = GANAugmenter(image_shape=(4, 4), n_steps=1, batch_size=4, filters=None)
    >>> model = AugmentedClassifier(LogisticRegression(), augmenter, share=0.25, n_samples=2, random_state=0)
    >>> model.fit(X, y).predict(X[:1])
    array(['dark'], dtype='<U6')
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
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.augmenter = augmenter
        self.share = share
        self.shares = shares
        self.cv = cv
        self.n_samples = n_samples
        self.n_jobs = n_jobs
        self.random_state = random_state

    @library_defaults()
    def fit(self, X: Any, y: Any, *, sample_weight: Any = None, groups: Any = None, **fit_params: Any) -> Self:
        """Select the share, then fit the augmenter and the estimator on all rows.

        Parameters
        ----------
        X : array of shape (N, ...)
            Numeric rows, or images of shape (N, H, W) or (N, H, W, C).
        y : array of shape (N,)
            Class values.
        sample_weight : array of shape (N,), optional
            Weights of the real rows, for the estimator. A synthetic row gets their mean. The augmenter takes none.
        groups : array of shape (N,), optional
            Groups that the inner folds keep together. A row without a group forms a group by itself.
        **fit_params
            For the estimator's `fit`; through metadata routing where it is enabled.

        Returns
        -------
        AugmentedClassifier
            self.

        Raises
        ------
        ValueError
            If a parameter is invalid.
        TypeError
            If there are sample weights and the estimator's `fit` takes none.
        """
        self._check_parameters()
        params = self._route(fit_params)
        X, y = validate_data(self, X, y, dtype="numeric", allow_nd=True)
        check_classification_targets(y)
        weights = None if sample_weight is None else check_sample_weight(sample_weight, X, dtype=np.float64)
        if weights is not None and not has_fit_parameter(self.estimator, "sample_weight"):
            raise TypeError(f"{type(self.estimator).__name__}.fit takes no sample_weight.")
        self.classes_ = np.unique(y)
        converted = convert(X, y, image_shape=getattr(self.augmenter, "image_shape", None))
        rows = TrainingRows(X, y, converted, weights, params)
        # drawn once: every part of the fit derives its seed from this one
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        selector = ShareSelector(
            self.estimator, self.augmenter, self.shares, self.cv, self.n_samples, seed, self.n_jobs
        )
        selection = self._select_share(selector, rows, groups)
        self.share_, self.balance_ = selection.share, selection.balance
        self.verdict_, self.report_ = selection.verdict, selection.report
        self.class_shares_ = {
            value: 0.0 if name in selection.unrecognized else self.share_
            for value, name in zip(self.classes_.tolist(), converted.images.classes, strict=True)
        }
        self._fit_on_everything(selector, rows, selection.unrecognized)
        return self

    def _select_share(self, selector: ShareSelector, rows: TrainingRows, groups: Any) -> ShareSelection:
        """Select the share by cross-validation unless it is a number."""
        if self.share != "auto":
            return ShareSelection(float(self.share), float(float(self.share) > 0), "not tried", None)
        return selector.select(rows, None if groups is None else name_groups(groups, len(rows.y)))

    def _fit_on_everything(self, selector: ShareSelector, rows: TrainingRows, unrecognized: tuple[str, ...]) -> None:
        """Fit the augmenter and the estimator on all rows with the selected share."""
        images, indices = rows.converted.images, np.arange(len(rows.y))
        self.augmenter_, self.synthetic_weight_ = None, 0.0
        if self.share_ > 0:
            self.augmenter_ = clone_augmenter(self.augmenter).fit(images)
            synthetic = without_classes(selector.sample(self.augmenter_, images), unrecognized)
            training = mix_synthetic(images, synthetic, self.share_, self.balance_)
            weights = training.sample_weights()
            if len(synthetic):
                self.synthetic_weight_ = float(
                    weights[training.is_synthetic].mean() / weights[~training.is_synthetic].mean()
                )
            self.estimator_ = selector.train(rows, indices, training, synthetic)
        else:
            balanced = balance_classes(images, self.balance_) if self.balance_ else None
            self.estimator_ = selector.train(rows, indices, balanced, None)

    def _check_parameters(self) -> None:
        if self.share == "auto":
            checked_shares(self.shares)
        elif isinstance(self.share, bool | str) or not 0 <= self.share < 1:
            raise ValueError(f"share must be 'auto' or a number in [0, 1); got {self.share!r}.")
        if isinstance(self.cv, bool) or not isinstance(self.cv, int | np.integer) or self.cv < 2:
            raise ValueError(f"cv must be a whole number of folds, at least 2; got {self.cv!r}.")

    def _route(self, fit_params: dict[str, Any]) -> dict[str, Any]:
        """Those of `fit_params` that the estimator's `fit` takes."""
        if not fit_params:
            return {}
        params: dict[str, Any] = dict(process_routing(self, "fit", **fit_params).estimator.fit)
        return params

    @_available_if_estimator_has("predict")  # type: ignore[untyped-decorator]  # scikit-learn ships no types
    def predict(self, X: Any) -> np.ndarray:
        """Predict class values.

        Parameters
        ----------
        X : array of shape (N, ...)
            Rows as in `fit`.

        Returns
        -------
        array of shape (N,)
        """
        return self._call("predict", X)

    @_available_if_estimator_has("predict_proba")  # type: ignore[untyped-decorator]  # scikit-learn ships no types
    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict probabilities, if the estimator does.

        Parameters
        ----------
        X : array of shape (N, ...)
            Rows as in `fit`.

        Returns
        -------
        array of shape (N, K)
            In the order of `classes_`.
        """
        return self._call("predict_proba", X)

    @_available_if_estimator_has("predict_log_proba")  # type: ignore[untyped-decorator]  # scikit-learn ships no types
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Predict log-probabilities (N, K), if the estimator does, in the order of `classes_`."""
        return self._call("predict_log_proba", X)

    @_available_if_estimator_has("decision_function")  # type: ignore[untyped-decorator]  # scikit-learn ships no types
    def decision_function(self, X: Any) -> np.ndarray:
        """Return the decision function of the estimator, if it has one: (N,) or (N, K)."""
        return self._call("decision_function", X)

    def _call(self, method: str, X: Any) -> np.ndarray:
        """Call a method of the fitted estimator on validated rows."""
        check_is_fitted(self, "estimator_")
        X = validate_data(self, X, dtype="numeric", allow_nd=True, reset=False)
        result: np.ndarray = getattr(self.estimator_, method)(X)
        return result

    def get_metadata_routing(self) -> MetadataRouter:
        """Route `sample_weight` and `groups` to this estimator, everything else to the wrapped one.

        Returns
        -------
        MetadataRouter
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return MetadataRouter(owner=self).add_self_request(self).add(estimator=self.estimator, method_mapping=mapping)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags
