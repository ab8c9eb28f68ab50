"""What Pix2Pix and CycleGAN share: a fit of two image sets with checks, checkpoints and resuming, and `transform`."""

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from ganaug._runtime.allocator import freed_memory_kept
from ganaug._runtime.randomness import derive, generator, image_seeds, temporary_seed
from ganaug._runtime.storage import digest, write_json
from ganaug.errors import DataError
from ganaug.estimators import base
from ganaug.images import LabeledImages, image_hashes
from ganaug.io.dataset_checks import MIN_IMAGE_SIZE
from ganaug.metrics.distance import energy_distance, mean_pairwise_distance
from ganaug.sampling.translation_model import (
    DIRECTIONS,
    LARGEST,
    PASS_PIXELS,
    TranslationModel,
    generators,
    model_folder,
)
from ganaug.training.engine import device_for, precision_for
from ganaug.training.health import Evaluation
from ganaug.training.loop import Callback
from ganaug.training.pictures import columns
from ganaug.training.processes import Processes, processes_on
from ganaug.training.run import Run, time_budget
from ganaug.training.translation_batches import Domain, PairBatches
from ganaug.training.translation_steps import TranslationRecipe, TranslationStep

PASSES, MIN_STEPS, MAX_STEPS = 200, 2_000, 100_000  # through the larger set, as published
FEWEST, MAX_JUDGED, SHOWN = 10, 64, 6  # held out at least, looked at in a check, and shown in its picture
THUMBNAIL = 8


