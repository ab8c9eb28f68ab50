"""Which of several fitted over-samplers comes nearest to the real images of the classes to be filled up."""

from collections.abc import Iterable, Mapping

import pandas as pd
import torch
from torch import Tensor

from ganaug._runtime.randomness import generator
from ganaug.datasets.holdout import hold_back
from ganaug.estimators.sampler import Sampler
from ganaug.images import LabelledImages
from ganaug.metrics.distance import energy_distance
from ganaug.metrics.features import extractor

MOST_JUDGED = 100  # images of a class, real and synthetic


def compared(
    fitted: Mapping[str, Sampler], images: LabelledImages, classes: Iterable[str], *, share: float, seed: int
) -> pd.DataFrame:
    """A row an over-sampler, the best first: method, not_learnt (number of classes), distance.

    images: what all were fitted on, with `hold_back=share` and `random_state=seed`. distance: mean over the classes
    that all have learnt of the energy distance between synthetic and real images, in EfficientNet-lite0's features; to
    the held-back images where a class has them, else to all of it. Fewer classes not learnt go before a lower one.
    """
    _, features = extractor("auto")
    _, unseen = hold_back(images, share, seed=seed)
    chosen, held_back = list(classes), unseen.counts
    missing = {method: [name for name in chosen if name in made.not_learnt_] for method, made in fitted.items()}
    rows = []
    for method, made in fitted.items():
        each = []
        for name in chosen:
            if any(name in names for names in missing.values()):
                continue
            real = features(_some(unseen if held_back[name] else images, name, seed))
            each.append(energy_distance(features(made.sample({name: MOST_JUDGED}).images), real))
        rows.append((method, len(missing[method]), sum(each) / len(each) if each else float("nan")))
    return pd.DataFrame(rows, columns=["method", "not_learnt", "distance"]).sort_values(["not_learnt", "distance"])


def _some(images: LabelledImages, name: str, seed: int) -> Tensor:
    own = images.rows_of(name)
    return images.images[own[torch.randperm(len(own), generator=generator(seed, "compared", name))[:MOST_JUDGED]]]
