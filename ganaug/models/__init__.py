"""Networks, losses, penalties and augmentations that a GAN is trained with.

Each group is a dictionary from a name to an entry: `NETWORKS`, `LOSSES`, `PENALTIES`, `AUGMENTATIONS`. Parameters of
:class:`ganaug.GANAugmenter` and :class:`ganaug.TrainingRecipe` take the name of an entry or an object of the same type,
so nothing needs to be registered.

Examples
--------
A hinge loss with a gradient penalty, and two more penalties, one of them a function of the user's:

>>> from ganaug import GANAugmenter, TrainingRecipe
>>> from ganaug.models import PENALTIES, AdversarialLoss, Penalty, hinge_discriminator, negated_mean
>>> def large_logits(inputs):
...     return inputs.real_logits.square().mean() + inputs.fake_logits.square().mean()
>>> gan = GANAugmenter(
...     network="resnet",
...     loss=AdversarialLoss(hinge_discriminator, negated_mean, penalties=(PENALTIES["gradient-penalty"],)),
...     augmentation="translation,color",
...     recipe=TrainingRecipe(penalty=["lecam", Penalty(large_logits, weight=1e-3, every=4)]),
... )
"""

from ganaug.models.augmentations import AUGMENTATIONS, AdaptiveStrength, Augmentation, color, cutout, flip, translation
from ganaug.models.losses import (
    LOSSES,
    AdversarialLoss,
    hinge_discriminator,
    least_squares_discriminator,
    least_squares_generator,
    logistic_discriminator,
    minimax_generator,
    negated_mean,
    non_saturating_generator,
    relativistic_discriminator,
    relativistic_generator,
    wasserstein_discriminator,
)
from ganaug.models.networks import NETWORKS, Network
from ganaug.models.penalties import (
    PENALTIES,
    Penalty,
    PenaltyInputs,
    class_spectral,
    effective_numbers,
    gradient_penalty,
    lecam,
    r1,
    r2,
)

__all__ = [
    "AUGMENTATIONS",
    "LOSSES",
    "NETWORKS",
    "PENALTIES",
    "AdaptiveStrength",
    "AdversarialLoss",
    "Augmentation",
    "Network",
    "Penalty",
    "PenaltyInputs",
    "class_spectral",
    "color",
    "cutout",
    "effective_numbers",
    "flip",
    "gradient_penalty",
    "hinge_discriminator",
    "least_squares_discriminator",
    "least_squares_generator",
    "lecam",
    "logistic_discriminator",
    "minimax_generator",
    "negated_mean",
    "non_saturating_generator",
    "r1",
    "r2",
    "relativistic_discriminator",
    "relativistic_generator",
    "translation",
    "wasserstein_discriminator",
]