class Translator(TransformerMixin, base.Resumable, ABC):  # type: ignore[misc]
    """The part of Pix2Pix and CycleGAN that is the same. Abstract."""

    kind: ClassVar[str]
    paired: ClassVar[bool]

    n_steps: int | None
    time_budget: float | None
    batch_size: int
    width: int | None
    validation_fraction: float
    check_every: int
    run_dir: str | Path | None
    device: str | torch.device
    precision: str
    random_state: int | np.random.RandomState | None

    def fit(self, X: Any, Y: Any, *, callbacks: Sequence[Callback] = ()) -> Self:
        """Train on two sets of uint8 images, each (N, H, W), (N, H, W, C), or a tensor or LabeledImages (N, C, H, W).

        callbacks: called after every step with (steps done, what the step logged); one may raise StopTraining.
        Raises DataError (a ValueError) for images that cannot be trained on, RunError where run_dir holds a run.
        """
        self._fit(X, Y, callbacks, resume=False)
        return self

    def resume(self, X: Any, Y: Any, *, callbacks: Sequence[Callback] = ()) -> Self:
        """Go on with the run in `run_dir`, on the same images with the same parameters. On the CPU bit for bit.

        `n_steps` and `time_budget` may be others; the rates then fall towards the new end.
        Raises RunError when there is no run, or it was begun with other images or parameters.
        """
        self._fit(X, Y, callbacks, resume=True)
        return self

    def save(self, folder: str | Path) -> None:
        """Write the generators as safetensors + JSON into `folder`. Loads on any device, and can run no code."""
        check_is_fitted(self, "model_")
        self.model_.save(Path(folder), {"params": self._described(), "data": self.data_})

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "auto") -> Self:
        """A fitted translator from what `save` wrote, or from a run folder. Raises RunError that says what is wrong."""
        where = model_folder(folder)
        model, about = TranslationModel.load(where, device_for(device))
        if model.kind != cls.kind:
            raise DataError(f"{where}: is a {model.kind} translator; load it with the class of that name.")
        known = {name: value for name, value in about["params"].items() if name in cls._get_param_names()}
        known = {name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}
        made = cls(**{**known, "run_dir": None, "device": device})
        made.model_, made.data_, made.seed_ = model, dict(about["data"]), model.seed
        return made

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
        """Translate X and write the images into the new folder `out`, as `ganaug translate apply` does; returns `out`.

        names: a file name an image, else numbers; draws: images of each (Pix2Pix). Label images are written beside what
        was made of them, as out/mask and out/photo. Raises OutputError where `out` is there already.
        """
        images = self._checked(X, direction)
        if draws > 1 and self.kind != "pix2pix":
            raise ValueError(f"draws={draws}: {type(self).__name__} makes one image of each.")
        if names is not None and len(names) != len(images):
            raise ValueError(f"names has {len(names)} entries for {len(images)} images.")
        files = [f"{number:06}.png" for number in range(len(images))] if names is None else list(names)
        return self.model_.write(images, files, out, direction, draws=draws, seed=random_state)

    def steps_for(self, n_sources: int, n_targets: int) -> int | None:
        """Training steps of a fit of so many images of X and of Y; None where a time budget alone ends it."""
        if self.n_steps is not None or self.time_budget is not None:
            return self.n_steps
        passes = PASSES * max(n_sources, n_targets) // self.batch_size
        return max(MIN_STEPS, min(MAX_STEPS, passes))

    def _checked(self, X: Any, direction: str) -> Tensor:
        check_is_fitted(self, "model_")
        return self.model_.accepted(as_images(X, "X", self.model_.domains[direction == "y_to_x"].num_labels), direction)

    def _translated(self, X: Any, direction: str, random_state: int | None, start: int) -> np.ndarray:
        images = self._checked(X, direction)
        seed = self.model_.seed if random_state is None else int(random_state)
        seeds = image_seeds(seed, "translated", start, len(images))
        return as_array(self.model_.translate(images, seeds, direction))

    @abstractmethod
    def _domains(self, sources: Tensor, targets: Tensor) -> tuple[Domain, Domain]:
        """What the two sides are."""

    @abstractmethod
    def _discriminators(self, domains: tuple[Domain, Domain], width: int) -> nn.Module:
        """Fresh discriminators."""

    @abstractmethod
    def _make_step(
        self, generator: nn.Module, discriminators: nn.Module, recipe: TranslationRecipe, processes: Processes
    ) -> TranslationStep:
        """The training step."""

    @abstractmethod
    def _recipe(self, n_steps: int | None, device: torch.device) -> TranslationRecipe:
        """Of the parameters."""

    @abstractmethod
    def _check_params(self) -> None:
        """Raise ValueError that names the first parameter which cannot be used."""

    @freed_memory_kept()
    def _fit(self, X: Any, Y: Any, callbacks: Sequence[Callback], *, resume: bool) -> None:
        self._validate_params()
        self._check_params()
        num_labels = getattr(self, "num_labels", None)
        sources, targets = as_images(X, "X", num_labels), as_images(Y, "Y")
        check_sides(sources, targets, paired=self.paired)
        domains = self._domains(sources, targets)
        data = {
            "fingerprint": digest({"X": image_hashes(sources), "Y": image_hashes(targets)})[:16],
            "counts": {"X": len(sources), "Y": len(targets)},
        }
        began, budget = time.perf_counter(), [time_budget(self.time_budget)] if self.time_budget else []
        device = device_for(self.device)
        processes = processes_on(device)
        processes.check_shares(self.batch_size, each=1)
        resume = resume and processes.from_first(lambda: not self._was_killed_at_once())
        seed = processes.from_first(lambda: self._seed(resume))
        processes.check_same("images", data["fingerprint"])
        processes.check_same("parameters", str(self._described()))
        width = self.width or (64 if device.type == "cuda" else 32)
        n_steps = self.steps_for(len(sources), len(targets))
        kept, judged = split_rows(sources, targets, self.validation_fraction, paired=self.paired, seed=seed)
        with temporary_seed(derive(seed, "weights")):
            networks, discriminators = generators(self.kind, domains, width), self._discriminators(domains, width)
        recipe = self._recipe(n_steps, device)
        step = self._make_step(networks.to(device), discriminators.to(device), recipe, processes)
        batches = PairBatches(
            sources[kept[0]],
            targets[kept[1]],
            domains,
            self.batch_size,
            paired=self.paired,
            seed=seed,
            device=device,
            part=processes.part,
            parts=processes.parts,
        )
        model = TranslationModel(step.average.module, self.kind, domains, width, seed)
        evaluator = TranslationEvaluator(model, sources[judged[0]], targets[judged[1]], paired=self.paired)
        folder = None if self.run_dir is None or not processes.is_first else Path(self.run_dir)
        chosen = {"width": width, "precision": str(recipe.precision).removeprefix("torch.")}
        about = {"seed": seed, "params": {**self._described(), **chosen}, "data": data}
        with base.run_folder(folder, about, resume=resume) if folder is not None else nullcontext():
            run = Run(
                step,
                batches,
                evaluator,
                evaluator.picture,
                self.batch_size,
                self.check_every,
                folder,
                None,
                processes,
            )
            run.prepared = time.perf_counter() - began
            try:
                run.start(n_steps=n_steps or sys.maxsize, callbacks=[*callbacks, *budget], resume=resume)
            finally:
                self.history_, self.health_ = pd.DataFrame(run.rows), run.findings
            run.restore_best()
            self.model_, self.data_, self.seed_, self.stop_reason_ = model, data, seed, run.stop_reason
            self.n_steps_, self.best_step_, self.seconds_ = run.done, run.best_step, run.seconds
            if folder is not None:
                self.save(folder / "model")
                write_json(folder / "summary.json", run.summary() | self._told())

    def _told(self) -> dict[str, object]:
        """What else the summary of a run says."""
        return {}

    def _precision(self, device: torch.device) -> torch.dtype:
        return precision_for(self.precision, device)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")


