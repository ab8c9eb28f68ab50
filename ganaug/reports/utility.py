"""utility_report: do synthetic images help a classifier, compared with the best that can be done without them?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ganaug.errors import DataError
from ganaug.evaluation.classifiers import classifier_for
from ganaug.evaluation.comparison import Comparison
from ganaug.evaluation.splits import ALONE, fold_numbers, folds, groups_of, parts
from ganaug.evaluation.trial import Augmenter, Progress, Trial
from ganaug.images import LabeledImages, image_hashes, matched
from ganaug.io.synthetic import marked_synthetic
from ganaug.reports.comparison import report_on
from ganaug.reports.report import Report

SHARES = (0.1, 0.25, 0.5)
N_PARTS = 5  # of the test images, among which choosing and scoring take turns


def utility_report(
    real: LabeledImages,
    augmenter_or_synthetic: Augmenter | LabeledImages,
    *,
    classifier: Any = "cnn",
    test: LabeledImages | None = None,
    groups: str | Sequence[Any] | np.ndarray | None = None,
    shares: Sequence[float] = SHARES,
    n_seeds: int = 5,
    n_folds: int = 3,
    time_budget: float | None = None,
    resamples: int = 1000,
    random_state: int = 0,
    progress: Progress | None = None,
) -> Report:
    """Compare training with synthetic images to training without, on real images that neither side saw.

    real: what classifiers are trained on; without `test` also what they are tested on, cross-fitted over `n_folds`.
    augmenter_or_synthetic: an augmenter, of which a clone is fitted inside each fold (with `test`: on `real`, or used
        as it is where it is fitted already); or synthetic images, which need `test`.
    classifier: 'cnn', 'features' (EfficientNet-lite0 and a logistic regression), a scikit-learn classifier, or a
        function that returns one. It is trained anew for each way, seed and fold, all with the same number of steps.
    test: real images that nothing was trained on. groups: (N,) for `real`, or a column of metadata; a group (a patient,
        a slide) is never on both sides and is resampled as a whole. None: the column group_id where there is one.
    shares: synthetic parts to try, each in (0, 1), of what is drawn in each class; classes are drawn equally often.
    time_budget: seconds after which no further seed is begun; the fitting of generators is not limited by it.
    progress: called with (what is done, trainings done, trainings in all).

    The verdict is `helps`, `no evidence` or `hurts`, against the best of: real only, class weights, oversampling, logit
    adjustment (Menon et al. 2021), classical augmentation, SMOTE. `facts` has the recommended `share` (0: use none),
    and the classes that gain and lose. Raises DataError where the test images have leaked into the generator.
    """
    shares = checked_shares(shares)
    if n_seeds < 1 or n_folds < 2:
        raise ValueError(f"n_seeds must be at least 1 and n_folds at least 2; got {n_seeds} and {n_folds}.")
    chosen = classifier_for(classifier)
    notes: list[str] = []
    real, groups = _without_synthetic(real, groups, notes)
    source = augmenter_or_synthetic
    if isinstance(source, LabeledImages):
        if test is None:
            raise ValueError(
                "synthetic images without test images: their generator may have seen any of the real ones. Give test= "
                "real images that it has not seen, or an augmenter, which is then fitted inside each fold."
            )
        source = matched(source, real, "synthetic")
    own_groups = groups_of(real, groups)
    if test is not None:
        test, _ = _without_synthetic(matched(test, real, "test"), None, notes)
        test, test_groups = _held_apart(real, test, groups, own_groups, notes)
        splits, tested, bundles = [], test, test_groups
        place = _parts(test, bundles, random_state)
    else:
        splits, tested, bundles = folds(real, n_folds, groups=own_groups, seed=random_state), real, own_groups
        place = fold_numbers(splits, len(real))
    trial = Trial(
        real,
        source,
        chosen,
        test=test,
        folds=splits,
        groups=bundles,
        shares=shares,
        seeds=range(random_state, random_state + n_seeds),
        seconds=time_budget,
        progress=progress or (lambda what, done, total: None),  # noqa: ARG005
        notes=notes,
    )
    trial.refuse_leaks()
    predictions = trial.run(place)
    settings = {
        "classifier": chosen.name,
        "training images": len(real),
        "test images": len(tested) if test is not None else f"{len(real)}, cross-fitted over {len(splits)} folds",
        "seeds": len(next(iter(predictions.baselines.values()))),
        "groups": None if bundles is None else len(np.unique(bundles)),
    }
    return report_on(Comparison(predictions, resamples=resamples, seed=random_state), real, tested, settings, notes)


def checked_shares(shares: Sequence[float]) -> list[float]:
    """The shares, sorted. Raises ValueError for none, or one outside (0, 1)."""
    found = sorted({float(share) for share in shares})
    if not found or not all(0 < share < 1 for share in found):
        raise ValueError(f"shares must be numbers in (0, 1), at least one; got {shares!r}.")
    return found


def _without_synthetic(images: LabeledImages, groups: Any, notes: list[str]) -> tuple[LabeledImages, Any]:
    """`images` and their groups, less those that metadata marks as synthetic."""
    keep = ~marked_synthetic(images.metadata, len(images))
    if bool(keep.all()):
        return images, groups
    notes.append(f"{int((~keep).sum()):,} images marked as synthetic are not taken for real ones")
    kept = groups if groups is None or isinstance(groups, str) else np.asarray(groups)[keep.numpy()]
    return images.take(keep), kept


def _held_apart(
    real: LabeledImages,
    test: LabeledImages,
    groups: str | Sequence[Any] | np.ndarray | None,
    own_groups: np.ndarray | None,
    notes: list[str],
) -> tuple[LabeledImages, np.ndarray | None]:
    """The test images and their groups, less those that are among the training images too."""
    twice = torch.isin(image_hashes(test.images), image_hashes(real.images))
    if twice.any():
        notes.append(f"{int(twice.sum())} test images are training images too and are left out")
    if twice.all():
        raise DataError("every test image is a training image too: give images that were held apart.")
    found = groups_of(test, groups if isinstance(groups, str) or groups is None else None)
    if groups is not None and not isinstance(groups, str) and found is None:
        raise DataError(
            "groups are given for the training images alone, so whether test images are of the same ones cannot be "
            "told: give groups= as the name of a column that both have, or images with a column group_id."
        )
    if found is not None and own_groups is not None:
        found = np.array([f"test {name}" if name.startswith(ALONE) else name for name in found])
    if found is not None and own_groups is not None and np.isin(found, own_groups).any():
        both = np.unique(found[np.isin(found, own_groups)])
        raise DataError(
            f"group {str(both[0])!r} ({len(both)} in all) is among training and test images: images of one patient or "
            "slide are no independent test. Split by whole groups."
        )
    test = test.take(~twice)
    lacking = [name for name, count in test.counts.items() if count == 0]
    if lacking:
        notes.append(f"no test images of {', '.join(lacking)}: nothing is said about these classes")
    return test, None if found is None else found[~twice.numpy()]


def _parts(test: LabeledImages, groups: np.ndarray | None, seed: int) -> np.ndarray:
    most = min(N_PARTS, max(test.counts.values()) if groups is None else len(np.unique(groups)))
    if most < 2:
        return np.arange(len(test)) % 2
    return parts(test.labels.numpy(), most, groups=groups, seed=seed)
