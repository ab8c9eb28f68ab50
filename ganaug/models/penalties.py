"""Penalties on discriminator and generator as data. One line adds one: an entry in PENALTIES, or pass your own `Penalty`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ganaug._runtime.lookup import listed, lookup
from ganaug._runtime.randomness import uniform

Discriminator = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class PenaltyInputs:
    """What the discriminator saw and said in one update.

    real, fake: (N, C, H, W), augmented; row i of both is of class labels[i]. real_logits, fake_logits: its logits, (N,).
    ema_real_logits, ema_fake_logits: running means of those logits, scalars. random: the source of further draws.
    """

    discriminator: Discriminator
    real: Tensor
    fake: Tensor
    labels: Tensor
    real_logits: Tensor
    fake_logits: Tensor
    ema_real_logits: Tensor
    ema_fake_logits: Tensor
    random: torch.Generator


@dataclass(frozen=True)
class Penalty:
    """A term that is added to a loss.

    term: `PenaltyInputs` -> scalar; for the generator, (generator module, images of each class (K,)) -> scalar.
    weight: what the term is multiplied with. last_weight: what that becomes over the run's `lr_decay_images`; None: as is.
    every: taken at every n-th update only, at n times the weight (lazy regularization, Karras et al. 2020, appendix B).
    start: updates before which it is off.
    """

    term: Callable[..., Tensor]
    weight: float
    last_weight: float | None = None
    every: int = 1
    start: int = 0
    of: Literal["discriminator", "generator"] = "discriminator"


def gradient_penalty(inputs: PenaltyInputs) -> Tensor:
    """Mean (|grad of the discriminator between real and fake| - 1)^2 (Gulrajani et al. 2017, eq. 3).

    The points are drawn uniformly on the lines between row i of real and row i of fake.
    """
    real, fake = inputs.real.detach(), inputs.fake.detach()
    share = uniform(inputs.random, len(real), 1, 1, 1)
    gradient = _gradient(inputs, torch.lerp(real, fake, share))
    penalty: Tensor = (gradient.norm(dim=1) - 1).square().mean()
    return penalty


def r1(inputs: PenaltyInputs) -> Tensor:
    """Mean |grad of the discriminator|^2 on real images (Mescheder et al. 2018, eq. 9). Its weight is gamma / 2."""
    return _gradient(inputs, inputs.real.detach()).square().sum(dim=1).mean()


def r2(inputs: PenaltyInputs) -> Tensor:
    """Mean |grad of the discriminator|^2 on fake images (Mescheder et al. 2018, eq. 10). Its weight is gamma / 2."""
    return _gradient(inputs, inputs.fake.detach()).square().sum(dim=1).mean()


def lecam(inputs: PenaltyInputs) -> Tensor:
    """Distance of logits from the other side's running mean (Tseng et al. 2021, eq. 4)."""
    to_fake = (inputs.real_logits - inputs.ema_fake_logits).square().mean()
    return to_fake + (inputs.fake_logits - inputs.ema_real_logits).square().mean()


def effective_numbers(counts: Tensor, beta: float = 0.99) -> Tensor:
    """What n images of a class are worth: (1 - beta^n) / (1 - beta) (Cui et al. 2019, eq. 2). (K,) -> (K,)."""
    return (1 - beta ** counts.clamp_min(1).float()) / (1 - beta)


def class_spectral(generator: nn.Module, counts: Tensor, *, beta: float = 0.99) -> Tensor:
    """gSR: squared spectral norms of class gains and biases, more for rare classes (Rangwani et al. 2022, eq. 6).

    Gains (less 1) and biases of a class are folded into the squarest matrix; weights are inverse effective numbers of
    images, scaled to a mean of 1 over classes. Mean over layers.
    """
    weights = 1 / effective_numbers(counts, beta)
    weights = weights / weights.mean()
    terms = [weights.new_zeros(())]
    for module in generator.modules():
        gain, bias = getattr(module, "gain", None), getattr(module, "bias", None)
        if isinstance(gain, nn.Embedding) and isinstance(bias, nn.Embedding) and len(gain.weight) == len(weights):
            for table in (gain.weight - 1, bias.weight):
                groups = max(n for n in range(1, int(table.shape[1] ** 0.5) + 1) if table.shape[1] % n == 0)
                norms = torch.linalg.matrix_norm(table.reshape(len(table), groups, -1), ord=2)
                terms.append((weights * norms.square()).mean())
    return torch.stack(terms).sum() / max(1, len(terms) // 2)


def _gradient(inputs: PenaltyInputs, where: Tensor) -> Tensor:
    """Gradient of each logit with respect to its own image: (N, D)."""
    where = where.requires_grad_(True)
    (gradient,) = torch.autograd.grad(inputs.discriminator(where, inputs.labels).sum(), where, create_graph=True)
    return gradient.flatten(1)


PENALTIES: dict[str, Penalty] = {
    "gradient-penalty": Penalty(gradient_penalty, 10.0),
    # gamma 0.05, falling to 0.005 (Huang et al. 2024, table 6: CIFAR-10)
    "r1": Penalty(r1, 0.05 / 2, last_weight=0.005 / 2),
    "r2": Penalty(r2, 0.05 / 2, last_weight=0.005 / 2),
    # gamma 0.01 (Karras et al. 2020, table 6: CIFAR-10)
    "lazy-r1": Penalty(r1, 0.01 / 2, every=8),
    # weight 0.3 from step 1,000 (Tseng et al. 2021, section 4.1)
    "lecam": Penalty(lecam, 0.3, start=1000),
    # weight 0.5 (Rangwani et al. 2022, section 5)
    "class-spectral": Penalty(class_spectral, 0.5, of="generator"),
}


def penalties(names: str | Sequence[str | Penalty] | None) -> list[Penalty]:
    """'r1', names joined by commas, a list of names or Penalty objects, or None -> the penalties in order.

    Raises ValueError for an unknown name.
    """
    return [lookup(PENALTIES, part, "penalty") for part in listed(names, "penalty")]
