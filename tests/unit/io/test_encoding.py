import io

import numpy as np
import pytest
import torch
from PIL import Image

from ganaug.io.encoding import png
from ganaug.io.provenance import is_marked, mark


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (1, 17, 33), (3, 64, 48), (3, 1, 5)])
def test_pixels_come_back_as_they_were(shape):
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    picture = Image.open(io.BytesIO(png(pixels)))
    assert picture.mode == ("L" if shape[0] == 1 else "RGB")
    picture.load()
    assert np.array_equal(np.asarray(picture).reshape(shape[1], shape[2], shape[0]), pixels.permute(1, 2, 0).numpy())


def test_marks_are_read_by_others_and_the_file_is_sound():
    pixels = torch.arange(192, dtype=torch.uint8).view(3, 8, 8)
    content = png(pixels, mark("café", seed=7, model_hash="abc"))
    with Image.open(io.BytesIO(content)) as picture:
        picture.verify()  # checksums
    with Image.open(io.BytesIO(content)) as picture:
        picture.load()
        assert picture.text["Software"].startswith("ganaug")
        assert '"seed": 7' in picture.text["ganaug"]
        assert is_marked(picture)
        assert np.array_equal(np.asarray(picture), pixels.permute(1, 2, 0).numpy())


def test_the_same_pixels_give_the_same_bytes():
    pixels = torch.arange(64, dtype=torch.uint8).view(1, 8, 8)
    assert png(pixels) == png(pixels.clone())
