"""The sizes, channels and numbers of classes that are promised, from the smallest to the largest."""

import pytest
import torch

from ganaug import GANAugmenter, LabeledImages
from tests.sets import SMALL, augmenter, noise


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 256), (1, 256, 8), (3, 31, 57), (1, 28, 28), (3, 256, 256)])
def test_any_height_and_width_gray_or_color(shape):
    gan = augmenter(n_steps=2, **{**SMALL, "batch_size": 4, "width": 4}).fit(noise((5, 5), shape=shape))
    assert gan.sample(3).shape == shape


@pytest.mark.parametrize("network", ["dcgan", "mlp"])
@pytest.mark.parametrize("count", [2, 1000])
def test_two_to_a_thousand_classes(tmp_path, network, count):
    images = torch.randint(0, 256, (2 * count, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    real = LabeledImages(images, torch.arange(count).repeat(2), tuple(f"class {index}" for index in range(count)))
    gan = augmenter(network, n_steps=2, run_dir=tmp_path / "run", **SMALL).fit(real)
    assert gan.sample({f"class {count - 1}": 2}).counts[f"class {count - 1}"] == 2
    with pytest.raises(ValueError, match=f"Unknown class 'class {count}'"):
        gan.sample({f"class {count}": 1})


def test_more_classes_are_refused():
    images = torch.zeros(2002, 1, 8, 8, dtype=torch.uint8)
    real = LabeledImages(images, torch.arange(1001).repeat(2), tuple(map(str, range(1001))))
    with pytest.raises(ValueError, match="at most 1,000"):
        augmenter(n_steps=2, **SMALL).fit(real)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")
@pytest.mark.parametrize("loss", ["hinge", "wgan-gp"])
def test_a_model_from_a_gpu_loads_on_a_cpu(tmp_path, loss):
    settings = {**SMALL, "device": "cuda", "check_every": 5}
    gan = augmenter(loss=loss, n_steps=7, run_dir=tmp_path / "run", **settings).fit(noise((9, 5)))
    gan = augmenter(loss=loss, n_steps=12, run_dir=tmp_path / "run", **settings).resume(noise((9, 5)))
    there, here = gan.sample(40).images, GANAugmenter.load(tmp_path / "run", "cpu").sample(40).images
    assert (there.int() - here.int()).abs().max() <= 2  # kernels round differently
