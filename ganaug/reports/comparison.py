"""A comparison of ways to train as a report: its sentences, rows and pictures."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ganaug.evaluation.baselines import ADJUSTED, PLAIN
from ganaug.evaluation.comparison import HELPS, HURTS, MIN_GROUPS, MIN_IMAGES, Comparison, Method
from ganaug.evaluation.scores import Interval, interval, share_interval
from ganaug.images import LabeledImages
from ganaug.reports.plots import classes_figure, curve_figure, shares_figure
from ganaug.reports.report import Report, Row

STATES = {HELPS: "pass", HURTS: "fail"}
LEVELS = ("balanced accuracy", "macro F1", "calibration error (ECE)")  # the others are against the best without


def report_on(
    found: Comparison,
    real: LabeledImages,
    tested: LabeledImages,
    settings: dict[str, Any],
    notes: Sequence[str],
    *,
    pictures: bool = True,
) -> Report:
    """The report of a comparison of classifiers trained on `real` and tested on `tested`; pictures take a second."""
    best, baseline = found.best, found.best_baseline
    changes, p_values = found.classes(best)
    gains = [n for n, c, p in zip(real.classes, changes, p_values, strict=True) if p < 0.05 and c.value > 0]
    losses = [n for n, c, p in zip(real.classes, changes, p_values, strict=True) if p < 0.05 and c.value < 0]
    gain = found.gain(best)
    notes = [*notes, *_too_little(found)]
    facts = {
        "share": found.share,
        "gain": gain.value,
        "gain_interval": [gain.low, gain.high],
        "gaining_classes": gains,
        "losing_classes": losses,
        **settings,
        "best without, how often": dict(Counter(baseline.chosen)),
        "best with, how often": dict(Counter(best.chosen)),
        **({} if found.gated is None else {"gated, how often": dict(Counter(found.gated.chosen))}),
        "notes": notes,
    }
    figures = [shares_figure(found), classes_figure(real.classes, changes, p_values)] if pictures else []
    if pictures and found.is_uneven:
        figures.insert(1, curve_figure(found))
    return Report(
        "utility",
        "Do synthetic images help?",
        found.verdict,
        (*_sentences(found, gain, gains, losses), *(f"Note: {note}." for note in notes)),
        (*_way_rows(found), *_class_rows(found, real, tested, changes, p_values)),
        facts,
        tuple(figures),
    )


def _too_little(found: Comparison) -> list[str]:
    groups, n_seeds = found.given.groups, len(found.given.baselines[PLAIN])
    if groups is not None and len(np.unique(groups)) < MIN_GROUPS:
        return [f"fewer than {MIN_GROUPS} groups of test images: too few to tell, whatever the figures say"]
    if not found.solid.any():
        return [f"no class has {MIN_IMAGES} test images: too few to tell, whatever the figures say"]
    if n_seeds == 1:
        return ["one seed: the intervals do not know how far one training differs from the next"]
    return []


def _sentences(found: Comparison, gain: Interval, gains: list[str], losses: list[str]) -> list[str]:
    used = found.shares.get(found.share, found.best)
    baseline, of_best = often(found.best_baseline), in_points(gain)
    if found.verdict == HELPS:
        first = (
            f"Training with {often(used)} images: {of_best} of balanced accuracy over the best "
            f"that was found without them ({baseline}). Use share={found.share:g}."
        )
    elif found.verdict == HURTS:
        first = (
            f"Synthetic images cost balanced accuracy against the best that was found without them ({baseline}) at every "
            f"share tried that is not the smallest: {of_best} at the least harmful. Use none (share=0)."
        )
    else:
        first = (
            f"No share of synthetic images was shown to be better than the best that was found without them ({baseline}): "
            f"{of_best} of balanced accuracy. Use none (share=0), and {baseline} instead."
        )
        above = found.above_curve(found.best)
        if gain.low > 0 and above is not None and above.low <= 0:
            first += " What is gained on rare classes, class-wise offsets may gain at less cost to the common ones."
    sentences = [first]
    if gains or losses:
        told = [f"{', '.join(gains)} gain" if gains else "", f"{', '.join(losses)} lose" if losses else ""]
        sentences.append(f"By class, at 5 % adjusted for their number: {'; '.join(part for part in told if part)}.")
    return sentences


def in_points(one: Interval) -> str:
    """'+1.2 points (+0.3 to +2.1)'."""
    return f"{100 * one.value:+.1f} points ({100 * one.low:+.1f} to {100 * one.high:+.1f})"


def often(way: Method) -> str:
    """What a way chose most often."""
    return max(way.chosen, key=way.chosen.count) if way.chosen else way.name


def _way_rows(found: Comparison) -> list[Row]:
    rows: list[Row] = []
    for way in (*found.baselines.values(), *found.shares.values(), *found.others.values()):
        rows += _rows_of(found, way, judged=way.name not in found.given.baselines and way.name != ADJUSTED)
    rows += _rows_of(found, found.best_baseline, judged=False)
    rows += _rows_of(found, found.best, judged=True)
    rows += [] if found.gated is None else _rows_of(found, found.gated, judged=False)
    return [row for row in rows if row.subject != found.best_baseline.name or row.metric in LEVELS]


def _rows_of(found: Comparison, way: Method, *, judged: bool) -> list[Row]:
    note = f"chosen: {', '.join(sorted(set(way.chosen)))}" if set(way.chosen) - {way.name} else ""
    own, baseline = way.scores, found.best_baseline.scores
    figures = {
        "balanced accuracy": share_interval(own.balanced_accuracy),
        "gain over best without": found.gain(way),
        "above offset curve": found.above_curve(way),
        "macro F1": share_interval(own.macro_f1),
        "gain in macro F1": interval(own.macro_f1 - baseline.macro_f1),
        "calibration error (ECE)": share_interval(own.ece),
        "change of ECE": interval(own.ece - baseline.ece),
    }
    return [
        Row(
            "Ways to train",
            way.name,
            metric,
            one.value,
            one.low,
            one.high,
            state=STATES.get(found.verdict_on(way), "") if judged and metric == "gain over best without" else "",
            note=note,
        )
        for metric, one in figures.items()
        if one is not None
    ]


def _class_rows(
    found: Comparison,
    real: LabeledImages,
    tested: LabeledImages,
    changes: Sequence[Interval],
    p_values: np.ndarray,
) -> list[Row]:
    section, rows = "Classes: recall of the best with synthetic images against the best without", []
    for label, name in enumerate(real.classes):
        p, change = float(p_values[label]), changes[label]
        state = "pass" if p < 0.05 and change.value > 0 else "fail" if p < 0.05 else ""
        state, note = (state, "") if found.solid[label] else ("insufficient", "too few test images, or groups of them")
        rows.append(Row(section, name, "training images", real.counts[name]))
        rows.append(Row(section, name, "test images", tested.counts[name]))
        for metric, way in {"without": found.best_baseline, "with": found.best}.items():
            one = share_interval(way.scores.recall[:, label])
            rows.append(Row(section, name, metric, one.value, one.low, one.high))
        rows.append(Row(section, name, "change", change.value, change.low, change.high, p=p, state=state, note=note))
    return rows
