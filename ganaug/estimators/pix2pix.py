"""Pix2Pix: learn from pairs of images what turns the one into the other (Isola et al. 2017)."""

import warnings
from collections.abc import Sequence
from dataclasses import asdict
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor, nn

from ganaug._runtime.lookup import lookup
from ganaug._runtime.randomness import generator
from ganaug.estimators.translator import Translator, as_images, check_sides, thumbnails
from ganaug.metrics.permutation import LIKELY, Tested
from ganaug.metrics.two_sample_tests import dependence_test
from ganaug.models import augmentations as augment
from ganaug.models.losses import LOSSES, AdversarialLoss
from ganaug.models.networks.translation import PatchDiscriminator
from ganaug.training.loop import Callback
from ganaug.training.processes import Processes
from ganaug.training.translation_batches import Domain
from ganaug.training.translation_steps import Pix2PixStep, TranslationRecipe, TranslationStep

NOT_OF_PAIRS = ("color", "cutout")
MIN_PAIRS, MAX_PAIRS = 20, 200  # from which on it is said whether they look like pairs, and those looked at

COMMON: dict[str, list[object]] = {
    "n_steps": [Interval(Integral, 1, None, closed="left"), None],
    "time_budget": [Interval(Real, 0, None, closed="neither"), None],
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "width": [Interval(Integral, 1, None, closed="left"), None],
    "generator_lr": [Interval(Real, 0, None, closed="neither")],
    "discriminator_lr": [Interval(Real, 0, None, closed="neither")],
    "ema_half_life": [Interval(Real, 0, None, closed="left")],
    "validation_fraction": [Interval(Real, 0, 0.5, closed="both")],
    "check_every": [Interval(Integral, 1, None, closed="left")],
    "random_state": ["random_state"],
}


