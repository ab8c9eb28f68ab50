import pytest

from ganaug.metrics.intervals import newcombe_interval


def test_the_interval_of_a_difference_of_shares_equals_the_published_one():
    """Newcombe (1998), table II, (a), method 10: 56/70 - 48/80 lies in 0.0524 to 0.3339."""
    low, high = newcombe_interval(56 / 70, 70, 48 / 80, 80)
    assert (low, high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))
