"""Does a classifier that was fitted on real images recognize the class of synthetic ones?"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

MIN_LOG_PROBABILITY = -8.0  # lower ones are raised to this, so that single images do not dominate a mean
INVERSE_PENALTY = 0.01  # C of the regression: features outnumber images, so the penalty is strong
MAX_ITERATIONS = 300


@dataclass(frozen=True)
class Recognition:
    """Predictions of a classifier for N images.

    Parameters
    ----------
    predicted : Tensor
        int64, (N,): the predicted labels; -1 where no classifier could be fitted.
    log_probability : Tensor
        float64, (N,): the predicted log-probability of the claimed label, at least -8.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import Recognition
    >>> recognized = Recognition(torch.tensor([0, 1, 1]), torch.tensor([-0.1, -0.2, -3.0]))
    >>> float((recognized.predicted == torch.tensor([0, 1, 0])).double().mean())  # share of claimed labels
    0.666...
    """

    predicted: Tensor
    log_probability: Tensor


def recognize_classes(
    real: Tensor, labels: Tensor, synthetic: Tensor, claimed: Tensor, *, n_folds: int = 5, seed: int = 0
) -> tuple[Recognition, Recognition]:
    """Predict the labels of real and synthetic images by classifiers of real images, with cross-validation.

    Parameters
    ----------
    real, labels : Tensor
        Features (N, D) and labels int64 (N,) from 0. At least two classes, and two images of one of them.
    synthetic, claimed : Tensor
        Features (M, D), and the labels int64 (M,) that the images were generated for.
    n_folds : int
        Number of folds, at most; not more than the images of the largest class.
    seed : int
        Seed of the folds.

    Returns
    -------
    of_real, of_synthetic : Recognition
        Predictions for the N real and the M synthetic images.

    Notes
    -----
    The classifier is a logistic regression on standardized features, with balanced class weights. A real image is
    classified by the model that was fitted on the other folds, a synthetic one by that of a fold drawn at random. So
    models of equally many images classify both. A class with fewer images than folds is absent from some folds.

    References
    ----------
    Shmelkov, Schmid & Alahari, "How good is my GAN?", ECCV 2018: the accuracy on synthetic images is their GAN-test.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import recognize_classes
    >>> generator = torch.Generator().manual_seed(0)
    >>> labels = torch.arange(40) % 2
    >>> real, synthetic = torch.randn(2, 40, 3, generator=generator) + 6 * labels[:, None]
    >>> claimed = torch.cat([labels[:30], 1 - labels[30:]])  # ten wrong labels
    >>> of_real, of_synthetic = recognize_classes(real, labels, synthetic, claimed)
    >>> int((of_real.predicted == labels).sum()), int((of_synthetic.predicted == claimed).sum())
    (40, 30)
    """
    n_folds = max(2, min(n_folds, int(torch.bincount(labels).max())))
    of_real, of_synthetic = _Predictions.empty(len(real)), _Predictions.empty(len(synthetic))
    synthetic_folds = np.random.default_rng(seed).permutation(len(synthetic)) % n_folds
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class of fewer images than folds is allowed, see the notes
        splits = list(splitter.split(real, labels))
    for fold, (train, test) in enumerate(splits):
        if len(torch.unique(labels[train])) < 2:  # no classifier: the rows of this fold stay empty
            continue
        model = make_pipeline(
            StandardScaler(),
            LogisticRegression(C=INVERSE_PENALTY, class_weight="balanced", max_iter=MAX_ITERATIONS),
        ).set_output(transform="default")
        model.fit(real[train].numpy(), labels[train].numpy())
        of_real.predict(model, real, labels, test)
        of_synthetic.predict(model, synthetic, claimed, np.flatnonzero(synthetic_folds == fold))
    return of_real.result(), of_synthetic.result()


@dataclass
class _Predictions:
    """Predictions that are filled in fold by fold."""

    predicted: np.ndarray
    log_probability: np.ndarray

    @classmethod
    def empty(cls, n: int) -> "_Predictions":
        return cls(np.full(n, -1, np.int64), np.full(n, MIN_LOG_PROBABILITY))

    def predict(self, model: Any, points: Tensor, claimed: Tensor, rows: np.ndarray) -> None:
        """Fill in `rows`."""
        if not len(rows):
            return
        with np.errstate(divide="ignore"):  # a probability of 0 is bounded below
            log_probabilities = model.predict_log_proba(points[rows].numpy())
        classes, claimed_labels = model.classes_, claimed[rows].numpy()
        self.predicted[rows] = classes[log_probabilities.argmax(1)]
        columns = np.searchsorted(classes, claimed_labels).clip(0, len(classes) - 1)
        is_known = classes[columns] == claimed_labels
        of_claimed = np.maximum(log_probabilities[np.arange(len(rows)), columns], MIN_LOG_PROBABILITY)
        self.log_probability[rows] = np.where(is_known, of_claimed, MIN_LOG_PROBABILITY)

    def result(self) -> Recognition:
        return Recognition(torch.from_numpy(self.predicted), torch.from_numpy(self.log_probability))
