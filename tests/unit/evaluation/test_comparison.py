from dataclasses import replace

import numpy as np
import pytest

from ganaug.evaluation.baselines import ADJUSTED
from ganaug.evaluation.comparison import HELPS, HURTS, NO_EVIDENCE, Comparison, Predictions

K, EACH, SEEDS = 4, 60, 5


def table(labels, right, seed, rare_right=None):
    """(S, N, K) log-probabilities that name the class in `right` of the cases; in `rare_right` for the last class."""
    random = np.random.default_rng(seed)
    chance = np.where(labels == K - 1, right if rare_right is None else rare_right, right)
    found = np.full((SEEDS, len(labels), K), 0.1)
    hit = random.uniform(size=(SEEDS, len(labels))) < chance
    named = np.where(hit, labels, (labels + random.integers(1, K, size=hit.shape)) % K)
    np.put_along_axis(found, named[..., None], 0.7, axis=2)
    return np.log(found)


def predictions(ours, baseline=0.7, shares=(0.1, 0.5), **others):
    labels = np.arange(K * EACH) % K
    baselines = {"real only": table(labels, baseline - 0.1, 1), "oversampling": table(labels, baseline, 2)}
    with_samples = {
        share: {f"{share:.0%} synthetic": table(labels, right, 10 + k)}
        for k, (share, right) in enumerate(zip(shares, ours, strict=True))
    }
    return Predictions(
        labels,
        np.random.default_rng(0).integers(0, 5, len(labels)),
        others.get("groups"),
        np.log(np.array([0.4, 0.3, 0.2, 0.1])),
        baselines,
        with_samples,
        {},
    )


def compared(*args, **options):
    return Comparison(predictions(*args, **options), resamples=400)


def test_a_plain_gain_helps_and_the_share_that_gains_is_recommended():
    found = compared((0.7, 0.9))
    assert found.verdict == HELPS
    assert found.share == 0.5
    assert found.gain(found.best).low > 0


def test_the_smaller_of_two_equal_shares_is_recommended():
    given = predictions((0.9,), shares=(0.5,))
    ours = {0.1: {"10% synthetic": given.ours[0.5]["50% synthetic"]}, **given.ours}
    found = Comparison(replace(given, ours=ours), resamples=400)
    assert (found.verdict, found.share) == (HELPS, 0.1)


def test_harm_at_every_share_hurts_and_none_is_recommended():
    found = compared((0.55, 0.4))
    assert (found.verdict, found.share) == (HURTS, 0.0)
    assert found.verdict_on(found.shares[0.5]) == HURTS


def test_no_difference_is_no_evidence_in_nearly_all_of_many_trials():
    verdicts = []
    labels = np.arange(K * EACH) % K
    for trial in range(40):
        given = predictions((0.7, 0.7))
        ours = {s: {str(s): table(labels, 0.7, 1000 + 10 * trial + k)} for k, s in enumerate((0.1, 0.5))}
        baselines = {name: table(labels, 0.7, 2000 + 10 * trial + k) for k, name in enumerate(given.baselines)}
        given = Predictions(given.labels, given.parts, None, given.log_prior, baselines, ours, {})
        verdicts.append(Comparison(given, resamples=200, seed=trial).verdict)
    assert verdicts.count(HELPS) <= 3


def test_picking_the_best_of_many_equals_gains_nothing():
    """Twenty ways that are all alike: the best, scored where it was not chosen, is no better than the others."""
    labels, gains = np.arange(K * EACH) % K, []
    for trial in range(10):
        given = predictions((0.7, 0.7))
        ours = {k / 100: {str(k): table(labels, 0.7, 5000 + 100 * trial + k)} for k in range(1, 21)}
        baselines = {"real only": table(labels, 0.7, 9000 + trial)}
        given = Predictions(given.labels, given.parts, None, np.zeros(K), baselines, ours, {})
        found = Comparison(given, resamples=50)
        gains.append(found.gain(found.best).value)
    assert abs(np.mean(gains)) < 0.01


