"""A comparison of training methods as a report: its sentences, rows and figures."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ganaug.evaluation.baselines import BASELINES
from ganaug.evaluation.bootstrap import Interval, interval, proportion_interval
from ganaug.evaluation.comparison import HELPS, HELPS_RARE, HURTS, MIN_GROUPS, MIN_IMAGES, Comparison, Method
from ganaug.evaluation.methods import find_balance
from ganaug.evaluation.recipe import Recipe, write_recipe
from ganaug.evaluation.verdict import ADVISED, SIGNIFICANCE
from ganaug.images import LabeledImages
from ganaug.reports.comparison_figures import class_figure, curve_figure, share_figure
from ganaug.reports.report import Report
from ganaug.reports.rows import Figure, Row

LEFT_BEHIND = "Methods left behind after their first trainings"
METHODS, RECALL = "Training methods", "Recall by class: best baseline and best with synthetic"
GAIN = "gain over best baseline"
STATES = {HELPS: "pass", HELPS_RARE: "pass", HURTS: "fail"}
# the other metrics compare with the baseline
LEVELS = ("balanced accuracy", "macro F1", "recall of rare classes", "calibration error (ECE)")


def report_on(
    comparison: Comparison,
    real: LabeledImages,
    test: LabeledImages,
    settings: dict[str, Any],
    notes: Sequence[str],
    *,
    classifier: Any = None,
    pictures: bool = True,
) -> Report:
    """Report a comparison of classifiers.

    Parameters
    ----------
    comparison : Comparison
        Scores of the training methods.
    real, test : LabeledImages
        Images that the classifiers were trained and tested on.
    settings : dict
        Facts to add to the report.
    notes : sequence of str
        Remarks for the reader, without a final period.
    classifier : Classifier, optional
        What was trained, for the program of the recipe.
    pictures : bool
        Whether to draw figures, which takes about a second.

    Returns
    -------
    Report
        Of kind "utility".
    """
    baseline = comparison.best_baseline
    # where no method with synthetic images could be applied, nothing changes
    best = comparison.best_with_synthetic if comparison.shares else baseline
    changes, p_values = comparison.classes(best)
    gain = comparison.gain(best)
    significant = {
        name: change.value for name, change, p in zip(real.classes, changes, p_values, strict=True) if p < SIGNIFICANCE
    }
    gaining = [name for name, change in significant.items() if change > 0]
    losing = [name for name, change in significant.items() if change < 0]
    notes = [*notes, *_reliability_notes(comparison)]
    recipe, balance = _find_recipe(comparison, real, classifier)
    facts = {
        **_advice(comparison, real.classes, balance),
        "gain": gain.value,
        "gain_interval": [gain.low, gain.high],
        "gaining_classes": gaining,
        "losing_classes": losing,
        **settings,
        **_selections(baseline, best, comparison.verdict_policy),
        "notes": notes,
    }
    return Report(
        "utility",
        "Do synthetic images help?",
        comparison.verdict,
        (*_sentences(comparison, gain, gaining, losing), *(f"Note: {note}." for note in notes)),
        (
            *_method_rows(comparison),
            *_class_rows(comparison, real, test, changes, p_values),
            *_rows_left_behind(comparison),
        ),
        facts,
        _figures(comparison, real.classes, changes, p_values) if pictures else (),
        recipe,
        (LEFT_BEHIND,),
    )


def _advice(comparison: Comparison, classes: Sequence[str], balance: float | None) -> dict[str, Any]:
    """What the comparison advises, and what it judges by, as facts of the report."""
    return {
        "share": comparison.recommended_share,
        "class_shares": class_shares(comparison, classes),
        "balance": balance,
        "objective": comparison.objective.name,
        "margin": comparison.objective.margin,
    }


def _selections(*methods: Method | None) -> dict[str, Any]:
    """How often each training method was selected, as facts of the report."""
    return {f"{method.name}, selections": dict(Counter(method.selected)) for method in methods if method is not None}


def class_shares(comparison: Comparison, classes: Sequence[str]) -> dict[str, float]:
    """Return the recommended share of each class.

    Parameters
    ----------
    comparison : Comparison
        Scores of the training methods.
    classes : sequence of str
        Class names.

    Returns
    -------
    dict of str to float
        `recommended_share`, or 0 for classes without samples, or whose samples classifiers of the real images do not
        recognize.
    """
    without = {*comparison.predictions.unrecognized, *comparison.predictions.unsampled}
    return {name: 0.0 if name in without else comparison.recommended_share for name in classes}


def _find_recipe(comparison: Comparison, real: LabeledImages, classifier: Any) -> tuple[Recipe | None, float | None]:
    """The recipe of the best method, and how far it balances the classes; None where the methods are not known."""
    share = comparison.recommended_share
    best = comparison.shares[share] if share else comparison.best_baseline
    name, tau = comparison.candidates.methods[most_selected(best)]
    method = comparison.predictions.methods.get(name)
    if method is None:
        return None, None
    shares = class_shares(comparison, real.classes) if share else None
    # an average over classes could leave nothing to advise: then the method is written as it was tested
    shares = shares if shares is not None and any(shares.values()) else None
    balance = method.balance if method.balance is not None else find_balance(BASELINES[method.base](real, 0))
    return write_recipe(method, real, classifier, tau=tau, class_shares=shares), balance


def _reliability_notes(comparison: Comparison) -> list[str]:
    """Return the first reason, if any, why the results are unreliable."""
    groups, n_seeds = comparison.predictions.groups, comparison.predictions.n_seeds
    if groups is not None and len(np.unique(groups)) < MIN_GROUPS:
        return [f"the test images form fewer than {MIN_GROUPS} groups, too few for a verdict"]
    if not comparison.has_enough_images.any():
        return [f"no class has {MIN_IMAGES} test images, which is too few for a verdict"]
    if n_seeds == 1:
        return ["one seed: the intervals do not include the differences between trainings"]
    return []


def _sentences(comparison: Comparison, gain: Interval, gaining: list[str], losing: list[str]) -> list[str]:
    """Verdict, recommendation, and the classes that gain or lose."""
    recommended = comparison.shares.get(comparison.recommended_share, comparison.best_with_synthetic)
    baseline, title = most_selected(comparison.best_baseline), comparison.objective.title
    against = f"compared with the best method without them ({baseline})"
    advice = f"Use share={comparison.recommended_share:g} ({most_selected(recommended)})."
    if not comparison.shares:
        first = f"No method with synthetic images could be applied. Train without them (share=0), with {baseline}."
    elif comparison.verdict == HELPS:
        first = f"Synthetic images help: they raise {title} by {format_points(gain)} {against}. {advice}"
    elif comparison.verdict == HELPS_RARE:
        others = comparison.rare_classes(comparison.best_with_synthetic).others
        first = (
            f"Synthetic images help rare classes: the recall of {', '.join(gaining)} rises {against}, and the mean "
            f"recall of the other classes changes by {format_points(others)}, which is within the margin of "
            f"{100 * comparison.objective.margin:g}. They change {title} by {format_points(gain)}. {advice}"
        )
    elif comparison.verdict == HURTS:
        which = "every share above the smallest" if len(comparison.shares) > 1 else "the share that was tried"
        first = (
            f"Synthetic images hurt: {which} lowers {title} {against}. The best share changes it by "
            f"{format_points(gain)}. Do not use synthetic images (share=0)."
        )
    else:
        first = (
            f"No evidence that synthetic images help: they change {title} by {format_points(gain)} {against}. "
            f"Train without synthetic images (share=0), with {baseline}."
        )
        # a gain in the objective that a shifted decision boundary explains is no evidence
        above = comparison.gain_over_offset_curve(comparison.best_with_synthetic)
        if gain.low > 0 and above is not None and above.low <= 0:
            first += (
                " Class-wise offsets, such as logit adjustment, may reach the same recall of rare classes at a lower "
                "cost to common classes."
            )
    sentences = [first]
    if not comparison.predictions.has_recognized:
        sentences.append("Classifiers of the real images recognize the synthetic images of no class.")
    if comparison.verdict in ADVISED and comparison.predictions.unrecognized:
        names = ", ".join(comparison.predictions.unrecognized)
        sentences.append(f"Use no synthetic images of {names}: classifiers of the real images do not recognize them.")
    changes = [
        f"{verb} for {'class' if len(names) == 1 else 'classes'} {', '.join(names)}"
        for verb, names in (("increases", gaining), ("decreases", losing))
        if names
    ]
    if changes:
        test = "significant at 5 %, adjusted for the number of classes"
        sentences.append(f"Recall {' and '.join(changes)} ({test}).")
    return sentences


def format_points(interval: Interval) -> str:
    """Format a difference of two shares.

    Parameters
    ----------
    interval : Interval
        Difference in [-1, 1].

    Returns
    -------
    str

    Examples
    --------
    >>> from ganaug.evaluation.bootstrap import Interval
    >>> from ganaug.reports.comparison import format_points
    >>> format_points(Interval(0.012, 0.003, 0.021))
    '+1.2 percentage points (+0.3 to +2.1)'
    """
    low, value, high = (100 * part for part in (interval.low, interval.value, interval.high))
    return f"{value:+.1f} percentage points ({low:+.1f} to {high:+.1f})"


def most_selected(method: Method) -> str:
    """Name of the method that was selected most often, for the parts of the test images and the seeds."""
    return max(method.selected, key=method.selected.count) if method.selected else method.name


def _method_rows(comparison: Comparison) -> list[Row]:
    """Rows of the best methods, of every share, and of the other finalists from the best to the worst."""
    best, policy = comparison.best_baseline, comparison.verdict_policy
    judged = [comparison.best_with_synthetic] if comparison.shares else []
    others = sorted(comparison.baselines.values(), key=lambda method: -comparison.score(method)[0])
    methods = [
        *((method, True) for method in judged),
        (best, False),
        *([] if policy is None else [(policy, False)]),
        *((method, True) for method in comparison.shares.values()),
        *((method, False) for method in others),
        *((method, True) for method in comparison.display_only.values()),
    ]
    rows = [row for method, is_judged in methods for row in _score_rows(comparison, method, is_judged=is_judged)]
    # the best baseline has no gain over itself
    return [row for row in rows if row.subject != best.name or row.metric in LEVELS]


def _rows_left_behind(comparison: Comparison) -> list[Row]:
    """Scores of the methods that were trained few times, from the best to the worst."""
    rows = []
    for method in comparison.predictions.left_behind:
        rows.append(Row(LEFT_BEHIND, method.name, comparison.objective.title, method.score))
        rows.append(Row(LEFT_BEHIND, method.name, "trainings", method.n_trainings))
    return rows


def _score_rows(comparison: Comparison, method: Method, *, is_judged: bool) -> list[Row]:
    """Scores of a method, and their differences from those of the best baseline."""
    note = f"selected: {', '.join(sorted(set(method.selected)))}" if set(method.selected) - {method.name} else ""
    scores, baseline = method.scores, comparison.best_baseline.scores
    results = {
        "balanced accuracy": proportion_interval(scores.balanced_accuracy),
        GAIN: comparison.gain(method),
        "gain over class-wise offsets": comparison.gain_over_offset_curve(method),
        "macro F1": proportion_interval(scores.macro_f1),
        "gain in macro F1": interval(scores.macro_f1 - baseline.macro_f1),
        "recall of rare classes": _rare_recall(comparison, method),
        "calibration error (ECE)": proportion_interval(scores.ece),
        "change in ECE": interval(scores.ece - baseline.ece),
    }
    rows = []
    for metric, result in results.items():
        if result is not None:
            # only the gain decides: the other metrics would be further tests
            state = STATES.get(comparison.verdict_for(method), "") if is_judged and metric == GAIN else ""
            rows.append(
                Row(METHODS, method.name, metric, result.value, result.low, result.high, state=state, note=note)
            )
    return rows


def _rare_recall(comparison: Comparison, method: Method) -> Interval | None:
    """Mean recall of the rare classes; None without rare classes."""
    if not comparison.is_imbalanced:
        return None
    return proportion_interval(comparison.rare_and_common_recall(method.scores.recall)[0])


def _class_rows(
    comparison: Comparison,
    real: LabeledImages,
    test: LabeledImages,
    changes: Sequence[Interval],
    p_values: np.ndarray,
) -> list[Row]:
    """Recall of each class with the best baseline and with the best method with synthetic images."""
    rows = []
    methods = {
        "recall, best baseline": comparison.best_baseline,
        "recall, best with synthetic": comparison.best_with_synthetic
        if comparison.shares
        else comparison.best_baseline,
    }
    for label, name in enumerate(real.classes):
        p, change = float(p_values[label]), changes[label]
        # p is NaN for a class that is not tested
        state = "" if not p < SIGNIFICANCE else "pass" if change.value > 0 else "fail"
        state, note = (
            (state, "") if comparison.has_enough_images[label] else ("insufficient", "too few test images or groups")
        )
        rows.append(Row(RECALL, name, "training images", real.counts[name]))
        rows.append(Row(RECALL, name, "test images", test.counts[name]))
        for metric, method in methods.items():
            recall = proportion_interval(method.scores.recall[:, label])
            rows.append(Row(RECALL, name, metric, recall.value, recall.low, recall.high))
        metric = "change in recall"
        rows.append(Row(RECALL, name, metric, change.value, change.low, change.high, p=p, state=state, note=note))
    return rows


def _figures(
    comparison: Comparison, classes: Sequence[str], changes: Sequence[Interval], p_values: np.ndarray
) -> tuple[Figure, ...]:
    """Gains by share, the trade-off between rare and common classes if there are any, and changes by class."""
    curve = [curve_figure(comparison)] if comparison.is_imbalanced else []
    return (share_figure(comparison), *curve, class_figure(classes, changes, p_values))
