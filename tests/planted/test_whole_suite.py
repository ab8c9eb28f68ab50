"""The known answers of the reports in full: 59 of 59 defects found, at most 8 alarms in 300 clean reports."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import judgement

pytestmark = [pytest.mark.slow, pytest.mark.timeout(6 * 3600)]

N = 50  # images a class, at which every defect of GROSS shows
GROSS = [
    "collapse to 1 prototype a class",
    "collapse to 3",
    "collapse to 10",
    "near-copies, 20 %",
    "noise images",
    "half the size and back",
    "half darker, half brighter",
    "training images that are there twice",
]


@pytest.fixture(scope="module")
def pool():
    if not judgement.pool_is_there("fashion-mnist"):
        pytest.skip("needs Debian's package dataset-fashion-mnist")
    return judgement.pool_of("fashion-mnist")


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return judgement.Remembered(tmp_path_factory.mktemp("features") / "rows.safetensors")


@pytest.mark.parametrize("defect", GROSS)
def test_every_planted_defect_is_found(defect, pool, features):
    meant = judgement.DEFECTS[defect][1]
    for seed in range(judgement.REPEATS):
        assert judgement.one(pool, N, defect, seed, features) & meant, f"{defect}, seed {seed}"


@pytest.mark.parametrize("n", [20, 50])
def test_clean_reports_raise_at_most_eight_alarms_in_300(n, pool, features):
    assert sum(bool(judgement.one(pool, n, None, 1000 + seed, features)) for seed in range(300)) <= 8
