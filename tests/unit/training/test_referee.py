import pytest
import torch

from ganaug.datasets.holdout import hold_back
from ganaug.training.auxiliary_classifier import lead, margins, train_referee
from tests.sets import noise, tones


@pytest.fixture(scope="module")
def referee():
    train, held_back = hold_back(tones(120), 0.2, seed=0)
    return train_referee(train, held_back, seed=0, device=torch.device("cpu"))


def test_it_recognises_classes_it_has_not_seen_images_of(referee):
    fresh = tones(50, seed=9)
    assert referee.recognises(fresh.images, fresh.labels).float().mean() > 0.6
    wrong = (fresh.labels + 1) % 3
    assert not referee.recognises(fresh.images, wrong).any()


def test_a_verdict_does_not_depend_on_the_company(referee):
    fresh = tones(50, seed=9)
    whole = referee.logits(fresh.images)
    assert torch.equal(referee.logits(fresh.images[3:4]), whole[3:4])
    assert torch.equal(referee.logits(fresh.images[70:140]), whole[70:140])
    assert referee.logits(fresh.images[:0]).shape == (0, 3)


def test_the_same_seed_gives_the_same_referee(referee, untouched_global_randomness):
    train, held_back = hold_back(tones(120), 0.2, seed=0)
    again = train_referee(train, held_back, seed=0, device=torch.device("cpu"))
    assert all(torch.equal(a, b) for a, b in zip(again.net.parameters(), referee.net.parameters(), strict=True))
    assert torch.equal(again.margins, referee.margins)


def test_leads_and_margins_by_hand():
    logits = torch.tensor([[2.0, 0.5, 1.0], [0.0, 3.0, 4.0]])
    assert lead(logits, torch.tensor([0, 1])).tolist() == [1.0, -1.0]
    held_back = noise((21, 11, 0))
    leads = torch.cat([torch.arange(-3.0, 18.0), torch.full((11,), 2.0)])
    assert margins(leads, held_back).tolist() == [-2.0, 0.0, -1.0]
    assert margins(torch.zeros(0), hold_back(noise((5, 5)), 0.1, seed=0)[1]).tolist() == [0.0, 0.0]


def test_the_shortfall_pulls_images_to_their_class(referee):
    images = torch.zeros(6, 1, 16, 16, requires_grad=True)
    labels = torch.tensor([0, 0, 0, 2, 2, 2])
    before = referee.shortfall(images, labels)
    before.backward()
    closer = (images - 20 * images.grad).clamp(-1, 1).detach()
    assert referee.shortfall(closer, labels) < before
