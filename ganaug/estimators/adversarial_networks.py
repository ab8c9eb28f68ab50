"""The networks that a plan names, with their training step."""

import torch
from torch import Tensor

from ganaug._runtime.lookup import lookup
from ganaug._runtime.randomness import derive, temporary_seed
from ganaug.errors import DataError
from ganaug.estimators.plan import Plan
from ganaug.images import LabeledImages
from ganaug.io.dataset_checks import MIN_IMAGE_SIZE
from ganaug.models import augmentations as augment
from ganaug.models.losses import LOSSES, AdversarialLoss
from ganaug.models.networks import NETWORKS
from ganaug.models.networks.blocks import to_memory_format
from ganaug.models.networks.factors import factorize
from ganaug.training.processes import connect_processes
from ganaug.training.steps import AdversarialStep


def make_step(
    train: LabeledImages,
    plan: Plan,
    loss: str | AdversarialLoss,
    device: torch.device,
    seed: int,
    design: Tensor | None = None,
) -> AdversarialStep:
    """Create the networks of a plan, with their training step.

    Parameters
    ----------
    train : LabeledImages
        Labels are classes, or cells.
    plan : Plan
    loss : str or AdversarialLoss
    device : torch.device
    seed : int
        Seed of the initial weights.
    design : float32 Tensor of shape (n_cells, n_factors), optional
        If the labels are cells: the factors of each, see `ganaug.models.networks.factors`.

    Raises
    ------
    DataError
        If the images are too small for the network.
    """
    pair = lookup(NETWORKS, plan.network, "network")
    shape, n_classes, recipe = train.shape, len(train.classes), plan.recipe
    if min(shape[1:]) < MIN_IMAGE_SIZE and plan.network in NETWORKS and plan.network != "mlp":
        raise DataError(
            f"images of {shape[1]}x{shape[2]} pixels are too small for network {plan.network!r}, which needs "
            f"{MIN_IMAGE_SIZE}x{MIN_IMAGE_SIZE}. Set image_shape if the rows are images, or use network='mlp'."
        )
    # layers draw their initial weights from torch's global generator
    with temporary_seed(derive(seed, "weights")):
        generator = pair.generator(shape, n_classes, recipe.latent_size, recipe.width)
        discriminator = pair.discriminator(shape, n_classes, recipe.width, recipe.discriminator_norm)
        if design is not None:
            factorize(generator, design)
            factorize(discriminator, design)
    return AdversarialStep(
        to_memory_format(generator.to(device), shape),
        to_memory_format(discriminator.to(device), shape),
        lookup(LOSSES, loss, "loss"),
        recipe,
        augmentations=augment.resolve_augmentations(plan.augmentation),
        counts=torch.tensor(list(train.counts.values())),
        processes=connect_processes(device),
    )
