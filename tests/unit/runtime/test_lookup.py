import pytest

from ganaug._runtime.lookup import lookup
from ganaug.models.losses import LOSSES


def test_a_name_finds_its_entry_and_an_object_passes():
    assert lookup(LOSSES, "hinge", "loss") is LOSSES["hinge"]
    assert lookup(LOSSES, LOSSES["wgan"], "loss") is LOSSES["wgan"]


def test_an_unknown_name_is_told_the_known_ones_and_the_nearest():
    with pytest.raises(ValueError, match=r"Unknown loss 'wgangp'\. Known: hinge, lsgan.* Did you mean 'wgan-gp'\?"):
        lookup(LOSSES, "wgangp", "loss")


def test_an_object_of_another_kind_is_refused():
    for wrong in (None, 3, print):
        with pytest.raises(ValueError, match=r"loss must be one of hinge, .* or an object of AdversarialLoss; got"):
            lookup(LOSSES, wrong, "loss")
