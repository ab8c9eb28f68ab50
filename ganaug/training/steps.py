"""Training steps, one page a scheme. A step turns a batch into updates and tensors to log; the loop knows no GAN."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ganaug._runtime.randomness import normal
from ganaug._runtime.storage import Tree
from ganaug.errors import TrainingError
from ganaug.models import augmentations as augment
from ganaug.models.augmentations import AdaptiveStrength, Policy
from ganaug.models.losses import LOSSES, AdversarialLoss
from ganaug.models.networks.blocks import ConditionalBatchNorm, Projection
from ganaug.models.penalties import Penalty, PenaltyInputs, effective_numbers
from ganaug.training.adversarial_pair import AdversarialPair
from ganaug.training.auxiliary_classifier import AuxiliaryClassifier
from ganaug.training.averaging import MovingAverage
from ganaug.training.batches import Batch
from ganaug.training.processes import ALONE, Processes

T = TypeVar("T")
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)
EMA_DECAY = 0.99  # decay of the running means of the discriminator's logits (Tseng et al. 2021, section 4.1)


@dataclass(frozen=True)
class Recipe:
    """How a pair of networks is trained; every choice that is not the data or the networks.

    rates: learning rates of generator and discriminator. betas: Adam's.
    penalties: beside those of the loss. augmentations: in front of the discriminator. adaptive: their strength is (ADA).
    ema_half_life: of the averaged generator, in images; 0 keeps no average.
    conditioning_ramp: images seen at which the class begins to count, and counts fully.
    class_noise: standard deviation of the noise on class gains of a class of one image (NoisyTwins).
    guidance: weight of the generator's shortfall from the lead that its class needs under the auxiliary classifier (a long-tail
        classifier in the loop, as in CBGAN, but without reward for more than being recognized).
    precision: of the networks' convolutions; weights, losses and penalties are float32 in any case.
    lr_decay_images: images over which, by a cosine, rates fall to `final_lr_ratio` of theirs, penalties to their last weight.
    """

    loss: AdversarialLoss = LOSSES["hinge"]
    latent_size: int = 64
    rates: tuple[float, float] = (4e-4, 4e-4)
    betas: tuple[float, float] = (0.0, 0.99)
    penalties: list[Penalty] = field(default_factory=list)
    augmentations: list[Policy] = field(default_factory=list)
    adaptive: bool = False
    ema_half_life: float = 20_000
    conditioning_ramp: tuple[float, float] | None = None
    class_noise: float = 0.0
    lr_decay_images: float | None = None
    final_lr_ratio: float = 1.0
    guidance: float = 0.0
    precision: torch.dtype = torch.float32


@dataclass(frozen=True)
class Part:
    """What of a step is in memory at once: the batch or this share of it, and its latent vectors (B, L)."""

    batch: Batch
    latent: Tensor
    share: float


class AdversarialStep:
    """One update of the discriminator, and of the generator when its turn has come (every `loss.critic_steps` steps).

    counts: (K,) training images of each class. Of several `processes` each gets its rows of the batch. Fake images take
    the labels of the real batch. Both kinds pass the augmentations before the discriminator sees them. `auxiliary_classifier`, set once it
    is trained, guides the generator where the recipe says so. A batch that does not fit into a GPU's memory is taken in
    parts from then on. Raises ValueError for a loss that forbids batch norm with
    a discriminator that has it.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        recipe: Recipe,
        counts: Tensor,
        processes: Processes = ALONE,
    ) -> None:
        self.has_batch_norm = any(isinstance(module, BATCH_NORMS) for module in discriminator.modules())
        if self.has_batch_norm and not recipe.loss.allows_batch_norm:
            raise ValueError(
                "This loss treats each image by itself, which batch norm in the discriminator breaks (Gulrajani et al. 2017, "
                "section 4). Use discriminator_norm='spectral' or 'none'."
            )
        self.processes, self.recipe, self.loss = processes, recipe, recipe.loss
        self.pair = AdversarialPair(
            {"generator": generator, "discriminator": discriminator},
            {"generator": recipe.rates[0], "discriminator": recipe.rates[1]},
            recipe.betas,
            processes,
        )
        self.generator, self.discriminator = self.pair["generator"], self.pair["discriminator"]
        device = self.pair.device
        self.counts = counts.to(device)
        self.auxiliary_classifier: AuxiliaryClassifier | None = None
        every = [*recipe.loss.penalties, *recipe.penalties]
        self.penalties = {side: [p for p in every if p.of == side] for side in ("discriminator", "generator")}
        self.average = MovingAverage(generator, recipe.ema_half_life)
        self.strength = AdaptiveStrength(device) if recipe.adaptive else None
        self.ema_logits = torch.zeros(2, device=device)
        self.steps_done, self.decay, self.n_parts = 0, 1.0, 1
        modules = [*generator.modules(), *discriminator.modules()]
        self.conditional = [m for m in modules if isinstance(m, ConditionalBatchNorm | Projection)]
        norms = [m for m in modules if isinstance(m, ConditionalBatchNorm) and m.gain.num_embeddings > 1]
        self.noisy = norms if recipe.class_noise else []
        for module in self.noisy:  # by inverse effective numbers of images (Rangwani et al. 2023, eq. 4)
            module.noise = recipe.class_noise / effective_numbers(self.counts).sqrt()

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        self.steps_done += 1
        size = self.size(batch)
        self.follow_schedules(size)
        for module in self.noisy:
            module.random = batch.generator
        generators_turn = self.steps_done % self.loss.critic_steps == 0
        latent = normal(batch.generator, len(batch.labels), self.recipe.latent_size)
        kept: list[Tensor] | None = [] if generators_turn else None
        logs = self.in_memory(batch, latent, partial(self.update_discriminator, kept=kept))
        if kept is not None:
            logs |= self.in_memory(batch, latent, partial(self.update_generator, kept=kept))
            self.average.update(self.steps_done * size, size * self.loss.critic_steps)
        if self.n_parts > 1:
            logs["micro_batches"] = torch.tensor(float(self.n_parts))
        return logs

    def in_memory(self, batch: Batch, latent: Tensor, update: Callable[[list[Part]], T]) -> T:
        """`update` of the batch in `n_parts` parts, whose gradients add up; in twice as many where memory is short."""
        before = batch.generator.get_state()
        while True:
            try:
                return update(self.cut(batch, latent))
            except torch.OutOfMemoryError as error:
                if self.processes.parts > 1 or 4 * self.n_parts > len(batch.labels):
                    raise TrainingError(
                        f"a batch of {self.size(batch)} images does not fit into the memory of {self.counts.device}. "
                        "Use a smaller batch_size, width or image_size."
                    ) from error
                self.n_parts *= 2
            batch.generator.set_state(before)  # outside of the handler, which holds on to what was allocated
            if self.counts.device.type == "cuda":
                torch.cuda.empty_cache()

    def cut(self, batch: Batch, latent: Tensor) -> list[Part]:
        if self.n_parts == 1:
            return [Part(batch, latent, 1.0)]
        pieces = zip(*(each.tensor_split(self.n_parts) for each in (batch.images, batch.labels, latent)), strict=True)
        return [
            Part(Batch(images, labels, batch.generator), own, len(labels) / len(latent))
            for images, labels, own in pieces
        ]

    def size(self, *batches: Batch) -> int:
        """Images of the step, in all processes."""
        return sum(len(batch.labels) for batch in batches) * self.processes.parts

    def generate(self, part: Part) -> Tensor:
        with self.autocast():
            fake: Tensor = self.generator(part.latent, part.batch.labels)
        return fake.float()

    def autocast(self) -> torch.autocast:
        precision, device = self.recipe.precision, self.counts.device.type
        return torch.autocast(device, precision, enabled=precision != torch.float32)

    def judge(self, images: Tensor, labels: Tensor) -> Tensor:
        with self.autocast():
            logits: Tensor = self.discriminator(images, labels)
        return logits.float()

    def augmented(self, images: Tensor, batch: Batch) -> Tensor:
        probability = None if self.strength is None else self.strength.probability
        return augment.apply(self.recipe.augmentations, images, batch.generator, probability)

    def update_discriminator(self, parts: list[Part], *, kept: list[Tensor] | None) -> dict[str, Tensor]:
        """kept: gets the fake images with their graph, for the generator's turn; not of several parts."""
        self.discriminator.requires_grad_(True)
        self.pair.optimizers["discriminator"].zero_grad()
        found, total = [], torch.zeros(2, device=self.counts.device)
        for part in parts:
            with torch.set_grad_enabled(kept is not None and len(parts) == 1):
                fake = self.generate(part)
            if kept is not None:
                kept[:] = [fake] if len(parts) == 1 else []
            logs, means = self.discriminator_loss(part, fake.detach())
            found.append(logs)
            total = total + means * part.share
        self.pair.descend("discriminator")
        logs = averaged(found)
        self.ema_logits = torch.lerp(total, self.ema_logits, EMA_DECAY)
        if self.strength is not None:
            seen = self.size(*(part.batch for part in parts))
            self.strength.update(self.steps_done, self.processes.mean(logs["accuracy_real"]), seen)
            logs["augmentation"] = self.strength.probability
        return logs

    def discriminator_loss(self, part: Part, fake: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Add the gradients of one part; what is to be logged, and the mean logits of real and fake."""
        batch = part.batch
        both = self.augmented(torch.cat([batch.images, fake]), batch)
        if self.has_batch_norm:  # real and fake apart, as the generator's turn shows them (Radford et al. 2016)
            real_logits, fake_logits = (self.judge(half, batch.labels) for half in both.chunk(2))
        else:
            real_logits, fake_logits = self.judge(both, batch.labels.repeat(2)).chunk(2)
        loss = self.loss.discriminator(real_logits, fake_logits)
        means = self.processes.mean(torch.stack([real_logits.detach().mean(), fake_logits.detach().mean()]))
        logs = {"loss_discriminator": loss.detach(), **self.accuracy(real_logits.detach(), fake_logits.detach(), means)}
        real, fake = both.chunk(2)
        seen = PenaltyInputs(
            self.discriminator,
            real,
            fake,
            batch.labels,
            real_logits,
            fake_logits,
            self.ema_logits[0],
            self.ema_logits[1],
            batch.generator,
        )
        penalty = self.penalty("discriminator", seen)
        if penalty is not None:
            logs["penalty"] = penalty.detach()
            loss = loss + penalty
        backward(loss, part.share)
        return logs, means

    def update_generator(self, parts: list[Part], *, kept: list[Tensor]) -> dict[str, Tensor]:
        """kept: the images of the only part, as the discriminator's turn made them; is emptied."""
        self.discriminator.requires_grad_(False)  # its weights' gradients would be computed for nothing
        self.pair.optimizers["generator"].zero_grad()
        found = []
        for part in parts:
            shown, batch = kept.pop() if kept and len(parts) == 1 else self.generate(part), part.batch
            kept.clear()  # a graph that a second attempt in more parts would have beside its own
            fake_logits = self.judge(self.augmented(shown, batch), batch.labels)
            if self.loss.relativistic:
                real_logits = self.judge(self.augmented(batch.images, batch), batch.labels)
                loss = self.loss.generator(real_logits, fake_logits)
            else:
                loss = self.loss.generator(fake_logits)
            penalty = self.penalty("generator", self.generator, self.counts)
            loss = loss if penalty is None else loss + penalty
            logs = {"loss_generator": loss.detach()}
            if self.auxiliary_classifier is not None and self.recipe.guidance:
                shortfall = self.auxiliary_classifier.shortfall(shown, batch.labels)
                logs["shortfall"] = shortfall.detach()
                loss = loss + self.recipe.guidance * shortfall
            backward(loss, part.share)
            found.append(logs)
        self.pair.descend("generator")
        return {**averaged(found), "gradient_generator": self.pair.gradient_norm("generator")}

    def penalty(self, network: str, *inputs: object) -> Tensor | None:
        """The weighted sum of this network's penalties whose turn it is."""
        total: Tensor | None = None
        for penalty in self.penalties[network]:
            if self.steps_done > penalty.start and self.steps_done % penalty.every == 0:
                last = penalty.weight if penalty.last_weight is None else penalty.last_weight
                weight = last + (penalty.weight - last) * self.decay
                term = penalty.term(*inputs) * (weight * penalty.every)
                total = term if total is None else total + term
        return total

    def follow_schedules(self, batch: int) -> None:
        """Set rates, penalties and the class's strength for this step from the images seen before it."""
        seen, ramp = (self.steps_done - 1) * batch, self.recipe.conditioning_ramp
        if ramp is not None:
            strength = min(1.0, max(0.0, (seen - ramp[0]) / max(1.0, ramp[1] - ramp[0])))
            for module in self.conditional:
                module.strength.fill_(strength)
        total = self.recipe.lr_decay_images
        self.decay = 1.0 if total is None else (1 + math.cos(math.pi * min(1.0, seen / total))) / 2
        if self.recipe.final_lr_ratio != 1:
            self.pair.decay(self.recipe.final_lr_ratio + (1 - self.recipe.final_lr_ratio) * self.decay)

    def accuracy(self, real_logits: Tensor, fake_logits: Tensor, means: Tensor) -> dict[str, Tensor]:
        """Share of real and of fake images that the discriminator tells rightly; about a half each is convergence.

        means: (2,), of its logits of real and of fake.
        """
        level = self.loss.decision if self.loss.decision is not None else means.mean()
        return {
            "accuracy_real": (real_logits > level).float().mean(),
            "accuracy_fake": (fake_logits < level).float().mean(),
        }

    def scale_rate(self, name: str, factor: float) -> None:
        """Multiply the learning rate of 'generator' or 'discriminator', as it was first set, by `factor`."""
        self.pair.scale(name, factor)

    def state_dict(self) -> Tree:
        """Everything the next step depends on."""
        return {
            **self.pair.state_dict(),
            "average": self.average.module.state_dict(),
            "strength": {} if self.strength is None else self.strength.state_dict(),
            "ema_logits": self.ema_logits,
            "steps_done": self.steps_done,
        }

    def load_state_dict(self, state: Any) -> None:
        """Continue from `state_dict()`."""
        self.pair.load_state_dict(state)
        self.average.module.load_state_dict(state["average"])
        if self.strength is not None:
            self.strength.load_state_dict(state["strength"])
        self.ema_logits = state["ema_logits"].to(self.ema_logits)
        self.steps_done = int(state["steps_done"])


def backward(loss: Tensor, share: float) -> None:
    """Add the gradients of a loss that is the mean over this share of a batch."""
    (loss if share == 1 else loss * share).backward()  # type: ignore[no-untyped-call]


def averaged(logs: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each over the parts."""
    if len(logs) == 1:
        return logs[0]
    return {name: torch.stack([one[name] for one in logs]).mean(0) for name in logs[0]}
