"""The variants of GANAugmenter that `sample_quality.py` compares: the parameters of each, also those of its recipe."""

from typing import Any

SCHEDULED_IMAGES = 60_000  # images that a run of the ablation sees, about; schedules in images end there

# Conditional DCGAN as in tutorials: binary cross entropy, natural class frequencies, no augmentation, no averaged
# generator, no filters, checks that never act; Adam as in Radford et al. 2016. The networks are those of ganaug.
PLAIN: dict[str, Any] = {
    "loss": "non-saturating",
    "augmentation": None,
    "ema_half_life": 0,
    "sampling_power": 1.0,
    "discriminator_norm": "batch",
    "generator_lr": 2e-4,
    "discriminator_lr": 2e-4,
    "betas": (0.5, 0.999),
    "batch_size": 64,
    "precision": "fp32",
    "validation_fraction": 0.0,
    "filters": None,
    "patience": None,
    "check_every": 10**9,
}

# One ingredient changed at a time.
ABLATION: dict[str, dict[str, Any]] = {
    "loss: non-saturating": {"loss": "non-saturating"},
    "loss: wgan-gp": {"loss": "wgan-gp"},
    "loss: relativistic + R1 + R2": {
        "loss": "relativistic",
        "discriminator_norm": "none",
        "lr_decay_images": SCHEDULED_IMAGES,
    },
    "penalty: lazy R1": {"penalty": "lazy-r1"},
    "penalty: LeCam": {"penalty": "lecam"},
    "penalty: class-spectral (gSR)": {"penalty": "class-spectral"},
    "augmentation: none": {"augmentation": None},
    "augmentation: + cutout": {"augmentation": "translation,cutout"},
    "augmentation: + color": {"augmentation": "translation,color"},
    "augmentation: + flip": {"augmentation": "translation,flip"},
    "augmentation: adaptive (ADA)": {"augmentation": "translation,cutout,color", "adaptive_augmentation": True},
    "network: resnet": {"network": "resnet"},
    "network: resnet-plain + R1": {"network": "resnet-plain", "discriminator_norm": "none", "penalty": "lazy-r1"},
    "conditioning: ramped in": {"conditioning_ramp": (0, SCHEDULED_IMAGES / 4)},
    "conditioning: noise alone (NoisyTwins without twins)": {"class_noise": 0.75},
    "batches: natural class frequencies": {"sampling_power": 1.0},
    "batches: square root of class frequencies": {"sampling_power": 0.5},
    "EMA: none": {"ema_half_life": 0},
    "guidance by the auxiliary classifier": {"guidance": 0.2},
    "width: 16": {"width": 16},
    "width: 48": {"width": 48},
    "EMA: half-life of 2,000 images": {"ema_half_life": 2000},
    "precision: float32": {"precision": "fp32"},
    "learning rates: cosine to a tenth": {"lr_decay_images": SCHEDULED_IMAGES, "final_lr_ratio": 0.1},
}

# The defaults before smooth upsampling: of images of up to 32 pixels, and of larger ones.
PREVIOUS: dict[str, dict[str, Any]] = {
    "previous default, up to 32 px": {"network": "dcgan"},
    "previous default": {"network": "dcgan", "width": 16, "generator_lr": 4e-4, "batch_size": 64},
}

# The networks and settings that were tried for photos, one change at a time.
PHOTOS: dict[str, dict[str, Any]] = {
    "photos: dcgan-smooth, width 16": {"network": "dcgan-smooth", "width": 16},
    "photos: learning rate 4e-4 for both": {"generator_lr": 4e-4},
    "photos: batches of 64": {"batch_size": 64},
    "photos: no colors in the augmentation": {"augmentation": "translation"},
    "photos: lazy R1 without spectral norm": {
        "loss": "non-saturating",
        "penalty": "lazy-r1",
        "discriminator_norm": "none",
    },
    "photos: width 48": {"width": 48},
}

# Options of `sample`: these variants are scored on the model of the default's run.
SAMPLING: dict[str, dict[str, Any]] = {
    "filters: none": {"filtered": False},
    "latent: std 1.2": {"latent_std": 1.2},
    "latent: std 0.8": {"latent_std": 0.8},
    "latent: truncated at 1.5": {"truncation": 1.5},
}
