"""The base of Pix2Pix and CycleGAN: fits two image sets, translates images, saves and loads."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ganaug._compat import Interval, validate_parameters
from ganaug._runtime.lookup import lookup
from ganaug._runtime.python_values import as_python
from ganaug._runtime.randomness import derive, image_seeds, temporary_seed
from ganaug._runtime.storage import digest
from ganaug._runtime.torch_state import plain_torch
from ganaug.estimators.evaluators import TranslationEvaluator
from ganaug.estimators.fitting import (
    FitContext,
    FitResult,
    FitSetup,
    Trainable,
    check_params_restored,
    load_estimator,
)
from ganaug.estimators.parameters import RecipeMixin, as_json, copy_recipe
from ganaug.estimators.translation_images import as_array, as_images, check_domains, split_rows
from ganaug.images import image_hashes
from ganaug.models import augmentations as augment
from ganaug.models.losses import LOSSES, AdversarialLoss
from ganaug.sampling.model_files import model_folder
from ganaug.sampling.translation_model import TranslationModel, generators
from ganaug.training.engine import resolve_precision
from ganaug.training.loop import Callback
from ganaug.training.processes import connect_processes
from ganaug.training.recipe import TranslationRecipe
from ganaug.training.translation_batches import Domain, PairBatches
from ganaug.training.translation_steps import TranslationStep

# 200 epochs of the larger set, as published
N_EPOCHS, MIN_STEPS, MAX_STEPS = 200, 2_000, 100_000

TRANSLATOR_CONSTRAINTS: dict[str, list[object]] = {
    "n_steps": [Interval(Integral, 1, None, closed="left"), None],
    "time_budget": [Interval(Real, 0, None, closed="neither"), None],
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "validation_fraction": [Interval(Real, 0, 0.5, closed="both")],
    "verbose": ["verbose"],
    "random_state": ["random_state"],
    "recipe": [TranslationRecipe, None],
}


@dataclass(frozen=True)
class TranslationData:
    """The images of both domains: uint8 (N, C, H, W)."""

    sources: Tensor
    targets: Tensor


@dataclass(frozen=True)
class TranslationSetup(FitSetup):
    """What is decided before a translator trains."""

    domains: tuple[Domain, Domain]
    train_rows: tuple[Tensor, Tensor]
    validation_rows: tuple[Tensor, Tensor]
    recipe: TranslationRecipe
    step: TranslationStep


class Translator(
    RecipeMixin[TranslationRecipe],
    TransformerMixin,  # type: ignore[misc]  # scikit-learn has no types
    Trainable[TranslationData, TranslationSetup],
):
    """The base of Pix2Pix and CycleGAN. Abstract."""

    kind: ClassVar[str]
    paired: ClassVar[bool]
    _nested: ClassVar[dict[str, type]] = {"recipe": TranslationRecipe}

    loss: str | AdversarialLoss
    n_steps: int | None
    batch_size: int
    augmentation: Any
    validation_fraction: float
    recipe: TranslationRecipe | None
    model_: TranslationModel

    @plain_torch()
    def fit(self, X: Any, Y: Any, *, callbacks: Sequence[Callback] = ()) -> Self:
        """Fit to two sets of images.

        Parameters
        ----------
        X, Y : array of shape (N, H, W) or (N, H, W, C), Tensor of shape (N, C, H, W), or LabeledImages
            uint8. For Pix2Pix, row i of both is a pair.
        callbacks : sequence of callable
            Called after every training step with (steps done, dict of logged scalars).

        Returns
        -------
        self

        Raises
        ------
        DataError
            If the images cannot be trained on (a ValueError).
        RunError
            If `run_dir` holds another run.
        """
        self._fit(self._convert(X, Y), callbacks, resume=False)
        return self

    @plain_torch()
    def resume(self, X: Any, Y: Any, *, callbacks: Sequence[Callback] = ()) -> Self:
        """Continue the run in `run_dir`, with the same images and parameters. Parameters as in `fit`.

        `n_steps` and `time_budget` may differ; the learning rates then fall towards the new end. On the CPU, the result
        equals that of an uninterrupted run bit by bit.

        Raises
        ------
        RunError
            If there is no run, or it was started with other images or parameters.
        """
        self._fit(self._convert(X, Y), callbacks, resume=True)
        return self

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "auto") -> Self:
        """Return the fitted translator in a model folder or a run folder. Every fitted attribute is restored.

        Raises
        ------
        RunError
            If a file is missing, damaged, altered or of another format.
        """
        loaded: Self = load_estimator(cls, TranslationModel, model_folder(folder), device, kinds=(cls.kind,))
        return loaded

    @plain_torch()
    def write(
        self,
        X: Any,
        out: str | Path,
        *,
        names: Sequence[str] | None = None,
        direction: str = "x_to_y",
        draws: int = 1,
        random_state: int | None = None,
    ) -> Path:
        """Translate X and write the translations into a new folder, as `ganaug translate apply` does.

        Translations of label images go to out/photo, the label images to out/mask, with equal names.

        Parameters
        ----------
        X : array, Tensor or LabeledImages
            As in `fit`.
        out : path
        names : sequence of str, optional
            A file name for each image. None: numbers.
        direction : {"x_to_y", "y_to_x"}
        draws : int, default=1
            Translations of each image; Pix2Pix only.
        random_state : int, optional
            None: the seed of the fit.

        Returns
        -------
        out : Path

        Raises
        ------
        OutputError
            If `out` exists.
        """
        images = self._accepted(X, direction)
        if draws > 1 and self.kind != "pix2pix":
            raise ValueError(f"draws={draws}: {type(self).__name__} has one translation of each image.")
        if names is not None and len(names) != len(images):
            raise ValueError(f"names has {len(names)} entries for {len(images)} images.")
        files = [f"{number:06}.png" for number in range(len(images))] if names is None else list(names)
        return self.model_.write(images, files, out, direction, draws=draws, seed=random_state)

    def steps_for(self, n_sources: int, n_targets: int) -> int | None:
        """Return the training steps of a fit of so many images of X and of Y; None if a time budget alone ends it."""
        if self.n_steps is not None or self.time_budget is not None:
            n_steps: int | None = as_python(self.n_steps)
            return n_steps
        return max(MIN_STEPS, min(MAX_STEPS, N_EPOCHS * max(n_sources, n_targets) // int(self.batch_size)))

    @abstractmethod
    def _domains(self, data: TranslationData) -> tuple[Domain, Domain]:
        """Return what X and Y are."""

    @abstractmethod
    def _discriminators(self, domains: tuple[Domain, Domain], width: int) -> nn.Module:
        """Return initial discriminators."""

    @abstractmethod
    def _make_step(
        self, generator: Any, discriminators: Any, loss: AdversarialLoss, recipe: TranslationRecipe, **options: Any
    ) -> TranslationStep:
        """Return the training step, with the weights of its losses."""

    def _check_params(self) -> None:
        check_params_restored(self)
        validate_parameters(self)
        self._recipe.check()
        lookup(LOSSES, self.loss, "loss")
        if self.augmentation != "auto" or self.paired:
            augment.resolve_augmentations(self.augmentation)

    def _resolve_augmentation(self, data: TranslationData) -> Any:  # noqa: ARG002  # CycleGAN uses the data
        """Return the augmentation of a fit."""
        return self.augmentation

    def _convert(self, X: Any, Y: Any) -> TranslationData:
        """Convert both domains, after the parameters are checked."""
        self._check_params()
        allow_vectors = not self.paired
        num_labels = getattr(self, "num_labels", None)
        data = TranslationData(
            as_images(X, "X", num_labels, allow_vectors=allow_vectors), as_images(Y, "Y", allow_vectors=allow_vectors)
        )
        check_domains(data.sources, data.targets, paired=self.paired)
        return data

    def _describe_data(self, data: TranslationData) -> dict[str, Any]:
        hashes = {"X": image_hashes(data.sources), "Y": image_hashes(data.targets)}
        return {"fingerprint": digest(hashes)[:16], "counts": {"X": len(data.sources), "Y": len(data.targets)}}

    def _set_up(
        self, data: TranslationData, seed: int, device: torch.device, stored_recipe: Mapping[str, Any]
    ) -> TranslationSetup:
        recipe, batch_size = copy_recipe(self._recipe), int(self.batch_size)
        # a run that is resumed keeps what was chosen on the processor where it was started; else 64 as published, and
        # half of it on other devices than GPUs, where a step takes much longer
        width = recipe.width or stored_recipe.get("width") or (64 if device.type == "cuda" else 32)
        precision = stored_recipe.get("precision", "auto") if recipe.precision == "auto" else recipe.precision
        precision = {torch.bfloat16: "bf16", torch.float32: "fp32"}[resolve_precision(precision, device)]
        recipe.set_params(width=width, precision=precision)
        splits = [
            # the name is part of the seed, and pairs must be split alike
            split_rows(len(images), self.validation_fraction, seed, "X" if self.paired else name)
            for name, images in (("X", data.sources), ("Y", data.targets))
        ]
        domains, n_steps = self._domains(data), self.steps_for(len(data.sources), len(data.targets))
        with temporary_seed(derive(seed, "weights")):
            generator = generators(self.kind, domains, width)
            discriminators = self._discriminators(domains, width)
        step = self._make_step(
            generator.to(device),
            discriminators.to(device),
            lookup(LOSSES, self.loss, "loss"),
            recipe,
            augmentations=augment.resolve_augmentations(self._resolve_augmentation(data)),
            # constant for the first half and then linear to 0, as published
            constant_images=None if n_steps is None else n_steps * batch_size / 2,
            processes=connect_processes(device),
        )
        return TranslationSetup(
            batch_size=batch_size,
            n_steps=n_steps,
            min_images_per_process=1,
            planned_params={"recipe": as_json(recipe)},
            domains=domains,
            train_rows=(splits[0][0], splits[1][0]),
            validation_rows=(splits[0][1], splits[1][1]),
            recipe=recipe,
            step=step,
        )

    def _train(self, data: TranslationData, setup: TranslationSetup, context: FitContext) -> FitResult:
        step, processes, width = setup.step, context.processes, setup.recipe.width
        assert width is not None
        assert setup.batch_size is not None
        batches = PairBatches(
            data.sources[setup.train_rows[0]],
            data.targets[setup.train_rows[1]],
            setup.domains,
            setup.batch_size,
            paired=self.paired,
            seed=context.seed,
            device=context.device,
            rank=processes.rank,
            world_size=processes.world_size,
        )
        model = TranslationModel(step.average.module, self.kind, setup.domains, width, context.seed)
        rows = setup.validation_rows
        evaluator = TranslationEvaluator(model, data.sources[rows[0]], data.targets[rows[1]], paired=self.paired)
        run = self._train_networks(
            context,
            step=step,
            batches=batches,
            evaluate=evaluator,
            picture=evaluator.picture,
            batch_size=setup.batch_size,
            check_every=setup.recipe.check_every,
            n_steps=setup.n_steps,
            patience=None,
        )
        extra = self._own_results(data, model)
        return FitResult(
            model=model,
            history=self.history_,
            health=self.health_,
            stop_reason=run.stop_reason,
            n_steps=run.done,
            best_step=run.best_step,
            seconds=run.seconds,
            summary={**run.summary(), **self._own_summary(extra)},
            extra=extra,
        )

    def _own_results(self, data: TranslationData, model: TranslationModel) -> dict[str, object]:  # noqa: ARG002
        """Return the translator's own fitted attributes, from its training data and its model."""
        return {}

    def _own_summary(self, results: Mapping[str, object]) -> dict[str, object]:  # noqa: ARG002  # for subclasses
        """Return what the translator adds to summary.json, from its own fitted attributes."""
        return {}

    def _accepted(self, X: Any, direction: str) -> Tensor:
        """Return images that the model can translate in a direction."""
        check_is_fitted(self, "model_")
        num_labels = self.model_.domains[direction == "y_to_x"].num_labels
        return self.model_.accepted(as_images(X, "X", num_labels, allow_vectors=not self.paired), direction)

    @plain_torch()
    def _transform(self, X: Any, direction: str, random_state: int | None, start: int) -> np.ndarray:
        images = self._accepted(X, direction)
        seed = self.model_.seed if random_state is None else int(random_state)
        seeds = image_seeds(seed, "translated", start, len(images))
        return as_array(self.model_.translate(images, seeds, direction))
