"""The Vendi score: how many different points a set has, effectively."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

SMALLEST_EIGENVALUE = 1e-12  # eigenvalues up to this are rounding errors of 0


def vendi_score(features: Tensor) -> float:
    """Compute the Vendi score: the effective number of different rows.

    Parameters
    ----------
    features : Tensor
        (N, D).

    Returns
    -------
    float
        From 1, where all rows point in one direction, to N, where all are orthogonal; 0 without rows. It grows with N,
        so compare sets of equal N only.

    Notes
    -----
    The score is the exponential of the Shannon entropy of the eigenvalues of K / N, where K holds the cosines of all
    pairs of rows.

    References
    ----------
    Friedman & Dieng, "The Vendi Score: A Diversity Evaluation Metric for Machine Learning", TMLR 2023, eq. 2.

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import vendi_score
    >>> round(vendi_score(torch.eye(3).repeat(5, 1)), 6)
    3.0
    """
    if not len(features):
        return 0.0
    # rows of norm 1 give a kernel with k(x, x) = 1, which the definition of the score requires
    unit = normalize(features.double(), dim=1)
    # both Gram matrices have the same eigenvalues, except for zeros: the smaller one is faster
    return _exp_entropy(unit @ unit.T if len(unit) <= unit.shape[1] else unit.T @ unit, len(unit))


def vendi_ratio(real: Tensor, synthetic: Tensor, halves: Tensor) -> tuple[float, float]:
    """Compute the Vendi score of synthetic points divided by that of equally many real points.

    Parameters
    ----------
    real, synthetic : Tensor
        Features (N, D) each.
    halves : Tensor
        int64, (B, N // 2): rows of B half-samples, for the standard error.

    Returns
    -------
    ratio : float
        About 1 where both sets are equally diverse, lower where the synthetic points are less diverse.
    error : float
        Its standard error: the standard deviation of the ratio over the half-samples.

    References
    ----------
    Friedman & Dieng 2023, eq. 2, for the score. Shao & Wu, "A general theory for jackknife variance estimation", 1989,
    for the error by half-samples (delete-half jackknife).

    Examples
    --------
    >>> import torch
    >>> from ganaug.metrics import vendi_ratio
    >>> generator = torch.Generator().manual_seed(0)
    >>> real, synthetic = torch.randn(2, 40, 8, generator=generator)
    >>> halves = torch.stack([torch.randperm(40, generator=generator)[:20] for _ in range(10)])
    >>> collapsed = synthetic[:2].repeat(20, 1)
    >>> ratio, error = vendi_ratio(real, collapsed, halves)
    >>> ratio + 2 * error < 1
    True
    """
    grams = []
    for points in (real, synthetic):
        unit = normalize(points.double(), dim=1)
        grams.append(unit @ unit.T)
    n = halves.shape[1]
    of_real, of_synthetic = (
        torch.tensor([_exp_entropy(gram[rows][:, rows], n) for rows in halves], dtype=torch.float32) for gram in grams
    )
    real_score, synthetic_score = (_exp_entropy(gram, len(real)) for gram in grams)
    return synthetic_score / real_score, float((of_synthetic / of_real).std())


def _exp_entropy(gram: Tensor, n: int) -> float:
    """Exponential of the Shannon entropy of the eigenvalues of a Gram matrix divided by `n`."""
    eigenvalues = torch.linalg.eigvalsh(gram / n).clamp_min(0)
    eigenvalues = eigenvalues[eigenvalues > SMALLEST_EIGENVALUE]
    return float(torch.exp(-(eigenvalues * eigenvalues.log()).sum()))
