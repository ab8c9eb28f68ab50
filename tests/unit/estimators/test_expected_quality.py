import json
from pathlib import Path
from statistics import fmean

import pytest

from ganaug import GANAugmenter
from ganaug.estimators.expected_quality import MEASURED, describe_expectation
from tests.sets import noise

RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"
SETS = {
    "Fashion-MNIST, long-tailed": "fashion-mnist-lt",
    "CIFAR-10, long-tailed": "cifar10-lt",
    "skin photographs": "skin-64_250s",
}


def scores(fit):
    """Coverage relative to its null, and label accuracy, of each measured run of the default."""
    for run in json.loads((RESULTS / f"sample_quality_{SETS[fit.data]}.json").read_text()):
        stages = dict(zip([*run["job"]["marks"], run["job"]["seconds"]], run["curve"], strict=True))
        if run["job"]["system"] == "ganaug" and fit.core_seconds in stages:
            classes = stages[fit.core_seconds]["classes"].values()
            assert sum(row["n"] for row in classes) == fit.n_images
            coverage = fmean(row["coverage"] / row["coverage_null"] for row in classes)
            yield coverage, stages[fit.core_seconds]["overall"].get("label_accuracy_ratio")


@pytest.mark.parametrize("fit", MEASURED, ids=str)
def test_expectations_are_results_of_the_benchmark(fit):
    coverage, label_accuracy = zip(*scores(fit), strict=True)
    assert fit.coverage == pytest.approx(fmean(coverage), abs=0.01)
    if fit.label_accuracy is None:
        assert set(label_accuracy) == {None}
    else:
        assert fit.label_accuracy == pytest.approx(fmean(label_accuracy), abs=0.01)


def test_the_nearest_time_is_described():
    short, long = (describe_expectation((1, 28, 28), seconds) for seconds in (300, 3000))
    assert "0.84" in short
    assert "yours is 5" in short
    assert "0.95" in long
    assert "yours is 50" in long


def test_a_much_shorter_fit_is_not_promised_what_a_measured_one_reached():
    text = describe_expectation((1, 28, 28), 60)
    assert "coverage below 0.84" in text
    assert "label accuracy below 1.00" in text
    assert "about" not in text


def test_nothing_is_said_of_other_sizes_and_channels():
    assert describe_expectation((1, 128, 128), 600) is None
    assert describe_expectation((4, 32, 32), 600) is None


def test_a_plan_with_a_time_budget_says_what_to_expect():
    images = noise((40, 40), shape=(1, 28, 28))
    assert "expected: coverage about" in str(GANAugmenter(time_budget=300, device="cpu").plan(images))
    assert "expected" not in str(GANAugmenter(n_steps=300, device="cpu").plan(images))
