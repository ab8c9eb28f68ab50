"""Penalties on the discriminator or the generator, as data.

A penalty is a :class:`Penalty`: a differentiable term, its weight, and when it applies. The dictionary `PENALTIES`
names those that ship with ganaug. To add a penalty, add an entry there, or pass a `Penalty`.

References
----------
- Gulrajani et al. (2017), "Improved Training of Wasserstein GANs".
- Mescheder et al. (2018), "Which Training Methods for GANs do actually Converge?".
- Cui et al. (2019), "Class-Balanced Loss Based on Effective Number of Samples".
- Karras et al. (2020), "Training Generative Adversarial Networks with Limited Data".
- Tseng et al. (2021), "Regularizing Generative Adversarial Networks under Limited Data".
- Rangwani et al. (2022), "Improving GANs for Long-Tailed Data through Group Spectral Regularization".
- Huang et al. (2024), "The GAN is dead; long live the GAN! A Modern GAN Baseline".

Examples
--------
>>> from ganaug.models import PENALTIES
>>> sorted(PENALTIES)
['class-spectral', 'gradient-penalty', 'lazy-r1', 'lecam', 'r1', 'r2']
>>> PENALTIES["lecam"].weight, PENALTIES["lecam"].start
(0.3, 1000)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ganaug._runtime.lookup import lookup, split_names
from ganaug._runtime.randomness import uniform

Discriminator = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class PenaltyInputs:
    """What a penalty on the discriminator is computed from: the images, labels and logits of one update.

    Parameters
    ----------
    discriminator : callable
        ``(images, labels) -> logits``, of shapes (N, C, H, W), (N,) and (N,).
    real, fake : Tensor of shape (N, C, H, W)
        Real and fake images after augmentation, in [-1, 1]. Row i of both is of class ``labels[i]``.
    labels : int64 Tensor of shape (N,)
        -1 for images without a class, which the discriminator judges by themselves.
    real_logits, fake_logits : Tensor of shape (N,)
        The discriminator's logits of `real` and `fake`, differentiable in its weights.
    ema_real_logits, ema_fake_logits : Tensor of shape ()
        Exponential moving averages of the mean logits.
    random : torch.Generator
        Source of all randomness in the penalty. A term that draws from another source makes resuming inexact.

    Examples
    --------
    A user's penalty is a function of these inputs:

    >>> import torch
    >>> from ganaug.models import PenaltyInputs
    >>> def logit_scale(inputs):
    ...     return (inputs.real_logits.square() + inputs.fake_logits.square()).mean()
    >>> images, labels, zero = torch.zeros(2, 1, 4, 4), torch.tensor([0, 1]), torch.tensor(0.0)
    >>> inputs = PenaltyInputs(
    ...     discriminator=lambda images, labels: images.sum((1, 2, 3)),
    ...     real=images,
    ...     fake=images,
    ...     labels=labels,
    ...     real_logits=torch.tensor([1.0, 3.0]),
    ...     fake_logits=torch.tensor([0.0, 0.0]),
    ...     ema_real_logits=zero,
    ...     ema_fake_logits=zero,
    ...     random=torch.Generator(),
    ... )
    >>> logit_scale(inputs).item()  # (1 + 9) / 2
    5.0
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
    """A term that is added to the loss of the discriminator or of the generator.

    Parameters
    ----------
    term : callable
        For the discriminator, ``(inputs: PenaltyInputs) -> scalar Tensor``. For the generator,
        ``(generator: nn.Module, counts: Tensor of shape (K,)) -> scalar Tensor``, with `counts` the training images of
        each class.
    weight : float
        Factor of the term in the loss.
    final_weight : float or None, default=None
        Weight that is reached, along a cosine, after `TrainingRecipe.lr_decay_images` images. None keeps `weight`
        constant.
    every : int, default=1
        Apply the term in every n-th update only, at n times the weight (lazy regularization; Karras et al. 2020,
        appendix B).
    start : int, default=0
        Number of updates before the term applies.
    of : {"discriminator", "generator"}, default="discriminator"
        The network whose loss the term is added to.

    Examples
    --------
    >>> from ganaug.models import Penalty, r1
    >>> lazy_r1 = Penalty(r1, weight=0.005, every=8)  # as PENALTIES["lazy-r1"]
    >>> lazy_r1.of
    'discriminator'
    """

    term: Callable[..., Tensor]
    weight: float
    final_weight: float | None = None
    every: int = 1
    start: int = 0
    of: Literal["discriminator", "generator"] = "discriminator"


