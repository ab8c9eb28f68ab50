"""Adversarial losses as data. One line adds one: an entry in LOSSES, or pass an `AdversarialLoss` of your own."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import relu, softplus

from ganaug.penalties import gradient_penalty


@dataclass(frozen=True)
class AdversarialLoss:
    """What the critic and the generator minimise.

    discriminator: (logits of real (N,), logits of fake (N,)) -> scalar.
    generator: logits of fake (N,) -> scalar.
    penalty: (critic, real, fake, labels, torch.Generator) -> scalar added to the critic's loss; see `penalties`.
    critic_steps: critic updates for each generator update.
    allows_batch_norm: False where the critic must treat each image by itself.
    decision: the logit above which the critic says "real", from which its accuracy is read; None for a Wasserstein
        critic, whose level means nothing: there it is the middle between the mean logits of real and fake.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    penalty: Callable[..., Tensor] | None = None
    critic_steps: int = 1
    allows_batch_norm: bool = True
    decision: float | None = 0.0


def logistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Binary cross entropy of real against fake (Goodfellow et al. 2014, eq. 1)."""
    return softplus(-real).mean() + softplus(fake).mean()


def minimax_generator(fake: Tensor) -> Tensor:
    """log(1 - D(G(z))), which saturates when the critic is sure (Goodfellow et al. 2014, eq. 1)."""
    return -softplus(fake).mean()


def non_saturating_generator(fake: Tensor) -> Tensor:
    """-log D(G(z)), with a gradient also when the critic is sure (Goodfellow et al. 2014, section 3)."""
    return softplus(-fake).mean()


def least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Least squares to 1 for real and 0 for fake (Mao et al. 2017, eq. 9)."""
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def least_squares_generator(fake: Tensor) -> Tensor:
    """Least squares to 1 (Mao et al. 2017, eq. 9)."""
    return (fake - 1).square().mean() / 2


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of the critic (Lim & Ye 2017, eq. 2)."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Minus the critic's estimate of the Wasserstein distance (Arjovsky et al. 2017, eq. 2)."""
    return fake.mean() - real.mean()


def negated_mean(fake: Tensor) -> Tensor:
    """-mean of the critic on fakes (Arjovsky et al. 2017, eq. 3; Lim & Ye 2017, eq. 3)."""
    return -fake.mean()


LOSSES: dict[str, AdversarialLoss] = {
    "vanilla": AdversarialLoss(logistic_discriminator, minimax_generator),
    "non-saturating": AdversarialLoss(logistic_discriminator, non_saturating_generator),
    "lsgan": AdversarialLoss(least_squares_discriminator, least_squares_generator, decision=0.5),
    "hinge": AdversarialLoss(hinge_discriminator, negated_mean),
    # the spectral norm of the critic stands in for weight clipping (Miyato et al. 2018)
    "wgan": AdversarialLoss(
        wasserstein_discriminator, negated_mean, critic_steps=5, allows_batch_norm=False, decision=None
    ),
    "wgan-gp": AdversarialLoss(
        wasserstein_discriminator,
        negated_mean,
        penalty=gradient_penalty,
        critic_steps=5,
        allows_batch_norm=False,
        decision=None,
    ),
}
