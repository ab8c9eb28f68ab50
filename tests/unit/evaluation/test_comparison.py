from dataclasses import replace

import numpy as np
import pytest

from ganaug.evaluation import Comparison, Predictions
from ganaug.evaluation.baselines import LOGIT_ADJUSTMENT
from ganaug.evaluation.comparison import HELPS, HELPS_RARE, HURTS, NO_EVIDENCE

N_CLASSES, PER_CLASS, N_SEEDS = 4, 60, 5
LABELS = np.arange(N_CLASSES * PER_CLASS) % N_CLASSES
LOG_PRIOR = np.log(np.array([0.4, 0.3, 0.2, 0.1]))
IMBALANCED = np.log(np.array([0.95, 0.05]))


def simulate(labels, accuracy, seed, rare_accuracy=None):
    """(S, N, K) log-probabilities of a classifier with this accuracy; with `rare_accuracy` on the last class."""
    random = np.random.default_rng(seed)
    rare_accuracy = accuracy if rare_accuracy is None else rare_accuracy
    is_correct = random.uniform(size=(N_SEEDS, len(labels))) < np.where(
        labels == N_CLASSES - 1, rare_accuracy, accuracy
    )
    wrong = (labels + random.integers(1, N_CLASSES, size=is_correct.shape)) % N_CLASSES
    probabilities = np.full((N_SEEDS, len(labels), N_CLASSES), 0.1)
    np.put_along_axis(probabilities, np.where(is_correct, labels, wrong)[..., None], 0.7, axis=2)
    return np.log(probabilities)


def normalize(logits):
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def subtract_prior(log_probabilities, log_prior, strength):
    return normalize(log_probabilities - strength * log_prior)


def simulate_predictions(accuracies, baseline=0.7, shares=(0.1, 0.5), groups=None):
    """Methods with these accuracies at these shares; the better baseline has the accuracy `baseline`."""
    return Predictions(
        LABELS,
        np.random.default_rng(0).integers(0, 5, len(LABELS)),
        groups,
        LOG_PRIOR,
        {"real only": simulate(LABELS, baseline - 0.1, 1), "oversampling": simulate(LABELS, baseline, 2)},
        {
            share: {f"{share:.0%} synthetic": simulate(LABELS, accuracy, 10 + k)}
            for k, (share, accuracy) in enumerate(zip(shares, accuracies, strict=True))
        },
        {},
    )


def compare(*args, **options):
    return Comparison(simulate_predictions(*args, **options), resamples=400)


