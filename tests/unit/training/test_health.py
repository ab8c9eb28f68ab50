"""Health judges numbers chosen by hand. tests/planted shows that training acts on the findings."""

import math

import pytest

from ganaug.training.health import GRACE_CHECKS, MAX_RETRIES, STALLED_CHECKS, SYMPTOMS, Evaluation, Health

GOOD = {
    "accuracy_real": 0.6,
    "accuracy_fake": 0.5,
    "gap": 1.0,
    "gradient_images": 1.0,
    "gradient_generator": 1.0,
    "loss_generator": 0.3,
}
FADED = {**GOOD, "gap": 0.05, "gradient_images": 0.05, "gradient_generator": 0.05}
DIVERSE = Evaluation(0.1, {"cat": 0.9, "dog": 0.8})


def symptoms(*checks):
    health = Health()
    return [finding and finding.symptom for finding in (health.judge(i, *check) for i, check in enumerate(checks))]


def test_good_numbers_show_no_symptom():
    assert symptoms(*[(GOOD, DIVERSE)] * 30) == [None] * 30


@pytest.mark.parametrize(
    ("means", "evaluation", "symptom"),
    [
        ({**GOOD, "loss_generator": math.nan}, DIVERSE, "nan"),
        ({**GOOD, "gradient_generator": math.inf}, DIVERSE, "nan"),
        (GOOD, Evaluation(math.nan, {"cat": 0.9}), "nan"),
        ({**GOOD, "gradient_generator": 1e-4}, DIVERSE, "vanishing-gradient"),
        (GOOD, Evaluation(0.1, {"cat": 0.9, "dog": 0.2}), "mode-collapse"),
        ({**GOOD, "accuracy_real": 0.999, "accuracy_fake": 0.999}, DIVERSE, "discriminator-ahead"),
        ({**GOOD, "accuracy_real": 0.999, "accuracy_fake": 0.7}, DIVERSE, None),
        ({**GOOD, "gradient_generator": 0.01}, DIVERSE, None),
        (GOOD, Evaluation(0.1, {"cat": 0.9, "dog": 0.26}), None),
        ({}, DIVERSE, None),
    ],
)
def test_each_symptom_has_its_threshold(means, evaluation, symptom):
    assert symptoms((GOOD, DIVERSE), (means, evaluation)) == [None, symptom]


@pytest.mark.parametrize(
    ("means", "scores", "expected"),
    [
        (FADED, [0.2, 0.2, 0.2], [None, "standstill", "standstill"]),  # the first check has the best score
        (FADED, [0.1, 0.09, 0.08], [None, None, None]),
        ({**FADED, "gap": 0.5}, [0.2, 0.2, 0.2], [None, None, None]),
        ({**FADED, "gradient_images": 0.5}, [0.2, 0.2, 0.2], [None, None, None]),
        ({"loss_generator": 1.0}, [0.2, 0.2, 0.2], [None, None, None]),
    ],
)
def test_a_standstill_is_a_signal_that_fades_while_the_score_does_not_improve(means, scores, expected):
    checks = [(means, Evaluation(score, DIVERSE.diversity)) for score in scores]
    assert symptoms((GOOD, Evaluation(0.15, DIVERSE.diversity)), *checks) == [None, *expected]


def test_a_standstill_halves_the_rate_of_the_generator_and_is_at_last_a_warning():
    health = Health()
    health.judge(0, GOOD, DIVERSE)
    findings = [health.judge(step, FADED, DIVERSE) for step in range(1, STALLED_CHECKS + MAX_RETRIES + 3)]
    actions = [finding.action for finding in findings if finding]
    assert actions == ["halve the generator's learning rate"] * MAX_RETRIES + ["continue"]


def test_a_class_that_was_never_diverse_has_collapsed_after_the_grace_checks():
    collapsed = (GOOD, Evaluation(0.5, {"cat": 0.01, "dog": 0.5}))
    assert symptoms(*[collapsed] * (GRACE_CHECKS + 1)) == [None] * GRACE_CHECKS + ["mode-collapse"]


def test_a_class_whose_diversity_grows_has_not_collapsed():
    growing = [(GOOD, Evaluation(0.5, {"cat": 0.01 * (1 + i), "dog": 0.5})) for i in range(20)]
    assert symptoms(*growing) == [None] * 20


def test_retries_are_reset_after_enough_healthy_checks():
    health = Health()
    health.judge(0, GOOD, DIVERSE)
    for step in range(1, 200):
        finding = health.judge(step, {**GOOD, "gradient_generator": 0.0 if step % 25 == 0 else 1.0}, DIVERSE)
        assert finding is None or finding.action != "stop"


def test_a_class_that_is_not_diverse_at_the_end_of_training_is_reported():
    health = Health()
    collapsed = Evaluation(0.5, {"cat": 0.01, "dog": 0.5})
    assert health.judge(10, GOOD, collapsed) is None
    health.conclude(10, collapsed)
    assert [(finding.symptom, finding.subject) for finding in health.findings] == [("mode-collapse", "cat")]


def test_the_final_action_follows_when_retries_do_not_help():
    health = Health()
    health.judge(0, GOOD, DIVERSE)
    vanished = {**GOOD, "gradient_generator": 0.0}
    actions = [health.judge(i, vanished, DIVERSE).action for i in range(1, MAX_RETRIES + 2)]
    assert actions == ["return to the best state, halve the discriminator's learning rate"] * MAX_RETRIES + ["stop"]


def test_a_restored_state_judges_as_the_original():
    original, restored = Health(), Health()
    vanished = {**GOOD, "gradient_generator": 0.0}
    original.judge(0, GOOD, DIVERSE)
    original.judge(1, vanished, DIVERSE)
    restored.load_state_dict(original.state_dict())
    assert restored.state_dict() == original.state_dict()
    assert restored.judge(2, vanished, DIVERSE) == original.judge(2, vanished, DIVERSE)


def test_a_finding_reads_as_a_sentence():
    health = Health()
    health.judge(0, GOOD, DIVERSE)
    text = str(health.judge(1500, GOOD, Evaluation(0.1, {"dog": 0.11})))
    assert text.startswith("step 1,500: mode-collapse in class 'dog': samples are nearly identical (mean distance")
    assert text.endswith("return to the best state, halve both learning rates")
    assert all(symptom.meaning and symptom.action for symptom in SYMPTOMS.values())
