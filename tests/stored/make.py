"""Write one small model with the ganaug on PYTHONPATH, and what it draws first: make.py KIND FOLDER."""

import json
import sys
from pathlib import Path

import numpy as np

from ganaug import ClassTranslator, CycleGAN, GANAugmenter, Pix2Pix, TrainingRecipe, TranslationRecipe

KIND, FOLDER = sys.argv[1], Path(sys.argv[2])
COMMON = {"device": "cpu", "random_state": 0}
DRAWS = np.random.default_rng(0)
MASKS, PHOTOS = DRAWS.integers(0, 2, (8, 8, 8), np.uint8), DRAWS.integers(0, 256, (8, 8, 8, 1), np.uint8)
SMALL = TranslationRecipe(width=2)


def generator():
    draws = np.random.default_rng(0)
    tones = [draws.integers(low, low + 90, (20, 8, 8, 1)).astype(np.uint8) for low in (0, 160)]
    recipe = TrainingRecipe(width=4, latent_size=4, ema_half_life=200)
    model = GANAugmenter(n_steps=1500, batch_size=8, recipe=recipe, **COMMON)
    model.fit(np.concatenate(tones), np.repeat(["dark", "bright"], 20))
    return model, model.sample({"dark": 1, "bright": 1}).images.flatten(1).tolist()


def pix2pix():
    model = Pix2Pix(2, n_steps=20, batch_size=2, recipe=SMALL, **COMMON).fit(MASKS, PHOTOS)
    return model, model.transform(MASKS[:1]).reshape(1, -1).tolist()


def cyclegan():
    model = CycleGAN(n_steps=20, batch_size=2, recipe=SMALL, **COMMON).fit(PHOTOS, 255 - PHOTOS)
    return model, model.transform(PHOTOS[:1]).reshape(1, -1).tolist()


def class_translator():
    images, labels = np.concatenate([PHOTOS, 255 - PHOTOS[:3]]), ["common"] * 8 + ["rare"] * 3
    inner = CycleGAN(n_steps=20, batch_size=2, recipe=SMALL)
    model = ClassTranslator(inner, filters=None, **COMMON).fit(images, labels)
    return model, model.sample({"rare": 1}).images.flatten(1).tolist()


MAKERS = {"generator": generator, "pix2pix": pix2pix, "cyclegan": cyclegan, "class-translator": class_translator}
fitted, first = MAKERS[KIND]()
fitted.save(FOLDER)
(FOLDER / "first.json").write_text(json.dumps(first) + "\n")
