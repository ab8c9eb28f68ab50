"""Adversarial losses, as data.

A loss is an :class:`AdversarialLoss`: two functions of logits, the penalties that it needs, and how it is trained. The
dictionary `LOSSES` names those that ship with ganaug. To add a loss, add an entry there, or pass an `AdversarialLoss`.

References
----------
- Goodfellow et al. (2014), "Generative Adversarial Nets".
- Mao et al. (2017), "Least Squares Generative Adversarial Networks".
- Lim & Ye (2017), "Geometric GAN".
- Arjovsky et al. (2017), "Wasserstein GAN".
- Gulrajani et al. (2017), "Improved Training of Wasserstein GANs".
- Huang et al. (2024), "The GAN is dead; long live the GAN! A Modern GAN Baseline".

Examples
--------
>>> from ganaug.models import LOSSES
>>> sorted(LOSSES)
['hinge', 'lsgan', 'non-saturating', 'relativistic', 'vanilla', 'wgan', 'wgan-gp']
>>> LOSSES["wgan-gp"].discriminator_steps
5
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import relu, softplus

from ganaug.models.penalties import PENALTIES, Penalty


@dataclass(frozen=True)
class AdversarialLoss:
    """The objectives of discriminator and generator, and what training with them requires.

    Parameters
    ----------
    discriminator : callable
        ``(real, fake) -> loss``. Takes the logits of real and of fake images, each of shape (N,), and returns the
        scalar that the discriminator minimizes.
    generator : callable
        ``(fake) -> loss``. Takes the logits of fake images, shape (N,), and returns the scalar that the generator
        minimizes. With `relativistic`, ``(real, fake) -> loss``.
    penalties : tuple of Penalty, default=()
        Penalties without which this loss does not train. Those that the user selects come on top.
    discriminator_steps : int, default=1
        Discriminator updates per generator update.
    relativistic : bool, default=False
        Whether row i of the real logits is compared with row i of the fake logits, which is of the same class. The
        generator's loss then takes the real logits too.
    allows_batch_norm : bool, default=True
        False if the discriminator must score each image independently of the rest of the batch.

    Examples
    --------
    >>> import torch
    >>> from ganaug.models import AdversarialLoss, hinge_discriminator, negated_mean
    >>> loss = AdversarialLoss(hinge_discriminator, negated_mean, discriminator_steps=2)
    >>> real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-1.0, 0.0])
    >>> loss.discriminator(real, fake).item()  # (0 + 0.5) / 2 + (0 + 1) / 2
    0.75
    >>> loss.generator(fake).item()
    0.5
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[..., Tensor]
    penalties: tuple[Penalty, ...] = ()
    discriminator_steps: int = 1
    relativistic: bool = False
    allows_batch_norm: bool = True


def logistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Binary cross-entropy of real against fake images (Goodfellow et al. 2014, eq. 1).

    Parameters
    ----------
    real, fake : Tensor of shape (N,)
        Logits of real and of fake images.

    Returns
    -------
    Tensor of shape ()
        The mean of log(1 + exp(-real)) plus the mean of log(1 + exp(fake)).

    Examples
    --------
    >>> import torch
    >>> from ganaug.models import logistic_discriminator
    >>> logistic_discriminator(torch.tensor([0.0]), torch.tensor([0.0]))  # 2 log 2
    tensor(1.3863)
    """
    # softplus is stable, while log(sigmoid(x)) is -inf for large negative logits
    return softplus(-real).mean() + softplus(fake).mean()


def minimax_generator(fake: Tensor) -> Tensor:
    """Mean of log(1 - D(G(z))), whose gradient vanishes where D is confident (Goodfellow et al. 2014, eq. 1).

    Parameters
    ----------
    fake : Tensor of shape (N,)
        Logits of fake images.

    Returns
    -------
    Tensor of shape ()

    Examples
    --------
    >>> import torch
    >>> from ganaug.models import minimax_generator
    >>> minimax_generator(torch.tensor([0.0]))  # log(1 - 0.5)
    tensor(-0.6931)
    """
    return -softplus(fake).mean()


def non_saturating_generator(fake: Tensor) -> Tensor:
    """Mean of -log D(G(z)), whose gradient persists where D is confident (Goodfellow et al. 2014, section 3).

    Parameters
    ----------
    fake : Tensor of shape (N,)
        Logits of fake images.

    Returns
    -------
    Tensor of shape ()

    Examples
    --------
    >>> import torch
    >>> from ganaug.models import non_saturating_generator
    >>> non_saturating_generator(torch.tensor([0.0]))  # -log 0.5
    tensor(0.6931)
    """
    return softplus(-fake).mean()


def least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Half the sum of the mean squared distances of real logits to 1 and of fake logits to 0 (Mao et al. 2017, eq. 9).

    Parameters
    ----------
    real, fake : Tensor of shape (N,)
        Logits of real and of fake images.

    Returns
    -------
    Tensor of shape ()

    Examples
    --------
    >>> import torch
    >>> from ganaug.models import least_squares_discriminator
    >>> least_squares_discriminator(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])).item()  # (1/2 + 4/2) / 2
    1.25
    """
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def least_squares_generator(fake: Tensor) -> Tensor:
    """Half the mean squared distance of fake logits to 1 (Mao et al. 2017, eq. 9).

    Parameters
    ----------
    fake : Tensor of shape (N,)
        Logits of fake images.

    Returns
    -------
    Tensor of shape ()

    Examples
    --------
    >>> import torch
    >>> from ganaug.models import least_squares_generator
    >>> least_squares_generator(torch.tensor([1.0, -1.0])).item()  # (0 + 4) / 2 / 2
    1.0
    """
    return (fake - 1).square().mean() / 2


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of the discriminator (Lim & Ye 2017, eq. 2).

    Parameters
    ----------
    real, fake : Tensor of shape (N,)
        Logits of real and of fake images.

    Returns
    -------
    Tensor of shape ()
        The mean of max(0, 1 - real) plus the mean of max(0, 1 + fake).

    Examples
    --------
    >>> import torch
    >>> from ganaug.models import hinge_discriminator
    >>> hinge_discriminator(torch.tensor([2.0, 0.5]), torch.tensor([-1.0, 0.0])).item()  # (0 + 0.5) / 2 + (0 + 1) / 2
    0.75
    """
    return relu(1 - real).mean() + relu(1 + fake).mean()


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Negative of the critic's estimate of the Wasserstein distance (Arjovsky et al. 2017, eq. 2).

    Parameters
    ----------
    real, fake : Tensor of shape (N,)
        Logits of real and of fake images.

    Returns
    -------
    Tensor of shape ()

    Examples
    --------
    >>> import torch
    >>> from ganaug.models import wasserstein_discriminator
    >>> wasserstein_discriminator(torch.tensor([3.0, 1.0]), torch.tensor([0.0, 1.0])).item()  # 0.5 - 2
    -1.5
    """
    return fake.mean() - real.mean()


