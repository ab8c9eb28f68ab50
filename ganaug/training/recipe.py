"""How the networks are trained: the settings that most users leave as they are."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from sklearn.base import BaseEstimator

from ganaug._compat import Interval, StrOptions, validate_parameters
from ganaug.models.penalties import Penalty, resolve_penalties
from ganaug.training.engine import resolve_precision

POSITIVE = Interval(Real, 0, None, closed="neither")
NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
AT_LEAST_ONE = Interval(Integral, 1, None, closed="left")


class TrainingRecipe(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Settings of `GANAugmenter` that most users leave as they are.

    A recipe is an estimator without `fit`, so that its settings take part in a search:
    `GridSearchCV(..., {"recipe__generator_lr": [1e-4, 4e-4]})`.

    Parameters
    ----------
    latent_size : int, default=64
        Length of a latent vector.
    width : int, optional
        Channels of the layers of highest resolution. None: planned by image size.
    generator_lr, discriminator_lr : float, optional
        Learning rates of Adam. None: planned by image size.
    betas : (float, float), default=(0.0, 0.99)
        Decay rates of Adam's first and second moment.
    lr_decay_images : float, optional
        Images over which the learning rates fall, along a cosine, to `final_lr_ratio` of their first value. Scheduled
        penalties fall to their last weight over the same images. None: constant.
    final_lr_ratio : float, default=1.0
        Final learning rate as a fraction of the first one.
    penalty : str, sequence or None, default=None
        Penalties in addition to those of the loss, as names joined by commas or `Penalty` objects: "r1", "r2",
        "lazy-r1", "gradient-penalty", "lecam", "class-spectral".
    discriminator_norm : {"spectral", "batch", "none"}, default="spectral"
        Normalization in the discriminator. Wasserstein losses refuse "batch".
    adaptive_augmentation : bool, default=False
        Adapt the probability of augmentation to the discriminator's overfitting (ADA [1]_), starting from zero.
    sampling_power : float, default=0.0
        Batches draw a class in proportion to its count to this power: 1 draws images as they are, 0 draws all classes
        equally often.
    ema_half_life : float, optional
        Half-life, in images, of the moving average of the generator's weights, which samples are drawn from. 0: no
        average. None: planned.
    conditioning_ramp : (float, float), optional
        Numbers of training images at which class conditioning begins, and is complete [2]_.
    class_noise : float, default=0.0
        Standard deviation of the noise on class gains, as a fraction of their spread; rarer classes get more [3]_.
    guidance : float, default=0.0
        Weight of a loss that asks the auxiliary classifier to recognize samples as their class.
    unlabeled_share : float, default=0.5
        Share of images without a class in a batch, at most. It is lower where they are a smaller share of all images.
    pseudo_label_threshold : float, optional
        Images without a class get the one to which the auxiliary classifier gives at least this probability; 0.9 and
        more is rarely reached, because it is trained with smoothed labels. None: they are used without a class.
    check_every : int, default=250
        Steps between checks. Each check measures samples, writes a checkpoint and a preview.
    precision : {"auto", "bf16", "fp32"}, default="auto"
        Precision of convolutions in training. "auto": bfloat16 where the processor multiplies in it. Samples are always
        drawn in float32.
    latent_std : float, default=1.0
        Standard deviation of latent vectors in sampling. Larger: more varied, less faithful samples.
    truncation : float, optional
        Number of standard deviations at which latent vectors are truncated in sampling [4]_.

    References
    ----------
    .. [1] Karras et al. (2020). Training generative adversarial networks with limited data. Section 3.2.
    .. [2] Shahbazi et al. (2022). Collapse by conditioning: training class-conditional GANs with limited data. Eq. 5.
    .. [3] Rangwani et al. (2023). NoisyTwins: class-consistent and diverse image generation through StyleGANs. Eq. 4.
    .. [4] Brock et al. (2019). Large scale GAN training for high fidelity natural image synthesis. Section 3.1.

    Examples
    --------
    >>> from ganaug import GANAugmenter, TrainingRecipe
    >>> augmenter = GANAugmenter(recipe=TrainingRecipe(generator_lr=2e-4))
    >>> augmenter.set_params(recipe__latent_size=32).recipe
    TrainingRecipe(generator_lr=0.0002, latent_size=32)
    """

    _parameter_constraints: ClassVar[dict[str, list[object]]] = {
        "latent_size": [AT_LEAST_ONE],
        "width": [AT_LEAST_ONE, None],
        "generator_lr": [POSITIVE, None],
        "discriminator_lr": [POSITIVE, None],
        "lr_decay_images": [POSITIVE, None],
        "final_lr_ratio": [Interval(Real, 0, 1, closed="both")],
        "discriminator_norm": [StrOptions({"spectral", "batch", "none"})],
        "adaptive_augmentation": ["boolean"],
        "sampling_power": [Interval(Real, 0, 1, closed="both")],
        "ema_half_life": [NOT_NEGATIVE, None],
        "class_noise": [NOT_NEGATIVE],
        "guidance": [NOT_NEGATIVE],
        "unlabeled_share": [Interval(Real, 0, 1, closed="left")],
        "pseudo_label_threshold": [Interval(Real, 0, 1, closed="both"), None],
        "check_every": [AT_LEAST_ONE],
        "latent_std": [POSITIVE],
        "truncation": [POSITIVE, None],
    }

    def __init__(
        self,
        *,
        latent_size: int = 64,
        width: int | None = None,
        generator_lr: float | None = None,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] = (0.0, 0.99),
        lr_decay_images: float | None = None,
        final_lr_ratio: float = 1.0,
        penalty: str | Sequence[str | Penalty] | None = None,
        discriminator_norm: str = "spectral",
        adaptive_augmentation: bool = False,
        sampling_power: float = 0.0,
        ema_half_life: float | None = None,
        conditioning_ramp: tuple[float, float] | None = None,
        class_noise: float = 0.0,
        guidance: float = 0.0,
        unlabeled_share: float = 0.5,
        pseudo_label_threshold: float | None = None,
        check_every: int = 250,
        precision: str = "auto",
        latent_std: float = 1.0,
        truncation: float | None = None,
    ) -> None:
        self.latent_size = latent_size
        self.width = width
        self.generator_lr = generator_lr
        self.discriminator_lr = discriminator_lr
        self.betas = betas
        self.lr_decay_images = lr_decay_images
        self.final_lr_ratio = final_lr_ratio
        self.penalty = penalty
        self.discriminator_norm = discriminator_norm
        self.adaptive_augmentation = adaptive_augmentation
        self.sampling_power = sampling_power
        self.ema_half_life = ema_half_life
        self.conditioning_ramp = conditioning_ramp
        self.class_noise = class_noise
        self.guidance = guidance
        self.unlabeled_share = unlabeled_share
        self.pseudo_label_threshold = pseudo_label_threshold
        self.check_every = check_every
        self.precision = precision
        self.latent_std = latent_std
        self.truncation = truncation

    def check(self) -> None:
        """Raise ValueError that names the first setting that cannot be used."""
        validate_parameters(self)
        resolve_penalties(self.penalty)
        resolve_precision(self.precision, torch.device("cpu"))
        _check_betas(self.betas)
        ramp = self.conditioning_ramp
        if ramp is not None and not (isinstance(ramp, Sequence) and len(ramp) == 2 and 0 <= ramp[0] < ramp[1]):
            raise ValueError(f"conditioning_ramp must be two numbers of images, 0 <= first < last; got {ramp!r}.")


