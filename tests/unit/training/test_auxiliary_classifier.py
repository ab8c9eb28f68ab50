import pytest
import torch

from ganaug.datasets.holdout import split_validation
from ganaug.training.auxiliary_classifier import lead, margins, train_auxiliary_classifier
from tests.sets import noise, tones


@pytest.fixture(scope="module")
def auxiliary_classifier():
    train, validation = split_validation(tones(120), 0.2, seed=0)
    return train_auxiliary_classifier(train, validation, seed=0, device=torch.device("cpu"))


def test_it_recognizes_classes_it_has_not_seen_images_of(auxiliary_classifier):
    fresh = tones(50, seed=9)
    assert auxiliary_classifier.recognizes(fresh.images, fresh.labels).float().mean() > 0.6
    wrong = (fresh.labels + 1) % 3
    assert not auxiliary_classifier.recognizes(fresh.images, wrong).any()


def test_a_verdict_does_not_depend_on_the_company(auxiliary_classifier):
    fresh = tones(50, seed=9)
    whole = auxiliary_classifier.logits(fresh.images)
    assert torch.equal(auxiliary_classifier.logits(fresh.images[3:4]), whole[3:4])
    assert torch.equal(auxiliary_classifier.logits(fresh.images[70:140]), whole[70:140])
    assert auxiliary_classifier.logits(fresh.images[:0]).shape == (0, 3)


def test_the_same_seed_gives_the_same_referee(auxiliary_classifier, untouched_global_randomness):
    train, validation = split_validation(tones(120), 0.2, seed=0)
    again = train_auxiliary_classifier(train, validation, seed=0, device=torch.device("cpu"))
    assert all(
        torch.equal(a, b) for a, b in zip(again.net.parameters(), auxiliary_classifier.net.parameters(), strict=True)
    )
    assert torch.equal(again.margins, auxiliary_classifier.margins)


def test_leads_and_margins_by_hand():
    logits = torch.tensor([[2.0, 0.5, 1.0], [0.0, 3.0, 4.0]])
    assert lead(logits, torch.tensor([0, 1])).tolist() == [1.0, -1.0]
    validation = noise((21, 11, 0))
    leads = torch.cat([torch.arange(-3.0, 18.0), torch.full((11,), 2.0)])
    assert margins(leads, validation).tolist() == [-2.0, 0.0, -1.0]
    assert margins(torch.zeros(0), split_validation(noise((5, 5)), 0.1, seed=0)[1]).tolist() == [0.0, 0.0]


def test_the_shortfall_pulls_images_to_their_class(auxiliary_classifier):
    images = torch.zeros(6, 1, 16, 16, requires_grad=True)
    labels = torch.tensor([0, 0, 0, 2, 2, 2])
    before = auxiliary_classifier.shortfall(images, labels)
    before.backward()
    closer = (images - 20 * images.grad).clamp(-1, 1).detach()
    assert auxiliary_classifier.shortfall(closer, labels) < before