def negated_mean(fake: Tensor) -> Tensor:
    """Negative mean logit of fake images (Arjovsky et al. 2017, eq. 3; Lim & Ye 2017, eq. 3).

    Parameters
    ----------
    fake : Tensor of shape (N,)
        Logits of fake images.

    Returns
    -------
    Tensor of shape ()

    Examples
    --------
    >>> import torch
    >>> from ganaug.models import negated_mean
    >>> negated_mean(torch.tensor([-1.0, 2.0])).item()
    -0.5
    """
    return -fake.mean()


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Logistic loss on the difference of each pair of a real and a fake image (Huang et al. 2024, eq. 2).

    Parameters
    ----------
    real, fake : Tensor of shape (N,)
        Logits of real and of fake images; row i of both is of the same class.

    Returns
    -------
    Tensor of shape ()

    Examples
    --------
    >>> import torch
    >>> from ganaug.models import relativistic_discriminator
    >>> relativistic_discriminator(torch.tensor([7.0]), torch.tensor([7.0]))  # log 2
    tensor(0.6931)
    """
    return softplus(fake - real).mean()


def relativistic_generator(real: Tensor, fake: Tensor) -> Tensor:
    """`relativistic_discriminator` with real and fake exchanged (Huang et al. 2024, eq. 2).

    Parameters
    ----------
    real, fake : Tensor of shape (N,)
        Logits of real and of fake images; row i of both is of the same class.

    Returns
    -------
    Tensor of shape ()

    Examples
    --------
    >>> import torch
    >>> from ganaug.models import relativistic_discriminator, relativistic_generator
    >>> real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-1.0, 0.0])
    >>> torch.equal(relativistic_generator(real, fake), relativistic_discriminator(fake, real))
    True
    """
    return softplus(real - fake).mean()


LOSSES: dict[str, AdversarialLoss] = {
    "vanilla": AdversarialLoss(logistic_discriminator, minimax_generator),
    "non-saturating": AdversarialLoss(logistic_discriminator, non_saturating_generator),
    "lsgan": AdversarialLoss(least_squares_discriminator, least_squares_generator),
    "hinge": AdversarialLoss(hinge_discriminator, negated_mean),
    # spectral normalization of the discriminator replaces weight clipping (Miyato et al. 2018)
    "wgan": AdversarialLoss(wasserstein_discriminator, negated_mean, discriminator_steps=5, allows_batch_norm=False),
    # the penalty acts on each image by itself; batch norm would couple those of a batch (Gulrajani et al. 2017, sec. 4)
    "wgan-gp": AdversarialLoss(
        wasserstein_discriminator,
        negated_mean,
        penalties=(PENALTIES["gradient-penalty"],),
        discriminator_steps=5,
        allows_batch_norm=False,
    ),
    # converges only with both penalties (Huang et al. 2024, section 2.2)
    "relativistic": AdversarialLoss(
        relativistic_discriminator,
        relativistic_generator,
        penalties=(PENALTIES["r1"], PENALTIES["r2"]),
        relativistic=True,
    ),
}
