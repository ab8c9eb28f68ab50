"""Training steps, one page a scheme. A step turns a batch into updates and tensors to log; the loop knows no GAN."""

import torch
from torch import Tensor, nn

from ganaug import augment
from ganaug.augment import Policy
from ganaug.data.batches import Batch
from ganaug.losses import AdversarialLoss
from ganaug.storage import Tree
from ganaug.training.averaging import MovingAverage

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)


class AdversarialStep:
    """One update of the critic, and of the generator when its turn has come (every `loss.critic_steps` steps).

    Fake images take the labels of the real batch. Both kinds pass the augmentations before the critic sees them.
    Raises ValueError for a loss that forbids batch norm with a critic that has it.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        loss: AdversarialLoss,
        *,
        latent_size: int,
        rates: tuple[float, float],
        betas: tuple[float, float],
        augmentations: list[Policy],
        ema_half_life: float,
    ) -> None:
        if not loss.allows_batch_norm and any(isinstance(module, BATCH_NORMS) for module in discriminator.modules()):
            raise ValueError(
                "This loss treats each image by itself, which batch norm in the critic breaks (Gulrajani et al. 2017, "
                "section 4). Use discriminator_norm='spectral' or 'none'."
            )
        self.generator, self.discriminator, self.loss = generator, discriminator, loss
        self.latent_size, self.augmentations = latent_size, augmentations
        self.rates = {"generator": rates[0], "discriminator": rates[1]}
        fused = next(generator.parameters()).device.type in ("cpu", "cuda")
        self.optimisers = {
            "generator": torch.optim.Adam(generator.parameters(), rates[0], betas, fused=fused),
            "discriminator": torch.optim.Adam(discriminator.parameters(), rates[1], betas, fused=fused),
        }
        self.average = MovingAverage(generator, ema_half_life)
        self.steps_done = 0

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        self.steps_done += 1
        generators_turn = self.steps_done % self.loss.critic_steps == 0
        with torch.set_grad_enabled(generators_turn):
            fake = self.generate(batch)
        logs = self.update_discriminator(batch, fake.detach())
        if generators_turn:
            logs |= self.update_generator(batch, fake)
            seen = self.steps_done * len(batch.labels)
            self.average.update(seen, len(batch.labels) * self.loss.critic_steps)
        return logs

    def generate(self, batch: Batch) -> Tensor:
        shape = (len(batch.labels), self.latent_size)
        latent = torch.randn(shape, device=batch.labels.device, generator=batch.generator)
        fake: Tensor = self.generator(latent, batch.labels)
        return fake

    def update_discriminator(self, batch: Batch, fake: Tensor) -> dict[str, Tensor]:
        self.discriminator.requires_grad_(True)
        both = augment.apply(self.augmentations, torch.cat([batch.images, fake]), batch.generator)
        on_real, on_fake = self.discriminator(both, batch.labels.repeat(2)).chunk(2)
        loss = self.loss.discriminator(on_real, on_fake)
        logs = {"loss_discriminator": loss.detach(), **self.accuracy(on_real.detach(), on_fake.detach())}
        if self.loss.penalty is not None:
            real, fake = both.chunk(2)
            penalty = self.loss.penalty(self.discriminator, real, fake, batch.labels, batch.generator)
            logs["penalty"] = penalty.detach()
            loss = loss + penalty
        self.descend("discriminator", loss)
        return logs

    def update_generator(self, batch: Batch, fake: Tensor) -> dict[str, Tensor]:
        self.discriminator.requires_grad_(False)  # its weights' gradients would be computed for nothing
        shown = augment.apply(self.augmentations, fake, batch.generator)
        loss = self.loss.generator(self.discriminator(shown, batch.labels))
        self.descend("generator", loss)
        gradients = [p.grad for p in self.generator.parameters() if p.grad is not None]
        norm = torch.stack(torch._foreach_norm(gradients)).norm()  # noqa: SLF001  # as torch.optim does
        return {"loss_generator": loss.detach(), "gradient_generator": norm}

    def descend(self, name: str, loss: Tensor) -> None:
        self.optimisers[name].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[name].step()

    def accuracy(self, on_real: Tensor, on_fake: Tensor) -> dict[str, Tensor]:
        """Share of real and of fake images that the critic tells rightly; about a half each is convergence."""
        level = self.loss.decision if self.loss.decision is not None else (on_real.mean() + on_fake.mean()) / 2
        return {"accuracy_real": (on_real > level).float().mean(), "accuracy_fake": (on_fake < level).float().mean()}

    def scale_rate(self, name: str, factor: float) -> None:
        """Set the learning rate of 'generator' or 'discriminator' to `factor` times its first value."""
        for group in self.optimisers[name].param_groups:
            group["lr"] = self.rates[name] * factor

    def state_dict(self) -> Tree:
        """Everything the next step depends on."""
        return {
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "average": self.average.module.state_dict(),
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "steps_done": self.steps_done,
        }

    def load_state_dict(self, state: Tree) -> None:
        """Continue from `state_dict()`."""
        self.generator.load_state_dict(state["generator"])  # type: ignore[arg-type]
        self.discriminator.load_state_dict(state["discriminator"])  # type: ignore[arg-type]
        self.average.module.load_state_dict(state["average"])  # type: ignore[arg-type]
        for name, optimiser in self.optimisers.items():
            saved = state["optimisers"][name]  # type: ignore[index]
            moments = {int(key): value for key, value in saved["state"].items()}  # names of a stored tree are strings
            optimiser.load_state_dict({**saved, "state": moments})
            for parameter, own in optimiser.state.items():
                # in the parameter's memory format, else Adam rounds in another order than it did before
                own |= {key: _laid_out_as(value, parameter) for key, value in own.items()}
        self.steps_done = int(state["steps_done"])  # type: ignore[call-overload]


def _laid_out_as(value: Tensor, parameter: Tensor) -> Tensor:
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
