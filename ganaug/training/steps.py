"""The training step of a conditional GAN: it turns a batch into updates and logs. The loop knows no GAN."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ganaug._runtime.randomness import normal
from ganaug._runtime.storage import Tree
from ganaug.errors import TrainingError
from ganaug.models import augmentations as augment
from ganaug.models.augmentations import AdaptiveStrength, Augmentation
from ganaug.models.losses import AdversarialLoss
from ganaug.models.networks.blocks import ConditionalBatchNorm, Projection
from ganaug.models.penalties import Penalty, PenaltyInputs, effective_numbers, resolve_penalties
from ganaug.training.adversarial_pair import AdversarialPair, discrimination, norm_of_images
from ganaug.training.auxiliary_classifier import AuxiliaryClassifier
from ganaug.training.averaging import MovingAverage
from ganaug.training.batches import Batch
from ganaug.training.engine import resolve_precision
from ganaug.training.processes import SINGLE_PROCESS, Processes
from ganaug.training.recipe import TrainingRecipe

T = TypeVar("T")
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)
EMA_DECAY = 0.99  # of the discriminator's mean logits (Tseng et al. 2021, section 4.1)
DEFAULT_EMA_HALF_LIFE = 20_000.0  # images


@dataclass(frozen=True)
class MicroBatch:
    """The part of a batch that is in memory at once.

    Attributes
    ----------
    batch : Batch
    latent : Tensor of shape (B, latent_size)
    fraction : float
        Fraction of the whole batch.
    """

    batch: Batch
    latent: Tensor
    fraction: float


class AdversarialStep:
    """One update of the discriminator, and one of the generator every `loss.discriminator_steps` steps.

    Fake images have the labels of the real batch. Real and fake images are augmented before the discriminator sees
    them. A batch that does not fit into the memory of a GPU is split into micro-batches from then on.

    Parameters
    ----------
    generator, discriminator : nn.Module
        On their device.
    loss : AdversarialLoss
    recipe : TrainingRecipe
        Open settings (None) count as their published defaults.
    augmentations : sequence of callable
        Differentiable augmentations, applied in order.
    counts : Tensor of shape (K,)
        Training images of each class.
    processes : Processes
        Those that train together; each gets its rows of a batch.

    Attributes
    ----------
    average : MovingAverage
        The averaged generator, from which samples are drawn.
    auxiliary_classifier : AuxiliaryClassifier or None
        Guides the generator if the recipe asks for it. Set after the step is made, once the classifier is trained.

    Raises
    ------
    ValueError
        If the loss forbids batch norm and the discriminator has it, or the recipe asks for it.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        loss: AdversarialLoss,
        recipe: TrainingRecipe,
        *,
        augmentations: Sequence[Augmentation] = (),
        counts: Tensor,
        processes: Processes = SINGLE_PROCESS,
    ) -> None:
        self.has_batch_norm = any(isinstance(module, BATCH_NORMS) for module in discriminator.modules())
        # also where a discriminator is too small to have a normalized layer
        if (self.has_batch_norm or recipe.discriminator_norm == "batch") and not loss.allows_batch_norm:
            raise ValueError(
                "This loss treats each image by itself, and batch norm in the discriminator mixes images (Gulrajani et "
                "al. 2017, section 4). Use discriminator_norm='spectral' or 'none'."
            )
        self.processes, self.recipe, self.loss, self.augmentations = processes, recipe, loss, list(augmentations)
        self.pair = AdversarialPair(generator, discriminator, recipe, processes)
        self.generator, self.discriminator = self.pair["generator"], self.pair["discriminator"]
        device = self.pair.device
        self.counts = counts.to(device)
        self.precision = resolve_precision(recipe.precision, device)
        self.auxiliary_classifier: AuxiliaryClassifier | None = None
        self.penalties = _by_network([*loss.penalties, *resolve_penalties(recipe.penalty)])
        half_life = DEFAULT_EMA_HALF_LIFE if recipe.ema_half_life is None else recipe.ema_half_life
        self.average = MovingAverage(generator, half_life)
        self.strength = AdaptiveStrength(device) if recipe.adaptive_augmentation else None
        self.ema_logits = torch.zeros(2, dtype=torch.float32, device=device)  # mean logits of real and of fake images
        self.steps_done, self.decay, self.n_micro_batches = 0, 1.0, 1
        modules = [*generator.modules(), *discriminator.modules()]
        self.conditional = [module for module in modules if isinstance(module, ConditionalBatchNorm | Projection)]
        norms = [m for m in modules if isinstance(m, ConditionalBatchNorm) and m.gain.num_embeddings > 1]
        self.noisy = norms if recipe.class_noise else []
        for module in self.noisy:  # by inverse effective numbers of images (Rangwani et al. 2023, eq. 4)
            module.noise = recipe.class_noise / effective_numbers(self.counts).sqrt()

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Update the networks on one batch and return what is logged: scalars, detached."""
        self.steps_done += 1
        batch_size = self._batch_size(batch)
        self._follow_schedules(batch_size)
        for module in self.noisy:
            module.random = batch.generator
        updates_generator = self.steps_done % self.loss.discriminator_steps == 0
        latent = normal(batch.generator, len(batch.labels), self.recipe.latent_size)
        # the generator's update reuses the fake images of the discriminator's update, with their graph
        fakes: list[Tensor] | None = [] if updates_generator else None
        logs = self._within_memory(batch, latent, partial(self._update_discriminator, fakes=fakes))
        if fakes is not None:
            logs |= self._within_memory(batch, latent, partial(self._update_generator, fakes=fakes))
            # one update of the generator stands for the images of discriminator_steps batches
            self.average.update(self.steps_done * batch_size, batch_size * self.loss.discriminator_steps)
        if self.n_micro_batches > 1:
            logs["micro_batches"] = torch.tensor(self.n_micro_batches, dtype=torch.float32)
        return logs

    def scale_rate(self, name: str, factor: float) -> None:
        """Set the learning rate of "generator" or "discriminator" to `factor` times its first value."""
        self.pair.scale(name, factor)

    def state_dict(self) -> Tree:
        """Return everything that the next step depends on."""
        return {
            **self.pair.state_dict(),
            "average": self.average.module.state_dict(),
            "strength": {} if self.strength is None else self.strength.state_dict(),
            "ema_logits": self.ema_logits,
            "steps_done": self.steps_done,
        }

    def load_state_dict(self, state: Any) -> None:
        """Continue from a `state_dict()`."""
        self.pair.load_state_dict(state)
        self.average.module.load_state_dict(state["average"])
        if self.strength is not None:
            self.strength.load_state_dict(state["strength"])
        self.ema_logits = state["ema_logits"].to(self.ema_logits)
        self.steps_done = int(state["steps_done"])

    def _update_discriminator(self, parts: list[MicroBatch], *, fakes: list[Tensor] | None) -> dict[str, Tensor]:
        """Update the discriminator. `fakes` receives the fake images of a batch that is in one part."""
        self.discriminator.requires_grad_(True)
        self.pair.optimizers["discriminator"].zero_grad()
        part_logs, mean_logits = [], torch.zeros(2, dtype=torch.float32, device=self.counts.device)
        for part in parts:
            # where the generator's update does not reuse these images, their graph would only take memory
            with torch.set_grad_enabled(fakes is not None and len(parts) == 1):
                fake = self._generate(part)
            if fakes is not None:
                fakes[:] = [fake] if len(parts) == 1 else []
            logs, part_means = self._discriminator_gradients(part, fake.detach())
            part_logs.append(logs)
            mean_logits = mean_logits + part_means * part.fraction
        self.pair.descend("discriminator")
        logs = mean_of_logs(part_logs)
        self.ema_logits = torch.lerp(mean_logits, self.ema_logits, EMA_DECAY)
        if self.strength is not None:
            n_images = self._batch_size(*(part.batch for part in parts))
            self.strength.update(self.steps_done, self.processes.all_reduce_mean(logs["accuracy_real"]), n_images)
            logs["augmentation"] = self.strength.probability
        return logs

    def _discriminator_gradients(self, part: MicroBatch, fake: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Add the gradients of one part. Return its logs, and the mean logits (2,) of real and fake images."""
        batch = part.batch
        # real and fake alike: otherwise the augmentations leak into the samples (Karras et al. 2020, section 2.2)
        augmented = self._augment(torch.cat([batch.images, fake]), batch)
        if self.has_batch_norm:  # real and fake apart, as in the generator's update (Radford et al. 2016)
            real_logits, fake_logits = (self._discriminate(half, batch.conditions) for half in augmented.chunk(2))
        else:
            real_logits, fake_logits = self._discriminate(augmented, batch.conditions.repeat(2)).chunk(2)
        loss = self.loss.discriminator(real_logits, fake_logits)
        means = self.processes.all_reduce_mean(torch.stack([real_logits.detach().mean(), fake_logits.detach().mean()]))
        logs = {
            "loss_discriminator": loss.detach(),
            **discrimination(real_logits.detach(), fake_logits.detach(), means),
        }
        real, fake = augmented.chunk(2)
        inputs = PenaltyInputs(
            self.discriminator,
            real,
            fake,
            batch.conditions,
            real_logits,
            fake_logits,
            self.ema_logits[0],
            self.ema_logits[1],
            batch.generator,
        )
        penalty = self._penalty("discriminator", inputs)
        if penalty is not None:
            logs["penalty"] = penalty.detach()
            loss = loss + penalty
        backward(loss, part.fraction)
        return logs, means

    def _update_generator(self, parts: list[MicroBatch], *, fakes: list[Tensor]) -> dict[str, Tensor]:
        """Update the generator. `fakes` holds the fake images of a batch that is in one part, and is emptied."""
        self.discriminator.requires_grad_(False)  # the gradients of its weights would not be used
        self.pair.optimizers["generator"].zero_grad()
        part_logs = []
        for part in parts:
            fake, batch = fakes.pop() if fakes and len(parts) == 1 else self._generate(part), part.batch
            fakes.clear()  # else a second attempt, in more parts, would hold two graphs
            fake.retain_grad()
            fake_logits = self._discriminate(self._augment(fake, batch), batch.conditions)
            if self.loss.relativistic:
                real_logits = self._discriminate(self._augment(batch.images, batch), batch.conditions)
                loss = self.loss.generator(real_logits, fake_logits)
            else:
                loss = self.loss.generator(fake_logits)
            penalty = self._penalty("generator", self.generator, self.counts)
            loss = loss if penalty is None else loss + penalty
            logs = {"loss_generator": loss.detach()}
            if self.auxiliary_classifier is not None and self.recipe.guidance:
                shortfall = self.auxiliary_classifier.shortfall(fake, batch.labels)
                logs["shortfall"] = shortfall.detach()
                loss = loss + self.recipe.guidance * shortfall
            backward(loss, part.fraction)
            # of one image: the loss is a mean over the batch
            logs["gradient_images"] = norm_of_images(fake.grad) * (len(fake) / part.fraction)
            part_logs.append(logs)
        self.pair.descend("generator")
        return {**mean_of_logs(part_logs), "gradient_generator": self.pair.gradient_norm("generator")}

    def _within_memory(self, batch: Batch, latent: Tensor, update: Callable[[list[MicroBatch]], T]) -> T:
        """Call `update` with the batch in micro-batches, twice as many where the device runs out of memory."""
        state = batch.generator.get_state()
        while True:
            try:
                return update(self._split(batch, latent))
            except torch.OutOfMemoryError as error:
                # at least two images in each part; and other processes would not split at the same step
                if self.processes.world_size > 1 or 4 * self.n_micro_batches > len(batch.labels):
                    raise TrainingError(
                        f"a batch of {self._batch_size(batch)} images does not fit into the memory of "
                        f"{self.counts.device}. Use a smaller batch_size, width or image_size."
                    ) from error
                self.n_micro_batches *= 2
            # outside of the handler, because the error holds on to the memory that was allocated
            batch.generator.set_state(state)  # the next attempt draws the same numbers
            if self.counts.device.type == "cuda":
                torch.cuda.empty_cache()

    def _split(self, batch: Batch, latent: Tensor) -> list[MicroBatch]:
        if self.n_micro_batches == 1:
            return [MicroBatch(batch, latent, 1.0)]
        columns = (batch.images, batch.labels, batch.conditions, latent)
        parts = zip(*(column.tensor_split(self.n_micro_batches) for column in columns), strict=True)
        return [
            MicroBatch(Batch(images, labels, conditions, batch.generator), vectors, len(vectors) / len(latent))
            for images, labels, conditions, vectors in parts
        ]

    def _batch_size(self, *batches: Batch) -> int:
        """Return the number of images in all processes."""
        return sum(len(batch.labels) for batch in batches) * self.processes.world_size

    def _generate(self, part: MicroBatch) -> Tensor:
        with self._autocast():
            fake: Tensor = self.generator(part.latent, part.batch.labels)
        return fake.float()

    def _discriminate(self, images: Tensor, labels: Tensor) -> Tensor:
        with self._autocast():
            logits: Tensor = self.discriminator(images, labels)
        # bfloat16 has 8 significant bits, too few for losses and for differences of logits
        return logits.float()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.counts.device.type, self.precision, enabled=self.precision != torch.float32)

    def _augment(self, images: Tensor, batch: Batch) -> Tensor:
        probability = None if self.strength is None else self.strength.probability
        return augment.apply(self.augmentations, images, batch.generator, probability)

    def _penalty(self, network: str, *inputs: object) -> Tensor | None:
        """Return the weighted sum of the penalties of a network that are due at this step."""
        total: Tensor | None = None
        for penalty in self.penalties[network]:
            if self.steps_done > penalty.start and self.steps_done % penalty.every == 0:
                last = penalty.weight if penalty.final_weight is None else penalty.final_weight
                weight = last + (penalty.weight - last) * self.decay
                # a penalty of every n-th step counts n times, so that the interval does not change its strength
                term = penalty.term(*inputs) * (weight * penalty.every)
                total = term if total is None else total + term
        return total

    def _follow_schedules(self, batch_size: int) -> None:
        """Set learning rates, penalties and the strength of conditioning from the images of earlier steps."""
        n_images, ramp = (self.steps_done - 1) * batch_size, self.recipe.conditioning_ramp
        if ramp is not None:
            strength = min(1.0, max(0.0, (n_images - ramp[0]) / max(1.0, ramp[1] - ramp[0])))
            for module in self.conditional:
                # in place, because the moving average refers to this buffer
                module.strength.fill_(strength)
        total, final = self.recipe.lr_decay_images, self.recipe.final_lr_ratio
        self.decay = 1.0 if total is None else (1 + math.cos(math.pi * min(1.0, n_images / total))) / 2
        if final != 1:
            self.pair.decay(final + (1 - final) * self.decay)


def backward(loss: Tensor, fraction: float) -> None:
    """Add the gradients of a loss that is the mean over a fraction of the batch."""
    (loss if fraction == 1 else loss * fraction).backward()  # type: ignore[no-untyped-call]


def mean_of_logs(logs: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean of each logged scalar over the micro-batches.

    Examples
    --------
    >>> import torch
    >>> from ganaug.training.steps import mean_of_logs
    >>> mean_of_logs([{"loss": torch.tensor(1.0)}, {"loss": torch.tensor(3.0)}])
    {'loss': tensor(2.)}
    """
    if len(logs) == 1:
        return logs[0]
    return {name: torch.stack([part[name] for part in logs]).mean(0) for name in logs[0]}


def _by_network(all_penalties: list[Penalty]) -> dict[str, list[Penalty]]:
    return {
        network: [penalty for penalty in all_penalties if penalty.of == network]
        for network in ("discriminator", "generator")
    }
