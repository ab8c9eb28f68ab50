import pytest

from ganaug._runtime.lookup import lookup
from ganaug.models.losses import LOSSES


def test_a_name_returns_its_entry_and_an_object_returns_itself():
    assert lookup(LOSSES, "hinge", "loss") is LOSSES["hinge"]
    assert lookup(LOSSES, LOSSES["wgan"], "loss") is LOSSES["wgan"]


def test_the_error_for_an_unknown_name_lists_the_known_ones_and_suggests_one():
    with pytest.raises(ValueError, match=r"Unknown loss 'wgangp'\. Known: hinge, lsgan.* Did you mean 'wgan-gp'\?"):
        lookup(LOSSES, "wgangp", "loss")


def test_an_object_of_another_type_is_refused():
    for wrong in (None, 3, print):
        with pytest.raises(ValueError, match=r"loss must be one of hinge, .* or an object of AdversarialLoss; got"):
            lookup(LOSSES, wrong, "loss")
