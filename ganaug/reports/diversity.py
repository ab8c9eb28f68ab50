"""diversity_report: do synthetic images show all that real ones show, and nothing by heart? Of any generator."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor, nn

from ganaug._runtime.randomness import derive, generator
from ganaug.errors import DataError
from ganaug.evaluation.scores import holm
from ganaug.images import LabeledImages, image_hashes, matched
from ganaug.metrics.class_recognition import Recognition, recognition
from ganaug.metrics.distance import frechet_distance
from ganaug.metrics.diversity import MEASURES, Measure, Measured
from ganaug.metrics.features import FRECHET, Extractor, extractor
from ganaug.metrics.membership_inference import nearest_synthetic
from ganaug.metrics.pair import Pair
from ganaug.metrics.permutation import N_PERMUTATIONS
from ganaug.reports.galleries import gallery
from ganaug.reports.report import Report, Row, p_value, worst

ALARM = 0.02  # chance of an alarm in a whole report whose synthetic images are as good as real ones
FEWEST, SAFE = 3, 50  # images of a class: to compute anything, to say that all is well without a word
BLOCKS = 5  # of images, left out in turn for the interval of a Frechet distance
WITHHELD = 2048  # images below which a Frechet distance says more about their number than about them
ALL, DUPLICATES, OVERALL = "all classes", "Real images", "Over all classes, each weighing alike"


def diversity_report(
    real: LabeledImages,
    synthetic: LabeledImages,
    *,
    holdout: LabeledImages | None = None,
    unseen: LabeledImages | None = None,
    features: str | Extractor | nn.Module = "auto",
    most: int = 1000,
    random_state: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
    pictures: bool = True,
) -> Report:
    """Compare synthetic with real images, class by class and over all: coverage, copies, repeats, labels, differences.

    real: the training images, from which copies may have been taken. holdout: real images that the generator has not
    seen; if given, diversity and differences are judged against these, and what the synthetic images betray of who was
    trained on is measured. unseen: such images for the latter alone, which may lack some classes. features: 'auto'
    (EfficientNet-lite0), another name of `metrics.features.FEATURES`, a function, uint8 (N, C, H, W) -> (N, D), or a
    module, which is given floats in [0, 1]. most: images of a class that are looked at, real and synthetic, drawn by
    `random_state`. progress: called with (what is done, steps done, steps in all). pictures: whether to draw them,
    which takes some seconds.

    Tests are exact, by permutation, or of counts, and all of the report are adjusted together (Holm 1979): a report on
    images that are as good as real ones raises any alarm in about 2 % of cases. A measure is `insufficient` below the
    number of images at which it finds gross faults, unless something is plainly wrong. Raises DataError where the
    images do not fit together.
    """
    say = progress or (lambda what, done, total: None)  # noqa: ARG005
    synthetic = matched(synthetic, real, "synthetic")
    against = real if holdout is None else matched(holdout, real, "held-out")
    if not len(synthetic) or not len(against):
        raise DataError(
            "there are no synthetic images to judge." if not len(synthetic) else "there are no real images."
        )
    real_side, synthetic_side = (
        _drawn(side, most, random_state, what) for side, what in ((against, "real"), (synthetic, "synthetic"))
    )
    features_name, embed = extractor(features)
    n_steps = len(real.classes) + 3
    say("features of the real images", 0, n_steps)
    points = embed(real_side.images)
    say("features of the synthetic images", 1, n_steps)
    others = embed(synthetic_side.images)
    known = None
    if holdout is not None or unseen is not None:
        apart = real_side if unseen is None else _drawn(matched(unseen, real, "unseen"), most, random_state, "unseen")
        known = _drawn(real, most, random_state, "members"), apart
    pairs = dict(_pairs(real, real_side, synthetic_side, points, others, most, random_state, known))
    found: dict[tuple[str, str], Measured] = {}
    for number, (subject, pair) in enumerate(pairs.items()):
        say(subject, 2 + number, n_steps)
        if min(len(pair.real), len(pair.synthetic)) < FEWEST:
            continue
        for name, measure in MEASURES.items():
            if not measure.takes or getattr(pair, measure.takes) is not None:
                found[subject, name] = measure.of(pair)
        vars(pair).pop("who", None)  # the largest part of it by far, and of no more use
    rows = _rows(pairs, found) + _absent(real_side, synthetic_side) + _duplicates(real)
    rows += _frechet(points, others, (real_side.labels, synthetic_side.labels), features_name, random_state)
    told = _findings(rows, found)
    return Report(
        "diversity",
        "Are the synthetic images as diverse as real ones?",
        _verdict(rows),
        tuple(told),
        tuple(rows),
        {
            "features": features_name,
            "real images": len(against),
            "synthetic images": len(synthetic),
            "judged against": "training images" if holdout is None else "held-out images",
            "images of a class looked at": most,
            "chance of a false alarm": ALARM,
        },
        tuple(gallery(pairs, found, rows, ALL)) if pictures else (),
    )


def _drawn(images: LabeledImages, most: int, seed: int, what: str) -> LabeledImages:
    """At most `most` images of each class."""
    keep = []
    for label in range(len(images.classes)):
        own = torch.nonzero(images.labels == label).flatten()
        keep.append(own[torch.randperm(len(own), generator=generator(seed, "drawn", what, label))[:most]])
    return images.take(torch.cat(keep))


def _pairs(
    training: LabeledImages,
    real: LabeledImages,
    synthetic: LabeledImages,
    points: Tensor,
    others: Tensor,
    most: int,
    seed: int,
    sides: tuple[LabeledImages, LabeledImages] | None,
) -> Iterator[tuple[str, Pair]]:
    """(class, its pair) for each class that has synthetic images, and one over all in which each class weighs alike.

    sides: images that were trained on, and others.
    """
    told: tuple[Recognition, Recognition] | None = None
    if len(torch.unique(real.labels)) > 1 and int(torch.bincount(real.labels).max()) > 1:
        told = recognition(points, real.labels, others, synthetic.labels, seed=seed % 2**31)
    present = [k for k in range(len(real.classes)) if (synthetic.labels == k).any()]
    n_tests = sum(measure.severity != "" for measure in MEASURES.values()) * (len(present) + 1)
    n_permutations = max(N_PERMUTATIONS, round(2 * n_tests / ALARM))

    def pair(mine: Tensor, theirs: Tensor, among: Tensor, name: str, known: tuple[Tensor, Tensor] | None) -> Pair:
        recognized = None
        if told is not None:
            one, other = told
            recognized = (
                Recognition(one.named[mine], one.confidence[mine]),
                Recognition(other.named[theirs], other.confidence[theirs]),
            )
        claimed = real.labels[mine], synthetic.labels[theirs]
        images = real.images[mine], synthetic.images[theirs], among
        own = derive(seed, "pair", name)
        return Pair(points[mine], others[theirs], *images, recognized, claimed, n_permutations, own, known)

    alike: tuple[list[Tensor], list[Tensor]] = [], []
    told_apart: list[tuple[Tensor, Tensor]] = []
    for label in present:
        mine, theirs = (torch.nonzero(side.labels == label).flatten() for side in (real, synthetic))
        both = min(len(mine), len(theirs), max(1, most // len(present)))
        alike[0].append(mine[:both])
        alike[1].append(theirs[:both])
        name = real.classes[label]
        known = None
        if sides is not None and (each := min(side.counts[name] for side in sides)) >= FEWEST:
            one, other = (nearest_synthetic(side.of_class(name, each), synthetic.images[theirs]) for side in sides)
            known = one, other
            told_apart.append(known)
        yield name, pair(mine, theirs, training.of_class(name), name, known)
    if len(present) > 1:
        mixed = [
            torch.cat(side)[torch.randperm(sum(map(len, side)), generator=generator(seed, "mixed", what))]
            for what, side in zip(("real", "synthetic"), alike, strict=True)
        ]
        both_sides = zip(*told_apart, strict=True)
        known = (torch.cat(next(both_sides)), torch.cat(next(both_sides))) if told_apart else None
        yield ALL, pair(mixed[0], mixed[1], training.images, ALL, known)


def _rows(pairs: dict[str, Pair], found: dict[tuple[str, str], Measured]) -> list[Row]:
    tested = [key for key, one in found.items() if one.p is not None]
    adjusted = dict(zip(tested, holm(np.array([found[key].p for key in tested])), strict=True))
    rows: list[Row] = []
    for subject, pair in pairs.items():
        section = OVERALL if subject == ALL else "Classes"
        n = min(len(pair.real), len(pair.synthetic))
        rows.append(Row(section, subject, "real", len(pair.real)))
        rows.append(Row(section, subject, "synthetic", len(pair.synthetic)))
        for name, measure in MEASURES.items():
            one, p = found.get((subject, name)), adjusted.get((subject, name))
            if one is None:
                if measure.takes and getattr(pair, measure.takes) is None:
                    rows.append(Row(section, subject, name, None, note=measure.otherwise))
                elif measure.severity:
                    rows.append(Row(section, subject, name, None, state="insufficient", note="too few images"))
                continue
            state = _state(measure, p, one.n or n) if measure.severity else ""
            note = _note(one, measure, state, one.n or n)
            rows.append(Row(section, subject, name, one.value, one.low, one.high, p, state, note))
    return rows


def _state(measure: Measure, p: float | None, n: int) -> str:
    if p is not None and p < ALARM:
        return measure.severity
    return "insufficient" if n < measure.enough else "pass"


def _note(one: Measured, measure: Measure, state: str, n: int) -> str:
    parts = [f"{measure.alike}: {one.expected:.3f}"] if one.expected is not None else []
    parts += [one.note] if one.note else []
    if state == "pass" and n < SAFE:
        parts.append("few images: only gross faults would show")
    if state == "insufficient":
        parts.append(f"to say that all is well takes {measure.enough} of each kind")
    return "; ".join(parts)


def _verdict(rows: list[Row]) -> str:
    """That all is well takes every measure over all classes; single classes may have too few images for some."""
    found = worst(rows)
    broad = [row for row in rows if row.subject == ALL] or rows
    return "insufficient" if found == "pass" and any(row.state == "insufficient" for row in broad) else found


def _absent(real: LabeledImages, synthetic: LabeledImages) -> list[Row]:
    """A row for each class without synthetic images, of which nothing can be said."""
    note = "no synthetic images of this class"
    return [
        Row("Classes", name, side, count, note=note)
        for name in real.classes
        if real.counts[name] and not synthetic.counts[name]
        for side, count in (("real", real.counts[name]), ("synthetic", 0))
    ]


def _duplicates(real: LabeledImages) -> list[Row]:
    """A row where the training set has an image more than once: it weighs more, and is learned by heart sooner."""
    again = len(real) - len(torch.unique(image_hashes(real.images)))
    if not again:
        return []
    return [
        Row("Real images", "duplicates", "images", again, state="warn", note="remove them: `ganaug check` lists them")
    ]


def _frechet(points: Tensor, others: Tensor, labels: tuple[Tensor, Tensor], features: str, seed: int) -> list[Row]:
    """A row of the Frechet distance with as many images of a class on each side; withheld where they are few."""
    title = FRECHET.get(features, f"Frechet distance ({features})")
    chosen: tuple[list[Tensor], list[Tensor]] = [], []
    for label in torch.unique(labels[1]):
        own = [torch.nonzero(side == label).flatten() for side in labels]
        both = min(map(len, own))
        for places, side in zip(chosen, own, strict=True):
            places.append(side[:both])
    left, right = points[torch.cat(chosen[0])], others[torch.cat(chosen[1])]
    if len(left) < WITHHELD:
        note = f"withheld: {len(left):,} images of each kind, and below {WITHHELD:,} it mostly tells how many there are"
        return [Row(OVERALL, ALL, title, None, note=note)]
    everything = torch.cat([left, right])
    order = torch.randperm(len(everything), generator=generator(seed, "frechet"))
    alike = frechet_distance(everything[order[: len(left)]], everything[order[len(left) :]])
    value = frechet_distance(left, right)
    parts = torch.arange(len(left)) % BLOCKS
    without = np.array([frechet_distance(left[parts != one], right[parts != one]) for one in range(BLOCKS)])
    reach = float(norm.ppf(0.975)) * float(np.sqrt((BLOCKS - 1) * without.var()))  # of the jackknife
    return [Row(OVERALL, ALL, title, value, value - reach, value + reach, note=f"dealt out at random: {alike:.3f}")]


def _findings(rows: list[Row], found: dict[tuple[str, str], Measured]) -> list[str]:
    """A sentence for each measure that raised an alarm: where, how sure, what it means, what to do."""
    told = []
    for name, measure in MEASURES.items():
        own = [row for row in rows if row.metric == name and row.state in ("warn", "fail")]
        own.sort(key=lambda row: (row.subject != ALL, row.p or 0.0))
        if own:
            where = [f"{row.subject} {row.value or 0:.2f}{_usual(found[row.subject, name], measure)}" for row in own]
            sure = p_value(max(row.p or 0.0 for row in own)).replace("p=", "p at most ")
            title = name[0].upper() + name[1:]
            told.append(f"{title}, {_some(where)} ({sure}, adjusted): {measure.means}. {measure.fix.capitalize()}.")
    unsure = list(dict.fromkeys(row.subject for row in rows if row.state == "insufficient" and row.subject != ALL))
    if unsure:
        told.append(f"Too few images to say that all is well with {_some(unsure)}: the notes say how many it takes.")
    absent = [row.subject for row in rows if row.section == "Classes" and row.metric == "synthetic" and not row.value]
    if absent:
        told.append(f"No synthetic images of {_some(absent)}: nothing is said about these classes.")
    if any(row.section == DUPLICATES for row in rows):
        told.append("Some real images are there twice: they weigh more and are learned by heart sooner. Remove them.")
    if not any(row.state in ("warn", "fail") for row in rows):
        told.insert(0, "In diversity, copies and labels nothing was found that chance would not explain.")
    return told


def _some(names: list[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _usual(one: Measured, measure: Measure) -> str:
    return "" if one.expected is None else f" ({measure.alike} {one.expected:.2f})"
