"""The networks that a plan names, with their training step."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch

from ganaug._runtime.lookup import lookup
from ganaug._runtime.randomness import derive, temporary_seed
from ganaug.datasets.cells import Cells
from ganaug.errors import DataError
from ganaug.estimators.fitting import FitSetup
from ganaug.estimators.parameters import as_json
from ganaug.estimators.plan import Plan
from ganaug.estimators.sampler_data import SamplerData
from ganaug.estimators.starting_weights import StartingWeights
from ganaug.estimators.unlabeled import add_pseudo_labels
from ganaug.images import LabeledImages, image_hashes
from ganaug.io.dataset_checks import MIN_IMAGE_SIZE
from ganaug.models import augmentations as augment
from ganaug.models.losses import LOSSES, AdversarialLoss
from ganaug.models.networks import NETWORKS
from ganaug.models.networks.blocks import Projection, to_memory_format
from ganaug.models.networks.factors import factorize, merge_factors
from ganaug.sampling.filters import make_filters
from ganaug.sampling.generator_model import GeneratorModel
from ganaug.training.batches import BalancedBatches, SemiSupervisedBatches
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

    def trained_attributes(self, data: SamplerData) -> dict[str, object]:
        """Return fitted attributes that depend on the trained networks."""
        # a copy, because the networks of the fit stay as they are
        discriminator = deepcopy(self.step.discriminator)
        merge_factors(discriminator)
        weights = {name: value.detach().cpu() for name, value in discriminator.state_dict().items()}
        hashes = [data.hashes, *([] if self.start is None else [self.start.training_images])]
        if data.unlabeled is not None:
            hashes.append(image_hashes(data.unlabeled.images))
        return {"discriminator_": weights, "training_images_": torch.cat(hashes)}

    def assigns_classes(self, data: SamplerData) -> bool:
        """Return whether images without a class get one from the auxiliary classifier."""
        return data.unlabeled is not None and self.plan.recipe.pseudo_label_threshold is not None

    def batches(self, data: SamplerData, **options: Any) -> BalancedBatches | SemiSupervisedBatches:
        """Return the batches, once the auxiliary classifier is trained. options: as of `BalancedBatches`."""
        recipe, labeled, unlabeled = self.plan.recipe, self.train, data.unlabeled
        options |= {"batch_size": self.plan.batch_size, "power": recipe.sampling_power}
        classifier, threshold = self.step.auxiliary_classifier, recipe.pseudo_label_threshold
        if unlabeled is not None and classifier is not None and threshold is not None:
            labeled, unlabeled = add_pseudo_labels(labeled, unlabeled, classifier, threshold)
        if unlabeled is None or not len(unlabeled):
            return BalancedBatches(labeled, **options)
        return SemiSupervisedBatches(labeled, unlabeled, share=recipe.unlabeled_share, **options)

    def model(self, data: SamplerData, seed: int, filter_names: tuple[str, ...]) -> GeneratorModel:
        """Return the model of the averaged generator, whether it is trained or not.

        Parameters
        ----------
        data : SamplerData
        seed : int
            Seed of the sequences of samples.
        filter_names : tuple of str
            Names out of `ganaug.sampling.filters.FILTERS`.
        """
        plan, cells = self.plan, data.cells
        filters = make_filters(
            filter_names,
            self.train if cells is None else cells.with_classes(self.train),
            self.step.auxiliary_classifier,
            None if cells is None else cells.class_labels,
            data.unlabeled,
        )
        return GeneratorModel(
            generator=self.step.average.module,
            network=plan.network if isinstance(plan.network, str) else type(self.step.generator).__name__,
            shape=data.images.shape,
            classes=data.images.classes,
            class_values=data.class_values,
            latent_size=plan.recipe.latent_size,
            width=plan.recipe.width or 0,
            seed=seed,
            filters=filters,
            cells=cells,
        )


def make_setup(
    train: LabeledImages,
    validation: LabeledImages,
    plan: Plan,
    loss: str | AdversarialLoss,
    device: torch.device,
    seed: int,
    *,
    data: SamplerData,
    start: StartingWeights | None,
) -> GeneratorSetup:
    """Create the networks of a plan for `data`. The other parameters are as in `make_step`."""
    planned: dict[str, object] = {"recipe": as_json(plan.recipe)}
    if data.unlabeled is not None:  # a resumed run must not train on other images
        planned["unlabeled"] = f"{len(data.unlabeled):,} images {data.unlabeled.fingerprint()}"
    if start is not None:  # a resumed run must not continue another model
        planned["init_from"] = f"model {start.model.hash()}"
    step = make_step(train, plan, loss, device, seed, data.cells, start)
    if data.unlabeled is not None and not any(
        isinstance(module, Projection) for module in step.discriminator.modules()
    ):
        raise ValueError(
            "images without a class need a discriminator that can judge an image by itself: give yours a "
            "ganaug.models.networks.blocks.Projection, or leave these images out."
        )
    if data.unlabeled is not None and plan.recipe.pseudo_label_threshold is not None and train.is_stored:
        raise ValueError("pseudo_label_threshold needs the labeled images in memory, not in a store.")
    return GeneratorSetup(
        batch_size=plan.batch_size,
        n_steps=plan.n_steps,
        min_images_per_process=2,
        planned_params=planned,
        train=train,
        validation=validation,
        plan=plan,
        step=step,
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
