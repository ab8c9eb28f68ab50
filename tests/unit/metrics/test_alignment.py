import io

import numpy as np
import pytest
import torch
from PIL import Image

from ganaug.datasets.embedded import fashion_mnist_lt
from ganaug.metrics.aligned_copies import copy_ratios, copy_threshold
from ganaug.metrics.alignment import aligned_nearest

CLOTHES = fashion_mnist_lt()
SHIRTS = CLOTHES.of_class("T-shirt")
TRAINING, OTHERS = SHIRTS[:150], SHIRTS[150:350]


def shifted(images, by=2):
    wide = torch.nn.functional.pad(images.float(), (by, by, by, by), mode="replicate")
    return wide[:, :, : images.shape[2], : images.shape[3]].to(torch.uint8)


def saved_as_jpeg(images):
    decoded = []
    for image in images[:, 0].numpy():
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=75)
        decoded.append(np.array(Image.open(file)))
    return torch.from_numpy(np.stack(decoded))[:, None]


ALTERED = {
    "exact": lambda images: images,
    "mirrored": lambda images: images.flip(3),
    "shifted": shifted,
    "JPEG": saved_as_jpeg,
    "brighter": lambda images: (images.float() * 1.1 + 12).clamp(0, 255).to(torch.uint8),
}


@pytest.mark.parametrize("alter", ALTERED.values(), ids=ALTERED)
def test_altered_copies_have_small_ratios_and_the_original_is_named(alter):
    ratios, nearest, _ = copy_ratios(alter(TRAINING[:100]), TRAINING)
    assert (ratios < 0.5).float().mean() >= 0.95
    assert (nearest == torch.arange(100)).float().mean() >= 0.98


def test_other_images_are_no_copies():
    ratios, _, reference = copy_ratios(OTHERS, TRAINING)
    assert (ratios < 0.5).float().mean() <= 0.01
    assert (reference < 0.5).float().mean() <= 0.02
    assert 0.8 < ratios.median() < 1.6


@pytest.mark.parametrize("noise", [2, 4, 8])
def test_in_a_set_full_of_near_duplicates_few_new_images_count_as_copies(noise):
    """As frames of a film: each image a few times, slightly shifted. New frames of the same scenes are no copies."""
    frames = torch.cat([shifted(TRAINING[:40], by) for by in (0, 1, 2)])
    noisy = (frames.float() + noise * torch.randn(frames.shape, generator=torch.Generator().manual_seed(0))).clamp(
        0, 255
    )
    film = noisy.to(torch.uint8)
    training, new = film[:80], film[80:]
    assert (copy_ratios(new, training)[0] < 0.5).float().mean() < 0.05


def test_the_limit_falls_where_training_images_resemble_each_other():
    distinct, similar = torch.linspace(0.6, 1.4, 200), torch.linspace(0.1, 0.9, 200)
    assert copy_threshold(distinct) == copy_threshold(torch.ones(0)) == 0.5
    assert copy_threshold(similar) == pytest.approx(0.104)


def test_brightness_contrast_and_mirroring_do_not_change_the_distance():
    darker = (TRAINING.float() * 0.5 + 20).to(torch.uint8).flip(3)
    distances, rows = aligned_nearest(darker, TRAINING)
    assert (rows[:, 0] == torch.arange(150)).all()
    assert distances.max() < 0.05


def test_no_image_is_a_neighbor_of_itself_and_none_occurs_twice():
    distances, rows = aligned_nearest(TRAINING[:9], TRAINING[:9], k=4, places=torch.arange(9))
    is_neighbor = distances.isfinite()
    assert not (rows == torch.arange(9)[:, None])[is_neighbor].any()
    for neighbors, mask in zip(rows, is_neighbor, strict=True):
        assert len(set(neighbors[mask].tolist())) == int(mask.sum())
    assert (distances.diff(dim=1) >= 0).all()


@pytest.mark.parametrize("training", [TRAINING[:0], TRAINING[:1], TRAINING[:1].expand(4, -1, -1, -1)], ids=len)
def test_without_two_different_training_images_nothing_is_a_copy(training):
    ratios, _, reference = copy_ratios(TRAINING[:5], training)
    assert ratios.tolist() == [1.0] * 5
    assert reference.tolist() == [1.0] * len(training)


@pytest.mark.parametrize("shape", [(3, 64, 40), (1, 8, 8), (1, 1, 30), (3, 5, 90)])
def test_images_of_any_shape_and_flat_images_are_compared(shape):
    images = torch.randint(0, 256, (30, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    ratios, nearest, _ = copy_ratios(images[:7], images)
    assert (ratios < 0.01).all()
    assert nearest.tolist() == list(range(7))
    flat = torch.full_like(images, 128)
    assert copy_ratios(flat, images)[0].isfinite().all()
    assert copy_ratios(images, flat)[0].isfinite().all()
