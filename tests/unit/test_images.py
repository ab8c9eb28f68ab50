import warnings

import pandas as pd
import pytest
import torch

from ganaug.errors import DataError
from ganaug.images import LabeledImages, concatenate, to_signed, to_uint8
from tests.sets import noise


def test_every_byte_survives_the_round_trip():
    every = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    signed = to_signed(every)
    assert signed.min() == -1
    assert signed.max() == 1
    assert torch.equal(to_uint8(signed), every)


def test_values_out_of_range_are_clipped():
    assert to_uint8(torch.tensor([-9.0, 9.0])).tolist() == [0, 255]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": torch.zeros(2, 1, 8, 8)}, "uint8"),
        ({"labels": torch.tensor([0, 1, 1])}, "int64, "),
        ({"labels": torch.tensor([0, 2])}, "labels must lie in 0..1"),
        ({"classes": ("a", "a")}, "differ"),
        ({"metadata": pd.DataFrame({"x": [1]})}, "metadata has 1 rows for 2 images"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change, words):
    good = {"images": torch.zeros(2, 1, 8, 8, dtype=torch.uint8), "labels": torch.tensor([0, 1]), "classes": ("a", "b")}
    with pytest.raises(DataError, match=words):
        LabeledImages(**(good | change))


def test_the_fingerprint_tells_pixels_labels_and_names_apart():
    one = noise()
    assert one.fingerprint() == noise().fingerprint()
    assert one.fingerprint() != noise(seed=1).fingerprint()
    assert one.fingerprint() != noise(counts=(5, 5)).fingerprint()
    assert one.fingerprint() != LabeledImages(one.images, one.labels, ("a", "z")).fingerprint()


def test_taking_and_joining_keep_rows_together():
    table = pd.DataFrame({"n": range(10)})
    one = LabeledImages(noise().images, noise().labels, ("a", "b"), table)
    part = one.take([7, 0])
    assert part.metadata["n"].tolist() == [7, 0]
    assert torch.equal(part.images[0], one.images[7])
    assert torch.equal(one.take(one.labels == 1).images, one.of_class("b"))
    with warnings.catch_warnings(action="error"):  # an index of pandas may not be written to
        assert torch.equal(one.take(pd.Index([7, 0]).to_numpy()).images, part.images)
    both = concatenate(part, noise())
    assert len(both.metadata) == len(both) == 12
    assert both.counts == {"a": 7, "b": 5}
    assert torch.equal(both[1][0], one.images[0])
    assert both[1][1] == 0
