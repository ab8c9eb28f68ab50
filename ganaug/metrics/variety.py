"""How many different points are there? Each a pure function of features."""

import torch
from torch import Tensor


def vendi_score(features: Tensor) -> float:
    """Effective number of different rows of (N, D): from 1, all alike, to N (Friedman & Dieng 2023, eq. 2).

    exp of the entropy of the eigenvalues of K / N, K the cosines of the rows. It grows with N: compare equal N only.
    """
    if not len(features):
        return 0.0
    unit = torch.nn.functional.normalize(features.double(), dim=1)
    # K and the smaller of the two Gram matrices have the same eigenvalues but for zeros
    gram = unit @ unit.T if len(unit) <= unit.shape[1] else unit.T @ unit
    shares = torch.linalg.eigvalsh(gram / len(unit)).clamp_min(0)
    shares = shares[shares > 1e-12]
    return float(torch.exp(-(shares * shares.log()).sum()))
