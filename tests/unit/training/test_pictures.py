import numpy as np
import torch
from PIL import Image

from ganaug.training.pictures import preview, save_curves, save_picture


def test_a_row_holds_real_images_left_and_synthetic_ones_right(tmp_path):
    real, synthetic = (
        torch.full((2, 1, 48, 48), 60, dtype=torch.uint8),
        torch.full((3, 1, 48, 48), 200, dtype=torch.uint8),
    )
    save_picture(preview({"a": (real, synthetic), "a much longer name": (real[:1], synthetic)}), tmp_path / "p.png")
    pixels = np.asarray(Image.open(tmp_path / "p.png").convert("L")).astype(int)
    line = pixels[24 + 25]
    columns = {tone: np.flatnonzero(line == tone) for tone in (60, 200)}
    assert len(columns[60]) == 2 * 48
    assert len(columns[200]) == 3 * 48
    assert columns[60].max() < columns[200].min()


def test_color_and_enlarged_small_images_fit(tmp_path):
    images = torch.zeros(2, 3, 8, 12, dtype=torch.uint8)
    picture = preview({"x": (images, images)})
    assert picture.mode == "RGB"
    assert picture.height > 8 * 4


def test_curves_take_gaps(tmp_path):
    rows = [{"images": 1, "score": 0.5}, {"images": 2, "score": None, "loss_generator": 1.0, "diversity": 0.4}]
    save_curves(rows, tmp_path / "c.png")
    assert Image.open(tmp_path / "c.png").size == (1000, 600)
