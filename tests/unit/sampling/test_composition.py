"""What each class is filled up with."""

import pytest
import torch

from ganaug.datasets.alterations import ClassicalAugmentation, repeat_alteration
from ganaug.sampling.composition import (
    BALANCES,
    alter_images,
    balanced_targets,
    compose,
    source_rows,
    split_additions,
    target_counts,
)
from tests.sets import noise

COUNTS = {"common": 400, "middle": 100, "rare": 4, "absent": 0}


@pytest.mark.parametrize(
    ("balance", "targets"),
    [
        ("as-is", [400, 100, 4, 0]),
        ("square-root", [400, 200, 40, 0]),
        ("full", [400, 400, 400, 0]),
        ("double", [800, 800, 800, 0]),
    ],
)
def test_targets_of_each_balance(balance, targets):
    assert list(balanced_targets(COUNTS, balance).values()) == targets
    assert target_counts(COUNTS, balance, {}) == balanced_targets(COUNTS, balance)


def test_an_unknown_balance_names_the_known_ones():
    with pytest.raises(ValueError, match=r"Unknown strategy 'ful'. Known: as-is, double, full"):
        balanced_targets(COUNTS, "ful")


@pytest.mark.parametrize("balance", list(BALANCES))
@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 1.0])
def test_the_share_is_that_of_all_images_of_a_class(balance, share):
    targets = balanced_targets(COUNTS, balance)
    additions = split_additions(COUNTS, targets, share)
    for name, count in COUNTS.items():
        altered, synthetic = additions.altered.get(name, 0), additions.synthetic.get(name, 0)
        assert count + altered + synthetic == targets[name]
        # no more than asked for, and less only where a class gets fewer additions
        assert synthetic == min(targets[name] - count, round(share * targets[name]))
    assert additions.total == {name: n - COUNTS[name] for name, n in targets.items() if n > COUNTS[name]}


def test_classes_that_were_not_learned_get_altered_copies_only():
    additions = split_additions(COUNTS, balanced_targets(COUNTS, "full"), 0.25, ["rare"])
    assert additions.synthetic == {"middle": 100}
    assert additions.altered == {"middle": 200, "rare": 396}


def test_a_requested_growth_is_kept_on_a_part_of_the_images():
    assert target_counts({"common": 200, "rare": 5}, None, {"rare": 10.0}) == {"common": 200, "rare": 50}


def test_every_image_of_a_class_is_copied_about_equally_often():
    images = noise((7, 3))
    rows = source_rows(images, images.classes[1], 10, seed=0)
    assert sorted(torch.bincount(rows, minlength=10).tolist()) == [0] * 7 + [3, 3, 4]
    assert torch.equal(rows, source_rows(images, images.classes[1], 10, seed=0))
    assert len(source_rows(images.take([0]), images.classes[1], 10, seed=0)) == 0


def test_copies_can_be_made_again_from_what_their_metadata_say():
    images = noise((6, 4), shape=(3, 16, 12))
    copies = alter_images(images, {images.classes[1]: 9}, ClassicalAugmentation(flip=True), seed=1)
    assert copies.counts == {images.classes[0]: 0, images.classes[1]: 9}
    for pixels, source, operations in zip(
        copies.images, copies.metadata["altered_from"], copies.metadata["operations"], strict=True
    ):
        assert torch.equal(repeat_alteration(images.images[int(source)], operations), pixels)


def test_plain_copies_equal_their_sources():
    images = noise((6, 4))
    copies = alter_images(images, {images.classes[1]: 5}, None, seed=0)
    sources = images.images[[int(row) for row in copies.metadata["altered_from"]]]
    assert torch.equal(copies.images, sources)


def test_a_composition_starts_with_the_real_images():
    images = noise((6, 4))
    copies = alter_images(images, {images.classes[1]: 2}, None, seed=0)
    whole = compose(images, copies, images.take([]))
    assert torch.equal(whole.images[:10], images.images)
    assert whole.counts == {images.classes[0]: 6, images.classes[1]: 6}
