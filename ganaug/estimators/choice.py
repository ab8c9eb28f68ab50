"""Which of several fitted over-samplers comes nearest to the real images of the classes to be filled up."""

from collections.abc import Iterable, Mapping

import pandas as pd
import torch
from torch import Tensor

from ganaug._runtime.randomness import generator
from ganaug.datasets.holdout import split_validation
from ganaug.estimators.sampler import Sampler
from ganaug.images import LabeledImages
from ganaug.metrics.distance import energy_distance
from ganaug.metrics.features import extractor

MAX_JUDGED = 100  # images of a class, real and synthetic


def compared(
    fitted: Mapping[str, Sampler], images: LabeledImages, classes: Iterable[str], *, share: float, seed: int
) -> pd.DataFrame:
    """A row an over-sampler, the best first: method, unlearned (number of classes), distance.

    images: what all were fitted on, with `validation_fraction=share` and `random_state=seed`. distance: mean over the classes
    that all have learned of the energy distance between synthetic and real images, in EfficientNet-lite0's features; to
    the held-out images where a class has them, else to all of it. Fewer classes not learned go before a lower one.
    """
    _, features = extractor("auto")
    _, unseen = split_validation(images, share, seed=seed)
    chosen, validation = list(classes), unseen.counts
    missing = {method: [name for name in chosen if name in made.unlearned_classes_] for method, made in fitted.items()}
    rows = []
    for method, made in fitted.items():
        each = []
        for name in chosen:
            if any(name in names for names in missing.values()):
                continue
            real = features(_some(unseen if validation[name] else images, name, seed))
            each.append(energy_distance(features(made.sample({name: MAX_JUDGED}).images), real))
        rows.append((method, len(missing[method]), sum(each) / len(each) if each else float("nan")))
    return pd.DataFrame(rows, columns=["method", "unlearned", "distance"]).sort_values(["unlearned", "distance"])


def _some(images: LabeledImages, name: str, seed: int) -> Tensor:
    own = images.rows_of(name)
    return images.images[own[torch.randperm(len(own), generator=generator(seed, "compared", name))[:MAX_JUDGED]]]
