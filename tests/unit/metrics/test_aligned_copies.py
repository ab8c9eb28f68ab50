import io

import numpy as np
import pytest
import torch
from PIL import Image

from ganaug.datasets.embedded import fashion_mnist_lt
from ganaug.metrics.alignment import aligned_nearest, copy_ratios

CLOTHES = fashion_mnist_lt()
SHIRTS = CLOTHES.of_class("T-shirt")
TRAINING, OTHERS = SHIRTS[:150], SHIRTS[150:350]


def shifted(images, by=2):
    wide = torch.nn.functional.pad(images.float(), (by, by, by, by), mode="replicate")
    return wide[:, :, : images.shape[2], : images.shape[3]].to(torch.uint8)


def saved_as_jpeg(images):
    found = []
    for image in images[:, 0].numpy():
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=75)
        found.append(np.array(Image.open(file)))
    return torch.from_numpy(np.stack(found))[:, None]


ALTERED = {
    "exact": lambda images: images,
    "mirrored": lambda images: images.flip(3),
    "shifted": shifted,
    "JPEG": saved_as_jpeg,
    "brighter": lambda images: (images.float() * 1.1 + 12).clamp(0, 255).to(torch.uint8),
}


@pytest.mark.parametrize("alter", ALTERED.values(), ids=ALTERED)
def test_copies_are_near_and_the_original_is_named(alter):
    ratios, who, _ = copy_ratios(alter(TRAINING[:100]), TRAINING)
    assert (ratios < 0.5).float().mean() >= 0.95
    assert (who == torch.arange(100)).float().mean() >= 0.98


def test_other_images_are_no_copies():
    ratios, _, among = copy_ratios(OTHERS, TRAINING)
    assert (ratios < 0.5).float().mean() <= 0.01
    assert (among < 0.5).float().mean() <= 0.02
    assert 0.8 < ratios.median() < 1.6


@pytest.mark.parametrize("noise", [2, 4, 8])
def test_a_set_full_of_its_own_near_duplicates_flags_few_honest_images(noise):
    """As frames of a film: each image a few times, a little shifted; new frames of the same scenes are no copies."""
    frames = torch.cat([shifted(TRAINING[:40], by) for by in (0, 1, 2)])
    noisy = (frames.float() + noise * torch.randn(frames.shape, generator=torch.Generator().manual_seed(0))).clamp(
        0, 255
    )
    film = noisy.to(torch.uint8)
    training, new = film[:80], film[80:]
    assert (copy_ratios(new, training)[0] < 0.5).float().mean() < 0.05


def test_brightness_contrast_and_mirroring_are_no_distance():
    darker = (TRAINING.float() * 0.5 + 20).to(torch.uint8).flip(3)
    distances, who = aligned_nearest(darker, TRAINING)
    assert (who[:, 0] == torch.arange(150)).all()
    assert distances.max() < 0.05


def test_no_image_is_its_own_neighbor_and_none_comes_twice():
    distances, who = aligned_nearest(TRAINING[:9], TRAINING[:9], k=4, places=torch.arange(9))
    assert not (who == torch.arange(9)[:, None])[distances.isfinite()].any()
    for row, reached in zip(who, distances.isfinite(), strict=True):
        assert len(set(row[reached].tolist())) == int(reached.sum())
    assert (distances.diff(dim=1) >= 0).all()


@pytest.mark.parametrize("training", [TRAINING[:0], TRAINING[:1], TRAINING[:1].expand(4, -1, -1, -1)], ids=len)
def test_without_two_different_training_images_nothing_is_a_copy(training):
    ratios, _, among = copy_ratios(TRAINING[:5], training)
    assert ratios.tolist() == [1.0] * 5
    assert among.tolist() == [1.0] * len(training)


@pytest.mark.parametrize("shape", [(3, 64, 40), (1, 8, 8), (1, 1, 30), (3, 5, 90)])
def test_any_shape_and_flat_images(shape):
    images = torch.randint(0, 256, (30, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    ratios, who, _ = copy_ratios(images[:7], images)
    assert (ratios < 0.01).all()
    assert who.tolist() == list(range(7))
    flat = torch.full_like(images, 128)
    assert copy_ratios(flat, images)[0].isfinite().all()
    assert copy_ratios(images, flat)[0].isfinite().all()
