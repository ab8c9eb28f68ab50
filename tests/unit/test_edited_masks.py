"""Masks made of masks: whole labels, one region more where one is pasted, and each by its own seed."""

import numpy as np
import pytest

from ganaug.errors import DataError
from ganaug.integrations.masks import edited_masks


def masks():
    """Road (1) below sky (0), and a defect (2) of 3x3 in the first."""
    found = np.zeros((4, 40, 60), np.uint8)
    for number in range(4):
        found[number, 18 + number :] = 1
    found[0, 30:33, 10:13] = 2
    return found


def test_labels_stay_whole_and_masks_differ():
    made, rows = edited_masks(masks(), 50, seed=3)
    assert made.shape == (50, 40, 60)
    assert made.dtype == np.uint8
    assert set(np.unique(made)) <= {0, 1, 2}
    assert set(rows) == {0, 1, 2, 3}
    assert len({mask.tobytes() for mask in made}) > 30  # some are but shifted, and skies shifted alike are alike
    assert np.mean(made == 1) == pytest.approx(np.mean(masks() == 1), abs=0.1)


def test_a_mask_depends_on_its_number_and_seed_alone():
    made, _ = edited_masks(masks(), 20, paste=[2], seed=3)
    again, _ = edited_masks(masks(), 7, paste=[2], seed=3)
    assert np.array_equal(made[:7], again)
    assert not np.array_equal(made[:7], edited_masks(masks(), 7, paste=[2], seed=4)[0])


def test_a_defect_is_put_down_whole_where_it_may_lie():
    whole = masks()
    made, rows = edited_masks(whole[1:], 60, seed=0, paste=[])
    assert not (made == 2).any()
    made, rows = edited_masks(whole, 60, paste=[2], onto=[1], seed=0)
    of_others = made[rows > 0]
    assert (of_others == 2).any((1, 2)).mean() > 0.9
    for mask, before in zip(of_others, edited_masks(whole, 60, seed=0)[0][rows > 0], strict=True):
        placed = mask == 2
        assert placed.sum() in (0, 9)
        assert (before[placed] == 1).all()


def test_what_cannot_be_edited_is_refused():
    with pytest.raises(DataError, match="no mask holds"):
        edited_masks(masks(), 3, paste=[7])
    with pytest.raises(DataError, match="uint8"):
        edited_masks(masks().astype(int), 3)
    with pytest.raises(DataError, match="uint8"):
        edited_masks(masks()[0], 3)
