"""Adversarial losses as data. One line adds one: an entry in LOSSES, or pass an `AdversarialLoss` of your own."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import relu, softplus

from ganaug.models.penalties import PENALTIES, Penalty


@dataclass(frozen=True)
class AdversarialLoss:
    """What the discriminator and the generator minimize.

    discriminator: (logits of real (N,), logits of fake (N,)) -> scalar.
    generator: logits of fake (N,) -> scalar; of a relativistic loss, (logits of real, logits of fake) -> scalar.
    penalties: what the loss cannot do without; see `penalties`.
    critic_steps: discriminator updates for each generator update.
    relativistic: row i of real is compared with row i of fake, of the same class, also in the generator's turn.
    allows_batch_norm: False where the discriminator must treat each image by itself.
    decision: the logit above which the discriminator says "real", from which its accuracy is read; None for a Wasserstein
        discriminator, whose level means nothing: there it is the middle between the mean logits of real and fake.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[..., Tensor]
    penalties: tuple[Penalty, ...] = ()
    critic_steps: int = 1
    relativistic: bool = False
    allows_batch_norm: bool = True
    decision: float | None = 0.0


def logistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Binary cross entropy of real against fake (Goodfellow et al. 2014, eq. 1)."""
    return softplus(-real).mean() + softplus(fake).mean()


def minimax_generator(fake: Tensor) -> Tensor:
    """log(1 - D(G(z))), which saturates when the discriminator is sure (Goodfellow et al. 2014, eq. 1)."""
    return -softplus(fake).mean()


def non_saturating_generator(fake: Tensor) -> Tensor:
    """-log D(G(z)), with a gradient also when the discriminator is sure (Goodfellow et al. 2014, section 3)."""
    return softplus(-fake).mean()


def least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Least squares to 1 for real and 0 for fake (Mao et al. 2017, eq. 9)."""
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def least_squares_generator(fake: Tensor) -> Tensor:
    """Least squares to 1 (Mao et al. 2017, eq. 9)."""
    return (fake - 1).square().mean() / 2


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of the discriminator (Lim & Ye 2017, eq. 2)."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Minus the discriminator's estimate of the Wasserstein distance (Arjovsky et al. 2017, eq. 2)."""
    return fake.mean() - real.mean()


def negated_mean(fake: Tensor) -> Tensor:
    """-mean of the discriminator on fakes (Arjovsky et al. 2017, eq. 3; Lim & Ye 2017, eq. 3)."""
    return -fake.mean()


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Logistic loss of each real image against its fake partner (Huang et al. 2024, eq. 2)."""
    return softplus(fake - real).mean()


def relativistic_generator(real: Tensor, fake: Tensor) -> Tensor:
    """The same pairs with the sides changed (Huang et al. 2024, eq. 2)."""
    return softplus(real - fake).mean()


LOSSES: dict[str, AdversarialLoss] = {
    "vanilla": AdversarialLoss(logistic_discriminator, minimax_generator),
    "non-saturating": AdversarialLoss(logistic_discriminator, non_saturating_generator),
    "lsgan": AdversarialLoss(least_squares_discriminator, least_squares_generator, decision=0.5),
    "hinge": AdversarialLoss(hinge_discriminator, negated_mean),
    # the spectral norm of the discriminator stands in for weight clipping (Miyato et al. 2018)
    "wgan": AdversarialLoss(
        wasserstein_discriminator, negated_mean, critic_steps=5, allows_batch_norm=False, decision=None
    ),
    "wgan-gp": AdversarialLoss(
        wasserstein_discriminator,
        negated_mean,
        penalties=(PENALTIES["gradient-penalty"],),
        critic_steps=5,
        allows_batch_norm=False,
        decision=None,
    ),
    # converges only with its two penalties (Huang et al. 2024, section 2.2); the level of its logits means nothing
    "relativistic": AdversarialLoss(
        relativistic_discriminator,
        relativistic_generator,
        penalties=(PENALTIES["r1"], PENALTIES["r2"]),
        relativistic=True,
        decision=None,
    ),
}