def gradient_penalty(inputs: PenaltyInputs) -> Tensor:
    """Squared distance of the discriminator's gradient norm to 1 (Gulrajani et al. 2017, eq. 3).

    The gradient is taken with respect to images drawn uniformly on the lines between row i of the real and row i of the
    fake images.

    Parameters
    ----------
    inputs : PenaltyInputs

    Returns
    -------
    Tensor of shape ()
        The mean over the batch.

    Examples
    --------
    >>> import torch
    >>> from ganaug.models import PenaltyInputs, gradient_penalty
    >>> images, labels, zero = torch.zeros(2, 1, 2, 2), torch.tensor([0, 1]), torch.tensor(0.0)
    >>> def discriminator(images, labels):
    ...     return 2 * images.sum((1, 2, 3))
    >>> logits = discriminator(images, labels)
    >>> inputs = PenaltyInputs(discriminator, images, images, labels, logits, logits, zero, zero, torch.Generator())
    >>> gradient_penalty(inputs).item()  # the gradient is 2 at each of 4 pixels: (4 - 1)^2
    9.0
    """
    # detached, because the penalty trains the discriminator only
    real, fake = inputs.real.detach(), inputs.fake.detach()
    position = uniform(inputs.random, len(real), 1, 1, 1)
    gradient = _input_gradient(inputs, torch.lerp(real, fake, position))
    penalty: Tensor = (gradient.norm(dim=1) - 1).square().mean()
    return penalty


def r1(inputs: PenaltyInputs) -> Tensor:
    """Squared gradient norm of the discriminator on real images (Mescheder et al. 2018, eq. 9).

    Parameters
    ----------
    inputs : PenaltyInputs

    Returns
    -------
    Tensor of shape ()
        The mean over the batch. The paper's gamma is twice the weight of this term.

    Examples
    --------
    >>> import torch
    >>> from ganaug.models import PenaltyInputs, r1
    >>> images, labels, zero = torch.zeros(2, 1, 2, 2), torch.tensor([0, 1]), torch.tensor(0.0)
    >>> def discriminator(images, labels):
    ...     return 2 * images.sum((1, 2, 3))
    >>> logits = discriminator(images, labels)
    >>> inputs = PenaltyInputs(discriminator, images, images, labels, logits, logits, zero, zero, torch.Generator())
    >>> r1(inputs).item()  # the gradient is 2 at each of 4 pixels
    16.0
    """
    return _input_gradient(inputs, inputs.real.detach()).square().sum(dim=1).mean()


def r2(inputs: PenaltyInputs) -> Tensor:
    """Squared gradient norm of the discriminator on fake images (Mescheder et al. 2018, eq. 10).

    Parameters
    ----------
    inputs : PenaltyInputs

    Returns
    -------
    Tensor of shape ()
        The mean over the batch. The paper's gamma is twice the weight of this term.

    Examples
    --------
    >>> import torch
    >>> from ganaug.models import PenaltyInputs, r2
    >>> real, fake = torch.ones(1, 1, 2, 2), -torch.ones(1, 1, 2, 2)
    >>> def discriminator(images, labels):
    ...     return images.clamp_max(0).sum((1, 2, 3))
    >>> label, zero = torch.tensor([0]), torch.tensor(0.0)
    >>> inputs = PenaltyInputs(discriminator, real, fake, label, zero, zero, zero, zero, torch.Generator())
    >>> r2(inputs).item()  # this discriminator is constant on the real image; r1 is 0
    4.0
    """
    return _input_gradient(inputs, inputs.fake.detach()).square().sum(dim=1).mean()


def lecam(inputs: PenaltyInputs) -> Tensor:
    """Squared distance of real logits to the moving average of fake logits, and vice versa (Tseng et al. 2021, eq. 4).

    Parameters
    ----------
    inputs : PenaltyInputs

    Returns
    -------
    Tensor of shape ()

    Examples
    --------
    >>> import torch
    >>> from ganaug.models import PenaltyInputs, lecam
    >>> image, label = torch.zeros(1, 1, 2, 2), torch.tensor([0])
    >>> real_logits, fake_logits = torch.tensor([2.0]), torch.tensor([-1.0])
    >>> ema_real_logits, ema_fake_logits = torch.tensor(1.0), torch.tensor(0.0)
    >>> inputs = PenaltyInputs(
    ...     lambda images, labels: images.sum((1, 2, 3)), image, image, label,
    ...     real_logits, fake_logits, ema_real_logits, ema_fake_logits, torch.Generator(),
    ... )
    >>> lecam(inputs).item()  # (2 - 0)^2 + (-1 - 1)^2
    8.0
    """
    to_fake = (inputs.real_logits - inputs.ema_fake_logits).square().mean()
    return to_fake + (inputs.fake_logits - inputs.ema_real_logits).square().mean()


