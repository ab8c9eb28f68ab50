"""The rules of the verdict, on intervals with known truth."""

import numpy as np
import pytest

from ganaug.evaluation import Interval, choose_share


def differences(**points):
    """{share: interval} from points such as p25=(0.8, -0.2, 1.9)."""
    return {int(name[1:]) / 100: Interval(*(value / 100 for value in values)) for name, values in points.items()}


@pytest.mark.parametrize(
    ("points", "share"),
    [
        ({"p10": (0.2, -0.5, 0.9), "p25": (0.8, -0.2, 1.9), "p50": (-0.4, -1.5, 0.7)}, 0.25),
        ({"p10": (1, 0, 2), "p25": (3, 2, 4), "p50": (5, 4, 6)}, 0.5),
        ({"p10": (2, 1, 3), "p25": (5, 3, 7), "p50": (4.5, 2, 7)}, 0.5),
        ({"p10": (2, 1, 3), "p25": (5, 3, 7), "p50": (3.5, 2, 5)}, 0.25),
        ({"p10": (0.5, -1, 2), "p25": (0.4, -1, 2)}, 0.1),
        ({"p10": (-0.1, -1, 0.8), "p25": (-0.5, -2, 1)}, 0.0),
        ({"p10": (-3, -4, -2), "p25": (-6, -8, -4)}, 0.0),
        ({"p10": (0, -1, 1), "p25": (0, -1, 1)}, 0.0),
        ({"p25": (float("nan"), 0, 0)}, 0.0),
        ({}, 0.0),
    ],
    ids=[
        "best in the middle",
        "the more the better",
        "as good by chance",
        "measurably less",
        "no gain is shown",
        "none is better",
        "harm",
        "a tie",
        "no value",
        "nothing tried",
    ],
)
def test_the_largest_harmless_share_at_or_below_the_best_is_chosen(points, share):
    assert choose_share(differences(**points)) == share


def test_a_share_can_be_chosen_from_resampled_differences():
    random = np.random.default_rng(0)
    resampled = {share: random.normal(gain, 0.01, 500) for share, gain in ((0.1, 0.05), (0.25, 0.09), (0.5, -0.2))}
    assert choose_share(resampled) == 0.25
