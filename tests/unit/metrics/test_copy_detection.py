import pytest
import torch
from ganaug.metrics.copy_detection import Traces
from tests.unit.metrics.test_aligned_copies import ALTERED, OTHERS, TRAINING, shifted

from tests.sets import noise

TRACES = Traces.of(TRAINING).half()
WAYS = {
    **ALTERED,
    "shifted by three pixels": lambda images: shifted(images, 3),
    "shifted the other way": lambda images: images.roll(-2, dims=3),
    "mirrored and shifted": lambda images: shifted(images.flip(3)),
    "noisy": lambda images: (images.int() + torch.randint(-6, 7, images.shape)).clamp(0, 255).to(torch.uint8),
}


@pytest.mark.parametrize("alter", WAYS.values(), ids=WAYS)
def test_planted_copies_are_told(alter):
    torch.manual_seed(0)
    assert TRACES.are_copies(alter(TRAINING)).float().mean() >= 0.98


def test_other_real_images_are_no_copies():
    assert TRACES.are_copies(OTHERS).float().mean() <= 0.01


def test_an_answer_does_not_depend_on_the_images_beside_it():
    images = torch.cat([TRAINING[:5], OTHERS[:40], shifted(TRAINING[5:9])])
    whole = TRACES.are_copies(images)
    assert torch.equal(whole, torch.stack([TRACES.are_copies(each[None])[0] for each in images]))


def test_a_picture_that_is_there_twice_is_still_protected():
    saved_anew = (TRAINING[:3].int() + 1).clamp(0, 255).to(torch.uint8)
    twice = Traces.of(torch.cat([TRAINING, TRAINING[:3], saved_anew]))
    assert twice.are_copies(shifted(TRAINING[:3])).all()
    assert twice.are_copies(OTHERS).float().mean() <= 0.01


def test_what_is_kept_shows_nothing_and_is_always_the_same():
    assert TRACES.points.shape == (150, 128)
    assert torch.equal(Traces.of(TRAINING[:9]).points, Traces.of(TRAINING).points[:9])


def test_a_class_of_one_image_or_none():
    one = Traces.of(TRAINING[:1])
    assert one.are_copies(TRAINING[:1]).all()
    assert not one.are_copies(OTHERS[:20]).any()
    none = Traces.of(TRAINING[:0])
    assert not none.are_copies(TRAINING[:3]).any()
    assert TRACES.are_copies(TRAINING[:0]).shape == (0,)


@pytest.mark.parametrize("shape", [(1, 1, 20), (3, 4, 4), (3, 9, 40), (1, 1, 1)])
def test_vectors_and_odd_shapes(shape):
    images = noise((40, 40), shape).images
    traces = Traces.of(images[:40]).half()
    assert traces.are_copies(images[:40]).all()
    if shape != (1, 1, 1):
        assert traces.are_copies(images[40:]).float().mean() <= 0.05


def test_of_a_class_with_many_images_too():
    many = noise((1300,), (1, 12, 12)).images
    traces = Traces.of(many[:1200])
    assert traces.are_copies(many[:1200:40]).all()
    assert not traces.are_copies(many[1200:]).any()
