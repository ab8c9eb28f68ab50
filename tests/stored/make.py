"""Writes one small model with the ganaug that PYTHONPATH leads to, and what it makes: make.py KIND FOLDER."""

import json
import sys
from pathlib import Path

import numpy as np

KIND, FOLDER = sys.argv[1], Path(sys.argv[2])
SMALL = {"batch_size": 8, "width": 4, "device": "cpu", "random_state": 0}


def generator():
    from ganaug import GANAugmenter

    options = {**SMALL, "n_steps": 400, "latent_size": 4, "ema_half_life": 200, "filters": None}
    options |= {"filters": ("copies", "label")} if KIND == "filtered" else {}
    known = {name: value for name, value in options.items() if name in GANAugmenter._get_param_names()}
    draws = np.random.default_rng(0)
    tones = [draws.integers(low, low + 90, (20, 8, 8, 1)).astype(np.uint8) for low in (0, 160)]
    made = GANAugmenter(**known).fit(np.concatenate(tones), np.repeat(["dark", "bright"], 20))
    return made, made.sample({"dark": 1, "bright": 1}).images.flatten(1).tolist()


def translator():
    import ganaug

    draws = np.random.default_rng(0)
    masks, photos = draws.integers(0, 2, (8, 8, 8), np.uint8), draws.integers(0, 256, (8, 8, 8, 1), np.uint8)
    options = {**SMALL, "n_steps": 20, "width": 2}
    if KIND == "pix2pix":
        made = ganaug.Pix2Pix(2, **options).fit(masks, photos)
        return made, made.transform(masks[:1]).reshape(1, -1).tolist()
    made = ganaug.CycleGAN(**options).fit(photos, 255 - photos)
    return made, made.transform(photos[:1]).reshape(1, -1).tolist()


model, first = translator() if KIND in ("pix2pix", "cyclegan") else generator()
model.save(FOLDER)
(FOLDER / "first.json").write_text(json.dumps(first) + "\n")
