"""CycleGAN: learns from two sets of images, without pairs, to translate each into the other (Zhu et al. 2017)."""

from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ganaug._compat import Interval
from ganaug.estimators.evaluators import cycle_errors
from ganaug.estimators.translator import TRANSLATOR_CONSTRAINTS, TranslationData, Translator
from ganaug.images import LabeledImages
from ganaug.metrics.mirror_symmetry import is_mirror_symmetric
from ganaug.models import augmentations as augment
from ganaug.models.losses import AdversarialLoss
from ganaug.models.networks.translation import PatchDiscriminator, VectorDiscriminator
from ganaug.sampling.translation_model import TranslationModel, is_vector
from ganaug.training.recipe import TranslationRecipe
from ganaug.training.translation_batches import Domain
from ganaug.training.translation_steps import CycleGANStep, TranslationStep


class CycleGAN(Translator):
    """Two GANs that translate images between two domains, trained without pairs.

    Parameters
    ----------
    loss : {"lsgan", "non-saturating", "hinge", "vanilla"} or AdversarialLoss, default="lsgan"
    cycle_weight : float, default=5
        Weight of the mean absolute error after translating forward and backward (lambda in eq. 3 of [1]_). The
        authors use 10, with a least-squares loss without the factor 1/2. ganaug's loss has this factor (Mao et al.
        2017), so that 5 is equivalent.
    identity_weight : float, default=2.5
        Weight of the mean absolute error of images that are in the target domain already (section 5.2 of [1]_). The
        published choice is half of `cycle_weight`. Not used where the domains have different numbers of channels.
    n_steps : int, optional
        Training steps. None: until `time_budget` ends, if it is given; else 200 epochs of the larger set, and at least
        2,000 steps.
    time_budget, batch_size, validation_fraction, run_dir, device, verbose, random_state, recipe
        As for `Pix2Pix`.
    augmentation : str, sequence or None, default="translation,flip"
        Applied to the images of each domain: "translation", "flip", "color", joined by commas. "auto": "translation",
        and "flip" where images do not differ from their mirror images.

    Attributes
    ----------
    model_ : TranslationModel
        The generators at the check with the best score.
    cycle_error_ : array of shape (N,)
        For each image of X, the mean absolute error in [0, 1] of pixels after it was translated and translated back.
        Large where the translation loses what the image shows.
    history_, health_, stop_reason_, n_steps_, best_step_, seconds_, seed_, data_
        As for `Pix2Pix`; `history_` has the cycle and identity errors in training.

    References
    ----------
    .. [1] Zhu et al. (2017). Unpaired image-to-image translation using cycle-consistent adversarial networks.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug import CycleGAN, TranslationRecipe
    >>> dark = np.random.default_rng(0).integers(0, 100, (8, 16, 16), dtype=np.uint8)
    >>> translator = CycleGAN(n_steps=2, random_state=0, recipe=TranslationRecipe(width=4)).fit(dark, 255 - dark)
    >>> translator.transform(dark[:2]).shape, translator.cycle_error_.shape
    ((2, 16, 16), (8,))
    """

    kind, paired = "cyclegan", False
    _parameter_constraints: ClassVar[dict[str, list[object]]] = {
        **TRANSLATOR_CONSTRAINTS,
        "cycle_weight": [Interval(Real, 0, None, closed="left")],
        "identity_weight": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        loss: str | AdversarialLoss = "lsgan",
        *,
        cycle_weight: float = 5.0,
        identity_weight: float = 2.5,
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
        self.loss = loss
        self.cycle_weight = cycle_weight
        self.identity_weight = identity_weight
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

    def transform(self, X: Any, *, direction: str = "x_to_y") -> np.ndarray:
        """Translate images.

        Parameters
        ----------
        X : array, Tensor or LabeledImages
            As in `fit`, of any height and width.
        direction : {"x_to_y", "y_to_x"}
            "x_to_y" for images like X, "y_to_x" for images like Y.

        Returns
        -------
        translations : array of shape (N, H, W) or (N, H, W, C), uint8
        """
        return self._transform(X, direction, None, 0)

    def cycle_error(self, X: Any, *, direction: str = "x_to_y") -> np.ndarray:
        """Return the mean absolute error in [0, 1] of pixels after translating forward and backward: (N,)."""
        errors: np.ndarray = cycle_errors(self.model_, self._accepted(X, direction), direction).numpy()
        return errors

    def _own_results(self, data: TranslationData, model: TranslationModel) -> dict[str, object]:
        return {"cycle_error_": cycle_errors(model, model.accepted(data.sources, "x_to_y")).numpy()}

    def _extra_attributes_as_json(self) -> dict[str, object]:
        return {"cycle_error": self.cycle_error_.tolist()}

    def _restore_extra_attributes(self, fitted: Mapping[str, Any], tensors: Any) -> None:  # noqa: ARG002
        self.cycle_error_ = np.asarray(fitted["cycle_error"], dtype=np.float32)

    def _resolve_augmentation(self, data: TranslationData) -> Any:
        if is_vector(data.sources.shape[1:]):
            return None  # the numbers of a plain vector are not neighbors
        if self.augmentation != "auto":
            return self.augmentation
        return default_augmentation(data.sources, data.targets)

    def _domains(self, data: TranslationData) -> tuple[Domain, Domain]:
        height, width = data.sources.shape[2:]
        return Domain((data.sources.shape[1], height, width)), Domain((data.targets.shape[1], height, width))

    def _discriminators(self, domains: tuple[Domain, Domain], width: int) -> nn.Module:
        network = VectorDiscriminator if is_vector(domains[0].shape) else PatchDiscriminator
        return nn.ModuleDict({name: network(domain.shape, width) for name, domain in zip("xy", domains, strict=True)})

    def _make_step(
        self, generator: Any, discriminators: Any, loss: AdversarialLoss, recipe: TranslationRecipe, **options: Any
    ) -> TranslationStep:
        weights = {"cycle": self.cycle_weight, "identity": self.identity_weight}
        return CycleGANStep(generator, discriminators, loss, recipe, weights=weights, **options)


def default_augmentation(*domains: Tensor) -> str:
    """Return "translation,flip" where images do not differ from their mirror images, else "translation".

    Parameters
    ----------
    *domains : Tensor of shape (N, C, H, W), uint8
    """
    labeled = [LabeledImages(images, torch.zeros(len(images), dtype=torch.int64), ("domain",)) for images in domains]
    return "translation,flip" if all(is_mirror_symmetric(images) for images in labeled) else "translation"
