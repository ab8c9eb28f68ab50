import io

import numpy as np
import pytest
import torch
from PIL import Image

from ganaug.io.encoding import png
from ganaug.io.provenance import is_marked, make_mark


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (1, 17, 33), (3, 64, 48), (3, 1, 5)])
def test_pixels_are_preserved(shape):
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    image = Image.open(io.BytesIO(png(pixels)))
    assert image.mode == ("L" if shape[0] == 1 else "RGB")
    image.load()
    assert np.array_equal(np.asarray(image).reshape(shape[1], shape[2], shape[0]), pixels.permute(1, 2, 0).numpy())


def test_pillow_reads_the_marks_and_verifies_the_file():
    pixels = torch.arange(192, dtype=torch.uint8).view(3, 8, 8)
    content = png(pixels, make_mark("café", seed=7, model_hash="abc"))
    with Image.open(io.BytesIO(content)) as image:
        image.verify()  # checksums
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        assert image.text["Software"].startswith("ganaug")
        assert '"seed": 7' in image.text["ganaug"]
        assert is_marked(image)
        assert np.array_equal(np.asarray(image), pixels.permute(1, 2, 0).numpy())


def test_the_same_pixels_give_the_same_bytes():
    pixels = torch.arange(64, dtype=torch.uint8).view(1, 8, 8)
    assert png(pixels) == png(pixels.clone())
