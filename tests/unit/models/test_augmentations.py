import pytest
import torch

from ganaug.models import augmentations as augment

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


def test_cutout_covers_a_quarter_at_most_and_something_always():
    covered = (augment.cutout(RAMP + 1, torch.Generator().manual_seed(0)) == 0).float().mean((1, 2, 3))
    assert covered.max() == 0.25
    assert covered.min() > 0
    assert covered.mean() == pytest.approx(0.25 * 0.8**2, abs=0.03)


def test_color_moves_tone_and_contrast_and_leaves_gray_gray():
    gray = torch.linspace(-0.5, 0.5, 64).view(1, 1, 8, 8).expand(300, 1, 8, 8)
    moved = augment.color(gray, torch.Generator().manual_seed(0))
    assert moved.mean((1, 2, 3)).abs().max() == pytest.approx(0.5, abs=0.02)
    spread = moved.std((1, 2, 3)) / gray[0].std()
    assert spread.min() == pytest.approx(0.5, abs=0.02)
    assert spread.max() == pytest.approx(1.5, abs=0.02)
    red = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1).expand(300, 3, 4, 4)
    gap = (lambda shown: shown[:, 0] - shown[:, 1])(augment.color(red, torch.Generator().manual_seed(0)))
    assert gap.min() < 0.2
    assert gap.max() > 2.5


def test_a_flip_mirrors_about_half():
    flipped = augment.flip(RAMP, torch.Generator().manual_seed(0))
    mirrored = (flipped == RAMP.flip(3)).flatten(1).all(1)
    assert mirrored.float().mean() == pytest.approx(0.5, abs=0.07)
    assert ((flipped == RAMP).flatten(1).all(1) | mirrored).all()


def test_a_probability_augments_that_share_of_images():
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(augment.apply([augment.cutout], RAMP + 1, generator, torch.tensor(0.0)), RAMP + 1)
    some = augment.apply([augment.cutout], RAMP + 1, generator, torch.tensor(0.3))
    assert (some == 0).flatten(1).any(1).float().mean() == pytest.approx(0.3, abs=0.06)


def test_adaptive_strength_grows_while_the_critic_is_sure_and_shrinks_when_it_is_not():
    strength = augment.AdaptiveStrength(torch.device("cpu"), images=6400)
    for step in range(1, 41):
        strength.update(step, torch.tensor(1.0), 64)
    assert strength.probability.item() == pytest.approx(0.4)
    again = augment.AdaptiveStrength(torch.device("cpu"), images=6400)
    again.load_state_dict(strength.state_dict())
    for step in range(41, 61):
        again.update(step, torch.tensor(0.5), 64)
    assert again.probability.item() == pytest.approx(0.2)


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
