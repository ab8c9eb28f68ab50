"""Health judges planted numbers; that it is wired into training is shown in tests/planted."""

import math

import pytest

from ganaug.training.health import GRACE, RETRIES, SYMPTOMS, Evaluation, Health

GOOD = {"accuracy_real": 0.6, "accuracy_fake": 0.5, "gradient_generator": 1.0, "loss_generator": 0.3}
FINE = Evaluation(0.1, {"cat": 0.9, "dog": 0.8})


def judged(*checks):
    health = Health()
    return [finding and finding.symptom for finding in (health.judge(i, *check) for i, check in enumerate(checks))]


def test_good_numbers_are_no_symptom():
    assert judged(*[(GOOD, FINE)] * 30) == [None] * 30


@pytest.mark.parametrize(
    ("means", "evaluation", "symptom"),
    [
        ({**GOOD, "loss_generator": math.nan}, FINE, "nan"),
        ({**GOOD, "gradient_generator": math.inf}, FINE, "nan"),
        (GOOD, Evaluation(math.nan, {"cat": 0.9}), "nan"),
        ({**GOOD, "gradient_generator": 1e-4}, FINE, "vanishing-gradient"),
        (GOOD, Evaluation(0.1, {"cat": 0.9, "dog": 0.2}), "mode-collapse"),
        ({**GOOD, "accuracy_real": 0.99, "accuracy_fake": 0.99}, FINE, "discriminator-ahead"),
        ({**GOOD, "accuracy_real": 0.99, "accuracy_fake": 0.7}, FINE, None),
        ({**GOOD, "gradient_generator": 0.01}, FINE, None),
        (GOOD, Evaluation(0.1, {"cat": 0.9, "dog": 0.26}), None),
        ({}, FINE, None),
    ],
)
def test_each_symptom_has_its_threshold(means, evaluation, symptom):
    assert judged((GOOD, FINE), (means, evaluation)) == [None, symptom]


def test_samples_that_never_differ_are_a_collapse_once_the_grace_is_over():
    flat = (GOOD, Evaluation(0.5, {"cat": 0.01, "dog": 0.5}))
    assert judged(*[flat] * (GRACE + 1)) == [None] * GRACE + ["mode-collapse"]


def test_a_class_that_still_gets_better_is_left_in_peace():
    slow = [(GOOD, Evaluation(0.5, {"cat": 0.01 * (1 + i), "dog": 0.5})) for i in range(20)]
    assert judged(*slow) == [None] * 20


def test_earlier_trouble_is_forgotten_after_a_while():
    health = Health()
    health.judge(0, GOOD, FINE)
    for step in range(1, 200):
        finding = health.judge(step, {**GOOD, "gradient_generator": 0.0 if step % 25 == 0 else 1.0}, FINE)
        assert finding is None or finding.action != "stop"


def test_at_the_end_a_class_that_was_never_learned_is_named():
    health = Health()
    poor = Evaluation(0.5, {"cat": 0.01, "dog": 0.5})
    assert health.judge(10, GOOD, poor) is None
    health.conclude(10, poor)
    assert [(f.symptom, f.subject) for f in health.findings] == [("mode-collapse", "cat")]


def test_what_is_in_vain_three_times_ends():
    health = Health()
    health.judge(0, GOOD, FINE)
    bad = {**GOOD, "gradient_generator": 0.0}
    actions = [health.judge(i, bad, FINE).action for i in range(1, RETRIES + 2)]
    assert actions == ["roll back, halve the discriminator's rate"] * RETRIES + ["stop"]


def test_it_goes_on_where_it_was_after_being_stored():
    one, two = Health(), Health()
    one.judge(0, GOOD, FINE)
    one.judge(1, {**GOOD, "gradient_generator": 0.0}, FINE)
    two.load_state_dict(one.state_dict())
    assert two.state_dict() == one.state_dict()
    assert two.judge(2, {**GOOD, "gradient_generator": 0.0}, FINE) == one.judge(
        2, {**GOOD, "gradient_generator": 0.0}, FINE
    )


def test_a_finding_reads_as_a_sentence():
    health = Health()
    health.judge(0, GOOD, FINE)
    text = str(health.judge(1500, GOOD, Evaluation(0.1, {"dog": 0.11})))
    assert text.startswith("step 1,500: mode-collapse in class 'dog': 0.11 against 0.25 (samples of a class")
    assert text.endswith("roll back, halve both rates")
    assert all(symptom.meaning and symptom.action for symptom in SYMPTOMS.values())
