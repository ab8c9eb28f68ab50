import numpy as np
import torch
from PIL import Image

from ganaug.training.pictures import HEADER_HEIGHT, draw_preview, save_curves, save_picture


def test_a_row_has_real_images_on_the_left_and_synthetic_images_on_the_right(tmp_path):
    real = torch.full((2, 1, 48, 48), 60, dtype=torch.uint8)
    synthetic = torch.full((3, 1, 48, 48), 200, dtype=torch.uint8)
    save_picture(
        draw_preview({"a": (real, synthetic), "a much longer name": (real[:1], synthetic)}), tmp_path / "p.png"
    )
    pixels = np.asarray(Image.open(tmp_path / "p.png").convert("L")).astype(int)
    first_row = pixels[HEADER_HEIGHT + 25]
    columns = {level: np.flatnonzero(first_row == level) for level in (60, 200)}
    assert len(columns[60]) == 2 * 48
    assert len(columns[200]) == 3 * 48
    assert columns[60].max() < columns[200].min()


def test_small_color_images_are_enlarged():
    images = torch.zeros(2, 3, 8, 12, dtype=torch.uint8)
    picture = draw_preview({"x": (images, images)})
    assert picture.mode == "RGB"
    assert picture.height > 8 * 4


def test_curves_skip_missing_values(tmp_path):
    rows = [{"images": 1, "score": 0.5}, {"images": 2, "score": None, "loss_generator": 1.0, "diversity": 0.4}]
    save_curves(rows, tmp_path / "c.png")
    assert Image.open(tmp_path / "c.png").size == (1000, 600)
