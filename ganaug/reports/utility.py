"""utility_report: do synthetic images help a classifier, compared with the best method without them?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.lookup import lookup
from ganaug._runtime.parallel import check_n_jobs, keep_workers
from ganaug._runtime.progress import StepProgress, progress_of
from ganaug.errors import DataError
from ganaug.evaluation.augmenters import Augmenter
from ganaug.evaluation.classifiers import resolve_classifier
from ganaug.evaluation.comparison import Comparison
from ganaug.evaluation.groups import check_groups_apart, resolve_groups
from ganaug.evaluation.matching import check_image_set, check_trainable, drop_synthetic, match_classes, match_synthetic
from ganaug.evaluation.objectives import MARGIN, OBJECTIVES
from ganaug.evaluation.predictions import Predictions
from ganaug.evaluation.splits import Fold, assign_folds, fold_numbers, split_folds
from ganaug.evaluation.trial import Trial
from ganaug.images import LabeledImages, image_hashes
from ganaug.io.paths import shorten
from ganaug.reports.comparison import report_on
from ganaug.reports.report import Report

SHARES = (0.1, 0.25, 0.5)
N_PARTS = 5  # of the test images; a method is selected on all parts but the one that scores it


@library_defaults()
def utility_report(
    real: LabeledImages,
    augmenter_or_synthetic: Augmenter | LabeledImages,
    *,
    classifier: Any = "cnn",
    test: LabeledImages | None = None,
    groups: str | Sequence[Any] | np.ndarray | None = None,
    shares: Sequence[float] = SHARES,
    objective: str = "balanced_accuracy",
    margin: float = MARGIN,
    n_seeds: int = 5,
    n_folds: int = 3,
    time_budget: float | None = None,
    n_jobs: int | None = None,
    resamples: int = 1000,
    random_state: int = 0,
    progress: StepProgress | None = None,
    verbose: int = 0,
) -> Report:
    """Compare classifiers trained with synthetic images to classifiers trained without, on real test images.

    The baselines are real images only, class weights, oversampling, classical augmentation, RandAugment, mixup, CutMix
    and SMOTE, with several balances of the classes, longer trainings, and logit adjustment (Menon et al. 2021). All are
    tried in a few trainings; the best, and the best with synthetic images, are trained with every seed and fold, see
    `ganaug.evaluation.halving`.

    Parameters
    ----------
    real : LabeledImages
        Training images. Without `test` also the test images, by cross-fitting over `n_folds`.
    augmenter_or_synthetic : Augmenter or LabeledImages
        An augmenter, of which a clone is fitted inside each fold (with `test`: on `real`, or used as it is if it is
        fitted already). Or synthetic images, which need `test`.
    classifier : str, estimator or callable
        "cnn", "resnet18", "features" (EfficientNet-lite0 and a logistic regression), a scikit-learn classifier or
        skorch net, a function without parameters that returns one, or a function ``(dataset, seed) -> predict``.
    test : LabeledImages, optional
        Real images that nothing was trained on.
    groups : str or array of shape (N,), optional
        Group of each image of `real` (a patient, a slide), or a column of metadata. A group is never split between
        training and test images, and is resampled as a whole. None: the column `group_id`, if there is one.
    shares : sequence of float
        Synthetic shares to try, each in (0, 1), of what is drawn from each class.
    objective : str
        What methods are selected and judged by: "balanced_accuracy", "macro_f1", or "rare_recall", the mean recall of
        the classes that have fewer images than the mean class, of methods that lose at most `margin` in the others.
    margin : float
        Loss of the mean recall of the other classes that a gain of rare classes may cost.
    n_seeds : int
        Classifiers of the best methods, for each fold.
    n_folds : int
        Folds without `test`; fewer if a class is small.
    time_budget : float, optional
        Seconds for the trainings of classifiers. It leaves out methods and seeds; the best methods are trained with at
        least two seeds. It does not limit the fitting of generators.
    n_jobs : int, optional
        Classifiers that are trained at once, as in scikit-learn: -1 for one a core. None: what
        `joblib.parallel_config` says, else one for each core that torch may use. A backend of joblib, such as "ray" or
        "dask", spreads them over a cluster.
    resamples : int
        Bootstrap resamples of the intervals.
    random_state : int
        First seed.
    progress : callable, optional
        Called with (current step, trainings done, trainings in total).
    verbose : int, default=0
        1: show progress on stderr or in the notebook.

    Returns
    -------
    Report
        Verdict "helps", "helps rare classes", "no evidence" or "hurts", against the best baseline. `facts` contains the
        recommended `share` (0: use no synthetic images), that of each class, and the classes that gain and lose.
        `recipe` is the best method found, with or without synthetic images, as text and as a program.

    Raises
    ------
    DataError
        If test images leaked into the generator, a class is too small to split, or image sets do not match.
    ValueError
        If a parameter is invalid, `test` is missing for synthetic images, or no class is rare with
        ``objective="rare_recall"``.

    Examples
    --------
    Eight digits of each class; other real digits stand for the samples of a perfect generator:

    >>> import torch
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from ganaug import LabeledImages, utility_report
    >>> digits = load_digits()
    >>> pixels = torch.from_numpy(digits.images[:, None] * 15.9).to(torch.uint8)
    >>> everything = LabeledImages(pixels, torch.from_numpy(digits.target), tuple("0123456789"))
    >>> real, perfect, test = (everything.take(range(*rows)) for rows in ((0, 80), (80, 800), (800, 1797)))
    >>> options = {"classifier": LogisticRegression(C=10), "shares": (0.5,), "n_seeds": 2, "resamples": 50}
    >>> report = utility_report(real, perfect, test=test, **options)
    >>> report.verdict, report.facts["share"]
    ('helps', 0.5)
    """
    _check_options(n_seeds, n_folds, n_jobs, objective, margin)
    trainer = resolve_classifier(classifier)
    notes: list[str] = []
    check_image_set(real, "real")
    real, group_ids = _real_images(real, resolve_groups(real, groups), notes, "real")
    source = _check_source(augmenter_or_synthetic, real, test)
    test = None if test is None else _real_images(match_classes(test, real, "test"), None, notes, "test")[0]
    test, test_groups, splits, place = _split(real, test, groups, group_ids, n_folds, random_state, notes)
    _check_rare_classes(real, test or real, objective)
    with progress_of(progress, verbose, "evaluate") as show, keep_workers(n_jobs):
        trial = Trial(
            real,
            source,
            trainer,
            test=test,
            folds=splits,
            groups=test_groups,
            shares=checked_shares(shares),
            seeds=range(random_state, random_state + n_seeds),
            objective=objective,
            margin=margin,
            time_budget=time_budget,
            n_jobs=n_jobs,
            progress=show,
            notes=notes,
        )
        predictions = trial.run(place)
    comparison = Comparison(predictions, resamples=resamples, seed=random_state, objective=objective, margin=margin)
    return report_on(comparison, real, test or real, _describe(trial, predictions), notes, classifier=trainer)


def _describe(trial: Trial, predictions: Predictions) -> dict[str, Any]:
    """What was trained and tested on, as facts of the report."""
    n_real = len(trial.real)
    return {
        "classifier": trial.classifier.name,
        "training images": n_real,
        "test images": len(trial.test) if trial.test else f"{n_real}, cross-fitted over {len(trial.folds)} folds",
        "groups": None if trial.groups is None else len(np.unique(trial.groups)),
        "seeds": predictions.n_seeds,
    }


def _check_options(n_seeds: int, n_folds: int, n_jobs: int | None, objective: str, margin: float) -> None:
    """Raise ValueError for an invalid option."""
    check_n_jobs(n_jobs)
    if n_seeds < 1 or n_folds < 2:
        raise ValueError(f"n_seeds must be at least 1 and n_folds at least 2; got {n_seeds} and {n_folds}.")
    if not 0 <= margin < 1:
        raise ValueError(f"margin must be a fraction in [0, 1), such as 0.01 for a point; got {margin!r}.")
    lookup(OBJECTIVES, objective, "objective")


def _check_rare_classes(real: LabeledImages, tested: LabeledImages, objective: str) -> None:
    """Raise ValueError for the recall of rare classes if no class smaller than the mean class has test images."""
    if objective != "rare_recall":
        return
    mean = len(real) / len(real.classes)
    if not any(count < mean and tested.counts[name] for name, count in real.counts.items()):
        raise ValueError(
            "objective='rare_recall' needs a class with fewer images than the mean class, and test images of it: "
            f"the real images have {shorten([f'{name}: {count}' for name, count in real.counts.items()])}. "
            "Choose another objective."
        )


def checked_shares(shares: Sequence[float]) -> list[float]:
    """Return the distinct shares, sorted.

    Parameters
    ----------
    shares : sequence of float
        Synthetic shares.

    Returns
    -------
    list of float

    Raises
    ------
    ValueError
        If there are none, or one is not in (0, 1).

    Examples
    --------
    >>> from ganaug.reports.utility import checked_shares
    >>> checked_shares([0.5, 0.1, 0.5])
    [0.1, 0.5]
    """
    distinct = sorted({float(share) for share in shares})
    if not distinct or not all(0 < share < 1 for share in distinct):
        raise ValueError(f"shares must be numbers in (0, 1), at least one; got {shares!r}.")
    return distinct


def _check_source(
    source: Augmenter | LabeledImages, real: LabeledImages, test: LabeledImages | None
) -> Augmenter | LabeledImages:
    """The augmenter as it is, or the synthetic images with the classes of the real ones."""
    check_trainable(real)
    if not isinstance(source, LabeledImages):
        return source
    if test is None:
        raise ValueError(
            "synthetic images need test=: their generator may have been trained on any of the real images. Pass real "
            "images that it was not trained on, or pass an augmenter, which is then fitted inside each fold."
        )
    return match_synthetic(source, real)


def _real_images(
    images: LabeledImages, groups: np.ndarray | None, notes: list[str], what: str
) -> tuple[LabeledImages, np.ndarray | None]:
    """The images and their groups without those that metadata marks as synthetic."""
    remaining = drop_synthetic(images, groups, what=what)
    n_dropped = len(images) - len(remaining[0])
    if n_dropped:
        notes.append(f"{n_dropped:,} images marked as synthetic are left out of the {what} images")
    return remaining


def _split(
    real: LabeledImages,
    test: LabeledImages | None,
    groups: str | Sequence[Any] | np.ndarray | None,
    group_ids: np.ndarray | None,
    n_folds: int,
    seed: int,
    notes: list[str],
) -> tuple[LabeledImages | None, np.ndarray | None, list[Fold], np.ndarray]:
    """The test images, the groups of what is tested, the folds (none with test images), and the part of each image."""
    if test is not None:
        test, test_groups = _check_separation(real, test, groups, group_ids, notes)
        return test, test_groups, [], _test_parts(test, test_groups, seed)
    splits = split_folds(real, n_folds, groups=group_ids, seed=seed)
    return None, group_ids, splits, fold_numbers(splits, len(real))


def _check_separation(
    real: LabeledImages,
    test: LabeledImages,
    groups: str | Sequence[Any] | np.ndarray | None,
    real_groups: np.ndarray | None,
    notes: list[str],
) -> tuple[LabeledImages, np.ndarray | None]:
    """The test images and their groups without those that are training images too.

    Raises DataError if none remains, or if a group is among both.
    """
    if not len(test):
        raise DataError("there are no test images: pass real images that nothing was trained on.")
    # by pixels: file names say nothing about the content
    is_shared = torch.isin(image_hashes(test.images), image_hashes(real.images))
    if is_shared.any():
        notes.append(f"{int(is_shared.sum())} test images are training images too and are left out")
    if is_shared.all():
        raise DataError("every test image is a training image too: pass test images that were not trained on.")
    test_groups = resolve_groups(test, groups if isinstance(groups, str) else None, "test")
    if groups is not None and not isinstance(groups, str) and test_groups is None:
        raise DataError(
            "groups= is an array of the groups of the training images, so it cannot be checked whether test images "
            "belong to the same groups. Pass groups= as the name of a column of metadata that both sets have, or add "
            "a column group_id to both."
        )
    check_groups_apart(real_groups, test_groups)
    if (test_groups is None) != (real_groups is None):
        notes.append(
            f"only the {'training' if test_groups is None else 'test'} images have groups: whether a group has both "
            "training and test images is not checked"
        )
    test = test.take(~is_shared)
    absent = [name for name, count in test.counts.items() if count == 0]
    if absent:
        notes.append(f"no test images of {', '.join(absent)}: these classes are not judged")
    return test, None if test_groups is None else test_groups[~is_shared.numpy()]


def _test_parts(test: LabeledImages, groups: np.ndarray | None, seed: int) -> np.ndarray:
    """Part of each test image, from 0: (N,). Groups stay whole."""
    n_parts = min(N_PARTS, max(test.counts.values()) if groups is None else len(np.unique(groups)))
    if n_parts < 2:  # selection and scoring need two parts, even if one of them lacks a class or group
        return np.arange(len(test)) % 2
    return assign_folds(test.labels.numpy(), n_parts, groups=groups, seed=seed)