def effective_numbers(counts: Tensor, beta: float = 0.99) -> Tensor:
    """Effective number of images of each class, (1 - beta^n) / (1 - beta) (Cui et al. 2019, eq. 2).

    Parameters
    ----------
    counts : Tensor of shape (K,)
        Images of each class. 0 counts as 1.
    beta : float, default=0.99
        In [0, 1). At 0 every class counts as one image; toward 1, as its number of images.

    Returns
    -------
    float Tensor of shape (K,)

    Examples
    --------
    >>> import torch
    >>> from ganaug.models import effective_numbers
    >>> effective_numbers(torch.tensor([1, 2, 1000]))
    tensor([ 1.0000,  1.9900, 99.9957])
    """
    return (1 - beta ** counts.clamp_min(1).float()) / (1 - beta)


def class_spectral(generator: nn.Module, counts: Tensor, *, beta: float = 0.99) -> Tensor:
    """Group spectral regularizer (gSR) of class-conditional gains and biases (Rangwani et al. 2022, eq. 6).

    The vectors of gains (minus 1) and of biases of a class are reshaped to the most nearly square matrix. The squared
    spectral norm of that matrix is weighted by the inverse effective number of images of the class, scaled to a mean of
    1 over classes, so rare classes are regularized more.

    Parameters
    ----------
    generator : nn.Module
        Modules with embeddings `gain` and `bias` of K rows are regularized; all others are ignored.
    counts : Tensor of shape (K,)
        Training images of each class.
    beta : float, default=0.99
        See :func:`effective_numbers`.

    Returns
    -------
    Tensor of shape ()
        The mean over layers; 0 for a generator without such modules.

    Examples
    --------
    Gains start at 1 and biases at 0, so the penalty of an untrained generator is 0:

    >>> import torch
    >>> from ganaug.models import NETWORKS, class_spectral
    >>> generator = NETWORKS["mlp"].generator(shape=(1, 8, 8), n_classes=2, latent_size=4, width=2)
    >>> class_spectral(generator, torch.tensor([1000, 2])).item()
    0.0
    """
    weights = 1 / effective_numbers(counts, beta)
    # mean 1, so that the strength of the penalty does not depend on the counts
    weights = weights / weights.mean()
    terms = [weights.new_zeros(())]  # so that the sum of no layers is 0
    for module in generator.modules():
        gain, bias = getattr(module, "gain", None), getattr(module, "bias", None)
        if isinstance(gain, nn.Embedding) and isinstance(bias, nn.Embedding) and len(gain.weight) == len(weights):
            # a layer that treats all classes alike has gains of 1 and biases of 0, and costs nothing
            for table in (gain.weight - 1, bias.weight):
                groups = max(n for n in range(1, int(table.shape[1] ** 0.5) + 1) if table.shape[1] % n == 0)
                norms = torch.linalg.matrix_norm(table.reshape(len(table), groups, -1), ord=2)
                terms.append((weights * norms.square()).mean())
    return torch.stack(terms).sum() / max(1, len(terms) // 2)


def _input_gradient(inputs: PenaltyInputs, images: Tensor) -> Tensor:
    """Differentiable gradient of each logit with respect to its image, flattened: (N, C * H * W)."""
    images = images.requires_grad_(True)
    # create_graph, because the penalty on this gradient is differentiated again
    (gradient,) = torch.autograd.grad(inputs.discriminator(images, inputs.labels).sum(), images, create_graph=True)
    return gradient.flatten(1)


PENALTIES: dict[str, Penalty] = {
    "gradient-penalty": Penalty(gradient_penalty, 10.0),
    # gamma 0.05, decaying to 0.005 (Huang et al. 2024, table 6: CIFAR-10)
    "r1": Penalty(r1, 0.05 / 2, final_weight=0.005 / 2),
    "r2": Penalty(r2, 0.05 / 2, final_weight=0.005 / 2),
    # gamma 0.01 (Karras et al. 2020, table 6: CIFAR-10)
    "lazy-r1": Penalty(r1, 0.01 / 2, every=8),
    # weight 0.3 from step 1,000 on (Tseng et al. 2021, section 4.1)
    "lecam": Penalty(lecam, 0.3, start=1000),
    # weight 0.5 (Rangwani et al. 2022, section 5)
    "class-spectral": Penalty(class_spectral, 0.5, of="generator"),
}


def resolve_penalties(names: str | Sequence[str | Penalty] | None) -> list[Penalty]:
    """Resolve the parameter `penalty` of `TrainingRecipe` to a list of penalties.

    Parameters
    ----------
    names : str, sequence of str or Penalty, or None
        Names joined by commas, or a list of names and objects.

    Returns
    -------
    list of Penalty
        In the order of `names`; empty for None or an empty string.

    Raises
    ------
    ValueError
        If a name is unknown, or an entry is neither a name nor a `Penalty`.

    Examples
    --------
    >>> from ganaug.models.penalties import resolve_penalties
    >>> [penalty.weight for penalty in resolve_penalties("gradient-penalty, lecam")]
    [10.0, 0.3]
    """
    return [lookup(PENALTIES, part, "penalty") for part in split_names(names, "penalty")]
