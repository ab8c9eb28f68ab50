"""Train a classifier by every training method, on the same images with the same seeds, and collect its predictions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from ganaug._runtime.parallel import run_parallel
from ganaug._runtime.progress import StepProgress
from ganaug._runtime.randomness import derive
from ganaug.datasets.alterations import Augment, classical_augmentation
from ganaug.errors import DataError
from ganaug.evaluation.augmenters import Augmenter, is_fitted
from ganaug.evaluation.baselines import BASELINES, REAL_ONLY, TAUS
from ganaug.evaluation.classifiers import Classifier, train_and_predict
from ganaug.evaluation.generators import Generators, is_used_as_it_is
from ganaug.evaluation.halving import Cell, Clock, Job, Rounds, merge_cells
from ganaug.evaluation.leaks import check_copies, check_training_images
from ganaug.evaluation.methods import TrainingMethod, add_synthetic, can_add_synthetic, vary_baselines
from ganaug.evaluation.objectives import MARGIN, Objective, rank_tables
from ganaug.evaluation.predictions import LeftBehind, Predictions, estimate_log_prior
from ganaug.evaluation.recognition import find_unrecognized, list_mostly_unrecognized
from ganaug.evaluation.splits import Fold
from ganaug.evaluation.training_set import NotApplicableError
from ganaug.images import LabeledImages

MAX_PROBES = 100  # synthetic images of a class that show whether the class is recognized


@dataclass
class Trial:
    """The trainings of one utility test; see `ganaug.evaluation.halving` for their rounds.

    Attributes
    ----------
    real : LabeledImages
        Real images to train on; without `test` also to test on, by cross-validation.
    source : Augmenter or LabeledImages
        An augmenter, which is cloned and fitted on each training part, or used as it is if it is fitted and there are
        test images; or synthetic images, which need test images.
    classifier : Classifier
        An entry of `CLASSIFIERS`, or what `resolve_classifier` returns.
    test : LabeledImages or None
        Separate test images.
    folds : sequence of Fold
        Folds of `real`; empty where there are separate test images.
    groups : array of shape (N,) or None
        Group of each test image.
    shares : sequence of float
        Synthetic shares to try.
    seeds : sequence of int
        One training of each finalist and fold for each seed.
    objective : str
        What methods are selected by, a key of `OBJECTIVES`.
    margin : float
        As in `Objective`.
    time_budget : float, optional
        Time budget of the trainings. It leaves out methods and seeds; the finalists get at least two seeds. Fitting
        generators does not count.
    n_jobs : int, optional
        Trainings at once, as in scikit-learn; see `ganaug._runtime.parallel.run_parallel`.
    progress : callable
        Called with (current task, trainings finished, trainings in total). A long training counts by its length.
    notes : list of str
        What was left out and why, for the reader of the report. `run` adds to it.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from sklearn.linear_model import LogisticRegression
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation import Trial, resolve_classifier
    >>> pixels = torch.arange(8, dtype=torch.uint8).mul(30).view(8, 1, 1, 1).expand(8, 1, 4, 4)
    >>> images = LabeledImages(pixels, torch.arange(8) // 4, ("dark", "bright"))
    >>> real, synthetic, test = images.take([0, 1, 6, 7]), images.take([2, 5]), images.take([3, 4])
    >>> classifier = resolve_classifier(lambda: LogisticRegression())
    >>> trial = Trial(
    ...     real, synthetic, classifier, test=test, folds=(), groups=None, shares=(0.25,), seeds=(0,)
    ... )
    >>> predictions = trial.run(np.arange(2))
    >>> list(predictions.with_synthetic[0.25])
    ['real only, 25% synthetic', 'classical augmentation, 25% synthetic']
    >>> predictions.baselines["real only"].argmax(2)
    array([[0, 1]])
    """

    real: LabeledImages
    source: Augmenter | LabeledImages
    classifier: Classifier
    test: LabeledImages | None
    folds: Sequence[Fold]
    groups: np.ndarray | None
    shares: Sequence[float]
    seeds: Sequence[int]
    objective: str = "balanced_accuracy"
    margin: float = MARGIN
    time_budget: float | None = None
    n_jobs: int | None = None
    progress: StepProgress = lambda task, done, total: None  # noqa: ARG005
    notes: list[str] = field(default_factory=list)
    _rounds: Rounds | None = None
    _unrecognized: tuple[frozenset[str], ...] = ()
    _unsampled: list[list[str]] = field(default_factory=list)  # classes without synthetic images, in each fold

    def check_leaks(self) -> None:
        """Check that the source of synthetic images was not trained on the test images.

        Raises
        ------
        DataError
            If it was, see `check_copies` and `check_training_images`. Augmenters are fitted inside each fold, so
            without separate test images only models that they start from can have been trained on test images.
        """
        if self.test is not None and isinstance(self.source, LabeledImages):
            check_copies(self.source, self.real, self.test)
        elif self.test is not None and is_fitted(self.source):
            check_training_images(getattr(self.source, "training_images_", None), self.test)
        elif hasattr(self.source, "other_training_images"):
            check_training_images(self.source.other_training_images(self.real), self._tested)

    def run(self, selection_folds: np.ndarray) -> Predictions:
        """Fit the generators and train by every method.

        Parameters
        ----------
        selection_folds : array of shape (N,), int
            Fold of each test image, for `Predictions.folds`.

        Returns
        -------
        Predictions
            Of the finalists; of fewer seeds, but at least two, where the time budget ends the trial.

        Raises
        ------
        DataError
            If the source was trained on test images (`check_leaks`), an augmenter's samples repeat test images, or no
            training method can be applied.
        """
        self.check_leaks()
        methods, left_out = vary_baselines(self.real, derive(self.seeds[0], "baseline"))
        rounds = self._rounds = Rounds(
            self.n_splits, self.seeds, self._train, self._rank, Clock(self.time_budget), self._note
        )
        for name, reason in left_out.items():
            rounds.not_applicable.setdefault(reason, []).append(name)
        rounds.n_planned = rounds.count_planned(len(methods), len(BASELINES), 2 * len(self.shares) + 4)
        self._report_progress(f"about {rounds.n_planned:,.0f} trainings, {len(methods)} methods in the first round")
        self._generators.prepare(self.seeds)
        self._check_samples()
        rounds.clock.start()
        try:
            bases = [method for method in methods if can_add_synthetic(method, self.real)]
            baselines = rounds.find_finalists(methods, bases, len(self.shares))
        except NotApplicableError as error:
            raise DataError(f"no training method can be applied: {error}.") from error
        finalists, seeds = self._run_finals(rounds, baselines)
        for reason, names in rounds.not_applicable.items():
            self._note(f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} left out: {reason}")
        return self._collect(rounds, finalists, seeds, selection_folds)

    def _run_finals(
        self, rounds: Rounds, baselines: Sequence[TrainingMethod]
    ) -> tuple[list[TrainingMethod], list[int]]:
        """Run the final round: the best baselines, alone and with synthetic images."""
        bases = [method for method in baselines if can_add_synthetic(method, self.real)]
        self._unrecognized = self._find_unrecognized(bases[0]) if bases else ()
        # only where a class is recognized and another is not is the share in the recognized ones another method
        is_partial = any(0 < len(names) < len(self.real.classes) for names in self._unrecognized)
        core: list[TrainingMethod] = []
        groups: list[list[TrainingMethod]] = []
        for base in bases:
            with_share, others = add_synthetic(base, self.shares, has_unrecognized=is_partial)
            if core:
                groups.append(with_share)
            else:
                core, groups = [base, *with_share], [[method] for method in others]
        # the best baselines are always compared, also those that synthetic images cannot be added to
        better = baselines[: baselines.index(bases[0])] if bases else []
        core += [method for method in better if method not in core]
        rest = [method for method in baselines if method not in core]
        filled = TrainingMethod(REAL_ONLY, is_filled=True)
        return rounds.run_finals(core, [rest, [filled], *groups])

    def _collect(
        self, rounds: Rounds, finalists: Sequence[TrainingMethod], seeds: Sequence[int], selection_folds: np.ndarray
    ) -> Predictions:
        """The predictions of the finalists, and the scores of those left behind."""
        rows = [fold.test.numpy() for fold in self.folds] or [np.arange(len(self._tested))]
        tables = {method: merge_cells(rows, rounds.tables[method], seeds) for method in finalists}
        with_synthetic: dict[float, dict[str, np.ndarray]] = {}
        for method in sorted(finalists, key=lambda method: method.share):
            if method.share:
                with_synthetic.setdefault(method.share, {})[method.name] = tables[method]
        return Predictions(
            self._tested.labels.numpy(),
            selection_folds,
            self.groups,
            self._log_prior,
            {method.name: tables[method] for method in finalists if not method.uses_synthetic},
            with_synthetic,
            {method.name: tables[method] for method in finalists if method.is_filled},
            methods={method.name: method for method in finalists},
            left_behind=self._left_behind(rounds, finalists),
            unrecognized=list_mostly_unrecognized(self._unrecognized, self.real.classes),
            unsampled=list_mostly_unrecognized(self._unsampled, self.real.classes) if self._unsampled else (),
        )

    def _left_behind(self, rounds: Rounds, finalists: Sequence[TrainingMethod]) -> tuple[LeftBehind, ...]:
        """Scores of the methods that are not finalists, in their first trainings."""
        others = [method for method in rounds.tables if method not in finalists]
        scores = [self._rank_and_score([rounds.tables[method]])[1][0] for method in others]
        rows = [
            LeftBehind(method.name, score, len(rounds.tables[method]))
            for method, score in zip(others, scores, strict=True)
        ]
        return tuple(sorted(rows, key=lambda row: -row.score))

    @property
    def n_splits(self) -> int:
        """Number of folds, or 1 with separate test images."""
        return len(self.folds) or 1

    @property
    def _tested(self) -> LabeledImages:
        """The images that methods are tested on."""
        return self.real if self.test is None else self.test

    @cached_property
    def _trains(self) -> list[LabeledImages]:
        """Training images of each fold."""
        return [self.real.take(fold.train) for fold in self.folds] if self.test is None else [self.real]

    @cached_property
    def _tests(self) -> list[LabeledImages]:
        """Test images of each fold."""
        return [self.real.take(fold.test) for fold in self.folds] if self.test is None else [self.test]

    @cached_property
    def _augments(self) -> list[Augment]:
        """Classical augmentation of each fold."""
        return [classical_augmentation(train) for train in self._trains]

    @cached_property
    def _log_prior(self) -> np.ndarray:
        return estimate_log_prior(self.real.counts.values())

    @cached_property
    def _generators(self) -> Generators:
        return Generators(
            self.source,
            self._trains,
            is_used_as_it_is(self.source, self.test),
            self.n_jobs,
            self._report_progress,
            self._note,
        )

    def _check_samples(self) -> None:
        """Check that the samples of augmenters do not repeat test images."""
        if isinstance(self.source, LabeledImages):
            return
        for fold, (train, test) in enumerate(zip(self._trains, self._tests, strict=True)):
            check_copies(self._generators.sample(fold, self.seeds[-1]), train, test)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _report_progress(self, task: str) -> None:
        done = round(self._rounds.clock.units) if self._rounds else 0
        planned = round(self._rounds.n_planned) if self._rounds else 1
        self.progress(task, done, max(planned, done + 1))

    def _train(self, jobs: Sequence[Job]) -> Iterator[np.ndarray | NotApplicableError]:
        """Train in parallel; yield the predictions of the test images of each job, (n, K), in order."""
        # in order of submission, so that progress and notes do not depend on the number of threads
        results = run_parallel(train_job, (self._arguments(method, cell) for method, cell in jobs), self.n_jobs)
        for (method, cell), result in zip(jobs, results, strict=True):
            self._report_progress(f"seed {cell.seed}: {method.name}")
            yield result

    def _arguments(self, method: TrainingMethod, cell: Cell, images: torch.Tensor | None = None) -> tuple[Any, ...]:
        """Arguments of `train_job`; `images`: what to predict instead of the test images."""
        synthetic = self._generators.sample(*cell) if method.uses_synthetic else None
        predicted = self._tests[cell.fold].images if images is None else images
        unrecognized = self._unrecognized[cell.fold] if method.recognized_only else frozenset[str]()
        return (
            *(self.classifier, method, BASELINES[method.base], self._trains[cell.fold], synthetic, unrecognized),
            *(self._augments[cell.fold], predicted, cell.seed),
        )

    @cached_property
    def _judge(self) -> Objective:
        """The objective on the test images."""
        empty = Predictions(self._tested.labels.numpy(), np.zeros(0), None, self._log_prior, {}, {}, {})
        return Objective(self.objective, empty.is_rare, empty.is_common, self.margin)

    def _rank_and_score(self, tables: Sequence[dict[Cell, np.ndarray]]) -> tuple[list[int], list[float]]:
        """Places of methods from the best to the worst, and the score of each."""
        labels = [test.labels.numpy() for test in self._tests]
        by_seed = [_by_seed(labels, of_method) for of_method in tables]
        return rank_tables(self._judge, by_seed, self._log_prior, TAUS)

    def _rank(self, tables: Sequence[dict[Cell, np.ndarray]]) -> list[int]:
        return self._rank_and_score(tables)[0]

    def _find_unrecognized(self, base: TrainingMethod) -> tuple[frozenset[str], ...]:
        """For each fold, the classes whose samples a classifier of the real training images does not recognize."""
        method = TrainingMethod(base.base, base.balance)
        rows, all_probes = [], []
        for fold in range(self.n_splits):
            samples = self._generators.sample(fold, self.seeds[0])
            # the first samples of each class; test images are not looked at
            of_class = [torch.nonzero(samples.labels == label).flatten() for label in range(len(samples.classes))]
            probes = samples.take(torch.cat([indices[:MAX_PROBES] for indices in of_class]))
            self._unsampled.append([name for name, count in probes.counts.items() if not count])
            rows.append(self._arguments(method, Cell(fold, self.seeds[0]), probes.images))
            all_probes.append(probes)
        results = run_parallel(train_job, rows, self.n_jobs)
        return tuple(
            frozenset[str]() if isinstance(result, NotApplicableError) else find_unrecognized(probes, result.argmax(1))
            for probes, result in zip(all_probes, results, strict=True)
        )


def train_job(
    classifier: Classifier,
    method: TrainingMethod,
    prepare_base: Any,
    train: LabeledImages,
    synthetic: LabeledImages | None,
    unrecognized: frozenset[str],
    augment: Augment,
    images: torch.Tensor,
    seed: int,
) -> np.ndarray | NotApplicableError:
    """Train a classifier by a method, in a worker.

    Parameters
    ----------
    classifier : Classifier
    method : TrainingMethod
    prepare_base : callable
        The entry of `BASELINES`.
    train : LabeledImages
        Real training images.
    synthetic : LabeledImages or None
        Synthetic images.
    unrecognized : frozenset of str
        Classes whose samples are not recognized.
    augment : callable
        Classical augmentation.
    images : Tensor of shape (n, C, H, W), uint8
        Images to predict.
    seed : int
        Seed of the training.

    Returns
    -------
    array of shape (n, K) or NotApplicableError
        Log-probabilities, or why the method cannot be applied.
    """
    try:
        training = method.prepare(
            train, synthetic, derive(seed, "baseline"), unrecognized=unrecognized, prepare_base=prepare_base
        )
        if training.operations.changes_images and min(train.shape[1:]) == 1:
            return NotApplicableError("plain vectors have no pixels to alter")
        return train_and_predict(classifier, training, augment, images, seed)
    except NotApplicableError as error:
        return error


def _by_seed(labels: Sequence[np.ndarray], cells: dict[Cell, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each seed, the true classes and predictions of the test images of its folds."""
    by_seed = []
    for seed in dict.fromkeys(cell.seed for cell in cells):
        folds = [cell for cell in cells if cell.seed == seed]
        by_seed.append(
            (np.concatenate([labels[cell.fold] for cell in folds]), np.concatenate([cells[cell] for cell in folds]))
        )
    return by_seed
