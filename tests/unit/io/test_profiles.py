"""LittleCMS, OpenCV and torchvision (libpng) read the color profiles."""

import io

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from torchvision.io import decode_png

from ganaug.io.encoding import png
from ganaug.io.profiles import icc_profile
from ganaug.io.provenance import STATEMENT

PIXELS = torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("n_channels", [1, 3])
def test_a_profile_states_its_copyright_and_does_not_change_colors(n_channels):
    content = icc_profile(n_channels, "Nobody's \u00a9")
    profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
    assert profile.profile.copyright == "Nobody's \u00a9"
    assert profile.profile.xcolor_space.strip() == ("RGB" if n_channels == 3 else "GRAY")
    assert int.from_bytes(content[:4], "big") == len(content)
    pixels = PIXELS[:n_channels].permute(1, 2, 0).squeeze(-1).numpy()
    converted = ImageCms.profileToProfile(
        Image.fromarray(pixels), profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    as_rgb = np.asarray(Image.fromarray(pixels).convert("RGB")).astype(int)
    assert np.abs(np.asarray(converted) - as_rgb).max() <= 1  # rounding


@pytest.mark.parametrize("n_channels", [1, 3])
def test_libpng_accepts_the_profile_without_a_warning(n_channels, capfd):
    pixels = PIXELS[:n_channels]
    content = png(pixels, statement=STATEMENT)
    assert torch.equal(decode_png(torch.frombuffer(bytearray(content), dtype=torch.uint8)), pixels)
    decoded = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(decoded.reshape(32, 32, -1)[..., ::-1], pixels.permute(1, 2, 0).numpy())
    assert capfd.readouterr().err == ""
