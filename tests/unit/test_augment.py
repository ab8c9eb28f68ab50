import pytest
import torch

from ganaug import augment

RAMP = torch.arange(64.0).view(1, 1, 8, 8).expand(500, 3, 8, 8) / 64


def test_translation_shifts_and_repeats_the_border():
    moved = augment.translation(RAMP, torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(RAMP[:1], (1, 1, 1, 1), mode="replicate")
    possible = {
        padded[0, :, 1 + dy : 9 + dy, 1 + dx : 9 + dx].numpy().tobytes(): (dy, dx)
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    }
    seen = [possible[image.contiguous().numpy().tobytes()] for image in moved]
    assert set(seen) == set(possible.values())


def test_every_augmentation_is_differentiable_and_draws_from_its_generator_alone(untouched_global_randomness):
    for name, policy in augment.AUGMENTATIONS.items():
        images = RAMP[:4].clone().requires_grad_(True)
        once = policy(images, torch.Generator().manual_seed(3))
        once.sum().backward()
        assert images.grad.abs().sum() > 0, name
        assert once.shape == images.shape
        assert torch.equal(once, policy(images, torch.Generator().manual_seed(3)))


def test_policies_come_by_name_list_or_not_at_all():
    assert augment.policy("translation, translation") == [augment.translation] * 2
    assert augment.policy([augment.translation, "translation"]) == [augment.translation] * 2
    assert augment.policy(None) == augment.policy("") == []
    with pytest.raises(ValueError, match="Did you mean 'translation'"):
        augment.policy("translations")
