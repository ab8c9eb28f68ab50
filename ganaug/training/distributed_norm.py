"""Batch normalization over the rows of all processes in data-parallel training."""

import torch
from torch import Tensor, nn

from ganaug.training.communication import all_reduce_sum


class DistributedBatchNorm(nn.modules.batchnorm._BatchNorm):  # noqa: SLF001  # as torch's SyncBatchNorm does
    """Batch norm over the rows of all processes.

    Unlike `torch.nn.SyncBatchNorm`, it runs on any device and is twice differentiable, as gradient penalties require.
    """

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002  # torch's name
        """Accept inputs of any number of dimensions."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # torch's name
        """Features (N, C, ...) -> normalized features, same shape."""
        momentum = self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            momentum = 1 / float(self.num_batches_tracked) if momentum is None else momentum
        normalized = distributed_batch_norm(
            input, self.running_mean, self.running_var, training=self.training, momentum=momentum or 0.0, eps=self.eps
        )
        shape = (1, -1, *[1] * (input.ndim - 2))
        scaled: Tensor = (
            normalized if self.weight is None else normalized * self.weight.view(shape) + self.bias.view(shape)
        )
        return scaled


def distributed_batch_norm(
    features: Tensor,
    mean: Tensor | None,
    variance: Tensor | None,
    *,
    training: bool,
    momentum: float,
    eps: float = 1e-5,
) -> Tensor:
    """Replace `torch.nn.functional.batch_norm`, without weight and bias, over the rows of all processes.

    Parameters
    ----------
    features : Tensor of shape (N, C, ...)
        N is the same in all processes.
    mean, variance : Tensor of shape (C,) or None
        Running statistics, updated in place during training.
    training : bool
        Whether to normalize by the statistics of the batch or by the running statistics.
    momentum : float
    eps : float, default=1e-5

    Returns
    -------
    Tensor of shape (N, C, ...)
        Of the dtype of `features`.
    """
    if not training:
        return nn.functional.batch_norm(features, mean, variance, eps=eps)
    # sums over all pixels of a batch lose too much precision in bfloat16
    inputs, axes = features.float(), [0, *range(2, features.ndim)]
    shape = (1, -1, *[1] * (features.ndim - 2))
    count = inputs.numel() // inputs.shape[1] * torch.distributed.get_world_size()
    batch_mean = all_reduce_sum(inputs.sum(axes)) / count
    # a second exchange, because the mean of squares minus the squared mean cancels in float32
    batch_variance = all_reduce_sum((inputs - batch_mean.view(shape)).square().sum(axes)) / count
    if mean is not None and variance is not None:
        mean.lerp_(batch_mean.detach(), momentum)
        # torch's running variance is the unbiased estimate
        variance.lerp_(batch_variance.detach() * (count / (count - 1)), momentum)
    normalized: Tensor = (inputs - batch_mean.view(shape)) * torch.rsqrt(batch_variance + eps).view(shape)
    return normalized.to(features.dtype)
