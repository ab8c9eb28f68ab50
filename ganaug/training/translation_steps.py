"""The training steps of Pix2Pix and CycleGAN, after what both share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from ganaug._runtime.randomness import uniform
from ganaug._runtime.storage import Tree
from ganaug.errors import TrainingError
from ganaug.models.augmentations import Augmentation
from ganaug.models.augmentations import apply as augment
from ganaug.models.losses import LOSSES, AdversarialLoss
from ganaug.training.adversarial_pair import AdversarialPair, discrimination
from ganaug.training.averaging import MovingAverage
from ganaug.training.engine import resolve_precision
from ganaug.training.processes import SINGLE_PROCESS, Processes
from ganaug.training.recipe import TranslationRecipe
from ganaug.training.translation_batches import TranslationBatch

# (discriminator, its real images, its fake images)
DiscriminatorInput = tuple[Callable[..., Tensor], Tensor, Tensor]


class TranslationStep(ABC):
    """One update of the discriminators, then one of the generators, on a batch of source and target images. Abstract.

    Parameters
    ----------
    generator, discriminator : nn.Module
        On their device; CycleGAN has a ModuleDict of each.
    loss : AdversarialLoss
    recipe : TranslationRecipe
    weights : mapping
        Weights of the losses in addition to the adversarial one: "l1" (Pix2Pix), "cycle" and "identity" (CycleGAN).
    augmentations : sequence of callable
        Applied to images as they are drawn.
    constant_images : float, optional
        Images over which the learning rates are constant. Over as many again they fall linearly to zero. None:
        constant.
    processes : Processes
        Those that train together; each gets its rows of a batch.

    Raises
    ------
    ValueError
        If the loss has penalties, is relativistic, or trains the discriminator more often than the generator.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        loss: AdversarialLoss,
        recipe: TranslationRecipe,
        *,
        weights: Mapping[str, float],
        augmentations: Sequence[Augmentation] = (),
        constant_images: float | None = None,
        processes: Processes = SINGLE_PROCESS,
    ) -> None:
        if not _is_patchwise(loss):
            suitable = [name for name, known in LOSSES.items() if _is_patchwise(known)]
            raise ValueError(f"this loss does not judge images patch by patch. Use one of {', '.join(suitable)}.")
        self.loss, self.recipe, self.weights, self.processes = loss, recipe, weights, processes
        self.augmentations, self.constant_images = augmentations, constant_images
        self.pair = AdversarialPair(generator, discriminator, recipe, processes)
        self.generator, self.discriminator = self.pair["generator"], self.pair["discriminator"]
        self.precision = resolve_precision(recipe.precision, self.pair.device)
        self.average = MovingAverage(generator, recipe.ema_half_life)
        self.steps_done = 0

    def __call__(self, batch: TranslationBatch) -> dict[str, Tensor]:
        """Update the networks on one batch and return what is logged: scalars, detached."""
        batch_size = len(batch.source) * self.processes.world_size
        if self.constant_images is not None:
            decayed = self.steps_done * batch_size / self.constant_images - 1
            self.pair.decay(1 - min(1.0, max(0.0, decayed)))
        self.steps_done += 1
        try:
            logs = self.update(self.augmented(batch))
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"a batch of {batch_size} pairs does not fit into the memory of {self.pair.device}. Use a smaller "
                "batch_size, width or image_size."
            ) from error
        self.average.update(self.steps_done * batch_size, batch_size)
        return logs

    @abstractmethod
    def update(self, batch: TranslationBatch) -> dict[str, Tensor]:
        """Update discriminators and generators on augmented images, and return what is logged."""

    @abstractmethod
    def augmented(self, batch: TranslationBatch) -> TranslationBatch:
        """Return the batch with its images augmented."""

    def run(self, network: Callable[..., Tensor], *inputs: Any) -> Tensor:
        """Run a network at the recipe's precision. The result is float32."""
        enabled = self.precision != torch.float32
        with torch.autocast(self.pair.device.type, self.precision, enabled=enabled):
            output = network(*inputs)
        return output.float()

    def update_discriminators(self, inputs: Sequence[DiscriminatorInput]) -> dict[str, Tensor]:
        """Update every discriminator on its real and fake images.

        The loss is halved, which slows the discriminators down (Isola et al. 2017, section 3.3).
        """
        self.discriminator.requires_grad_(True)
        self.pair.optimizers["discriminator"].zero_grad()
        losses, all_real, all_fake = [], [], []
        for discriminator, real, fake in inputs:
            # one pass is faster than two, and instance norm does not mix real and fake images
            logits = self.run(discriminator, torch.cat([real, fake])).chunk(2)
            # halved to slow down the discriminator relative to the generator (Isola et al. 2017, section 3.3)
            losses.append(self.loss.discriminator(*logits) / 2)
            all_real.append(logits[0].detach().flatten())
            all_fake.append(logits[1].detach().flatten())
        loss = torch.stack(losses).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        self.pair.descend("discriminator")
        real_logits, fake_logits = torch.cat(all_real), torch.cat(all_fake)
        means = self.processes.all_reduce_mean(torch.stack([real_logits.mean(), fake_logits.mean()]))
        return {"loss_discriminator": loss.detach(), **discrimination(real_logits, fake_logits, means)}

    def update_generators(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Update the generators by the weighted sum of `losses`: "adversarial", and those of `weights`."""
        total = torch.stack([self.weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum()
        self.pair.optimizers["generator"].zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        self.pair.descend("generator")
        other = {name: loss.detach() for name, loss in losses.items() if name != "adversarial"}
        norm = self.pair.gradient_norm("generator")
        return {"loss_generator": losses["adversarial"].detach(), "gradient_generator": norm, **other}

    def scale_rate(self, name: str, factor: float) -> None:
        """Set the learning rate of "generator" or "discriminator" to `factor` times its first value."""
        self.pair.scale(name, factor)

    def state_dict(self) -> Tree:
        """Return everything that the next step depends on."""
        return {
            **self.pair.state_dict(),
            "average": self.average.module.state_dict(),
            "steps_done": self.steps_done,
        }

    def load_state_dict(self, state: Any) -> None:
        """Continue from a `state_dict()`."""
        self.pair.load_state_dict(state)
        self.average.module.load_state_dict(state["average"])
        self.steps_done = int(state["steps_done"])


class Pix2PixStep(TranslationStep):
    """The discriminator sees source and target, the generator also has an L1 loss (Isola et al. 2017, eq. 1 and 3)."""

    def augmented(self, batch: TranslationBatch) -> TranslationBatch:
        """Augment source and target alike."""
        n_channels = batch.source.shape[1]
        both = augment(self.augmentations, torch.cat([batch.source, batch.target], 1), batch.generator)
        return TranslationBatch(both[:, :n_channels], both[:, n_channels:], batch.generator)

    def update(self, batch: TranslationBatch) -> dict[str, Tensor]:
        """Update on one batch of pairs."""
        source, target = batch.source, batch.target
        fake = self.run(self.generator, source, partial(uniform, batch.generator))
        real_pair, fake_pair = torch.cat([source, target], 1), torch.cat([source, fake], 1)
        logs = self.update_discriminators([(self.discriminator, real_pair, fake_pair.detach())])
        # the generator's update would compute gradients of these weights and not use them
        self.discriminator.requires_grad_(False)
        adversarial = self.loss.generator(self.run(self.discriminator, fake_pair))
        return logs | self.update_generators({"adversarial": adversarial, "l1": l1_loss(fake, target)})


class CycleGANStep(TranslationStep):
    """Two generators and two discriminators (Zhu et al. 2017, eq. 1 to 3), and the identity loss (section 5.2).

    x is the source domain, y the target. `generator` is a ModuleDict with the keys "x_to_y" and "y_to_x", and
    `discriminator` one with the keys "x" and "y". Discriminators see fake images out of a pool of earlier ones (section
    4; Shrivastava et al. 2017). Domains with different numbers of channels have no identity loss.
    """

    def __init__(
        self,
        generator: nn.ModuleDict,
        discriminator: nn.ModuleDict,
        loss: AdversarialLoss,
        recipe: TranslationRecipe,
        **options: Any,
    ) -> None:
        super().__init__(generator, discriminator, loss, recipe, **options)
        self.pools = {domain: ImagePool(recipe.pool_size) for domain in discriminator}

    def augmented(self, batch: TranslationBatch) -> TranslationBatch:
        """Augment each domain by itself."""
        x, y = (augment(self.augmentations, images, batch.generator) for images in (batch.source, batch.target))
        return TranslationBatch(x, y, batch.generator)

    def update(self, batch: TranslationBatch) -> dict[str, Tensor]:
        """Update on one batch of images of both domains."""
        x, y = batch.source, batch.target
        to_y, to_x = (partial(self.run, self.generator[name]) for name in ("x_to_y", "y_to_x"))  # type: ignore[index]
        discriminators: Any = self.discriminator
        fake_y, fake_x = to_y(x), to_x(y)
        pooled_x, pooled_y = self._pooled("x", fake_x, batch), self._pooled("y", fake_y, batch)
        logs = self.update_discriminators([(discriminators["x"], x, pooled_x), (discriminators["y"], y, pooled_y)])
        self.discriminator.requires_grad_(False)
        adversarial_x = self.loss.generator(self.run(discriminators["x"], fake_x))
        adversarial_y = self.loss.generator(self.run(discriminators["y"], fake_y))
        losses = {
            "adversarial": adversarial_x + adversarial_y,
            "cycle": l1_loss(to_x(fake_y), x) + l1_loss(to_y(fake_x), y),
        }
        # a generator cannot be applied to images with another number of channels
        if self.weights.get("identity") and x.shape[1] == y.shape[1]:
            losses["identity"] = l1_loss(to_y(y), y) + l1_loss(to_x(x), x)
        return logs | self.update_generators(losses)

    def state_dict(self) -> Tree:
        """Return everything that the next step depends on."""
        return {**super().state_dict(), "pools": {domain: pool.images for domain, pool in self.pools.items()}}

    def load_state_dict(self, state: Any) -> None:
        """Continue from a `state_dict()`."""
        super().load_state_dict(state)
        for domain, pool in self.pools.items():
            pool.images = state["pools"][domain]

    def _pooled(self, domain: str, fake: Tensor, batch: TranslationBatch) -> Tensor:
        """Return what the pool of a domain shows in place of `fake`. All processes have the same pool."""
        return self.processes.local_rows(self.pools[domain](self.processes.all_gather(fake.detach()), batch.generator))


class ImagePool:
    """A pool of fake images, by which discriminators see earlier ones (Shrivastava et al. 2017, section 2.3).

    Once the pool is full, about half of the images it returns are earlier ones, which new ones replace.

    Parameters
    ----------
    size : int
        Images in the pool. 0: returns what it receives.

    Examples
    --------
    >>> import torch
    >>> from ganaug.training.translation_steps import ImagePool
    >>> pool, draws = ImagePool(size=2), torch.Generator().manual_seed(0)
    >>> pool(torch.zeros(2, 1, 1, 1), draws).flatten()
    tensor([0., 0.])
    >>> pool(torch.ones(4, 1, 1, 1), draws).flatten().sum() < 4
    tensor(True)
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.images = torch.empty(0, dtype=torch.float32)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return as many images (N, C, H, W) as it receives.

        Where a batch draws a place of the pool twice, the first of its images gets the earlier one.
        """
        if not self.size:
            return images
        if not len(self.images):
            self.images = images[:0]
        # a pool that was loaded from a checkpoint is on the CPU
        self.images = self.images.to(images)
        n_free = max(0, self.size - len(self.images))
        self.images, rest = torch.cat([self.images, images[:n_free]]), images[n_free:]
        if not len(rest):
            return images
        # torch's functions, not ganaug's, because `images` is the whole batch in every process
        is_exchanged = torch.rand(len(rest), generator=generator, dtype=torch.float32, device=generator.device) < 0.5
        places = torch.randint(self.size, (len(rest),), generator=generator, device=generator.device)
        shown, pool = rest.clone(), self.images.clone()
        for row in torch.nonzero(is_exchanged).flatten().tolist():
            shown[row], pool[places[row]] = pool[places[row]].clone(), rest[row]
        self.images = pool
        return torch.cat([images[:n_free], shown])


def _is_patchwise(loss: AdversarialLoss) -> bool:
    """Return whether a loss can judge patches: no penalty, no pairs of real and fake, one update of each network."""
    return not (loss.penalties or loss.relativistic or loss.discriminator_steps > 1)
