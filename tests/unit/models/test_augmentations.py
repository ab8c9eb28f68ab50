import pytest
import torch

from ganaug.models import augmentations as augment

RAMP = torch.arange(64.0).view(1, 1, 8, 8).expand(500, 3, 8, 8) / 64


def test_translation_shifts_by_up_to_an_eighth_and_repeats_the_border():
    shifted = augment.translation(RAMP, torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(RAMP[:1], (1, 1, 1, 1), mode="replicate")
    shifts = {
        padded[0, :, 1 + dy : 9 + dy, 1 + dx : 9 + dx].numpy().tobytes(): (dy, dx)
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    }
    drawn = [shifts[image.contiguous().numpy().tobytes()] for image in shifted]
    assert set(drawn) == set(shifts.values())


def test_cutout_covers_some_pixels_and_at_most_a_quarter():
    covered = (augment.cutout(RAMP + 1, torch.Generator().manual_seed(0)) == 0).float().mean((1, 2, 3))
    assert covered.max() == 0.25
    assert covered.min() > 0
    assert covered.mean() == pytest.approx(0.25 * 0.8**2, abs=0.03)


def test_color_changes_brightness_contrast_and_saturation():
    gray = torch.linspace(-0.5, 0.5, 64).view(1, 1, 8, 8).expand(300, 1, 8, 8)
    changed = augment.color(gray, torch.Generator().manual_seed(0))
    assert changed.mean((1, 2, 3)).abs().max() == pytest.approx(0.5, abs=0.02)
    contrast = changed.std((1, 2, 3)) / gray[0].std()
    assert contrast.min() == pytest.approx(0.5, abs=0.02)
    assert contrast.max() == pytest.approx(1.5, abs=0.02)
    red = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1).expand(300, 3, 4, 4)
    changed = augment.color(red, torch.Generator().manual_seed(0))
    saturation = changed[:, 0] - changed[:, 1]
    assert saturation.min() < 0.2
    assert saturation.max() > 2.5


def test_flip_mirrors_about_half_of_the_images():
    flipped = augment.flip(RAMP, torch.Generator().manual_seed(0))
    is_mirrored = (flipped == RAMP.flip(3)).flatten(1).all(1)
    assert is_mirrored.float().mean() == pytest.approx(0.5, abs=0.07)
    assert ((flipped == RAMP).flatten(1).all(1) | is_mirrored).all()


def test_a_probability_augments_that_fraction_of_images():
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(augment.apply([augment.cutout], RAMP + 1, generator, torch.tensor(0.0)), RAMP + 1)
    images = augment.apply([augment.cutout], RAMP + 1, generator, torch.tensor(0.3))
    assert (images == 0).flatten(1).any(1).float().mean() == pytest.approx(0.3, abs=0.06)


def test_adaptive_strength_rises_while_the_discriminator_overfits_and_falls_when_it_does_not():
    strength = augment.AdaptiveStrength(torch.device("cpu"), n_ramp_images=6400)
    for step in range(1, 41):
        strength.update(step, torch.tensor(1.0), 64)
    assert strength.probability.item() == pytest.approx(0.4)
    restored = augment.AdaptiveStrength(torch.device("cpu"), n_ramp_images=6400)
    restored.load_state_dict(strength.state_dict())
    for step in range(41, 61):
        restored.update(step, torch.tensor(0.5), 64)
    assert restored.probability.item() == pytest.approx(0.2)


def test_every_augmentation_is_differentiable_and_draws_from_its_generator_only(untouched_global_randomness):
    for name, augmentation in augment.AUGMENTATIONS.items():
        images = RAMP[:4].clone().requires_grad_(True)
        augmented = augmentation(images, torch.Generator().manual_seed(3))
        augmented.sum().backward()
        assert images.grad.abs().sum() > 0, name
        assert augmented.shape == images.shape
        assert torch.equal(augmented, augmentation(images, torch.Generator().manual_seed(3)))


def test_augmentations_are_selected_by_name_by_list_or_not_at_all():
    assert augment.resolve_augmentations("translation, translation") == [augment.translation] * 2
    assert augment.resolve_augmentations([augment.translation, "translation"]) == [augment.translation] * 2
    assert augment.resolve_augmentations(None) == augment.resolve_augmentations("") == []
    with pytest.raises(ValueError, match="Did you mean 'translation'"):
        augment.resolve_augmentations("translations")
