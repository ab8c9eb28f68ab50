"""Small image sets that tests share, and hashes of the files in a folder."""

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from ganaug import CycleGAN, GANAugmenter, Pix2Pix, TrainingRecipe, TranslationRecipe
from ganaug.datasets.embedded import fashion_mnist_lt
from ganaug.images import LabeledImages

SMALL = {"batch_size": 16, "width": 8, "latent_size": 8, "device": "cpu", "random_state": 0, "filters": None}


# commands that fill every class up to the largest: with synthetic images, and with as many altered copies
FILL = ("augment", "--strategy", "full", "--synthetic-share", "1")
MIX = ("augment", "--strategy", "full", "--synthetic-share", "0.5")


def _with_recipe(cls, recipe_cls, arguments, params):
    """An estimator from flat parameters: those of the recipe go into it."""
    inner = {name: params.pop(name) for name in recipe_cls().get_params() if name in params}
    return cls(*arguments, **params, recipe=recipe_cls(**inner))


def augmenter(*arguments, **params):
    return _with_recipe(GANAugmenter, TrainingRecipe, arguments, params)


def pix2pix(*arguments, **params):
    return _with_recipe(Pix2Pix, TranslationRecipe, arguments, params)


def cyclegan(*arguments, **params):
    return _with_recipe(CycleGAN, TranslationRecipe, arguments, params)


def noise(counts=(6, 4), shape=(1, 8, 8), seed=0):
    """Random pixels, `counts` images of classes a, b, c, ..."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (sum(counts), *shape), dtype=torch.uint8, generator=generator)
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return LabeledImages(images, labels, tuple("abcdefghijklmnopqrstuvwxyz"[: len(counts)]))


def tones(count=40, shape=(1, 16, 16), seed=0):
    """Three classes that differ in brightness: dark, middle and bright squares with a little noise."""
    generator = torch.Generator().manual_seed(seed)
    levels = torch.tensor([40.0, 128.0, 215.0]).repeat_interleave(count)
    jitter = torch.randn(3 * count, 1, 1, 1, generator=generator) * 8
    pixels = levels.view(-1, 1, 1, 1) + jitter + torch.randn(3 * count, *shape, generator=generator) * 4
    labels = torch.arange(3).repeat_interleave(count)
    return LabeledImages(pixels.clamp(0, 255).to(torch.uint8), labels, ("dark", "middle", "bright"))


def sites(missing=()):
    """Three classes; site s is rare, lacks bright images, and has a white bar over a black one at the left edge."""
    images = tones(24)
    names = np.array(["s" if row % 4 == 0 else "n" for row in range(len(images))], dtype=object)
    pixels = images.images.clone()
    of_s = torch.from_numpy(names == "s")
    pixels[of_s, :, :8, :4], pixels[of_s, :, 8:, :4] = 255, 0
    names[list(missing)] = None
    images = replace(images, images=pixels, metadata=pd.DataFrame({"attr_site": names}))
    return images.take(~(of_s & (images.labels == 2)))


def clothes(n_per_class=12):
    """The first trousers, sandals and sneakers of the embedded Fashion-MNIST subset."""
    images = fashion_mnist_lt()
    names = ("Trouser", "Sandal", "Sneaker")
    pixels = torch.cat([images.of_class(name, n_per_class) for name in names])
    return LabeledImages(pixels, torch.arange(3).repeat_interleave(n_per_class), names)


def hashes(root):
    """Map the relative path of each file below `root` to its SHA-256."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
