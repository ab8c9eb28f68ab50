import pytest
import torch

from ganaug import GANAugmenter, LabeledImages
from ganaug.metrics.mirror_symmetry import mirror_p_value
from tests.sets import augmenter, noise


def lopsided(count=150, size=16):
    """Two classes whose left halves are brighter than their right ones."""
    images = noise((count, count), shape=(3, size, size))
    shaded = images.images.float() * torch.linspace(1, 0.5, size)
    return LabeledImages(shaded.to(torch.uint8), images.labels, images.classes)


def test_a_flip_is_planned_only_where_mirror_images_look_alike():
    assert "flip" in GANAugmenter().plan(noise((150, 150), shape=(3, 16, 16), seed=1)).augmentation
    plan = GANAugmenter().plan(lopsided())
    assert "flip" not in plan.augmentation
    assert "images differ from their mirror images" in plan.reasons["augmentation"]
    few = GANAugmenter().plan(noise((40, 40), shape=(3, 16, 16)))
    assert "too few images to tell" in few.reasons["augmentation"]


def test_the_mirror_test_is_rarely_wrong_about_symmetric_images():
    alarms = sum(mirror_p_value(noise((60, 60), shape=(1, 8, 8), seed=seed), seed=seed) < 0.05 for seed in range(60))
    assert alarms <= 8


def test_many_classes_do_not_hide_a_lopsided_one():
    shaded, plain = lopsided(20), noise((20,) * 26, shape=(3, 16, 16))
    images = torch.cat([plain.images, shaded.images[:20]])
    labels = torch.cat([plain.labels, torch.full((20,), 26)])
    many = LabeledImages(images, labels, (*plain.classes, "shaded"))
    assert mirror_p_value(many) < 0.05
    assert mirror_p_value(plain) > 0.05


def test_none_means_none_where_auto_is_the_open_value():
    plan = GANAugmenter(augmentation=None, patience=None).plan(noise((60, 60), shape=(3, 16, 16)))
    assert plan.augmentation is None
    assert plan.patience is None
    assert {"augmentation", "patience"}.isdisjoint(plan.reasons)
    assert augmenter(precision="fp32").plan(noise((60, 60))).recipe.precision == "fp32"


def test_what_is_given_is_kept_and_what_is_chosen_has_a_reason():
    plan = augmenter(width=5, n_steps=7, augmentation="cutout").plan(noise((130, 60), shape=(1, 28, 28)))
    assert (plan.recipe.width, plan.n_steps, plan.augmentation) == (5, 7, "cutout")
    assert set(plan.reasons) == {
        *("network", "batch_size", "generator_lr", "discriminator_lr", "ema_half_life", "patience", "precision"),
        "validation",
    }
    text = str(plan)
    assert "width = 5: set by you" in text
    assert "13 images of 1 classes are held out" in text


@pytest.mark.parametrize(
    ("shape", "network", "width"),
    [
        ((1, 28, 28), "dcgan-smooth", 32),
        ((3, 64, 64), "dcgan-halved", 32),
        ((3, 32, 48), "dcgan-halved", 32),
        ((3, 96, 64), "dcgan-halved", 16),
        ((1, 1, 9), "mlp", 32),
    ],
)
def test_the_size_decides_network_and_width(shape, network, width):
    plan = GANAugmenter().plan(noise((30, 30), shape=shape))
    assert (plan.network, plan.recipe.width) == (network, width)


def test_more_images_are_shown_longer_and_a_time_budget_ends_a_run_by_itself():
    small, large = (GANAugmenter().plan(noise(counts, shape=(1, 8, 8))) for counts in ((30, 30), (3000, 3000)))
    assert small.n_steps * small.batch_size < large.n_steps * large.batch_size
    assert GANAugmenter(time_budget=60).plan(noise((30, 30))).n_steps is None


def test_a_fit_keeps_its_plan():
    gan = augmenter(n_steps=3, width=4, device="cpu", random_state=0, filters=None).fit(noise((20, 20)))
    assert gan.plan_.batch_size == 16
    assert gan.plan_.n_steps == 3
