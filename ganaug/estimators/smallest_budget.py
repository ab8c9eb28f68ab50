"""The smallest time budget in which a generator can be trained: preparations must leave half of it."""

from collections.abc import Callable

import torch

from ganaug.datasets.cells import Cells, group_images
from ganaug.images import LabeledImages
from ganaug.training.auxiliary_classifier import estimate_training_seconds
from ganaug.training.processes import connect_processes

LEFT_FOR_TRAINING = 0.5  # of the budget
TOLERANCE = 0.7  # of an estimate: a fit is refused only if it would leave much less for training


def smallest_time_budget(images: LabeledImages, device: torch.device, cells: Cells | None = None) -> float:
    """Return seconds of which the auxiliary classifier takes half, measured by a few of its training steps.

    Parameters
    ----------
    images : LabeledImages
        Training images.
    device : torch.device
    cells : Cells, optional
        Those that the classifier tells apart in place of classes.
    """
    design = None if cells is None else cells.design()
    return estimate_training_seconds(group_images(images, cells), device, design) / (1 - LEFT_FOR_TRAINING)


def check_time_budget(budget: float, smallest: float) -> None:
    """Raise ValueError if a fit would leave much less of a time budget for training than planned."""
    if budget < TOLERANCE * smallest:
        raise ValueError(_too_short_message(budget, smallest))


def check_in_processes(budget: float, measure: Callable[[], float], device: torch.device) -> None:
    """Check the smallest budget that the first of several processes measures, in all of them."""
    check_time_budget(budget, connect_processes(device).broadcast_from_main(measure))


def _too_short_message(budget: float, smallest: float) -> str:
    """Return the message of the error for a time budget that is too small."""
    return (
        f"a time budget of {budget:g} s is too short for these images. The smallest that works on this machine is "
        f"about {_rounded_up(smallest)} s. With filters='copies' (--param filters=copies) less is enough, but then "
        "samples of the wrong class are not rejected."
    )


def _rounded_up(seconds: float) -> int:
    """Round up to a number that is easy to type."""
    step = 5 if seconds < 60 else 30
    return int(-(-1.1 * seconds // step) * step)  # because the next measurement differs a little
