"""What `GANAugmenter` chooses where a parameter leaves it open, each choice with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ganaug._runtime.python_values import as_python
from ganaug.datasets.holdout import MIN_VALIDATION_IMAGES
from ganaug.estimators.expected_quality import describe_expectation
from ganaug.estimators.parameters import copy_recipe
from ganaug.images import LabeledImages
from ganaug.io.dataset_checks import MIN_IMAGE_SIZE
from ganaug.metrics.mirror_symmetry import MIN_IMAGES_TO_TEST, is_mirror_symmetric
from ganaug.training.adversarial_pair import DEFAULT_LR
from ganaug.training.engine import resolve_precision
from ganaug.training.recipe import TrainingRecipe

OPEN_IF_AUTO = ("network", "augmentation", "patience", "precision")  # the others are open if they are None
SMALL, MEDIUM = 32, 64  # pixels of the longer side
LEARNING_RATES = ("generator_lr", "discriminator_lr")
PLANNED = ("width", *LEARNING_RATES, "ema_half_life", "precision")  # settings of the recipe
MIN_STEPS, MAX_STEPS = 2000, 100_000
PATIENCE = 30  # checks


@dataclass(frozen=True)
class Plan:
    """The choices of one fit. `print(plan)` shows each with its reason.

    Attributes
    ----------
    network : str or Network
    batch_size : int
        Real images in a step.
    n_steps : int or None
        None: the time budget ends the fit.
    augmentation : str or sequence or None
    patience : int or None
        Checks without a better score after which training stops. None: never.
    recipe : TrainingRecipe
        With `width`, `generator_lr`, `discriminator_lr`, `ema_half_life` and `precision` chosen.
    validation : mapping
        Class name -> number of images that training does not see.
    reasons : mapping
        Name of a choice that ganaug made -> why.
    expected : str or None
        What quality a measured fit of similar images had after about the same time on a CPU. None: nothing similar was
        measured, or steps end the fit.
    """

    network: Any
    batch_size: int
    n_steps: int | None
    augmentation: Any
    patience: int | None
    recipe: TrainingRecipe
    validation: Mapping[str, int]
    reasons: Mapping[str, str]
    expected: str | None = None

    def __str__(self) -> str:
        choices = {
            "network": self.network,
            **{name: getattr(self.recipe, name) for name in ("width", "generator_lr", "discriminator_lr")},
            "batch_size": self.batch_size,
            "n_steps": self.n_steps,
            "augmentation": self.augmentation,
            "ema_half_life": self.recipe.ema_half_life,
            "patience": self.patience,
            "precision": self.recipe.precision,
        }
        lines = [
            f"{name} = {value if isinstance(value, str | int | float | None) else type(value).__name__}: "
            f"{self.reasons.get(name, 'set by you')}."
            for name, value in choices.items()
        ]
        lines.append(f"validation: {self.reasons['validation']}.")
        return "\n".join([*lines, *([] if self.expected is None else [f"expected: {self.expected}."])])


class _Choices:
    """Collects what the user set and what ganaug chooses, with reasons."""

    def __init__(self, params: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
        self.params, self.stored = params, stored
        self.values: dict[str, Any] = {}
        self.reasons: dict[str, str] = {}

    def choose(self, name: str, value: Any, reason: str) -> None:
        """Use `value` where the parameter leaves it open."""
        requested = self.params[name]
        is_open = requested is None
        if name in OPEN_IF_AUTO:  # None is a choice of the user's: no augmentation, no patience
            is_open = isinstance(requested, str) and requested == "auto"
        if is_open and name in self.stored and type(self.stored[name]) is type(value):
            # on another processor the choice could be another one
            value, reason = self.stored[name], reason if value == self.stored[name] else "as when the run was started"
        if is_open:
            self.values[name], self.reasons[name] = value, reason
        else:
            self.values[name] = requested


def make_plan(
    train: LabeledImages,
    validation: LabeledImages,
    device: torch.device,
    params: Mapping[str, Any],
    stored: Mapping[str, Any] | None = None,
) -> Plan:
    """Choose what the parameters leave open.

    Parameters
    ----------
    train, validation : LabeledImages
        The training images, and those that training does not see.
    device : torch.device
    params : mapping
        Parameters of `GANAugmenter`, with a TrainingRecipe as "recipe".
    stored : mapping, optional
        The planned recipe of the run that is resumed. It decides what the parameters leave open.
    """
    recipe = copy_recipe(params["recipe"])
    params = {name: as_python(value) for name, value in params.items()}
    choices = _Choices({**recipe.get_params(deep=False), **params}, stored or {})
    _, height, width = train.shape
    is_vector = min(height, width) < MIN_IMAGE_SIZE
    _choose_networks(choices, height, width)
    batch_size = _choose_length(choices, train, is_vector=is_vector)
    names, reason = (None, "plain vectors have no pixels to move") if is_vector else _augmentation(train)
    choices.choose("augmentation", names, reason)
    half_life = batch_size * 10_000 / 32
    choices.choose("ema_half_life", half_life, "10,000 images for each 32 of the batch (Karras et al. 2020)")
    choices.choose("patience", PATIENCE, "checks without a better score; the best state is kept in any case")
    _choose_precision(choices, device, is_vector=is_vector)
    counts = {name: count for name, count in validation.counts.items() if count}
    choices.reasons["validation"] = (
        f"{len(validation)} images of {len(counts)} classes are held out, for scores and filters"
        if counts
        else f"no image is held out, because no class is large enough to give {MIN_VALIDATION_IMAGES}"
    )
    values = choices.values
    chosen_recipe = recipe.set_params(**{name: values[name] for name in PLANNED})
    return Plan(
        values["network"],
        batch_size,
        values["n_steps"],
        values["augmentation"],
        values["patience"],
        chosen_recipe,
        counts,
        choices.reasons,
        _expected_quality(train, device, params, values),
    )


def _choose_networks(choices: _Choices, height: int, width: int) -> None:
    """Choose the networks, their width and learning rates."""
    size, longer = f"{height}x{width} pixels", max(height, width)
    rate_of_generator, reason = DEFAULT_LR, "the same for both networks"
    if min(height, width) < MIN_IMAGE_SIZE:
        choices.choose("network", "mlp", f"convolutions need {MIN_IMAGE_SIZE} pixels or more on each side")
        choices.choose("width", 32 if longer <= SMALL else 16, f"for {size}")
    elif longer <= SMALL:
        choices.choose("network", "dcgan-smooth", f"convolutions for {size}, without a checkerboard")
        choices.choose("width", 32, f"layers are cheap up to {SMALL} pixels")
    else:
        choices.choose("network", "dcgan-halved", f"layers at half of {size}, a quarter of the cost; no checkerboard")
        is_medium = longer <= MEDIUM
        costs = "layers are cheap" if is_medium else "half of that for smaller images, because layers are expensive"
        choices.choose("width", 32 if is_medium else 16, f"{costs} at half of {size}")
        rate_of_generator = DEFAULT_LR / 2
        reason = f"above {SMALL} pixels the generator learns half as fast, so that the discriminator can follow"
    choices.choose("generator_lr", rate_of_generator, reason)
    choices.choose("discriminator_lr", DEFAULT_LR, reason)


def _expected_quality(
    images: LabeledImages, device: torch.device, params: Mapping[str, Any], values: Mapping[str, Any]
) -> str | None:
    """Return what a fit with the default networks was measured to reach in the time budget on this many cores."""
    has_default_networks = params["network"] == "auto" and params["loss"] == "hinge"
    if device.type != "cpu" or values["n_steps"] is not None or not has_default_networks:
        return None
    return describe_expectation(images.shape, params["time_budget"] * torch.get_num_threads())


def _choose_length(choices: _Choices, train: LabeledImages, *, is_vector: bool) -> int:
    """Choose the batch size, which is returned, and the number of steps."""
    if len(train) < 64:
        choices.choose("batch_size", 16, f"{len(train):,} images to draw from")
    elif is_vector or max(train.shape[1:]) <= SMALL:
        choices.choose("batch_size", 64, f"{len(train):,} images to draw from")
    else:
        choices.choose("batch_size", 32, f"more steps in the same time for images of more than {SMALL} pixels")
    batch_size: int = choices.values["batch_size"]
    budget = choices.params["time_budget"]
    if budget is not None and choices.params["n_steps"] is None:
        choices.values["n_steps"] = None
        choices.reasons["n_steps"] = f"the time budget of {budget:g} s ends the fit"
        return batch_size
    n_shown = 600_000 + 150 * len(train)
    # a multiple of the default check_every, so that training ends with a check
    n_steps = min(MAX_STEPS, max(MIN_STEPS, round(n_shown / batch_size / 500) * 500))
    choices.choose("n_steps", n_steps, f"{len(train):,} images, {n_steps * batch_size:,} shown if no check stops it")
    return batch_size


def _choose_precision(choices: _Choices, device: torch.device, *, is_vector: bool) -> None:
    if is_vector:
        choices.choose("precision", "fp32", "plain vectors train fast enough")
    elif resolve_precision("auto", device) == torch.bfloat16:
        choices.choose("precision", "bf16", f"this {device.type} multiplies in bfloat16, which makes a step faster")
    else:
        choices.choose("precision", "fp32", f"this {device.type} does not multiply in bfloat16")


def _augmentation(images: LabeledImages) -> tuple[str, str]:
    """Return the names of augmentations that keep the meaning of these images, and the reasons."""
    names, reasons = ["translation"], ["small shifts do not change what an image shows"]
    if images.shape[0] == 3 and len(images) < 20_000:
        names.append("color")
        reasons.append("colors vary with the light, and there are few images")
    if is_mirror_symmetric(images):
        names.append("flip")
        reasons.append("in no class do images differ from their mirror images")
    elif len(images) < MIN_IMAGES_TO_TEST:
        reasons.append("no flip: too few images to tell whether mirror images have the same meaning")
    else:
        reasons.append("no flip: images differ from their mirror images")
    return ",".join(names), "; ".join(reasons)