def test_a_lucky_training_is_no_gain():
    """All ways are alike, but each training is better or worse than its way, on all images alike."""
    labels, verdicts, gains = np.arange(K * 200) % K, [], []
    given = predictions((0.7, 0.7))
    for trial in range(80):
        random = np.random.default_rng(trial)

        def way(random=random):
            return np.concatenate(
                [table(labels, random.normal(0.7, 0.04), random.integers(2**31))[:1] for _ in range(SEEDS)]
            )

        ours = {share: {f"{share}": way(), f"{share} + classical": way()} for share in np.linspace(0.1, 0.9, 8)}
        alike = Predictions(
            labels,
            np.arange(len(labels)) // K % 5,
            None,
            given.log_prior,
            {name: way() for name in given.baselines},
            ours,
            {},
            adjust=False,
        )
        found = Comparison(alike, resamples=60, seed=trial)
        verdicts.append(found.verdict)
        gains.append(found.gain(found.best).value)
    assert verdicts.count(HELPS) <= 8
    assert abs(np.mean(gains)) < 0.012


def test_a_boundary_that_only_moved_is_no_gain():
    """A rare class gains what the common ones lose: the offset curve of the baseline reaches the same point."""
    random, labels = np.random.default_rng(0), np.repeat(np.arange(2), 1000)
    logits = random.normal(size=(SEEDS, 2000, 2)) + 1.5 * np.eye(2)[labels]
    log_prior = np.log(np.array([0.95, 0.05]))
    normalized = lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True))  # noqa: E731
    baselines = {"real only": normalized(logits + 0.3 * log_prior)}
    ours = {0.5: {"50% synthetic": normalized(logits - 0.1 * log_prior)}}
    given = Predictions(labels, np.arange(2000) % 5, None, log_prior, baselines, ours, {})
    found = Comparison(given, resamples=200)
    above = found.above_curve(found.best)
    assert abs(above.value) < 0.005
    assert found.verdict != HELPS


def moved(table, log_prior, by):
    found = table - by * log_prior
    return found - np.log(np.exp(found).sum(-1, keepdims=True))


def test_the_best_rival_with_its_boundary_moved_is_no_gain():
    """Whatever the baseline is: that of the plain model is adjusted anyhow, this one is not."""
    random, labels = np.random.default_rng(0), np.repeat(np.arange(2), 1000)
    log_prior = np.log(np.array([0.95, 0.05]))
    logits = random.normal(size=(SEEDS, 2000, 2)) + 1.5 * np.eye(2)[labels]
    good = moved(logits, log_prior, -0.5)  # leans to the common class
    baselines = {"real only": moved(random.normal(size=logits.shape), log_prior, 0), "classical augmentation": good}
    ours = {0.5: {"50% synthetic": moved(good, log_prior, 0.4)}}
    found = Comparison(Predictions(labels, np.arange(2000) % 5, None, log_prior, baselines, ours, {}), resamples=200)
    assert found.gain(found.best).low > 0.01
    assert found.above_curve(found.best).value == pytest.approx(0, abs=0.01)
    assert found.verdict != HELPS


def test_the_curve_reaches_ways_that_lean_far_to_the_common_classes():
    """As plain training of few images does beside a baseline that finds the rare ones: it has traded, not learned."""
    random, labels = np.random.default_rng(0), np.repeat(np.arange(2), 1000)
    log_prior = np.log(np.array([0.95, 0.05]))
    good = moved(random.normal(size=(SEEDS, 2000, 2)) + 1.5 * np.eye(2)[labels], log_prior, 0)
    ours = {0.5: {"50% synthetic": moved(good, log_prior, -0.8)}}
    found = Comparison(
        Predictions(labels, np.arange(2000) % 5, None, log_prior, {"real only": good}, ours, {}, False), resamples=200
    )
    assert found.trade(found.best.scores.recall)[0][0] < 0.3
    assert found.above_curve(found.best).value == pytest.approx(0, abs=0.01)


