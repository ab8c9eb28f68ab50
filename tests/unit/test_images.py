import warnings

import pandas as pd
import pytest
import torch

from ganaug.errors import DataError
from ganaug.images import LabeledImages, concatenate, to_signed, to_uint8
from tests.sets import noise


def test_every_byte_is_unchanged_by_scaling_and_back():
    all_bytes = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    signed = to_signed(all_bytes)
    assert signed.min() == -1
    assert signed.max() == 1
    assert torch.equal(to_uint8(signed), all_bytes)


def test_values_out_of_range_are_clipped():
    assert to_uint8(torch.tensor([-9.0, 9.0])).tolist() == [0, 255]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.zeros(2, 1, 8, 8)}, "uint8"),
        ({"labels": torch.tensor([0, 1, 1])}, "int64, "),
        ({"labels": torch.tensor([0, 2])}, "labels must lie in 0..1"),
        ({"classes": ("a", "a")}, "differ"),
        ({"metadata": pd.DataFrame({"x": [1]})}, "metadata has 1 rows for 2 images"),
    ],
)
def test_images_labels_and_metadata_that_do_not_fit_are_refused(change, message):
    valid = {
        "images": torch.zeros(2, 1, 8, 8, dtype=torch.uint8),
        "labels": torch.tensor([0, 1]),
        "classes": ("a", "b"),
    }
    with pytest.raises(DataError, match=message):
        LabeledImages(**(valid | change))


def test_the_fingerprint_depends_on_pixels_labels_and_names():
    images = noise()
    assert images.fingerprint() == noise().fingerprint()
    assert images.fingerprint() != noise(seed=1).fingerprint()
    assert images.fingerprint() != noise(counts=(5, 5)).fingerprint()
    assert images.fingerprint() != LabeledImages(images.images, images.labels, ("a", "z")).fingerprint()


def test_take_and_concatenate_keep_images_labels_and_metadata_together():
    metadata = pd.DataFrame({"n": range(10)})
    images = LabeledImages(noise().images, noise().labels, ("a", "b"), metadata)
    part = images.take([7, 0])
    assert part.metadata["n"].tolist() == [7, 0]
    assert torch.equal(part.images[0], images.images[7])
    assert torch.equal(images.take(images.labels == 1).images, images.of_class("b"))
    with warnings.catch_warnings(action="error"):  # arrays from pandas may be read-only
        assert torch.equal(images.take(pd.Index([7, 0]).to_numpy()).images, part.images)
    both = concatenate(part, noise())
    assert len(both.metadata) == len(both) == 12
    assert both.counts == {"a": 7, "b": 5}
    assert torch.equal(both[1][0], images.images[0])
    assert both[1][1] == 0
