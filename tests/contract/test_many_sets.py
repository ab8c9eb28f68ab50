"""Twenty short fits over sets of many kinds: no numbers that are not finite, and no class that is dead unseen."""

import itertools

import pytest
import torch

from ganaug import LabeledImages
from tests.sets import augmenter

SHAPES = [(1, 28, 28), (3, 28, 28), (1, 32, 48), (3, 32, 48), (3, 64, 64)]
KINDS = [
    (shape, rho, n_classes)
    for shape, (rho, n_classes) in itertools.product(SHAPES, [(1, 2), (10, 7), (50, 10), (50, 43)])
]
DEAD = 0.05  # a class whose samples differ so little from each other, relative to real images, is dead


def bars(shape, rho, n_classes, n_max=150):
    """Class k shows a bar at angle and tone of its own, in noise; counts fall from n_max to n_max / rho."""
    draws = torch.Generator().manual_seed(0)
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, shape[1]), torch.linspace(-1, 1, shape[2]), indexing="ij")
    images, labels = [], []
    for label in range(n_classes):
        count = max(2, round(n_max * rho ** (-label / max(1, n_classes - 1))))
        angle = torch.tensor(torch.pi * label / n_classes)
        offset = 0.25 * torch.randn(count, 1, 1, generator=draws)
        bar = torch.exp(-((rows * angle.cos() + columns * angle.sin() - offset) ** 2) / 0.05)
        pixels = 60 + 150 * bar[:, None].expand(count, *shape) + 10 * torch.randn(count, *shape, generator=draws)
        images.append(pixels.clamp(0, 255).to(torch.uint8))
        labels += [label] * count
    return LabeledImages(torch.cat(images), torch.tensor(labels), tuple(f"c{k:02d}" for k in range(n_classes)))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("shape", "rho", "n_classes"), KINDS)
def test_a_short_fit_is_finite_and_hides_no_dead_class(shape, rho, n_classes):
    images = bars(shape, rho, n_classes)
    steps = 300 if shape[1] < 64 else 150
    gan = augmenter(n_steps=steps, check_every=50, device="cpu", random_state=0).fit(images)
    assert gan.history_[["loss_discriminator", "loss_generator", "score"]].notna().all().all()
    assert not [finding for finding in gan.health_ if finding.symptom == "nan"]
    raw = gan.sample(dict.fromkeys(images.classes, 32), filtered=False)
    told = {finding.subject for finding in gan.health_} | set(
        gan.filter_report_.loc[~gan.filter_report_["learned"], "class"]
    )
    for name in images.classes:
        spread = [part.float().std(0).mean() for part in (raw.of_class(name), images.of_class(name))]
        assert spread[0] / spread[1] > DEAD or name in told, f"class {name} is dead and nothing says so"
