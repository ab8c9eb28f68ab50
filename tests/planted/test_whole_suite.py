"""The full test of the reports: 59 of 59 planted defects are found, at most 8 of 300 clean reports raise an alarm."""

from pathlib import Path

import pytest

from benchmarks.defects import DEFECTS
from benchmarks.image_pools import FeatureCache, has_fashion_mnist, load_pool
from benchmarks.planted_defects import CLEAN_SEED, REPEATS, find_alarms

pytestmark = [pytest.mark.slow, pytest.mark.timeout(6 * 3600)]

DETECTABLE_FROM = {  # images of each class from which each gross defect is found, and a pass means something
    "collapse to 1 prototype a class": 20,
    "collapse to 3": 20,
    "collapse to 10": 20,
    "near-copies, 5 %": 50,
    "near-copies, 20 %": 20,
    "labels swapped, 20 %": 100,
    "one of five modes missing": 500,
    "noise images": 20,
    "half the size and back": 20,
    "JPEG of quality 75": 20,
    "half darker, half brighter": 200,
    "training images that are there twice": 20,
}


@pytest.fixture(scope="module")
def pool():
    if not has_fashion_mnist():
        pytest.skip("needs Debian's package dataset-fashion-mnist")
    return load_pool("fashion-mnist", Path("benchmark-data"))


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return FeatureCache(tmp_path_factory.mktemp("features") / "rows.safetensors")


@pytest.mark.parametrize("defect", DETECTABLE_FROM)
def test_every_planted_defect_is_found(defect, pool, features):
    measures, n = DEFECTS[defect][1], DETECTABLE_FROM[defect]
    is_found = [bool(find_alarms(pool, n, defect, seed, features) & measures) for seed in range(REPEATS)]
    assert sum(is_found) == REPEATS


@pytest.mark.parametrize("n", [20, 50])
def test_clean_reports_raise_at_most_eight_alarms_in_300(n, pool, features):
    assert sum(bool(find_alarms(pool, n, None, CLEAN_SEED + seed, features)) for seed in range(300)) <= 8
