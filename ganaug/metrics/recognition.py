"""Does a classifier of the real images take synthetic ones for what they are said to be?"""

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

LEAST = -8.0  # log-probability below which an image is not believed to be worse
STRENGTH = 0.01  # C: features outnumber images, so the penalty is strong


@dataclass(frozen=True)
class Recognition:
    """What the classifier says: the class that it names, and the log-probability of the class that is claimed: (N,)."""

    named: Tensor
    confidence: Tensor


def recognition(
    real: Tensor, labels: Tensor, synthetic: Tensor, claimed: Tensor, *, n_folds: int = 5, seed: int = 0
) -> tuple[Recognition, Recognition]:
    """(of the real points, of the synthetic ones): each is judged by a classifier that was not fitted on it.

    real: (N, D) with labels (N,), synthetic: (M, D) with claimed labels (M,), labels from 0. Logistic regression,
    classes counting alike, on all folds but one; a synthetic point is judged by the classifier of a fold drawn for it.
    So both sides are judged by classifiers of equally many images. A class with fewer real points than folds lacks some
    in some folds. Needs two classes and two points of one of them.
    """
    n_folds = max(2, min(n_folds, int(torch.bincount(labels).max())))
    own = _Answers.empty(len(real)), _Answers.empty(len(synthetic))
    drawn = np.random.default_rng(seed).permutation(len(synthetic)) % n_folds
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class of fewer images than folds: see above
        splits = list(splitter.split(real, labels))
    for fold, (train, test) in enumerate(splits):
        if len(torch.unique(labels[train])) < 2:  # nothing to tell apart: no answer, on either side
            continue
        model = make_pipeline(
            StandardScaler(), LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=300)
        ).fit(real[train].numpy(), labels[train].numpy())
        own[0].fill(model, real, labels, test)
        own[1].fill(model, synthetic, claimed, np.flatnonzero(drawn == fold))
    return own[0].done(), own[1].done()


@dataclass
class _Answers:
    named: np.ndarray
    confidence: np.ndarray

    @classmethod
    def empty(cls, n: int) -> "_Answers":
        return cls(np.full(n, -1, np.int64), np.full(n, LEAST))

    def fill(self, model: Any, points: Tensor, claimed: Tensor, rows: np.ndarray) -> None:
        if not len(rows):
            return
        with np.errstate(divide="ignore"):  # a probability of 0 is bounded below
            table = model.predict_log_proba(points[rows].numpy())
        known = model.classes_
        self.named[rows] = known[table.argmax(1)]
        place = np.searchsorted(known, claimed[rows].numpy()).clip(0, len(known) - 1)
        is_known = known[place] == claimed[rows].numpy()
        own = np.maximum(table[np.arange(len(rows)), place], LEAST)
        self.confidence[rows] = np.where(is_known, own, LEAST)

    def done(self) -> Recognition:
        return Recognition(torch.from_numpy(self.named), torch.from_numpy(self.confidence))