def test_what_lies_below_a_curve_that_turns_back_is_no_gain():
    """Of three classes, far too large an offset gives everything to the rarest, and the less rare one loses again."""
    random, labels = np.random.default_rng(1), np.repeat(np.arange(3), 500)
    log_prior = np.log(np.array([0.9, 0.08, 0.02]))
    baseline = moved(random.normal(size=(SEEDS, 1500, 3)) + 1.5 * np.eye(3)[labels], log_prior, 0)
    found = Comparison(
        Predictions(
            labels, np.arange(1500) % 5, None, log_prior, {"real only": baseline}, {0.5: {"50%": baseline}}, {}, False
        ),
        resamples=200,
    )
    rare, _ = found.curve
    assert rare[-1, 0] < rare.max() - 0.05
    above = found.above_curve(found.best)
    assert above.value == pytest.approx(0, abs=0.01)
    assert above.high < 0.05


def test_logit_adjustment_is_a_rival_that_undoes_the_prior():
    random, labels = np.random.default_rng(0), np.repeat(np.arange(2), 500)
    log_prior = np.log(np.array([0.98, 0.02]))
    logits = random.normal(size=(SEEDS, 1000, 2)) + 2 * np.eye(2)[labels] + log_prior
    plain = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    given = Predictions(labels, np.arange(1000) % 5, None, log_prior, {"real only": plain}, {0.1: {"10%": plain}}, {})
    found = Comparison(given, resamples=100)
    adjusted, real_only = (found.baselines[name].scores.balanced_accuracy[0] for name in (ADJUSTED, "real only"))
    assert adjusted > real_only + 0.1
    assert set(found.best_baseline.chosen) <= {f"{ADJUSTED}, tau {tau}" for tau in ("0.75", "1", "1.25")}


def test_the_gate_follows_a_plain_gain_and_leaves_plain_harm():
    gaining, harmful = compared((0.7, 0.9)), compared((0.55, 0.4))
    assert all("synthetic" in name for name in gaining.gated.chosen)
    assert not any("synthetic" in name for name in harmful.gated.chosen)


def test_the_gate_stays_shut_where_the_boundary_only_moved():
    """A gain in balanced accuracy that offsets would bring too is no gain to the verdict, nor to who follows it."""
    random, labels = np.random.default_rng(0), np.repeat(np.arange(2), 1000)
    log_prior = np.log(np.array([0.95, 0.05]))
    logits = random.normal(size=(SEEDS, 2000, 2)) + 1.5 * np.eye(2)[labels]
    good = moved(logits, log_prior, -0.5)
    baselines = {"real only": moved(random.normal(size=logits.shape), log_prior, 0), "classical augmentation": good}
    ours = {0.5: {"50% synthetic": moved(good, log_prior, 0.4)}}
    found = Comparison(Predictions(labels, np.arange(2000) % 5, None, log_prior, baselines, ours, {}), resamples=200)
    assert found.gain(found.best).low > 0.01
    assert set(found.gated.chosen) == {"classical augmentation"}


def test_too_few_trainings_have_no_gate():
    given = predictions((0.7, 0.9))
    kept = given.only(np.ones(len(given.labels), bool), np.arange(SEEDS) < 3)
    assert Comparison(kept, resamples=100).gated is None


def test_harm_at_every_share_but_the_smallest_hurts():
    found = compared((0.71, 0.5, 0.4), shares=(0.1, 0.25, 0.5))
    assert found.verdict_on(found.shares[0.1]) == NO_EVIDENCE
    assert (found.verdict, found.share) == (HURTS, 0.0)


def test_harm_at_one_of_two_larger_shares_is_no_evidence():
    assert compared((0.7, 0.7, 0.4), shares=(0.1, 0.25, 0.5)).verdict == NO_EVIDENCE


@pytest.mark.parametrize(("lead", "share"), [(0.5, 0.0), (2.0, 0.5)])
def test_the_cautious_share_is_0_until_the_best_leads_by_its_standard_error(lead, share):
    """Wrong answers of the baseline are turned right, in steps, until ours leads by so many standard errors."""
    labels = np.arange(K * EACH) % K
    baseline = table(labels, 0.7, 3)[:1]
    error = np.sqrt(0.7 * 0.3 / len(labels))
    ours, wrong = baseline.copy(), np.flatnonzero(baseline[0].argmax(1) != labels)
    for place in wrong[: round(lead * error * len(labels))]:
        ours[0, place] = np.log(np.where(np.arange(K) == labels[place], 0.7, 0.1))
    given = Predictions(
        labels, labels % 2, None, np.zeros(K), {"real only": baseline}, {0.5: {"50%": ours}}, {}, adjust=False
    )
    assert Comparison(given, resamples=400).cautious_share == share