class Pix2Pix(Translator):
    """A conditional GAN from image to image, of pairs: `fit(X, Y)`, `transform(X)`, `save`, `load`, `resume`.

    Parameters
    ----------
    num_labels : int, optional
        X holds label images, (N, H, W), of the numbers 0..num_labels - 1, which become a channel each. None: pixels.
    loss : {"non-saturating", "lsgan", "hinge", "vanilla"} or AdversarialLoss
    l1_weight : float
        Of the mean absolute error to Y, beside the adversarial loss (Isola et al. 2017, eq. 4: lambda).
    n_steps : int, optional
        Training steps. None: until the time budget ends, or 200 times through the pairs and at least 2,000.
    time_budget : float, optional
        Seconds after which training ends, at the end of a step.
    batch_size : int
        Pairs a step.
    width : int, optional
        Channels of the first stages. None: 64 on a GPU, as published, and 32 elsewhere.
    generator_lr, discriminator_lr : float
        Learning rates of Adam; in the second half of `n_steps` they fall to nothing.
    betas : (float, float)
        Adam's averaging of gradient and squared gradient.
    augmentation : names joined by commas, sequence or None
        Of both images of a pair alike, as they are drawn: "translation", "flip".
    ema_half_life : float
        Half-life, in pairs, of the averaged generator that translates; 0 keeps none.
    validation_fraction : float
        Share of the pairs that training is not shown, where it comes to ten: the best check is chosen on them.
    check_every : int
        Steps between checks of health and progress, each with a checkpoint and a preview.
    run_dir : path, optional
        Folder for config.json, history.csv, losses.png, previews/, checkpoints/ and model/.
    device, precision, random_state
        As for `GANAugmenter`.

    Attributes
    ----------
    model_ : TranslationModel
        The trained generator of the best check.
    history_ : DataFrame
        A row a check: losses, discriminator's accuracy, L1 in training, score (`TranslationEvaluator`), diversity, findings.
    health_ : list of Finding
        Every symptom seen, with its value, its threshold and what was done.
    pairing_ : Tested or None
        Whether X says anything about its own Y, from which `fit` warns where not; None of fewer than 20 pairs.
    stop_reason_, n_steps_, best_step_, seconds_
        Why training ended, steps done, the step whose state is kept, and seconds spent.
    """

    kind, paired = "pix2pix", True
    _parameter_constraints: ClassVar[dict[str, list[object]]] = {
        **COMMON,
        "num_labels": [Interval(Integral, 2, 256, closed="both"), None],
        "l1_weight": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        num_labels: int | None = None,
        loss: str | AdversarialLoss = "non-saturating",
        *,
        l1_weight: float = 100.0,
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
        self.num_labels = num_labels
        self.loss = loss
        self.l1_weight = l1_weight
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

    def transform(self, X: Any, *, random_state: int | None = None, start: int = 0) -> np.ndarray:
        """X, in any form of `fit` and of any size, translated: uint8, (N, H, W) or (N, H, W, C).

        What a mask leaves open is drawn: image i by (random_state or the fit's seed, start + i) alone.
        """
        return self._translated(X, "x_to_y", random_state, start)

    def _fit(self, X: Any, Y: Any, callbacks: Sequence[Callback], *, resume: bool) -> None:
        self._check_params()
        sources, targets = as_images(X, "X", self.num_labels), as_images(Y, "Y")
        check_sides(sources, targets, paired=True)
        self.pairing_ = _pairing(self._domains(sources, targets), sources, targets)
        if self.pairing_ is not None and self.pairing_.p > LIKELY:
            warnings.warn(
                f"X and Y do not look like pairs: images of X say no more about their own Y than about another's "
                f"(distance correlation {self.pairing_.value:.2f}, by chance {self.pairing_.expected:.2f}, "
                f"p = {self.pairing_.p:.2f}). Check that both are in the same order.",
                stacklevel=3,
            )
        super()._fit(X, Y, callbacks, resume=resume)

    def _told(self) -> dict[str, object]:
        if self.pairing_ is None:
            return {"pairs": "too few to say whether they are pairs"}
        return {
            "pairs": "do not look like pairs" if self.pairing_.p > LIKELY else "yes",
            "pairing": asdict(self.pairing_),
        }

    def _domains(self, sources: Tensor, targets: Tensor) -> tuple[Domain, Domain]:
        height, width = sources.shape[2:]
        return (
            Domain((sources.shape[1], height, width), self.num_labels),
            Domain((targets.shape[1], height, width)),
        )

    def _discriminators(self, domains: tuple[Domain, Domain], width: int) -> nn.Module:
        source, target = (domain.shape for domain in domains)
        return PatchDiscriminator((source[0] + target[0], *source[1:]), width)

    def _make_step(
        self, generator: nn.Module, discriminators: nn.Module, recipe: TranslationRecipe, processes: Processes
    ) -> TranslationStep:
        return Pix2PixStep(generator, discriminators, recipe, processes)

    def _recipe(self, n_steps: int | None, device: torch.device) -> TranslationRecipe:
        return TranslationRecipe(
            loss=lookup(LOSSES, self.loss, "loss"),
            weights={"l1": self.l1_weight},
            rates=(self.generator_lr, self.discriminator_lr),
            betas=self.betas,
            ema_half_life=self.ema_half_life,
            constant_images=None if n_steps is None else n_steps * self.batch_size / 2,
            augmentations=augment.policy(self.augmentation),
            precision=self._precision(device),
        )

    def _check_params(self) -> None:
        lookup(LOSSES, self.loss, "loss")
        chosen = augment.policy(self.augmentation)
        if unfit := [name for name in NOT_OF_PAIRS if augment.AUGMENTATIONS[name] in chosen]:
            raise ValueError(
                f"augmentation {unfit[0]!r} would alter X and Y alike, whose colors mean different things. Use "
                "translation, flip or None."
            )
        self._precision(torch.device("cpu"))


def _pairing(domains: tuple[Domain, Domain], sources: Tensor, targets: Tensor) -> Tested | None:
    """Whether X tells anything about Y, on pixels averaged down to 8 x 8; None of too few pairs to say."""
    if len(sources) < MIN_PAIRS:
        return None
    rows = torch.randperm(len(sources), generator=generator(0, "pairing"))[:MAX_PAIRS]
    first, second = (thumbnails(domain, side[rows]) for domain, side in zip(domains, (sources, targets), strict=True))
    return dependence_test(first, second)
