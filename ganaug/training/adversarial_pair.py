"""A generator and a discriminator that train against each other, each with its optimizer and learning rate."""

from typing import Any

import torch
from torch import Tensor, nn

from ganaug._runtime.storage import Tree
from ganaug.training.processes import Processes, synchronize_batch_norm
from ganaug.training.recipe import TrainingRecipe, TranslationRecipe

DEFAULT_LR = 4e-4


class AdversarialPair:
    """Networks by name, each with a fused Adam optimizer; what every training step does with them.

    A step calls `descend` after its backward pass. A run lowers the learning rate of one network by `scale`.

    Parameters
    ----------
    generator, discriminator : nn.Module
        On their device. `pair["generator"]` is the module as all processes share it.
    recipe : TrainingRecipe or TranslationRecipe
        Holds the learning rates, None for 4e-4, and the decay rates of Adam's moments.
    processes : Processes
        Those that train together.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        recipe: TrainingRecipe | TranslationRecipe,
        processes: Processes,
    ) -> None:
        modules = {"generator": generator, "discriminator": discriminator}
        self.processes = processes
        self.rates = {
            "generator": recipe.generator_lr or DEFAULT_LR,
            "discriminator": recipe.discriminator_lr or DEFAULT_LR,
        }
        # before the optimizers, because replaced batch norms have new parameters
        self.modules = {name: synchronize_batch_norm(module, processes) for name, module in modules.items()}
        self.factors = dict.fromkeys(modules, 1.0)
        self.fraction = 1.0
        self.device = next(generator.parameters()).device
        # one kernel for many parameters is faster than an operation for each; not every device has it
        fused = self.device.type in ("cpu", "cuda")
        self.optimizers = {
            name: torch.optim.Adam(module.parameters(), self.rates[name], recipe.betas, fused=fused)
            for name, module in modules.items()
        }

    def __getitem__(self, name: str) -> nn.Module:
        return self.modules[name]

    def descend(self, name: str) -> None:
        """Update one network by its gradients, averaged over processes."""
        self.processes.average_gradients(self.modules[name].parameters())
        self.optimizers[name].step()

    def decay(self, fraction: float) -> None:
        """Multiply every learning rate by a fraction of its first value, on top of `scale`."""
        self.fraction = fraction
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                # from the first value, not the current one, so that repeated calls do not compound
                group["lr"] = self.rates[name] * self.factors[name] * fraction

    def scale(self, name: str, factor: float) -> None:
        """Set the learning rate of one network to `factor` times its first value."""
        self.factors[name] = factor
        self.decay(self.fraction)

    def gradient_norm(self, name: str) -> Tensor:
        """Return the norm of the gradients of the last backward pass, a scalar."""
        return nn.utils.get_total_norm([p.grad for p in self.modules[name].parameters() if p.grad is not None])

    def state_dict(self) -> Tree:
        """Return weights, optimizer states and the factors of the learning rates."""
        return {
            **{name: module.state_dict() for name, module in self.modules.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "factors": self.factors,
        }

    def load_state_dict(self, state: Any) -> None:
        """Continue from a `state_dict()`."""
        for name, module in self.modules.items():
            module.load_state_dict(state[name])
        for name, optimizer in self.optimizers.items():
            saved = state["optimizers"][name]
            moments = {int(key): value for key, value in saved["state"].items()}  # keys of a stored tree are strings
            optimizer.load_state_dict({**saved, "state": moments})
            for parameter, state_of_parameter in optimizer.state.items():
                # in another memory format Adam would round in another order
                state_of_parameter |= {
                    key: _in_memory_format_of(value, parameter) for key, value in state_of_parameter.items()
                }
        self.factors = {name: float(factor) for name, factor in state["factors"].items()}


def discrimination(real_logits: Tensor, fake_logits: Tensor, means: Tensor) -> dict[str, Tensor]:
    """Return how well a discriminator tells real from fake images: what is logged of its logits.

    Parameters
    ----------
    real_logits, fake_logits : Tensor of shape (N,)
        Detached.
    means : Tensor of shape (2,)
        Mean logits of real and of fake images in all processes.

    Returns
    -------
    dict of str to Tensor
        "gap": the difference of the means. "accuracy_real" and "accuracy_fake": fractions on the right side of the
        middle between the means; 0.5 is at chance. The sign of a logit would say little: within the margin of the
        hinge loss, and for Wasserstein losses, the level of logits has no gradient and drifts.

    Examples
    --------
    >>> import torch
    >>> from ganaug.training.adversarial_pair import discrimination
    >>> real, fake = torch.tensor([5.0, 7.0]), torch.tensor([3.0, 6.5])
    >>> discrimination(real, fake, torch.stack([real.mean(), fake.mean()]))
    {'gap': tensor(1.2500), 'accuracy_real': tensor(0.5000), 'accuracy_fake': tensor(0.5000)}
    """
    middle = means.mean()
    return {
        "gap": means[0] - means[1],
        "accuracy_real": (real_logits > middle).float().mean(),
        "accuracy_fake": (fake_logits < middle).float().mean(),
    }


def norm_of_images(gradient: Tensor | None) -> Tensor:
    """Return the root mean square, over images, of the norms of gradients (N, C, H, W)."""
    assert gradient is not None
    norm: Tensor = gradient.norm() / len(gradient) ** 0.5
    return norm


def _in_memory_format_of(value: Tensor, parameter: Tensor) -> Tensor:
    """Return a moment in the memory format of its parameter; scalars as they are."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
