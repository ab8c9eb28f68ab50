"""What a fit takes over from another one that it continues: `GANAugmenter(init_from=...)`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ganaug._runtime.progress import logger
from ganaug.datasets.cells import Cells
from ganaug.errors import DataError, RunError
from ganaug.estimators.parameters import copy_recipe
from ganaug.estimators.plan import Plan
from ganaug.images import LabeledImages
from ganaug.models.networks.transfer import transfer_weights
from ganaug.sampling.generator_model import GeneratorModel
from ganaug.training.recipe import TrainingRecipe

RECIPE = ("width", "latent_size", "discriminator_norm")  # settings that weights depend on


@dataclass(frozen=True)
class StartingWeights:
    """The weights of a fitted GANAugmenter, and what they depend on.

    Attributes
    ----------
    model : GeneratorModel
        With the averaged generator.
    discriminator : mapping
        Weights of the discriminator. Empty if they were not stored; the new discriminator then starts from scratch.
    recipe : TrainingRecipe
        The planned recipe of the fit.
    training_images : Tensor of shape (N,)
        Hashes of the images that it was fitted on.
    """

    model: GeneratorModel
    discriminator: Mapping[str, Tensor]
    recipe: TrainingRecipe
    training_images: Tensor

    def fixed_params(self, params: Mapping[str, Any], shape: Sequence[int]) -> dict[str, Any]:
        """Return the parameters "network" and "recipe" of the new fit, whose architecture the weights decide.

        Parameters
        ----------
        params : mapping
            Parameters of GANAugmenter as set by the user, with a TrainingRecipe as "recipe".
        shape : (C, H, W)
            Shape of the new images.

        Raises
        ------
        DataError
            If the images of the other fit had another shape.
        ValueError
            If the user asked for another network, width, latent size or normalization.
        """
        if tuple(shape) != tuple(self.model.shape):
            raise DataError(
                f"init_from is a model of images of {_size(self.model.shape)}; these images are {_size(shape)}. Set "
                f"image_size=({self.model.shape[1]}, {self.model.shape[2]}), or convert the images to the same colors."
            )
        network, recipe = params["network"], copy_recipe(params["recipe"])
        if network not in ("auto", self.model.network) and isinstance(network, str):
            raise ValueError(f"init_from has the network {self.model.network!r}; leave network={network!r} out.")
        defaults = TrainingRecipe()
        for name in RECIPE:
            requested, value = getattr(recipe, name), getattr(self.recipe, name)
            if requested not in (getattr(defaults, name), value):
                raise ValueError(f"init_from has {name}={value!r}; leave {name}={requested!r} out.")
        settings = {name: getattr(self.recipe, name) for name in RECIPE}
        network = self.model.network if isinstance(network, str) else network
        return {"network": network, "recipe": recipe.set_params(**settings)}

    def explain(self, plan: Plan) -> Plan:
        """Return a plan whose reasons name the weights."""
        reason = "as in init_from"
        return replace(plan, reasons={**plan.reasons, "network": reason, "width": reason})

    def copy_into(self, generator: Any, discriminator: Any, images: LabeledImages, cells: Cells | None) -> None:
        """Copy the weights into new networks.

        Parameters
        ----------
        generator, discriminator : nn.Module
        images : LabeledImages
            Training images, labeled by class or cell.
        cells : Cells or None
            The cells of the labels.

        Raises
        ------
        RunError
            If the networks have other layers.
        """
        names = images.classes
        classes = names if cells is None else tuple(cells.classes[label] for label in cells.class_labels.tolist())
        rows = self._matching_rows(names, classes)
        try:
            transfer_weights(generator, self.model.generator.state_dict(), rows, len(self.model.label_names))
            if self.discriminator:
                transfer_weights(discriminator, self.discriminator, rows, len(self.model.label_names))
        except ValueError as error:
            raise RunError(f"init_from holds other networks than this fit creates: {error}.") from error
        if not self.discriminator:
            logger.info("init_from holds no discriminator: the new one starts from scratch.")

    def _matching_rows(self, names: Sequence[str], classes: Sequence[str]) -> list[list[int]]:
        """Return for each new label those it starts from: the same one, those of its class, or all."""
        known = self.model.label_names
        cells = self.model.cells
        of_class = known if cells is None else [cells.classes[label] for label in cells.class_labels.tolist()]
        rows, n_known = [], 0
        for name, class_name in zip(names, classes, strict=True):
            same = [index for index, other in enumerate(known) if other == name]
            same_class = [index for index, other in enumerate(of_class) if other == class_name]
            rows.append(same or same_class or list(range(len(known))))
            n_known += bool(same or same_class)
        logger.info("%s of %s classes start from those of the same name in init_from.", n_known, len(rows))
        return rows


def _size(shape: Sequence[int]) -> str:
    """Return (C, H, W) in words."""
    return f"{shape[1]}x{shape[2]} pixels in {'color' if shape[0] == 3 else 'gray'}"