class TranslationEvaluator:
    """What a check measures: the energy distance of translated to real images, on pixels averaged down to 8 x 8.

    Of pairs, between (source, translated) and (source, target), so that a good picture of the wrong source is far off.
    Of unpaired sets, the mean of both directions and the mean cycle error of the images that were translated there and
    back. All in [-1, 1] of pixels; lower is better.
    """

    def __init__(self, model: TranslationModel, sources: Tensor, targets: Tensor, *, paired: bool) -> None:
        self.model, self.sources, self.targets, self.paired = model, sources, targets, paired
        self.there = image_seeds(model.seed, "check", 0, len(sources))
        self.back = image_seeds(model.seed, "check", 0, len(targets))

    def __call__(self) -> Evaluation:
        """Score, and the diversity of each direction's images relative to the real ones."""
        x, y = self.model.domains
        x_real, y_real = thumbnails(x, self.sources), thumbnails(y, self.targets)
        to_y = self.model.translate(self.sources, self.there)
        y_made = thumbnails(y, to_y)
        diversity = {"Y": _spread(y_made, y_real)}
        if self.paired:
            pairs = torch.cat([x_real, y_made], 1), torch.cat([x_real, y_real], 1)
            return Evaluation(energy_distance(*pairs), diversity)
        to_x = self.model.translate(self.targets, self.back, "y_to_x")
        x_made = thumbnails(x, to_x)
        errors = torch.cat([cycle_errors(self.model, self.sources), cycle_errors(self.model, self.targets, "y_to_x")])
        score = (energy_distance(y_made, y_real) + energy_distance(x_made, x_real)) / 2 + float(errors.mean())
        return Evaluation(score, {**diversity, "X": _spread(x_made, x_real)})

    def picture(self) -> Any:
        """A row an image: what goes in, what comes out, and its partner, or what comes back."""
        sources, targets = self.sources[:SHOWN], self.targets[:SHOWN]
        there = self.model.translate(sources, self.there[: len(sources)])
        if self.paired:
            again = self.model.translate(sources, self.there[: len(sources)] + 1)
            return columns(
                {"X": self._seen(0, sources), "translated": there, "another draw": again, "Y": self._seen(1, targets)}
            )
        back = self.model.translate(there, self.there[: len(sources)], "y_to_x")
        to_x = self.model.translate(targets, self.back[: len(targets)], "y_to_x")
        shown = {"X": sources, "to Y": there, "and back": back, "Y": targets, "to X": to_x}
        return columns({**shown, "and back ": self.model.translate(to_x, self.back[: len(targets)])})

    def _seen(self, side: int, images: Tensor) -> Tensor:
        """Label numbers spread over the grays."""
        labels = self.model.domains[side].num_labels
        return images if labels is None else (images.float() * (255 / max(1, labels - 1))).to(torch.uint8)


def _spread(made: Tensor, real: Tensor) -> float:
    spread = mean_pairwise_distance(real)
    return mean_pairwise_distance(made) / spread if spread > 0 else 1.0


def thumbnails(domain: Domain, images: Tensor) -> Tensor:
    """uint8 (N, C, H, W) -> float (N, D) in [-1, 1]: averaged down to at most 8 x 8, label images a channel a label."""
    size = min(THUMBNAIL, images.shape[2]), min(THUMBNAIL, images.shape[3])
    return torch.cat([adaptive_avg_pool2d(domain.signed(part), size).flatten(1) for part in few(images)])


