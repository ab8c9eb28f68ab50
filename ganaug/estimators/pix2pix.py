"""Pix2Pix: learns from pairs of images to translate one into the other (Isola et al. 2017)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from ganaug._compat import Interval
from ganaug._runtime.messages import warn_user
from ganaug._runtime.python_values import as_python
from ganaug._runtime.randomness import generator
from ganaug.estimators.evaluators import thumbnails
from ganaug.estimators.translator import TRANSLATOR_CONSTRAINTS, TranslationData, Translator
from ganaug.metrics.permutation import SIGNIFICANCE_LEVEL, PermutationTestResult
from ganaug.metrics.two_sample_tests import dependence_test
from ganaug.models import augmentations as augment
from ganaug.models.losses import AdversarialLoss
from ganaug.models.networks.translation import PatchDiscriminator
from ganaug.sampling.translation_model import TranslationModel
from ganaug.training.recipe import TranslationRecipe
from ganaug.training.translation_batches import Domain
from ganaug.training.translation_steps import Pix2PixStep, TranslationStep

UNSUITABLE_AUGMENTATIONS = ("color", "cutout")
MIN_PAIRS, MAX_PAIRS = 20, 200  # needed for the test of pairing, and used by it


class Pix2Pix(Translator):
    """A conditional GAN that translates images, trained on pairs.

    Parameters
    ----------
    num_labels : int, optional
        X holds label images (N, H, W) with labels 0..num_labels - 1, which become one channel each. None: X holds
        pixels.
    loss : {"non-saturating", "lsgan", "hinge", "vanilla"} or AdversarialLoss, default="non-saturating"
    l1_weight : float, default=100
        Weight of the mean absolute error to Y (lambda in eq. 4 of [1]_).
    n_steps : int, optional
        Training steps. None: until the time budget ends, or 200 epochs and at least 2,000 steps.
    time_budget : float, optional
        Seconds after which training ends.
    batch_size : int, default=4
        Pairs in a step.
    augmentation : str, sequence or None, default="translation,flip"
        Applied to both images of a pair alike: "translation", "flip", joined by commas.
    validation_fraction : float, default=0.1
        Fraction of the pairs that training does not see, if it amounts to ten. The best check is chosen on them.
    run_dir : path, optional
        Folder for config.json, history.csv, losses.png, previews/, checkpoints/ and model/. Each fit of a clone has a
        subfolder, as for `GANAugmenter`.
    device, verbose, random_state
        As for `GANAugmenter`.
    recipe : TranslationRecipe, optional
        Settings that most users leave as they are. None: `TranslationRecipe()`.

    Attributes
    ----------
    model_ : TranslationModel
        The generator of the best check.
    pairing_ : PermutationTestResult or None
        Test of whether X depends on Y; `fit` warns where it does not. None if there are fewer than 20 pairs.
    history_ : DataFrame
        A row for each check: losses, accuracy of the discriminator, L1 error, score, diversity, findings.
    health_, stop_reason_, n_steps_, best_step_, seconds_, seed_, data_
        As for `GANAugmenter`.

    References
    ----------
    .. [1] Isola et al. (2017). Image-to-image translation with conditional adversarial networks.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug import Pix2Pix, TranslationRecipe
    >>> masks = np.random.default_rng(0).integers(0, 2, (8, 16, 16))
    >>> photos = np.stack([masks * 200] * 3, axis=-1).astype(np.uint8)
    >>> small = TranslationRecipe(width=4)
    >>> translator = Pix2Pix(num_labels=2, n_steps=2, random_state=0, recipe=small).fit(masks, photos)
    >>> translator.transform(masks[:1]).shape
    (1, 16, 16, 3)
    """

    kind, paired = "pix2pix", True
    _parameter_constraints: ClassVar[dict[str, list[object]]] = {
        **TRANSLATOR_CONSTRAINTS,
        # labels are stored as uint8
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
        augmentation: str | Sequence[str | augment.Augmentation] | None = "translation,flip",
        validation_fraction: float = 0.1,
        run_dir: str | Path | None = None,
        device: str | torch.device = "auto",
        verbose: int | bool = 0,
        random_state: int | np.random.RandomState | None = None,
        recipe: TranslationRecipe | None = None,
    ) -> None:
        self.num_labels = num_labels
        self.loss = loss
        self.l1_weight = l1_weight
        self.n_steps = n_steps
        self.time_budget = time_budget
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.validation_fraction = validation_fraction
        self.run_dir = run_dir
        self.device = device
        self.verbose = verbose
        self.random_state = random_state
        self.recipe = recipe

    def transform(self, X: Any, *, random_state: int | None = None, start: int = 0) -> np.ndarray:
        """Translate images.

        Parameters
        ----------
        X : array, Tensor or LabeledImages
            As in `fit`, of any height and width.
        random_state : int, optional
            Seed of what X leaves open. None: the seed of the fit.
        start : int, default=0
            Image i is drawn from (seed, start + i).

        Returns
        -------
        translations : array of shape (N, H, W) or (N, H, W, C), uint8
        """
        return self._transform(X, "x_to_y", random_state, start)

    def _convert(self, X: Any, Y: Any) -> TranslationData:
        data = super()._convert(X, Y)
        self.pairing_ = _test_pairing(self._domains(data), data)
        if self.pairing_ is not None and self.pairing_.p > SIGNIFICANCE_LEVEL:
            warn_user(
                "X and Y do not look like pairs: images of X depend no more on their own Y than on that of another "
                f"(distance correlation {self.pairing_.value:.2f}, by chance {self.pairing_.expected:.2f}, "
                f"p = {self.pairing_.p:.2f}). Check that both are in the same order."
            )
        return data

    def _own_results(self, data: TranslationData, model: TranslationModel) -> dict[str, object]:  # noqa: ARG002
        return {"pairing_": self.pairing_}

    def _own_summary(self, results: Mapping[str, object]) -> dict[str, object]:  # noqa: ARG002
        if self.pairing_ is None:
            return {"pairs": "too few to test"}
        verdict = "do not look like pairs" if self.pairing_.p > SIGNIFICANCE_LEVEL else "yes"
        return {"pairs": verdict, "pairing": asdict(self.pairing_)}

    def _extra_attributes_as_json(self) -> dict[str, object]:
        return {"pairing": None if self.pairing_ is None else asdict(self.pairing_)}

    def _restore_extra_attributes(self, fitted: Mapping[str, Any], tensors: Any) -> None:  # noqa: ARG002
        self.pairing_ = None if fitted["pairing"] is None else PermutationTestResult(**fitted["pairing"])

    def _domains(self, data: TranslationData) -> tuple[Domain, Domain]:
        height, width = data.sources.shape[2:]
        return (
            Domain((data.sources.shape[1], height, width), as_python(self.num_labels)),
            Domain((data.targets.shape[1], height, width)),
        )

    def _discriminators(self, domains: tuple[Domain, Domain], width: int) -> nn.Module:
        source, target = (domain.shape for domain in domains)
        return PatchDiscriminator((source[0] + target[0], *source[1:]), width)

    def _make_step(
        self, generator: Any, discriminators: Any, loss: AdversarialLoss, recipe: TranslationRecipe, **options: Any
    ) -> TranslationStep:
        return Pix2PixStep(generator, discriminators, loss, recipe, weights={"l1": self.l1_weight}, **options)

    def _check_params(self) -> None:
        super()._check_params()
        policies = augment.resolve_augmentations(self.augmentation)
        unsuitable = [name for name in UNSUITABLE_AUGMENTATIONS if augment.AUGMENTATIONS[name] in policies]
        if unsuitable:
            raise ValueError(
                f"augmentation {unsuitable[0]!r} would alter X and Y alike, but their colors mean different things. "
                "Use translation, flip or None."
            )


def _test_pairing(domains: tuple[Domain, Domain], data: TranslationData) -> PermutationTestResult | None:
    """Return a test of whether X depends on Y, on pixels averaged to 8 x 8; None for too few pairs."""
    if len(data.sources) < MIN_PAIRS:
        return None
    rows = torch.randperm(len(data.sources), generator=generator(0, "pairing"))[:MAX_PAIRS]
    return dependence_test(thumbnails(domains[0], data.sources[rows]), thumbnails(domains[1], data.targets[rows]))
