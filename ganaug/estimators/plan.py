"""What `GANAugmenter()` chooses when it is not told: network, width, batch, steps, augmentation; with reasons."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch

from ganaug.datasets.holdout import FEWEST
from ganaug.images import LabeledImages
from ganaug.io.dataset_checks import MIN_IMAGE_SIZE
from ganaug.metrics.mirror import ENOUGH_TO_TELL, keeps_meaning_mirrored
from ganaug.training.engine import precision_for

NAMED_OPEN = ("network", "augmentation", "patience", "precision")  # left open by "auto"; the others by None
MIN_STEPS, MAX_STEPS = 2000, 100_000


@dataclass(frozen=True)
class Plan:
    """The choices of one fit. `why` has a sentence for each that ganaug made by itself.

    n_steps: None where only a time budget ends the run. patience: checks without a better score after which training
    stops; None: never.
    """

    network: Any
    width: int
    batch_size: int
    n_steps: int | None
    augmentation: Any
    ema_half_life: float
    patience: int | None
    precision: str
    validation: Mapping[str, int]
    why: Mapping[str, str]

    def __str__(self) -> str:
        lines = []
        for field in fields(self):
            if field.name in ("why", "validation"):
                continue
            value = getattr(self, field.name)
            shown = value if isinstance(value, str | int | float | None) else type(value).__name__
            lines.append(f"{field.name} = {shown}: {self.why.get(field.name, 'as you asked')}.")
        return "\n".join([*lines, f"held out: {self.why['validation']}."])


def make_plan(images: LabeledImages, validation: LabeledImages, device: torch.device, given: Mapping[str, Any]) -> Plan:
    """Choose what `given` leaves open ("auto" or None) for training on `images` on `device`.

    images: without what is held out. given: GANAugmenter's parameters.
    """
    _, height, width = images.shape
    vectors, largest = min(height, width) < MIN_IMAGE_SIZE, max(height, width)
    chosen: dict[str, Any] = {}
    why: dict[str, str] = {}

    def choose(name: str, value: Any, reason: str) -> None:
        if isinstance(given[name], str | None) and given[name] == ("auto" if name in NAMED_OPEN else None):
            chosen[name], why[name] = value, reason
        else:
            chosen[name] = given[name]

    choose(
        "network",
        "mlp" if vectors else "dcgan",
        f"{MIN_IMAGE_SIZE} pixels or more a side are needed for convolutions"
        if vectors
        else f"convolutions for {height}x{width} pixels; the residual networks cost more a step",
    )
    if largest <= 32:
        choose("width", 32, "up to 32 pixels a layer is cheap")
    else:
        choose("width", 16, "above 32 pixels half the width, since a layer costs by its pixels")
    choose("batch_size", 64 if len(images) >= 64 else 16, f"{len(images):,} images to draw from")
    batch = chosen["batch_size"]
    if given["time_budget"] is not None and given["n_steps"] is None:
        chosen["n_steps"], why["n_steps"] = None, f"the time budget of {given['time_budget']:g} s ends the run"
    else:
        seen = 600_000 + 150 * len(images)
        steps = min(MAX_STEPS, max(MIN_STEPS, round(seen / batch / 500) * 500))
        choose("n_steps", steps, f"{len(images):,} images: {steps * batch:,} shown in all, early stopping apart")
    if vectors:
        choose("augmentation", None, "plain vectors have no pixels to move")
    else:
        names, reason = _augmentation(images)
        choose("augmentation", names, reason)
    choose("ema_half_life", batch * 10_000 / 32, "10 thousand images for each 32 of the batch (Karras et al. 2020)")
    choose("patience", 30, "checks without a better score; the best one is kept in any case")
    if vectors:
        choose("precision", "fp32", "plain vectors are quick enough")
    elif precision_for("auto", device) == torch.bfloat16:
        choose("precision", "bf16", f"this {device.type} multiplies in bfloat16, which shortens a step")
    else:
        choose("precision", "fp32", f"this {device.type} does not multiply in bfloat16")
    held = {name: count for name, count in validation.counts.items() if count}
    why["validation"] = (
        f"{len(validation)} images of {len(held)} classes, for scores and filters"
        if held
        else f"nothing: no class is large enough to give {FEWEST} images"
    )
    return Plan(**chosen, validation=held, why=why)


def _augmentation(images: LabeledImages) -> tuple[str, str]:
    names, why = ["translation"], ["small shifts keep what an image shows"]
    if images.shape[0] == 3 and len(images) < 20_000:
        names.append("color")
        why.append("colors vary with the light, and there are few images")
    if keeps_meaning_mirrored(images):
        names.append("flip")
        why.append("no class differs from its mirror image")
    elif len(images) < ENOUGH_TO_TELL:
        why.append("no flip: too few images to tell whether a mirror image keeps its meaning")
    else:
        why.append("no flip: mirror images differ from the images")
    return ",".join(names), "; ".join(why)