def test_intervals_widen_where_images_of_a_group_agree():
    """Ten groups, in each of which all images gain or none does: ten pieces of evidence, not 240."""
    labels, groups = np.arange(K * EACH) % K, np.arange(K * EACH) // 24
    baseline = np.log(np.where(np.arange(K) == ((labels + (groups % 2 == 0)) % K)[:, None], 0.7, 0.1))[None]
    ours = np.log(np.where(np.arange(K) == ((labels + (groups % 5 == 0)) % K)[:, None], 0.7, 0.1))[None]
    widths = {}
    for name, own in {"alone": None, "together": groups}.items():
        given = Predictions(labels, groups % 5, own, np.zeros(K), {"real only": baseline}, {0.1: {"10%": ours}}, {})
        gain = Comparison(replace(given, adjust=False), resamples=400)
        widths[name] = gain.gain(gain.best)
    assert widths["together"].value == pytest.approx(widths["alone"].value)
    assert widths["together"].high - widths["together"].low > 2 * (widths["alone"].high - widths["alone"].low)


def test_three_groups_are_too_few_to_tell():
    found = compared((0.7, 0.95), groups=np.arange(K * EACH) % 3)
    assert found.gain(found.best).low > 0
    assert (found.verdict, found.share) == (NO_EVIDENCE, 0.0)


def test_one_test_image_of_a_class_decides_nothing():
    """Where the only image of the last class turns right, balanced accuracy gains 25 points in every resample."""
    given = predictions((0.7, 0.7))
    keep = np.r_[np.flatnonzero(given.labels < K - 1), np.flatnonzero(given.labels == K - 1)[:1]]
    baseline, ours = (table(given.labels, 0.7, 1, rare_right=chance)[:, keep] for chance in (0.0, 1.0))
    cut = Predictions(
        given.labels[keep], given.parts[keep], None, given.log_prior, {"real only": baseline}, {0.1: {"10%": ours}}, {}
    )
    found = Comparison(replace(cut, adjust=False), resamples=300)
    assert found.gain(found.best).value == pytest.approx(0.25, abs=0.02)
    assert found.verdict == NO_EVIDENCE
    assert np.isnan(found.classes(found.best)[1][K - 1])


def test_one_of_forty_classes_can_be_shown_to_gain():
    labels = np.arange(40 * 30) % 40
    right = np.where(labels == 7, 0.2, 0.7)
    random = np.random.default_rng(0)

    def said(chance):
        hit = random.uniform(size=(SEEDS, len(labels))) < chance
        named = np.where(hit, labels, (labels + 1) % 40)
        return np.log(np.where(np.arange(40) == named[..., None], 0.7, 0.3 / 39))

    ours = said(np.where(labels == 7, 0.95, 0.7))
    given = Predictions(labels, labels % 5, None, np.zeros(40), {"real only": said(right)}, {0.1: {"10%": ours}}, {})
    p_values = Comparison(replace(given, adjust=False), resamples=300).classes(
        Comparison(replace(given, adjust=False), resamples=300).best
    )[1]
    assert p_values[7] < 0.05


def test_the_class_that_gains_is_named():
    labels = np.arange(K * EACH) % K
    given = predictions((0.7, 0.7))
    ours = {0.1: {"10% synthetic": table(labels, 0.7, 30, rare_right=0.98)}}
    given = Predictions(given.labels, given.parts, None, given.log_prior, given.baselines, ours, {})
    found = Comparison(given, resamples=400)
    changes, p_values = found.classes(found.best)
    assert p_values[K - 1] < 0.05
    assert changes[K - 1].value > 0.15
    assert (p_values[:-1] > 0.05).all()
