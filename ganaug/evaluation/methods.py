"""Training methods of the utility test: a baseline, how far classes are balanced, how long, and which synthetic images.

`vary_baselines` lists the methods without synthetic images, `lengthen` the longer ones, and `add_synthetic` those that
add synthetic images to one of them.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import torch

from ganaug.evaluation.baselines import BASELINES, OVERSAMPLING, REAL_ONLY
from ganaug.evaluation.training_set import (
    NotApplicableError,
    TrainingSet,
    balance_classes,
    fill_classes,
    mix_synthetic,
)
from ganaug.images import LabeledImages

Prepare = Callable[[LabeledImages, int], TrainingSet]  # a value of BASELINES

LONG = 4.0  # factor of the steps of longer trainings
FILLED = "filled to balance"
BALANCES = {0.0: "classes as they are", 0.5: "square-root balance", 1.0: "full balance"}


@dataclass(frozen=True)
class TrainingMethod:
    """How a classifier is trained.

    Attributes
    ----------
    base : str
        A key of `BASELINES`: what is done to the real images.
    balance : float or None
        How often classes are drawn, as for `balance_classes`; None: as the baseline does.
    length : float
        Factor of the number of training steps.
    share : float
        Fraction of synthetic images in each class; 0 for none.
    recognized_only : bool
        Whether only classes have synthetic images whose samples classifiers of the real images recognize.
    synthetic_first : bool
        Whether the first half of the training has synthetic images only, and the second half real ones only.
    is_filled : bool
        Whether synthetic images fill each class to the size of the largest; `share` does not count then.

    Examples
    --------
    >>> from ganaug.evaluation import TrainingMethod
    >>> TrainingMethod("CutMix", balance=0.5, length=4, share=0.25).name
    'CutMix, square-root balance, 4x steps, 25% synthetic'
    """

    base: str
    balance: float | None = None
    length: float = 1.0
    share: float = 0.0
    recognized_only: bool = False
    synthetic_first: bool = False
    is_filled: bool = False

    @property
    def name(self) -> str:
        """Name in the report."""
        if self.is_filled:
            return FILLED
        parts = [self.base]
        if self.balance is not None:
            parts.append(BALANCES.get(self.balance, f"balance {self.balance:g}"))
        if self.length != 1:
            parts.append(f"{self.length:g}x steps")
        if self.synthetic_first:
            parts.append("synthetic images first")
        elif self.share:
            parts.append(f"{share_name(self.share)}{' in recognized classes' if self.recognized_only else ''}")
        return ", ".join(parts)

    @property
    def uses_synthetic(self) -> bool:
        """Whether synthetic images are trained on."""
        return self.share > 0 or self.is_filled

    def prepare(
        self,
        real: LabeledImages,
        synthetic: LabeledImages | None = None,
        seed: int = 0,
        *,
        unrecognized: Collection[str] = (),
        prepare_base: Prepare | None = None,
    ) -> TrainingSet:
        """Return what a classifier is trained on.

        Parameters
        ----------
        real : LabeledImages
            Real training images.
        synthetic : LabeledImages, optional
            Synthetic images with the same classes.
        seed : int
            Seed of the baseline.
        unrecognized : collection of str
            Classes that get no synthetic images with `recognized_only`.
        prepare_base : callable, optional
            The baseline. None: the entry of `BASELINES`, which another process may not have.

        Returns
        -------
        TrainingSet

        Raises
        ------
        NotApplicableError
            If the method cannot be applied to these images.

        Examples
        --------
        >>> import torch
        >>> from ganaug import LabeledImages
        >>> from ganaug.evaluation import TrainingMethod
        >>> pixels, labels = torch.zeros(5, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 0, 0, 1])
        >>> real = LabeledImages(pixels, labels, ("common", "rare"))
        >>> training = TrainingMethod("mixup", balance=0.5, share=0.25).prepare(real, real)
        >>> training.alteration, [round(weight, 2) for weight in training.sampling_weights[:5].tolist()]
        ('mixup', [1.25, 1.25, 1.25, 1.25, 2.5])
        """
        base = (prepare_base or BASELINES[self.base])(real, seed)
        length = base.length * self.length
        if not self.uses_synthetic:
            if self.balance is not None:
                base = replace(base, sampling_weights=balance_classes(real, self.balance).sampling_weights)
            return replace(base, length=length)
        assert synthetic is not None
        if self.is_filled:
            return replace(fill_classes(real, synthetic), length=length)
        left_out = set(unrecognized) if self.recognized_only else set()
        shares = {name: 0.0 if name in left_out else self.share for name in real.classes}
        if not any(synthetic.counts[name] for name, share in shares.items() if share):
            raise NotApplicableError("there are no synthetic images of recognized classes")
        if left_out:
            synthetic = synthetic.take(torch.isin(synthetic.labels, _labels_of(synthetic, set(shares) - left_out)))
        balance = self.balance if self.balance is not None else find_balance(base)
        if balance is None:
            raise NotApplicableError(f"{self.base} does not draw classes by their sizes, so no share can be added")
        mixed = mix_synthetic(real, synthetic, shares, balance)
        return replace(mixed, alteration=base.alteration, length=length, synthetic_first=self.synthetic_first)

    def describe(self) -> str:
        """Return one sentence that says what the method does."""
        if self.is_filled:
            return "Synthetic images fill each class to the size of the largest."
        balances = {
            0.0: "as often as there are images of them",
            0.5: "by the square root of their size",
            1.0: "equally often",
        }
        parts = [BASES.get(self.base, f"the baseline {self.base!r}")]
        if self.balance is not None:
            parts.append(f"classes drawn {balances.get(self.balance, f'with balance {self.balance:g}')}")
        if self.length != 1:
            parts.append(f"{self.length:g} times the usual number of steps")
        if self.synthetic_first:
            parts.append("the first half of the steps on synthetic images, the second half on real ones")
        elif self.share:
            which = "each class whose samples are recognized" if self.recognized_only else "each class"
            parts.append(f"{100 * self.share:g} % synthetic images in {which}")
        return f"Train with {'; '.join(parts)}."


# what the baselines do, for `TrainingMethod.describe`
BASES = {
    REAL_ONLY: "the real images as they are",
    "class weights": "a loss that weights each class by its rarity",
    OVERSAMPLING: "every class drawn equally often",
    "classical augmentation": "real images with shifts, rotations, brightness and cutout",
    "RandAugment": "real images altered by RandAugment",
    "mixup": "real images altered by the classical augmentation and mixup",
    "CutMix": "real images altered by the classical augmentation and CutMix",
    "SMOTE": "real images and interpolations between them (SMOTE)",
}


def share_name(share: float) -> str:
    """Return the name of a synthetic share: '25% synthetic' for 0.25."""
    return f"{100 * share:g}% synthetic"


def find_balance(training: TrainingSet) -> float | None:
    """Find how far a training set of real images balances its classes.

    Parameters
    ----------
    training : TrainingSet
        Of real images.

    Returns
    -------
    float or None
        A key of `BALANCES`, or None for other sampling weights, loss weights or interpolated images.
    """
    weights = training.sampling_weights
    if bool(training.is_synthetic.any()) or not torch.allclose(training.loss_weights, torch.ones_like(weights)):
        return None
    # the largest first: where all classes have the same size, every balance is full
    matches = (
        balance
        for balance in sorted(BALANCES, reverse=True)
        if torch.allclose(balance_classes(training.images, balance).sampling_weights, weights)
    )
    return next(matches, None)


def vary_baselines(images: LabeledImages, seed: int) -> tuple[list[TrainingMethod], dict[str, str]]:
    """List the training methods without synthetic images: every baseline, and each with other balances.

    Balances have no meaning for class weights and SMOTE. Of equal methods the first is listed.

    Parameters
    ----------
    images : LabeledImages
        Real training images.
    seed : int
        Seed of the baselines.

    Returns
    -------
    methods : list of TrainingMethod
    left_out : dict of str to str
        Baselines that cannot be applied, and why.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> from ganaug.evaluation.methods import vary_baselines
    >>> labels = torch.tensor([0, 0, 0, 0, 1, 1])
    >>> images = LabeledImages(torch.zeros(6, 1, 8, 8, dtype=torch.uint8), labels, ("common", "rare"))
    >>> [method.name for method in vary_baselines(images, seed=0)[0] if "real only" in method.name]
    ['real only', 'real only, square-root balance']
    """
    methods: list[TrainingMethod] = []
    left_out: dict[str, str] = {}
    balances: dict[str, float] = {}
    names: dict[str, str] = {}
    for name, prepare in BASELINES.items():
        try:
            training = prepare(images, seed)
        except NotApplicableError as error:
            left_out[name] = str(error)
            continue
        equal = names.setdefault(training.fingerprint(), name)
        if equal != name:
            left_out[name] = f"on these images the same training as {equal!r}"
            continue
        methods.append(TrainingMethod(name))
        balance = find_balance(training)
        if balance is not None:
            balances[name] = balance
    for name in balances:
        for balance in BALANCES:
            method = TrainingMethod(name, balance)
            if names.setdefault(method.prepare(images, seed=seed).fingerprint(), method.name) == method.name:
                methods.append(method)
    return methods, left_out


def can_add_synthetic(method: TrainingMethod, images: LabeledImages) -> bool:
    """Whether synthetic images can be added to a method as a share of each class.

    Parameters
    ----------
    method : TrainingMethod
        Without synthetic images.
    images : LabeledImages
        Real training images.

    Returns
    -------
    bool
        False for class weights and interpolated images (SMOTE).
    """
    return method.balance is not None or find_balance(BASELINES[method.base](images, 0)) is not None


def lengthen(ranked: Iterable[TrainingMethod]) -> list[TrainingMethod]:
    """List longer trainings: of each baseline the balance that comes first.

    Parameters
    ----------
    ranked : iterable of TrainingMethod
        From the best to the worst.

    Returns
    -------
    list of TrainingMethod
        From the best to the worst baseline.

    Examples
    --------
    >>> from ganaug.evaluation.methods import TrainingMethod, lengthen
    >>> [method.name for method in lengthen([TrainingMethod("mixup", 0.5), TrainingMethod("mixup")])]
    ['mixup, square-root balance, 4x steps']
    """
    best: dict[str, TrainingMethod] = {}
    for method in ranked:
        # oversampling is "real only" with full balance
        best.setdefault(REAL_ONLY if method.base == OVERSAMPLING else method.base, method)
    return [replace(method, length=method.length * LONG) for method in best.values()]


def add_synthetic(
    base: TrainingMethod, shares: Sequence[float], *, has_unrecognized: bool
) -> tuple[list[TrainingMethod], list[TrainingMethod]]:
    """List the methods that add synthetic images to a method.

    Parameters
    ----------
    base : TrainingMethod
        Without synthetic images.
    shares : sequence of float
        Synthetic shares.
    has_unrecognized : bool
        Whether samples of some classes are not recognized, so that a share in the others is another method.

    Returns
    -------
    shares : list of TrainingMethod
        One for each share.
    others : list of TrainingMethod
        Synthetic images first, and the share in the middle in the recognized classes only.
    """
    middle = sorted(shares)[len(shares) // 2]
    # half of the steps have synthetic images only, so this counts as the largest share
    others = [replace(base, share=max(shares), synthetic_first=True)]
    if has_unrecognized:
        others.append(replace(base, share=middle, recognized_only=True))
    return [replace(base, share=share) for share in shares], others


def _labels_of(images: LabeledImages, names: Collection[str]) -> torch.Tensor:
    """Labels of classes."""
    return torch.tensor([label for label, name in enumerate(images.classes) if name in names], dtype=torch.int64)
