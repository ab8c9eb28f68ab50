import pytest
import torch

from ganaug.metrics.copy_detection import CopyDetector
from tests.sets import noise
from tests.unit.metrics.test_alignment import ALTERED, OTHERS, TRAINING, shifted

DETECTOR = CopyDetector.from_images(TRAINING).half()
ALTERATIONS = {
    **ALTERED,
    "shifted by three pixels": lambda images: shifted(images, 3),
    "shifted to the left": lambda images: images.roll(-2, dims=3),
    "mirrored and shifted": lambda images: shifted(images.flip(3)),
    "noisy": lambda images: (images.int() + torch.randint(-6, 7, images.shape)).clamp(0, 255).to(torch.uint8),
}


@pytest.mark.parametrize("alter", ALTERATIONS.values(), ids=ALTERATIONS)
def test_altered_copies_are_detected(alter):
    torch.manual_seed(0)
    assert DETECTOR.are_copies(alter(TRAINING)).float().mean() >= 0.98


def test_other_real_images_are_no_copies():
    assert DETECTOR.are_copies(OTHERS).float().mean() <= 0.01


def test_the_answer_for_an_image_does_not_depend_on_the_batch():
    images = torch.cat([TRAINING[:5], OTHERS[:40], shifted(TRAINING[5:9])])
    whole = DETECTOR.are_copies(images)
    assert torch.equal(whole, torch.stack([DETECTOR.are_copies(each[None])[0] for each in images]))


def test_an_image_that_is_in_the_set_twice_is_still_protected():
    near_duplicates = (TRAINING[:3].int() + 1).clamp(0, 255).to(torch.uint8)
    twice = CopyDetector.from_images(torch.cat([TRAINING, TRAINING[:3], near_duplicates]))
    assert twice.are_copies(shifted(TRAINING[:3])).all()
    assert twice.are_copies(OTHERS).float().mean() <= 0.01


def test_points_are_128_numbers_an_image_and_depend_on_the_image_only():
    assert DETECTOR.points.shape == (150, 128)
    assert torch.equal(CopyDetector.from_images(TRAINING[:9]).points, CopyDetector.from_images(TRAINING).points[:9])


def test_a_class_of_one_image_or_none_works():
    one = CopyDetector.from_images(TRAINING[:1])
    assert one.are_copies(TRAINING[:1]).all()
    assert not one.are_copies(OTHERS[:20]).any()
    none = CopyDetector.from_images(TRAINING[:0])
    assert not none.are_copies(TRAINING[:3]).any()
    assert DETECTOR.are_copies(TRAINING[:0]).shape == (0,)


@pytest.mark.parametrize("shape", [(1, 1, 20), (3, 4, 4), (3, 9, 40), (1, 1, 1)])
def test_vectors_and_unusual_shapes_work(shape):
    images = noise((40, 40), shape).images
    detector = CopyDetector.from_images(images[:40]).half()
    assert detector.are_copies(images[:40]).all()
    if shape != (1, 1, 1):
        assert detector.are_copies(images[40:]).float().mean() <= 0.05


def test_a_class_with_more_images_than_neighbors_are_looked_for_works():
    images = noise((1300,), (1, 12, 12)).images
    detector = CopyDetector.from_images(images[:1200])
    assert detector.are_copies(images[:1200:40]).all()
    assert not detector.are_copies(images[1200:]).any()
