"""Training steps of Pix2Pix and CycleGAN, a page each. What both share stands first."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from ganaug._runtime.randomness import uniform
from ganaug._runtime.storage import Tree
from ganaug.errors import TrainingError
from ganaug.models.augmentations import Policy
from ganaug.models.augmentations import apply as augmented
from ganaug.models.losses import LOSSES, AdversarialLoss
from ganaug.training.adversarial_pair import AdversarialPair
from ganaug.training.averaging import MovingAverage
from ganaug.training.processes import ALONE, Processes
from ganaug.training.translation_batches import PairBatch


@dataclass(frozen=True)
class TranslationRecipe:
    """How translators are trained; every choice that is not the data or the networks.

    weights: of the losses beside the adversarial one, by name: "l1" (Pix2Pix), "cycle" and "identity" (CycleGAN).
    constant_images: shown at the full rate, which then falls to nothing, linearly, over as many again; None: never.
    augmentations: of images as they are drawn; in pairs, alike on both. pool: images that CycleGAN's discriminators remember.
    """

    loss: AdversarialLoss
    weights: Mapping[str, float]
    rates: tuple[float, float] = (2e-4, 2e-4)
    betas: tuple[float, float] = (0.5, 0.999)
    ema_half_life: float = 1_000
    constant_images: float | None = None
    augmentations: Sequence[Policy] = field(default_factory=list)
    pool: int = 50
    precision: torch.dtype = torch.float32


class TranslationStep(ABC):
    """One update of the discriminators, then one of the generators, on a batch of source and target images."""

    def __init__(
        self, generator: nn.Module, discriminator: nn.Module, recipe: TranslationRecipe, processes: Processes = ALONE
    ) -> None:
        if recipe.loss.penalties or recipe.loss.relativistic or recipe.loss.critic_steps > 1:
            fit = [
                name
                for name, loss in LOSSES.items()
                if not (loss.penalties or loss.relativistic or loss.critic_steps > 1)
            ]
            raise ValueError(f"this loss does not judge images patch by patch. Use one of {', '.join(fit)}.")
        self.recipe, self.loss, self.processes = recipe, recipe.loss, processes
        self.pair = AdversarialPair(
            {"generator": generator, "discriminator": discriminator},
            {"generator": recipe.rates[0], "discriminator": recipe.rates[1]},
            recipe.betas,
            processes,
        )
        self.generator, self.discriminator = self.pair["generator"], self.pair["discriminator"]
        self.average = MovingAverage(generator, recipe.ema_half_life)
        self.steps_done = 0

    def __call__(self, batch: PairBatch) -> dict[str, Tensor]:
        size = len(batch.source) * self.processes.parts
        if self.recipe.constant_images is not None:
            beyond = self.steps_done * size / self.recipe.constant_images - 1
            self.pair.decay(1 - min(1.0, max(0.0, beyond)))
        self.steps_done += 1
        try:
            logs = self.update(self.prepared(batch))
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"a batch of {size} pairs does not fit into the memory of {self.pair.device}. Use a smaller "
                "batch_size, width or image_size."
            ) from error
        self.average.update(self.steps_done * size, size)
        return logs

    @abstractmethod
    def update(self, batch: PairBatch) -> dict[str, Tensor]:
        """Both updates; what is to be logged, detached."""

    @abstractmethod
    def prepared(self, batch: PairBatch) -> PairBatch:
        """The batch with its images augmented."""

    def run(self, network: Callable[..., Tensor], *inputs: Any) -> Tensor:
        """A network at the recipe's precision; its result in float32."""
        precision, device = self.recipe.precision, self.pair.device.type
        with torch.autocast(device, precision, enabled=precision != torch.float32):
            found = network(*inputs)
        return found.float()

    def update_discriminators(self, shown: Sequence[tuple[Callable[..., Tensor], Tensor, Tensor]]) -> dict[str, Tensor]:
        """shown: to each discriminator its real and its fake images. Half of the loss, which slows it down (Isola, 3.3)."""
        self.discriminator.requires_grad_(True)
        self.pair.optimizers["discriminator"].zero_grad()
        losses, real, fake = [], [], []
        for discriminator, originals, made in shown:
            logits = self.run(discriminator, torch.cat([originals, made])).chunk(2)
            losses.append(self.loss.discriminator(*logits) / 2)
            real.append(logits[0].detach().flatten())
            fake.append(logits[1].detach().flatten())
        loss = torch.stack(losses).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        self.pair.descend("discriminator")
        real_logits, fake_logits, level = torch.cat(real), torch.cat(fake), self.loss.decision
        threshold = self.processes.mean(real_logits.mean() + fake_logits.mean()) / 2 if level is None else level
        return {
            "loss_discriminator": loss.detach(),
            "accuracy_real": (real_logits > threshold).float().mean(),
            "accuracy_fake": (fake_logits < threshold).float().mean(),
        }

    def update_generators(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """losses: "adversarial", and those that the recipe weighs."""
        total = torch.stack([self.recipe.weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum()
        self.pair.optimizers["generator"].zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        self.pair.descend("generator")
        found = {name: loss.detach() for name, loss in losses.items() if name != "adversarial"}
        norm = self.pair.gradient_norm("generator")
        return {"loss_generator": losses["adversarial"].detach(), "gradient_generator": norm, **found}

    def scale_rate(self, name: str, factor: float) -> None:
        """Multiply the learning rate of 'generator' or 'discriminator', as it was first set, by `factor`."""
        self.pair.scale(name, factor)

    def state_dict(self) -> Tree:
        """Everything the next step depends on."""
        return {
            **self.pair.state_dict(),
            "average": self.average.module.state_dict(),
            "steps_done": self.steps_done,
        }

    def load_state_dict(self, state: Any) -> None:
        """Continue from `state_dict()`."""
        self.pair.load_state_dict(state)
        self.average.module.load_state_dict(state["average"])
        self.steps_done = int(state["steps_done"])


class Pix2PixStep(TranslationStep):
    """The discriminator sees source and target (Isola et al. 2017, eq. 1); the generator is also held to L1 (eq. 3)."""

    def prepared(self, batch: PairBatch) -> PairBatch:
        n_channels = batch.source.shape[1]
        both = augmented(self.recipe.augmentations, torch.cat([batch.source, batch.target], 1), batch.generator)
        return PairBatch(both[:, :n_channels], both[:, n_channels:], batch.generator)

    def update(self, batch: PairBatch) -> dict[str, Tensor]:
        source, target = batch.source, batch.target
        fake = self.run(self.generator, source, partial(uniform, batch.generator))
        real_pair, fake_pair = torch.cat([source, target], 1), torch.cat([source, fake], 1)
        logs = self.update_discriminators([(self.discriminator, real_pair, fake_pair.detach())])
        self.discriminator.requires_grad_(False)
        adversarial = self.loss.generator(self.run(self.discriminator, fake_pair))
        return logs | self.update_generators({"adversarial": adversarial, "l1": l1_loss(fake, target)})


class CycleGANStep(TranslationStep):
    """Two generators and two discriminators (Zhu et al. 2017, eq. 1 to 3), and the identity loss (section 5.2).

    generator: a ModuleDict of "x_to_y" and "y_to_x"; discriminator: one of "x" and "y". Discriminators see fakes out of a pool
    of earlier ones (section 4; Shrivastava et al. 2017). Where the two sides differ in channels there is no identity.
    """

    def __init__(
        self,
        generator: nn.ModuleDict,
        discriminator: nn.ModuleDict,
        recipe: TranslationRecipe,
        processes: Processes = ALONE,
    ) -> None:
        super().__init__(generator, discriminator, recipe, processes)
        self.pools = {side: ImagePool(recipe.pool) for side in discriminator}

    def prepared(self, batch: PairBatch) -> PairBatch:
        x, y = (augmented(self.recipe.augmentations, side, batch.generator) for side in (batch.source, batch.target))
        return PairBatch(x, y, batch.generator)

    def update(self, batch: PairBatch) -> dict[str, Tensor]:
        x, y = batch.source, batch.target
        to_y, to_x = (partial(self.run, self.generator[name]) for name in ("x_to_y", "y_to_x"))  # type: ignore[index]
        discriminators: Any = self.discriminator
        fake_y, fake_x = to_y(x), to_x(y)
        kept = {side: self.cached(side, fake, batch) for side, fake in (("x", fake_x), ("y", fake_y))}
        logs = self.update_discriminators([(discriminators["x"], x, kept["x"]), (discriminators["y"], y, kept["y"])])
        self.discriminator.requires_grad_(False)
        fooled = [
            self.loss.generator(self.run(discriminators[side], fake)) for side, fake in (("x", fake_x), ("y", fake_y))
        ]
        losses = {"adversarial": fooled[0] + fooled[1], "cycle": l1_loss(to_x(fake_y), x) + l1_loss(to_y(fake_x), y)}
        if self.recipe.weights.get("identity") and x.shape[1] == y.shape[1]:
            losses["identity"] = l1_loss(to_y(y), y) + l1_loss(to_x(x), x)
        return logs | self.update_generators(losses)

    def cached(self, side: str, fake: Tensor, batch: PairBatch) -> Tensor:
        """What the pool shows in place of `fake`; all processes have the same pool."""
        return self.processes.own(self.pools[side](self.processes.whole(fake.detach()), batch.generator))

    def state_dict(self) -> Tree:
        """Everything the next step depends on."""
        return {**super().state_dict(), "pools": {side: pool.images for side, pool in self.pools.items()}}

    def load_state_dict(self, state: Any) -> None:
        """Continue from `state_dict()`."""
        super().load_state_dict(state)
        for side, pool in self.pools.items():
            pool.images = state["pools"][side]


class ImagePool:
    """The last `size` fakes. Once full, half of those it gives are earlier ones, whose place the new ones take."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.images = torch.empty(0)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """(N, C, H, W) -> as many. One image a place: where a batch names a place twice, the first one has it."""
        if not self.size:
            return images
        if not len(self.images):
            self.images = images[:0]
        self.images = self.images.to(images)
        room = max(0, self.size - len(self.images))
        self.images, rest = torch.cat([self.images, images[:room]]), images[room:]
        if not len(rest):
            return images
        # torch's own draws, which give a SharedGenerator's process all rows: `images` is the whole batch
        earlier = torch.rand(len(rest), generator=generator, device=generator.device) < 0.5
        places = torch.randint(self.size, (len(rest),), generator=generator, device=generator.device)
        shown, kept = rest.clone(), self.images.clone()
        for row in torch.nonzero(earlier).flatten().tolist():
            shown[row], kept[places[row]] = kept[places[row]].clone(), rest[row]
        self.images = kept
        return torch.cat([images[:room], shown])
