"""Train each recipe and both translators in OUT/<name>, in one process or in several.

train_together.py OUT STEPS
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

# in double precision: Adam turns rounding errors of a gradient that should be 0 into full steps, so that float32 runs
# diverge within 50 steps even if only the order of a sum differs. ganaug states its dtypes, so the names are replaced
torch.float32 = torch.float64
torch.Tensor.float = torch.Tensor.double
torch.set_default_dtype(torch.float64)

from ganaug import CycleGAN, GANAugmenter, Pix2Pix, TrainingRecipe, TranslationRecipe  # noqa: E402
from ganaug.models.penalties import PENALTIES  # noqa: E402

# together they cover everything that uses a batch as a whole, draws random numbers for it, or differentiates through it
RECIPES = {
    "hinge": {
        "adaptive_augmentation": True,
        "augmentation": "translation,color,flip,cutout",
        "class_noise": 0.1,
        "penalty": ["class-spectral", replace(PENALTIES["lecam"], start=0)],
        "conditioning_ramp": (0, 400),
        "lr_decay_images": 600,
    },
    "wgan-gp": {"loss": "wgan-gp", "network": "resnet", "sampling_power": 0.5, "ema_half_life": 100},
    "relativistic": {"loss": "relativistic", "discriminator_norm": "batch", "guidance": 0.5},
}


def main() -> None:
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 120)
    images = (rng.normal(128, 30, (120, 16, 16)) + 20 * labels[:, None, None]).clip(0, 255).astype(np.uint8)
    for name, options in RECIPES.items():
        outer = {name: value for name, value in options.items() if name in ("loss", "network", "augmentation")}
        inner = {name: value for name, value in options.items() if name not in outer}
        gan = GANAugmenter(
            n_steps=int(sys.argv[2]),
            run_dir=Path(sys.argv[1]) / name,
            validation_fraction=0.0,
            filters=None,
            batch_size=16,
            device="cpu",
            random_state=3,
            recipe=TrainingRecipe(width=8, latent_size=8, check_every=25, precision="fp32", **inner),
            **outer,
        )
        gan.fit(images, labels)
    for name, translator in {
        "pix2pix": Pix2Pix(num_labels=3, loss="vanilla"),
        # at the default rates a change of 1e-16 in one weight grows to 2e-3 after 50 steps, in one process too
        "cyclegan": CycleGAN(
            augmentation="flip", loss="hinge", recipe=TranslationRecipe(generator_lr=2e-5, discriminator_lr=2e-5)
        ),
    }.items():
        translator.set_params(
            n_steps=int(sys.argv[2]),
            run_dir=Path(sys.argv[1]) / name,
            batch_size=4,
            device="cpu",
            random_state=3,
            recipe__width=8,
            recipe__check_every=25,
            recipe__precision="fp32",
        )
        masks = (images // 86).astype(np.uint8)
        translator.fit(masks if name == "pix2pix" else images[:60], images if name == "pix2pix" else images[60:])


if __name__ == "__main__":
    main()
