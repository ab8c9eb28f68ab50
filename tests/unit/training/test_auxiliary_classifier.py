import pytest
import torch

from ganaug.datasets.holdout import split_validation
from ganaug.training.auxiliary_classifier import (
    compute_logit_margins,
    compute_margin_thresholds,
    train_auxiliary_classifier,
)
from tests.sets import noise, tones


@pytest.fixture(scope="module")
def auxiliary_classifier():
    train, validation = split_validation(tones(120), 0.2, seed=0)
    return train_auxiliary_classifier(train, validation, seed=0, device=torch.device("cpu"))


def test_new_images_are_recognized_under_their_label_only(auxiliary_classifier):
    new = tones(50, seed=9)
    assert auxiliary_classifier.recognizes(new.images, new.labels).float().mean() > 0.6
    wrong = (new.labels + 1) % 3
    assert not auxiliary_classifier.recognizes(new.images, wrong).any()


def test_logits_of_an_image_do_not_depend_on_the_other_images(auxiliary_classifier):
    new = tones(50, seed=9)
    logits = auxiliary_classifier.logits(new.images)
    assert torch.equal(auxiliary_classifier.logits(new.images[3:4]), logits[3:4])
    assert torch.equal(auxiliary_classifier.logits(new.images[70:140]), logits[70:140])
    assert auxiliary_classifier.logits(new.images[:0]).shape == (0, 3)


def test_the_same_seed_trains_the_same_classifier(auxiliary_classifier, untouched_global_randomness):
    train, validation = split_validation(tones(120), 0.2, seed=0)
    repeated = train_auxiliary_classifier(train, validation, seed=0, device=torch.device("cpu"))
    parameters = zip(repeated.net.parameters(), auxiliary_classifier.net.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in parameters)
    assert torch.equal(repeated.margin_thresholds, auxiliary_classifier.margin_thresholds)


def test_logit_margins_and_thresholds_by_hand():
    logits = torch.tensor([[2.0, 0.5, 1.0], [0.0, 3.0, 4.0]])
    assert compute_logit_margins(logits, torch.tensor([0, 1])).tolist() == [1.0, -1.0]
    validation = noise((21, 11, 0))
    logit_margins = torch.cat([torch.arange(-3.0, 18.0), torch.full((11,), 2.0)])
    assert compute_margin_thresholds(logit_margins, validation).tolist() == [-2.0, 0.0, -1.0]
    empty = split_validation(noise((5, 5)), 0.1, seed=0)[1]
    assert compute_margin_thresholds(torch.zeros(0), empty).tolist() == [0.0, 0.0]


def test_the_gradient_of_the_shortfall_moves_images_toward_their_class(auxiliary_classifier):
    images = torch.zeros(6, 1, 16, 16, requires_grad=True)
    labels = torch.tensor([0, 0, 0, 2, 2, 2])
    before = auxiliary_classifier.shortfall(images, labels)
    before.backward()
    moved = (images - 20 * images.grad).clamp(-1, 1).detach()
    assert auxiliary_classifier.shortfall(moved, labels) < before