class TranslationRecipe(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Settings of `Pix2Pix` and `CycleGAN` that most users leave as they are.

    Parameters
    ----------
    width : int, optional
        Channels of the first layers. None: 64 on a GPU, as published, and 32 elsewhere.
    generator_lr, discriminator_lr : float, default=2e-4
        Learning rates of Adam. In the second half of the training steps they fall linearly to zero.
    betas : (float, float), default=(0.5, 0.999)
        Decay rates of Adam's first and second moment.
    ema_half_life : float, default=1000
        Half-life, in images, of the moving average of the generator's weights, which translates. 0: no average.
    pool_size : int, default=50
        Earlier translations that CycleGAN's discriminators see beside new ones [1]_. 0: none. Pix2Pix has no pool.
    check_every : int, default=250
        Steps between checks. Each check measures translations, writes a checkpoint and a preview.
    precision : {"auto", "bf16", "fp32"}, default="auto"
        Precision of convolutions in training. "auto": bfloat16 where the processor multiplies in it.

    References
    ----------
    .. [1] Zhu et al. (2017). Unpaired image-to-image translation using cycle-consistent adversarial networks.
       Section 4.

    Examples
    --------
    >>> from ganaug import CycleGAN, TranslationRecipe
    >>> CycleGAN(recipe=TranslationRecipe(pool_size=0)).recipe.pool_size
    0
    """

    _parameter_constraints: ClassVar[dict[str, list[object]]] = {
        "width": [AT_LEAST_ONE, None],
        "generator_lr": [POSITIVE],
        "discriminator_lr": [POSITIVE],
        "ema_half_life": [NOT_NEGATIVE],
        "pool_size": [Interval(Integral, 0, None, closed="left")],
        "check_every": [AT_LEAST_ONE],
    }

    def __init__(
        self,
        *,
        width: int | None = None,
        generator_lr: float = 2e-4,
        discriminator_lr: float = 2e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        ema_half_life: float = 1_000,
        pool_size: int = 50,
        check_every: int = 250,
        precision: str = "auto",
    ) -> None:
        self.width = width
        self.generator_lr = generator_lr
        self.discriminator_lr = discriminator_lr
        self.betas = betas
        self.ema_half_life = ema_half_life
        self.pool_size = pool_size
        self.check_every = check_every
        self.precision = precision

    def check(self) -> None:
        """Raise ValueError that names the first setting that cannot be used."""
        validate_parameters(self)
        resolve_precision(self.precision, torch.device("cpu"))
        _check_betas(self.betas)


def _check_betas(betas: Any) -> None:
    if not (isinstance(betas, Sequence) and len(betas) == 2 and all(_is_decay_rate(beta) for beta in betas)):
        raise ValueError(f"betas must be two numbers in [0, 1); got {betas!r}.")


def _is_decay_rate(number: object) -> bool:
    return isinstance(number, Real) and 0 <= float(number) < 1
