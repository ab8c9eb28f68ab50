"""CycleGAN: learn from two sets of images, without pairs, to turn each into the other (Zhu et al. 2017)."""

from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor, nn

from ganaug._runtime.lookup import lookup
from ganaug.estimators.pix2pix import COMMON
from ganaug.estimators.translator import Translator, cycle_errors
from ganaug.models import augmentations as augment
from ganaug.models.losses import LOSSES, AdversarialLoss
from ganaug.models.networks.translation import PatchDiscriminator
from ganaug.training.processes import Processes
from ganaug.training.translation_batches import Domain
from ganaug.training.translation_steps import CycleGANStep, TranslationRecipe, TranslationStep


class CycleGAN(Translator):
    """Two GANs from image to image that undo each other: `fit(X, Y)`, `transform(X)`, `save`, `load`, `resume`.

    Parameters
    ----------
    loss : {"lsgan", "non-saturating", "hinge", "vanilla"} or AdversarialLoss
    cycle_weight : float
        Of the mean absolute error after translating there and back (Zhu et al. 2017, eq. 3: lambda). The published 10
        stands beside a least-squares loss without the half of Mao et al. (2017), which ganaug's has: 5 is the same.
    identity_weight : float
        Of the mean absolute error of images that are on the right side already (section 5.2); 0 or different channels
        leave it out. The published choice is half of `cycle_weight`.
    pool_size : int
        Earlier translations that the discriminators are shown beside new ones (section 4); 0: none.
    n_steps : int, optional
        Training steps. None: until the time budget ends, or 200 times through the larger set and at least 2,000.
    time_budget, batch_size, width, generator_lr, discriminator_lr, betas, ema_half_life, validation_fraction
        As for `Pix2Pix`.
    check_every, run_dir, device, precision, random_state
        As for `Pix2Pix`.
    augmentation : names joined by commas, sequence or None
        Of the images of each side as they are drawn: "translation", "flip", "color".

    Attributes
    ----------
    model_ : TranslationModel
        The trained generators of the best check.
    cycle_error_ : (N,) array
        Of each image of X, the mean absolute error in [0, 1] of pixels after it was translated there and back: large
        where the translation lost what the image shows.
    history_, health_, stop_reason_, n_steps_, best_step_, seconds_
        As for `Pix2Pix`; `history_` has the cycle and identity errors in training.
    """

    kind, paired = "cyclegan", False
    _parameter_constraints: ClassVar[dict[str, list[object]]] = {
        **COMMON,
        "cycle_weight": [Interval(Real, 0, None, closed="left")],
        "identity_weight": [Interval(Real, 0, None, closed="left")],
        "pool_size": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        loss: str | AdversarialLoss = "lsgan",
        *,
        cycle_weight: float = 5.0,
        identity_weight: float = 2.5,
        pool_size: int = 50,
        n_steps: int | None = None,
        time_budget: float | None = None,
        batch_size: int = 4,
        width: int | None = None,
        generator_lr: float = 2e-4,
        discriminator_lr: float = 2e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        augmentation: str | Sequence[str | augment.Policy] | None = "translation,flip",
        ema_half_life: float = 1_000,
        validation_fraction: float = 0.1,
        check_every: int = 250,
        run_dir: str | Path | None = None,
        device: str | torch.device = "auto",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.loss = loss
        self.cycle_weight = cycle_weight
        self.identity_weight = identity_weight
        self.pool_size = pool_size
        self.n_steps = n_steps
        self.time_budget = time_budget
        self.batch_size = batch_size
        self.width = width
        self.generator_lr = generator_lr
        self.discriminator_lr = discriminator_lr
        self.betas = betas
        self.augmentation = augmentation
        self.ema_half_life = ema_half_life
        self.validation_fraction = validation_fraction
        self.check_every = check_every
        self.run_dir = run_dir
        self.device = device
        self.precision = precision
        self.random_state = random_state

    def transform(self, X: Any, *, direction: str = "x_to_y") -> np.ndarray:
        """Images of one side, of any size, translated: uint8, (N, H, W) or (N, H, W, C).

        direction: "x_to_y" for images like X, "y_to_x" for images like Y.
        """
        return self._translated(X, direction, None, 0)

    def cycle_error(self, X: Any, *, direction: str = "x_to_y") -> np.ndarray:
        """Of each image, the mean absolute error in [0, 1] of pixels after it was translated there and back: (N,)."""
        found: np.ndarray = cycle_errors(self.model_, self._checked(X, direction), direction).numpy()
        return found

    def _fit(self, X: Any, Y: Any, callbacks: Any, *, resume: bool) -> None:
        super()._fit(X, Y, callbacks, resume=resume)
        self.cycle_error_ = self.cycle_error(X)

    def _domains(self, sources: Tensor, targets: Tensor) -> tuple[Domain, Domain]:
        height, width = sources.shape[2:]
        return Domain((sources.shape[1], height, width)), Domain((targets.shape[1], height, width))

    def _discriminators(self, domains: tuple[Domain, Domain], width: int) -> nn.Module:
        return nn.ModuleDict(
            {side: PatchDiscriminator(domain.shape, width) for side, domain in zip("xy", domains, strict=True)}
        )

    def _make_step(
        self, generator: nn.Module, discriminators: nn.Module, recipe: TranslationRecipe, processes: Processes
    ) -> TranslationStep:
        assert isinstance(generator, nn.ModuleDict)
        assert isinstance(discriminators, nn.ModuleDict)
        return CycleGANStep(generator, discriminators, recipe, processes)

    def _recipe(self, n_steps: int | None, device: torch.device) -> TranslationRecipe:
        return TranslationRecipe(
            loss=lookup(LOSSES, self.loss, "loss"),
            weights={"cycle": self.cycle_weight, "identity": self.identity_weight},
            rates=(self.generator_lr, self.discriminator_lr),
            betas=self.betas,
            ema_half_life=self.ema_half_life,
            constant_images=None if n_steps is None else n_steps * self.batch_size / 2,
            augmentations=augment.policy(self.augmentation),
            pool=self.pool_size,
            precision=self._precision(device),
        )

    def _check_params(self) -> None:
        lookup(LOSSES, self.loss, "loss")
        augment.policy(self.augmentation)
        self._precision(torch.device("cpu"))
