"""`augment` over photos of several sizes, which are larger than the synthetic images."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from ganaug import MixedDataset, augment_folder, read_folder
from ganaug.io.folder import undo
from ganaug.io.image_tensors import to_pillow
from ganaug.io.resizing import ImageSize, resize_picture
from tests.sets import augmenter, hashes


@pytest.fixture
def photos(tmp_path):
    """Six and three photos of two classes, 30 to 45 pixels; one has the size of the synthetic images."""
    draws = np.random.default_rng(0)
    for name, count in {"common": 6, "rare": 3}.items():
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for number in range(count):
            height, width = (16, 16) if number == 0 else (30 + number, 40 - number)
            Image.fromarray(draws.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(folder / f"{number}.jpg")
    return tmp_path / "photos"


def run(photos, out, **options):
    tiny = augmenter(n_steps=1, batch_size=4, width=2, latent_size=4, filters=None, device="cpu", random_state=0)
    mix = {"sampling_strategy": "full", "synthetic_share": 1.0}
    return augment_folder(photos, out, method=tiny, report=False, **mix, **options)


@pytest.mark.parametrize("aspect", ["stretch", "crop", "pad"])
def test_originals_are_resized_on_request_in_one_chain_with_the_synthetic_images(aspect, photos, tmp_path):
    out = tmp_path / "out"
    advice = "Compose" if aspect == "stretch" else f"MixedDataset.*resize='{aspect}'"
    with pytest.warns(UserWarning, match=rf"resized to 16x16. Resize test images in the same way: {advice}"):
        result = run(photos, out, image_size=(16, 16, aspect), originals="resize")
    assert result.counts["synthetic"].tolist() == [0, 3]
    assert (out / "common" / "0.jpg").read_bytes() == (photos / "common" / "0.jpg").read_bytes()
    folder = ImageFolder(out, transform=v2.Compose([v2.Resize((24, 24)), v2.PILToTensor()]))
    assert {tuple(image.shape) for image, _ in folder} == {(3, 24, 24)}
    with Image.open(photos / "rare" / "2.jpg") as photo, Image.open(out / "rare" / "2.png") as written:
        assert np.array_equal(np.asarray(written), np.asarray(resize_picture(photo, ImageSize(16, 16, aspect))))
    assert read_folder(out).metadata["is_synthetic"].sum() == 3
    before = hashes(photos)
    undo(out)
    assert not out.exists()
    assert hashes(photos) == before


@pytest.mark.parametrize("in_place", [False, True])
def test_originals_stay_as_they_are_and_sharpness_is_warned_of(in_place, photos, tmp_path):
    before = {path.relative_to(photos): path.read_bytes() for path in photos.rglob("*.jpg")}
    out = None if in_place else tmp_path / "out"
    with pytest.warns(UserWarning, match=r"7 original images are larger.*Resize\(\(16, 16\)\), Resize\(SIZE\)"):
        result = run(photos, out, image_size=16)
    assert {path.relative_to(result.out): path.read_bytes() for path in result.out.rglob("*.jpg")} == before


def test_an_unknown_treatment_of_originals_is_refused_before_training(photos, tmp_path):
    with pytest.raises(ValueError, match="originals must be one of copy, resize"):
        run(photos, tmp_path / "out", image_size=16, originals="keep")


def test_a_folder_of_any_sizes_is_mixed_with_the_transform_of_the_user(photos):
    real = ImageFolder(photos)
    synthetic = read_folder(photos, image_size=(16, 16, "crop"))
    transform = v2.Compose([v2.Resize((24, 24)), v2.PILToTensor()])
    mixed = MixedDataset(real, synthetic, transform=transform, resize="crop")
    images = torch.stack([mixed[index][0] for index in range(len(mixed))])
    assert images.shape == (18, 3, 24, 24)
    assert torch.equal(images[:9], images[9:])
    assert torch.equal(images[9], transform(to_pillow(synthetic.images[0])))