def few(images: Tensor) -> Iterator[Tensor]:
    """A few images at a time, however large they are."""
    size = max(1, PASS_PIXELS // (images.shape[2] * images.shape[3]))
    return (images[start : start + size] for start in range(0, len(images), size))


def cycle_errors(model: TranslationModel, images: Tensor, direction: str = "x_to_y") -> Tensor:
    """Of each image, the mean absolute error in [0, 1] of pixels after it was translated there and back: (N,)."""

    def errors(part: Tensor) -> Tensor:
        no_seeds = torch.zeros(len(part), dtype=torch.int64)
        there = model.translate(part, no_seeds, direction)
        back = model.translate(there, no_seeds, DIRECTIONS[direction == DIRECTIONS[0]])
        return (back.float() - part.float()).abs().flatten(1).mean(1) / 255

    return torch.cat([errors(part) for part in few(images)])


def as_images(images: Any, name: str, num_labels: int | None = None) -> Tensor:
    """uint8 (N, C, H, W) from any of the forms that `fit` takes. Raises DataError that names what is wrong."""
    if isinstance(images, LabeledImages):
        images = images.images[:]
    if isinstance(images, Tensor):
        found = images
        if found.ndim == 3:
            found = found[:, None]
    else:
        array = np.asarray(images)
        if array.ndim not in (3, 4):
            raise DataError(f"{name} must be images, (N, H, W) or (N, H, W, C); got shape {array.shape}.")
        if array.dtype.kind not in "iub":
            raise DataError(
                f"{name} must be whole numbers, uint8 for pixels; got {array.dtype}. Multiply by 255 first."
            )
        found = torch.from_numpy(np.array(array, dtype=np.uint8 if array.dtype in (np.uint8, np.bool_) else np.int64))
        found = found[:, None] if found.ndim == 3 else found.permute(0, 3, 1, 2)
    if found.ndim != 4 or not len(found):
        raise DataError(f"{name} must hold images, (N, C, H, W); got shape {tuple(found.shape)}.")
    if found.is_floating_point():
        raise DataError(f"{name} must be whole numbers, uint8 for pixels; got {found.dtype}. Multiply by 255 first.")
    most = 255 if num_labels is None else num_labels - 1
    low, high = int(found.min()), int(found.max())
    if low < 0 or high > most:
        what = "pixels lie in 0..255" if num_labels is None else f"labels lie in 0..{most} (num_labels={num_labels})"
        raise DataError(f"{name} holds numbers from {low} to {high}; {what}.")
    channels, height, width = found.shape[1:]
    allowed = (1, 3) if num_labels is None else (1,)
    if channels not in allowed:
        raise DataError(f"{name} has {channels} channels; {' or '.join(map(str, allowed))} can be translated.")
    if min(height, width) < MIN_IMAGE_SIZE or max(height, width) > LARGEST:
        raise DataError(
            f"{name} is {height}x{width} pixels; {MIN_IMAGE_SIZE} to {LARGEST} a side can be translated. Resize it."
        )
    return found.to(torch.uint8)


def as_array(images: Tensor) -> np.ndarray:
    """uint8 (N, C, H, W) -> (N, H, W) of one channel, or (N, H, W, C)."""
    found: np.ndarray = images[:, 0].numpy() if images.shape[1] == 1 else images.permute(0, 2, 3, 1).numpy()
    return found


def check_sides(sources: Tensor, targets: Tensor, *, paired: bool) -> None:
    """Raise DataError where the two sides cannot be trained on together."""
    if paired and len(sources) != len(targets):
        raise DataError(f"X has {len(sources):,} images and Y {len(targets):,}: in pairs there is one Y to each X.")
    if min(len(sources), len(targets)) < 2:
        raise DataError(f"X has {len(sources):,} images and Y {len(targets):,}; two or more of each are needed.")
    if sources.shape[2:] != targets.shape[2:]:
        sizes = [f"{images.shape[2]}x{images.shape[3]}" for images in (sources, targets)]
        raise DataError(f"X is {sizes[0]} pixels and Y {sizes[1]}: resize one to the other's size.")


def split_rows(
    sources: Tensor, targets: Tensor, share: float, *, paired: bool, seed: int
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """-> rows of X and Y to train on, and to judge by: held out where `share` comes to ten, else of the former."""
    found: list[tuple[Tensor, Tensor]] = []
    for side, images in (("X", sources), ("Y", targets)):
        order = torch.randperm(len(images), generator=generator(seed, "held out", "X" if paired else side))
        number = min(MAX_JUDGED, round(len(images) * share))
        number = number if number >= FEWEST else 0
        found.append((order[number:].sort().values, order[: number or MAX_JUDGED]))
    return (found[0][0], found[1][0]), (found[0][1], found[1][1])