def two_classes(baselines, with_share, *, log_prior=IMBALANCED, logit_adjustment=True, resamples=200):
    """A comparison on 1,000 test images of each of two classes, or as many as the tables have."""
    n = next(iter(baselines.values())).shape[1]
    labels = np.repeat(np.arange(len(log_prior)), n // len(log_prior))
    predictions = Predictions(
        labels,
        np.arange(n) % 5,
        None,
        log_prior,
        baselines,
        {0.5: {"50% synthetic": with_share}},
        {},
        logit_adjustment=logit_adjustment,
    )
    return Comparison(predictions, resamples=resamples)


def noisy_logits(random, n_classes, per_class, separation=1.5):
    labels = np.repeat(np.arange(n_classes), per_class)
    return random.normal(size=(N_SEEDS, len(labels), n_classes)) + separation * np.eye(n_classes)[labels]


def test_a_clear_gain_helps_and_its_share_is_recommended():
    comparison = compare((0.7, 0.9))
    assert comparison.verdict == HELPS
    assert comparison.recommended_share == 0.5
    assert comparison.gain(comparison.best_with_synthetic).low > 0


def test_the_larger_of_two_equal_shares_is_recommended():
    predictions = simulate_predictions((0.9,), shares=(0.5,))
    with_synthetic = {
        0.1: {"10% synthetic": predictions.with_synthetic[0.5]["50% synthetic"]},
        **predictions.with_synthetic,
    }
    comparison = Comparison(replace(predictions, with_synthetic=with_synthetic), resamples=400)
    assert (comparison.verdict, comparison.recommended_share) == (HELPS, 0.5)


def test_harm_at_every_share_hurts_and_no_share_is_recommended():
    comparison = compare((0.55, 0.4))
    assert (comparison.verdict, comparison.recommended_share) == (HURTS, 0.0)
    assert comparison.verdict_for(comparison.shares[0.5]) == HURTS


def test_no_difference_is_no_evidence_in_nearly_all_of_many_trials():
    verdicts = []
    for trial in range(40):
        predictions = simulate_predictions((0.7, 0.7))
        with_synthetic = {s: {str(s): simulate(LABELS, 0.7, 1000 + 10 * trial + k)} for k, s in enumerate((0.1, 0.5))}
        baselines = {name: simulate(LABELS, 0.7, 2000 + 10 * trial + k) for k, name in enumerate(predictions.baselines)}
        equal = replace(predictions, baselines=baselines, with_synthetic=with_synthetic)
        verdicts.append(Comparison(equal, resamples=200, seed=trial).verdict)
    assert verdicts.count(HELPS) <= 3


def test_selecting_the_best_of_many_equal_methods_gains_nothing():
    """Of twenty equal methods the best, scored on other images than it is selected on, is as good as the others."""
    gains = []
    for trial in range(10):
        predictions = replace(
            simulate_predictions((0.7, 0.7)),
            log_prior=np.zeros(N_CLASSES),
            baselines={"real only": simulate(LABELS, 0.7, 9000 + trial)},
            with_synthetic={k / 100: {str(k): simulate(LABELS, 0.7, 5000 + 100 * trial + k)} for k in range(1, 21)},
        )
        comparison = Comparison(predictions, resamples=50)
        gains.append(comparison.gain(comparison.best_with_synthetic).value)
    assert abs(np.mean(gains)) < 0.01


def test_a_lucky_training_is_no_gain():
    """All methods are equal, but each training is better or worse than its method, on all images alike."""
    labels, verdicts, gains = np.arange(N_CLASSES * 200) % N_CLASSES, [], []
    for trial in range(80):
        random = np.random.default_rng(trial)

        def varying(random=random):
            return np.concatenate(
                [simulate(labels, random.normal(0.7, 0.04), random.integers(2**31))[:1] for _ in range(N_SEEDS)]
            )

        with_synthetic = {
            share: {f"{share}": varying(), f"{share} + classical": varying()} for share in np.linspace(0.1, 0.9, 8)
        }
        baselines = {name: varying() for name in ("real only", "oversampling")}
        folds = np.arange(len(labels)) // N_CLASSES % 5
        equal = Predictions(labels, folds, None, LOG_PRIOR, baselines, with_synthetic, {}, logit_adjustment=False)
        comparison = Comparison(equal, resamples=60, seed=trial)
        verdicts.append(comparison.verdict)
        gains.append(comparison.gain(comparison.best_with_synthetic).value)
    assert verdicts.count(HELPS) <= 8
    assert abs(np.mean(gains)) < 0.012


def test_a_decision_boundary_that_only_moved_is_no_gain():
    """A rare class gains what the common one loses: the offset curve of the baseline reaches the same point."""
    logits = noisy_logits(np.random.default_rng(0), 2, 1000)
    comparison = two_classes({"real only": normalize(logits + 0.3 * IMBALANCED)}, normalize(logits - 0.1 * IMBALANCED))
    assert abs(comparison.gain_over_offset_curve(comparison.best_with_synthetic).value) < 0.005
    assert comparison.verdict != HELPS


@pytest.fixture(scope="module")
def boundary_only():
    """Synthetic images only move the boundary of the best baseline, and logit adjustment is not tried."""
    random = np.random.default_rng(0)
    logits = noisy_logits(random, 2, 1000)
    good = subtract_prior(logits, IMBALANCED, -0.5)  # favors the common class
    baselines = {"real only": normalize(random.normal(size=logits.shape)), "classical augmentation": good}
    return two_classes(baselines, subtract_prior(good, IMBALANCED, 0.4), logit_adjustment=False)


def test_moving_the_boundary_of_the_best_baseline_is_no_gain(boundary_only):
    assert boundary_only.gain(boundary_only.best_with_synthetic).low > 0.01
    assert boundary_only.gain_over_offset_curve(boundary_only.best_with_synthetic).value == pytest.approx(0, abs=0.01)
    assert boundary_only.verdict != HELPS


def test_the_policy_keeps_the_baseline_where_only_the_boundary_moved(boundary_only):
    assert boundary_only.gain(boundary_only.best_with_synthetic).low > 0.01
    assert set(boundary_only.verdict_policy.selected) == {"classical augmentation"}


def test_the_offset_curve_reaches_methods_that_favor_the_common_classes():
    """As training on few images does, compared with a baseline that detects rare classes: a trade, no learning."""
    good = normalize(noisy_logits(np.random.default_rng(0), 2, 1000))
    comparison = two_classes({"real only": good}, subtract_prior(good, IMBALANCED, -0.8), logit_adjustment=False)
    assert comparison.rare_and_common_recall(comparison.best_with_synthetic.scores.recall)[0][0] < 0.3
    assert comparison.gain_over_offset_curve(comparison.best_with_synthetic).value == pytest.approx(0, abs=0.01)


def test_logit_adjustment_of_any_baseline_undoes_what_synthetic_images_only_moved():
    """The same boundary, but now the best baseline is tried with logit adjustment, which reaches it at no cost."""
    random = np.random.default_rng(0)
    logits = noisy_logits(random, 2, 1000)
    good = subtract_prior(logits, IMBALANCED, -0.5)
    baselines = {"real only": normalize(random.normal(size=logits.shape)), "classical augmentation": good}
    comparison = two_classes(baselines, subtract_prior(good, IMBALANCED, 0.4))
    assert comparison.gain(comparison.best_with_synthetic).value < 0.005
    assert all("classical augmentation, logit adjustment" in name for name in comparison.best_baseline.selected)


def test_a_method_below_a_curve_that_turns_back_is_no_gain():
    """With three classes, too large an offset predicts the rarest class only, and the less rare one loses again."""
    log_prior = np.log(np.array([0.9, 0.08, 0.02]))
    baseline = normalize(noisy_logits(np.random.default_rng(1), 3, 500))
    comparison = two_classes({"real only": baseline}, baseline, log_prior=log_prior, logit_adjustment=False)
    rare, _ = comparison.offset_curve
    assert rare[-1, 0] < rare.max() - 0.05
    above = comparison.gain_over_offset_curve(comparison.best_with_synthetic)
    assert above.value == pytest.approx(0, abs=0.01)
    assert above.high < 0.05


def test_logit_adjustment_is_a_baseline_that_undoes_the_prior():
    log_prior = np.log(np.array([0.98, 0.02]))
    real_only = normalize(noisy_logits(np.random.default_rng(0), 2, 500, separation=2) + log_prior)
    comparison = two_classes({"real only": real_only}, real_only, log_prior=log_prior, resamples=100)
    adjusted, plain = (
        comparison.baselines[name].scores.balanced_accuracy[0]
        for name in (f"real only, {LOGIT_ADJUSTMENT}", "real only")
    )
    assert adjusted > plain + 0.1
    assert set(comparison.best_baseline.selected) <= {
        f"real only, {LOGIT_ADJUSTMENT}, tau {tau}" for tau in ("0.75", "1", "1.25")
    }


def test_the_policy_uses_synthetic_images_that_gain_and_not_those_that_harm():
    gaining, harmful = compare((0.7, 0.9)), compare((0.55, 0.4))
    assert all("synthetic" in name for name in gaining.verdict_policy.selected)
    assert not any("synthetic" in name for name in harmful.verdict_policy.selected)


def test_there_is_no_policy_with_fewer_than_four_seeds():
    predictions = simulate_predictions((0.7, 0.9))
    three_seeds = predictions.subset(np.ones(len(predictions.labels), bool), np.arange(N_SEEDS) < 3)
    assert Comparison(three_seeds, resamples=100).verdict_policy is None


def test_harm_at_every_share_above_the_smallest_hurts():
    comparison = compare((0.71, 0.5, 0.4), shares=(0.1, 0.25, 0.5))
    assert comparison.verdict_for(comparison.shares[0.1]) == NO_EVIDENCE
    assert (comparison.verdict, comparison.recommended_share) == (HURTS, 0.0)


def test_harm_at_one_of_two_larger_shares_is_no_evidence():
    assert compare((0.7, 0.7, 0.4), shares=(0.1, 0.25, 0.5)).verdict == NO_EVIDENCE


@pytest.mark.parametrize(("lead", "share"), [(0.5, 0.0), (2.0, 0.5)])
def test_the_selected_share_is_0_until_the_best_leads_by_its_standard_error(lead, share):
    """Wrong predictions of the baseline are corrected until the share leads by that many standard errors."""
    baseline = simulate(LABELS, 0.7, 3)[:1]
    error = np.sqrt(0.7 * 0.3 / len(LABELS))
    corrected, wrong = baseline.copy(), np.flatnonzero(baseline[0].argmax(1) != LABELS)
    for index in wrong[: round(lead * error * len(LABELS))]:
        corrected[0, index] = np.log(np.where(np.arange(N_CLASSES) == LABELS[index], 0.7, 0.1))
    predictions = Predictions(
        LABELS,
        LABELS % 2,
        None,
        np.zeros(N_CLASSES),
        {"real only": baseline},
        {0.5: {"50%": corrected}},
        {},
        logit_adjustment=False,
    )
    assert Comparison(predictions, resamples=400).one_standard_error_share == share


def test_intervals_are_wider_where_the_images_of_a_group_agree():
    """In each of ten groups all images gain or none does: ten independent observations, not 240."""
    groups = np.arange(len(LABELS)) // 24

    def wrong_in(is_wrong):
        return np.log(np.where(np.arange(N_CLASSES) == ((LABELS + is_wrong) % N_CLASSES)[:, None], 0.7, 0.1))[None]

    gains = {}
    for name, bootstrap_groups in {"images": None, "groups": groups}.items():
        predictions = Predictions(
            LABELS,
            groups % 5,
            bootstrap_groups,
            np.zeros(N_CLASSES),
            {"real only": wrong_in(groups % 2 == 0)},
            {0.1: {"10%": wrong_in(groups % 5 == 0)}},
            {},
            logit_adjustment=False,
        )
        comparison = Comparison(predictions, resamples=400)
        gains[name] = comparison.gain(comparison.best_with_synthetic)
    assert gains["groups"].value == pytest.approx(gains["images"].value)
    width_of_groups, width_of_images = (gains[name].high - gains[name].low for name in ("groups", "images"))
    assert width_of_groups > 2 * width_of_images


def test_three_groups_are_too_few_for_evidence():
    comparison = compare((0.7, 0.95), groups=np.arange(len(LABELS)) % 3)
    assert comparison.gain(comparison.best_with_synthetic).low > 0
    assert (comparison.verdict, comparison.recommended_share) == (NO_EVIDENCE, 0.0)


def test_one_test_image_of_a_class_decides_nothing():
    """When the only image of the last class becomes correct, balanced accuracy gains 25 points in every resample."""
    predictions = simulate_predictions((0.7, 0.7))
    rows = np.r_[np.flatnonzero(LABELS < N_CLASSES - 1), np.flatnonzero(LABELS == N_CLASSES - 1)[:1]]
    wrong, correct = (simulate(LABELS, 0.7, 1, rare_accuracy=accuracy)[:, rows] for accuracy in (0.0, 1.0))
    one_image = Predictions(
        LABELS[rows],
        predictions.folds[rows],
        None,
        LOG_PRIOR,
        {"real only": wrong},
        {0.1: {"10%": correct}},
        {},
        logit_adjustment=False,
    )
    comparison = Comparison(one_image, resamples=300)
    assert comparison.gain(comparison.best_with_synthetic).value == pytest.approx(0.25, abs=0.02)
    assert comparison.verdict == NO_EVIDENCE
    assert np.isnan(comparison.classes(comparison.best_with_synthetic)[1][N_CLASSES - 1])


def test_a_gain_of_one_of_forty_classes_is_significant():
    labels, random = np.arange(40 * 30) % 40, np.random.default_rng(0)

    def with_accuracy(accuracy):
        is_correct = random.uniform(size=(N_SEEDS, len(labels))) < np.where(labels == 7, accuracy, 0.7)
        predicted = np.where(is_correct, labels, (labels + 1) % 40)
        return np.log(np.where(np.arange(40) == predicted[..., None], 0.7, 0.3 / 39))

    improved, baseline = with_accuracy(0.95), with_accuracy(0.2)
    predictions = Predictions(
        labels,
        labels % 5,
        None,
        np.zeros(40),
        {"real only": baseline},
        {0.1: {"10%": improved}},
        {},
        logit_adjustment=False,
    )
    comparison = Comparison(predictions, resamples=300)
    assert comparison.classes(comparison.best_with_synthetic)[1][7] < 0.05


def test_the_class_that_gains_is_named():
    with_synthetic = {0.1: {"10% synthetic": simulate(LABELS, 0.7, 30, rare_accuracy=0.98)}}
    comparison = Comparison(replace(simulate_predictions((0.7, 0.7)), with_synthetic=with_synthetic), resamples=400)
    changes, p_values = comparison.classes(comparison.best_with_synthetic)
    assert p_values[N_CLASSES - 1] < 0.05
    assert changes[N_CLASSES - 1].value > 0.15
    assert (p_values[:-1] > 0.05).all()


def changed_recalls(changes, baseline=0.7, seed=0, per_class=400):
    """Predictions of two methods for four classes; `changes`: what the one with synthetic images does to the recall of
    each class."""
    labels = np.arange(N_CLASSES * per_class) % N_CLASSES
    random = np.random.default_rng(seed)
    difficulty = random.uniform(size=(N_SEEDS, len(labels)))

    def with_recalls(recalls):
        is_right = difficulty < np.asarray(recalls)[labels]
        predicted = np.where(is_right, labels, (labels + 1) % N_CLASSES)
        return np.log(np.where(np.arange(N_CLASSES) == predicted[..., None], 0.7, 0.1))

    return Predictions(
        labels,
        np.arange(len(labels)) // N_CLASSES % 5,
        None,
        LOG_PRIOR,
        {"real only": with_recalls([baseline] * N_CLASSES)},
        {0.25: {"25%": with_recalls(baseline + np.array(changes))}},
        {},
        logit_adjustment=False,
    )


@pytest.mark.parametrize(
    ("changes", "verdict", "share"),
    [
        ((-0.02, -0.02, 0, 0.03), "no evidence", 0.0),
        ((-0.001, 0, 0.0, 0.1), "helps", 0.25),
        ((0, 0, 0, 0), "no evidence", 0.0),
        ((-0.1, -0.1, -0.1, -0.1), "hurts", 0.0),
    ],
    ids=["the others lose more than the margin", "a clear gain", "no change", "harm"],
)
def test_the_verdict_follows_the_recalls(changes, verdict, share):
    comparison = Comparison(changed_recalls(changes), resamples=300)
    assert (comparison.verdict, comparison.recommended_share) == (verdict, share)


def rare_gain(margin):
    """A rare class gains 6 points, and two common ones lose more than that together: no gain in balanced accuracy."""
    return Comparison(changed_recalls((-0.03, -0.03, 0, 0.06)), resamples=300, margin=margin)


def test_a_rare_class_that_gains_without_harm_to_the_others_is_a_verdict_of_its_own():
    comparison = rare_gain(margin=0.05)
    assert comparison.gain(comparison.best_with_synthetic).low <= 0
    assert (comparison.verdict, comparison.recommended_share) == (HELPS_RARE, 0.25)
    assert comparison.rare_classes(comparison.best_with_synthetic).is_gaining.tolist() == [False, False, False, True]


def test_a_rare_class_that_gains_at_a_larger_cost_to_the_others_than_the_margin_is_no_evidence():
    comparison = rare_gain(margin=0.01)
    assert (comparison.verdict, comparison.recommended_share) == (NO_EVIDENCE, 0.0)


def test_a_common_class_that_gains_is_no_gain_of_rare_classes():
    comparison = Comparison(changed_recalls((0.06, 0, -0.03, -0.03)), resamples=300, margin=0.05)
    assert comparison.verdict == NO_EVIDENCE


def test_the_objective_decides_what_is_selected():
    """One baseline is best in balanced accuracy, one in macro F1 (it rarely predicts the rare class wrongly), and one
    finds all rare images and nothing else."""
    labels = np.repeat(np.arange(2), (900, 100))
    random = np.random.default_rng(0)

    def with_recalls(common, rare):
        is_right = random.uniform(size=(N_SEEDS, 1000)) < np.where(labels == 0, common, rare)
        predicted = np.where(is_right, labels, 1 - labels)
        return np.log(np.where(np.arange(2) == predicted[..., None], 0.9, 0.1))

    baselines = {
        "even": with_recalls(0.85, 0.8),
        "careful": with_recalls(0.98, 0.6),
        "all rare": with_recalls(0.2, 1.0),
    }
    baselines["a little more"] = with_recalls(0.84, 0.805)
    predictions = Predictions(
        labels, np.arange(1000) % 5, None, np.log([0.9, 0.1]), baselines, {0.5: {"50%": with_recalls(0.85, 0.8)}}, {},
        logit_adjustment=False,
    )  # fmt: skip
    selected = {
        objective: set(Comparison(predictions, resamples=20, objective=objective, margin=0.05).best_baseline.selected)
        for objective in ("balanced_accuracy", "macro_f1", "rare_recall")
    }
    assert selected["macro_f1"] == {"careful"}
    # "all rare" has the highest recall of the rare class, and gives up the common one
    assert selected["balanced_accuracy"] | selected["rare_recall"] <= {"even", "a little more"}


def test_the_gain_is_that_of_the_objective():
    predictions = changed_recalls((-0.05, -0.05, 0, 0.3))
    gains = {
        objective: (comparison := Comparison(predictions, resamples=100, objective=objective, margin=0.1)).gain(
            comparison.best_with_synthetic
        )
        for objective in ("balanced_accuracy", "macro_f1", "rare_recall")
    }
    assert gains["balanced_accuracy"].value == pytest.approx(0.05, abs=0.01)
    assert gains["rare_recall"].value == pytest.approx(0.15, abs=0.02)
    assert 0 < gains["macro_f1"].value != gains["balanced_accuracy"].value
