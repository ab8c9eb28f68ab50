"""How many different points are there? Each a pure function of features."""

import torch
from torch import Tensor
from torch.nn.functional import normalize


def vendi_score(features: Tensor) -> float:
    """Effective number of different rows of (N, D): from 1, all alike, to N (Friedman & Dieng 2023, eq. 2).

    exp of the entropy of the eigenvalues of K / N, K the cosines of the rows. It grows with N: compare equal N only.
    """
    if not len(features):
        return 0.0
    unit = normalize(features.double(), dim=1)
    # K and the smaller of the two Gram matrices have the same eigenvalues but for zeros
    return _effective(unit @ unit.T if len(unit) <= unit.shape[1] else unit.T @ unit, len(unit))


def vendi_ratio(real: Tensor, synthetic: Tensor, halves: Tensor) -> tuple[float, float]:
    """(Vendi score of the synthetic points over that of the real ones, its standard error): (N, D) each, equal N.

    The error is the spread over half-samples (delete-half jackknife, Shao & Wu 1989). halves: (B, N // 2), indices.
    """
    grams = []
    for points in (real, synthetic):
        unit = normalize(points.double(), dim=1)
        grams.append(unit @ unit.T)
    n = halves.shape[1]
    left, right = (torch.tensor([_effective(gram[own][:, own], n) for own in halves]) for gram in grams)
    one, other = (_effective(gram, len(real)) for gram in grams)
    return other / one, float((right / left).std())


def _effective(gram: Tensor, n: int) -> float:
    shares = torch.linalg.eigvalsh(gram / n).clamp_min(0)
    shares = shares[shares > 1e-12]
    return float(torch.exp(-(shares * shares.log()).sum()))
