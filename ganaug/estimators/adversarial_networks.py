"""The networks that a plan names, with their training step."""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor

from ganaug._runtime.lookup import lookup
from ganaug._runtime.randomness import derive, temporary_seed
from ganaug.datasets.cells import Cells
from ganaug.errors import DataError
from ganaug.estimators.fitting import FitSetup
from ganaug.estimators.parameters import as_json
from ganaug.estimators.plan import Plan
from ganaug.estimators.starting_weights import StartingWeights
from ganaug.images import LabeledImages
from ganaug.io.dataset_checks import MIN_IMAGE_SIZE
from ganaug.models import augmentations as augment
from ganaug.models.losses import LOSSES, AdversarialLoss
from ganaug.models.networks import NETWORKS
from ganaug.models.networks.blocks import to_memory_format
from ganaug.models.networks.factors import factorize, merge_factors
from ganaug.training.processes import connect_processes
from ganaug.training.steps import AdversarialStep


@dataclass(frozen=True)
class GeneratorSetup(FitSetup):
    """What is decided before a GANAugmenter trains: the validation split, the plan, and the networks."""

    train: LabeledImages
    validation: LabeledImages
    plan: Plan
    step: AdversarialStep
    start: StartingWeights | None

    def trained_attributes(self, hashes: Tensor) -> dict[str, object]:
        """Return fitted attributes that depend on the trained networks. hashes: of the training images, (N,)."""
        # a copy, because the networks of the fit stay as they are
        discriminator = deepcopy(self.step.discriminator)
        merge_factors(discriminator)
        weights = {name: value.detach().cpu() for name, value in discriminator.state_dict().items()}
        earlier = hashes[:0] if self.start is None else self.start.training_images
        return {"discriminator_": weights, "training_images_": torch.cat([hashes, earlier])}


def make_setup(
    train: LabeledImages,
    validation: LabeledImages,
    plan: Plan,
    loss: str | AdversarialLoss,
    device: torch.device,
    seed: int,
    *,
    cells: Cells | None,
    start: StartingWeights | None,
) -> GeneratorSetup:
    """Create the networks of a plan. Parameters as in `make_step`."""
    planned: dict[str, object] = {"recipe": as_json(plan.recipe)}
    if start is not None:  # a resumed run must not continue another model
        planned["init_from"] = f"model {start.model.hash()}"
    return GeneratorSetup(
        batch_size=plan.batch_size,
        n_steps=plan.n_steps,
        min_images_per_process=2,
        planned_params=planned,
        train=train,
        validation=validation,
        plan=plan,
        step=make_step(train, plan, loss, device, seed, cells, start),
        start=start,
    )


def make_step(
    train: LabeledImages,
    plan: Plan,
    loss: str | AdversarialLoss,
    device: torch.device,
    seed: int,
    cells: Cells | None = None,
    start: StartingWeights | None = None,
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
    cells : Cells, optional
        If the labels are cells: those, see `ganaug.models.networks.factors`.
    start : StartingWeights, optional
        None: the weights are drawn.

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
        if start is not None:
            start.copy_into(generator, discriminator, train, cells)
        if cells is not None:
            factorize(generator, cells.design())
            factorize(discriminator, cells.design())
    return AdversarialStep(
        to_memory_format(generator.to(device), shape),
        to_memory_format(discriminator.to(device), shape),
        lookup(LOSSES, loss, "loss"),
        recipe,
        augmentations=augment.resolve_augmentations(plan.augmentation),
        counts=torch.tensor(list(train.counts.values())),
        processes=connect_processes(device),
    )
