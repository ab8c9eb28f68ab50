"""Edited masks: labels stay whole numbers, regions are pasted where they may lie, and each mask depends on its seed."""

import numpy as np
import pytest
import torch

from ganaug.errors import DataError
from ganaug.integrations.masks import edited_masks


def road_masks():
    """Four masks of a road (1) below a sky (0); the first has a defect (2) of 3x3 pixels."""
    masks = np.zeros((4, 40, 60), np.uint8)
    for index in range(4):
        masks[index, 18 + index :] = 1
    masks[0, 30:33, 10:13] = 2
    return masks


def test_labels_are_not_interpolated_and_masks_differ():
    edited, rows = edited_masks(road_masks(), 50, seed=3)
    assert edited.shape == (50, 40, 60)
    assert edited.dtype == np.uint8
    assert set(np.unique(edited)) <= {0, 1, 2}
    assert set(rows) == {0, 1, 2, 3}
    assert len({mask.tobytes() for mask in edited}) > 30  # some are only shifted, and equal shifts give equal masks
    assert np.mean(edited == 1) == pytest.approx(np.mean(road_masks() == 1), abs=0.1)


def test_a_mask_depends_on_its_index_and_seed_alone():
    edited, _ = edited_masks(road_masks(), 20, paste=[2], seed=3)
    fewer, _ = edited_masks(road_masks(), 7, paste=[2], seed=3)
    assert np.array_equal(edited[:7], fewer)
    assert not np.array_equal(edited[:7], edited_masks(road_masks(), 7, paste=[2], seed=4)[0])


def test_a_defect_is_pasted_whole_and_only_onto_allowed_labels():
    originals = road_masks()
    edited, rows = edited_masks(originals[1:], 60, seed=0, paste=[])
    assert not (edited == 2).any()
    edited, rows = edited_masks(originals, 60, paste=[2], onto=[1], seed=0)
    without_defect = edited[rows > 0]
    assert (without_defect == 2).any((1, 2)).mean() > 0.9
    for mask, before in zip(without_defect, edited_masks(originals, 60, seed=0)[0][rows > 0], strict=True):
        pasted = mask == 2
        assert pasted.sum() in (0, 9)
        assert (before[pasted] == 1).all()


def test_invalid_masks_and_labels_are_refused():
    with pytest.raises(DataError, match="no mask holds"):
        edited_masks(road_masks(), 3, paste=[7])
    with pytest.raises(DataError, match=r"shape \(40, 60\)"):
        edited_masks(road_masks()[0], 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.int32, np.uint16])
@pytest.mark.parametrize(
    "form", [lambda masks: masks, lambda masks: masks[..., None], list, lambda masks: [*masks[..., None]]]
)
def test_masks_come_back_in_their_form_and_dtype(form, dtype):
    expected, expected_rows = edited_masks(road_masks(), 5, paste=[2], seed=1)
    masks = form(road_masks().astype(dtype))
    edited, rows = edited_masks(masks, 5, paste=np.array([2]), seed=1)
    assert type(edited) is type(masks)
    assert (edited[0].dtype, edited[0].shape) == (dtype, masks[0].shape)
    assert np.array_equal(np.stack(list(edited)).reshape(expected.shape), expected)
    assert np.array_equal(rows, expected_rows)


def test_masks_of_true_and_false_stay_so():
    edited, _ = edited_masks(road_masks() == 2, 20, paste=True, seed=1)
    assert edited.dtype == bool
    assert edited.any((1, 2)).mean() > 0.9
    mixed, _ = edited_masks([road_masks()[1] > 0, road_masks()[0]], 30, seed=1)
    assert set(np.unique(mixed)) == {0, 1, 2}


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (road_masks() / 2, "float64"),
        (road_masks().astype(int) - 1, "-1..1"),
        (road_masks().astype(np.uint16) * 200, "0..400"),
        (np.repeat(road_masks()[..., None], 3, axis=3), r"\(4, 40, 60, 3\)"),
        ([road_masks()[0], road_masks()[0, :20]], "masks 0 and 1 have the shapes"),
        ([], "at least one"),
        ([road_masks()[0].tolist()], "has a list"),
        (torch.zeros(2, 8, 8, dtype=torch.uint8), "is a Tensor"),
    ],
)
def test_what_is_no_set_of_label_images_is_named(masks, message):
    with pytest.raises(DataError, match=message):
        edited_masks(masks, 3)
