"""Penalties on the critic's gradient."""

from collections.abc import Callable

import torch
from torch import Tensor

Critic = Callable[[Tensor, Tensor], Tensor]


def gradient_penalty(
    critic: Critic, real: Tensor, fake: Tensor, labels: Tensor, generator: torch.Generator, *, weight: float = 10.0
) -> Tensor:
    """WGAN-GP: weight * mean (|grad of the critic between real and fake| - 1)^2 (Gulrajani et al. 2017, eq. 3).

    real, fake: (N, C, H, W), row i of both of class labels[i]. The points are drawn uniformly on the lines between.
    """
    share = torch.rand(len(real), 1, 1, 1, device=real.device, generator=generator)
    between = torch.lerp(real.detach(), fake.detach(), share).requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(between, labels).sum(), between, create_graph=True)
    penalty: Tensor = weight * (gradient.flatten(1).norm(dim=1) - 1).square().mean()
    return penalty
