"""What a comparison can select: every training method, without and with logit adjustment."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ganaug.evaluation.baselines import LOGIT_ADJUSTMENT, TAUS
from ganaug.evaluation.objectives import Objective, count_predictions
from ganaug.evaluation.predictions import Predictions
from ganaug.evaluation.scores import adjust_logits


@dataclass(frozen=True)
class Candidates:
    """The candidates of a comparison.

    Attributes
    ----------
    predictions : Predictions
        Of all training methods.
    objective : Objective
        What is selected by.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.evaluation import Predictions
    >>> from ganaug.evaluation.candidates import Candidates
    >>> from ganaug.evaluation.objectives import Objective
    >>> labels = np.array([0, 1])
    >>> table = np.log([[[0.9, 0.1], [0.1, 0.9]]])
    >>> predictions = Predictions(labels, labels, None, np.log([0.5, 0.5]), {"real only": table}, {}, {})
    >>> objective = Objective("balanced_accuracy", predictions.is_rare, predictions.is_common)
    >>> list(Candidates(predictions, objective).methods)[:2]
    ['real only', 'real only, logit adjustment, tau 0.25']
    """

    predictions: Predictions
    objective: Objective

    @cached_property
    def methods(self) -> dict[str, tuple[str, float]]:
        """{name: (training method, strength of logit adjustment, 0 for none)}."""
        taus = (0.0, *TAUS) if self.predictions.logit_adjustment else (0.0,)
        return {_adjusted_name(name, tau): (name, tau) for name in self.predictions.candidates for tau in taus}

    def of_methods(self, methods: Iterable[str], *, is_adjusted: bool | None = None) -> list[str]:
        """List the candidates of training methods.

        Parameters
        ----------
        methods : iterable of str
            Names of training methods.
        is_adjusted : bool, optional
            Whether only those with logit adjustment are listed, or only those without. None: both.

        Returns
        -------
        list of str
        """
        chosen = set(methods)
        return [
            candidate
            for candidate, (name, tau) in self.methods.items()
            if name in chosen and is_adjusted in (None, tau != 0)
        ]

    def table(self, candidate: str, seeds: Any = slice(None), images: Any = slice(None)) -> np.ndarray:
        """Return the log-probabilities of a candidate.

        Parameters
        ----------
        candidate : str
            Its name.
        seeds, images : index
            Which seeds and images; all by default.

        Returns
        -------
        array of shape (S, N, K), or what the indices leave of it
        """
        # computed where needed: the tables of all candidates would not fit into memory
        name, tau = self.methods[candidate]
        table: np.ndarray = self.predictions.candidates[name][seeds, images]
        return adjust_logits(table, self.predictions.log_prior, tau) if tau else table

    @cached_property
    def _counts(self) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """True positives, predictions and images of each class for every candidate, by fold and seed: (F, S, K)."""
        n_classes, labels = len(self.predictions.log_prior), self.predictions.labels
        folds = [self.predictions.folds == fold for fold in np.unique(self.predictions.folds)]
        counts = {}
        for candidate in self.methods:
            predicted = self.table(candidate).argmax(2)
            parts = [
                [count_predictions(labels[fold], of_seed[fold], n_classes) for of_seed in predicted] for fold in folds
            ]
            hits, totals, support = np.moveaxis(np.array(parts), 2, 0)
            counts[candidate] = hits, totals, support
        return counts

    def select_best(self, names: Sequence[str], images: np.ndarray, seeds: np.ndarray) -> str:
        """Return the candidate with the best objective.

        Parameters
        ----------
        names : sequence of str
            Candidates.
        images : array of shape (N,), bool
            Mask of test images: whole folds.
        seeds : array of shape (S,), bool
            Mask of seeds.

        Returns
        -------
        str
        """
        folds = np.isin(np.unique(self.predictions.folds), self.predictions.folds[images])
        counts = [tuple(each[folds][:, seeds].sum(0) for each in self._counts[name]) for name in names]
        return names[self.objective.select(counts)]


def _adjusted_name(name: str, tau: float) -> str:
    """Name of a training method with logit adjustment of strength `tau`."""
    return f"{name}, {LOGIT_ADJUSTMENT}, tau {tau:g}" if tau else name
