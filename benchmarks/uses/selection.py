"""Methods that choose or alter synthetic images before they are mixed with real ones."""

from dataclasses import replace

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn.functional import cross_entropy, softmax

from benchmarks.generators import sample_learned
from benchmarks.uses.scoring import PROBE
from benchmarks.uses.training import (
    Draw,
    batches,
    features,
    logits,
    mixture,
    predict,
    predict_trained,
    train_network,
)
from ganaug import LabeledImages
from ganaug.models.networks.classifier import Classifier as Network

MAX_FOLDS = 5


def predict_with_probe(draw: Draw, network: Network, images: LabeledImages) -> np.ndarray:
    """As `predict`; notes the AUC by which a linear probe of the network's features tells `images` from real ones."""
    real, others = features(network, draw.train.images), features(network, images.images)
    draw.notes[PROBE] = probe_domains(draw, real, others, images.labels)[1]
    return predict(draw, network)


def predict_mixture_with_probe(draw: Draw, images: LabeledImages) -> np.ndarray:
    """The same of a network trained on real images mixed with `images`."""
    return predict_with_probe(draw, train_network(draw, batches(draw, mixture(draw, images))), images)


def probe_domains(draw: Draw, real: Tensor, synthetic: Tensor, labels: Tensor) -> tuple[np.ndarray, float]:
    """Tell real from synthetic features by cross-validated logistic regression.

    Parameters
    ----------
    draw : Draw
        Has the labels of the real images.
    real, synthetic : Tensor
        Features (N, D) and (M, D).
    labels : Tensor
        Labels of the synthetic images, (M,).

    Returns
    -------
    ndarray, float
        The probability that each synthetic image is real, (M,), and the AUC; real and synthetic images of each class
        have equal weight.
    """
    rows = torch.cat([real, synthetic]).numpy()
    is_real = np.arange(len(rows)) < len(real)
    groups = torch.cat([draw.train.labels, labels]).numpy() * 2 + is_real
    weights = (1 / np.bincount(groups).clip(1))[groups]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))
    params = {"logisticregression__sample_weight": weights * len(weights) / weights.sum()}
    probabilities = cross_val_predict(model, rows, is_real, cv=MAX_FOLDS, method="predict_proba", params=params)[:, 1]
    return probabilities[len(real) :], float(roc_auc_score(is_real, probabilities, sample_weight=weights))


def in_classes(images: LabeledImages, mask: np.ndarray) -> LabeledImages:
    """The images of the classes in a mask (K,)."""
    return images.take(np.flatnonzero(mask[images.labels.numpy()]))


def rare_classes(draw: Draw) -> np.ndarray:
    """Mask (K,) of the classes with fewer training images than the mean."""
    mask: np.ndarray = draw.counts < draw.counts.mean()
    return mask


def likely_real(draw: Draw, *, drop_hardest: bool) -> LabeledImages:
    """Half of the synthetic images of each class, drawn by their density ratio of real to synthetic.

    drop_hardest: leave out the tenth of each class with the largest loss of the base.
    """
    images = draw.synthetic
    probabilities, _ = probe_domains(
        draw, features(draw.base, draw.train.images), features(draw.base, images.images), images.labels
    )
    ratios = probabilities / (1 - probabilities).clip(1e-3)
    rows = []
    for label in range(len(images.classes)):
        members = np.flatnonzero(images.labels.numpy() == label)
        random = np.random.default_rng([draw.seed, label])
        if len(members):
            chances = ratios[members] / ratios[members].sum()
            rows.append(random.choice(members, len(members) // 2, replace=False, p=chances))
    images = images.take(np.concatenate(rows))
    if not drop_hardest:
        return images
    losses = cross_entropy(logits(draw.base, images.images), images.labels, reduction="none").numpy()
    labels = images.labels.numpy()
    limits = [np.quantile(losses[labels == k], 0.9) if (labels == k).any() else 0 for k in range(len(images.classes))]
    return images.take(np.flatnonzero(losses <= np.array(limits)[labels]))


def near_boundary(draw: Draw) -> LabeledImages:
    """The synthetic images that the base recognizes, with less than the class's median confidence."""
    probabilities = softmax(logits(draw.base, draw.synthetic.images), dim=1)
    is_right = probabilities.argmax(1) == draw.synthetic.labels
    confidence = probabilities.gather(1, draw.synthetic.labels[:, None])[:, 0].masked_fill(~is_right, 1.0).numpy()
    labels, n_classes = draw.synthetic.labels.numpy(), len(draw.counts)
    limits = np.array([np.median(confidence[labels == k]) if (labels == k).any() else 0 for k in range(n_classes)])
    return draw.synthetic.take(np.flatnonzero((confidence <= limits[labels]) & is_right.numpy()))


def recognized_classes(draw: Draw) -> LabeledImages:
    """Synthetic images of the classes that the base recognizes at least as often as the median class."""
    is_right = (logits(draw.base, draw.synthetic.images).argmax(1) == draw.synthetic.labels).numpy()
    labels, n_classes = draw.synthetic.labels.numpy(), len(draw.counts)
    rates = np.array([is_right[labels == k].mean() if (labels == k).any() else 0.0 for k in range(n_classes)])
    return in_classes(draw.synthetic, rates >= np.median(rates))


def pasted_on_real(draw: Draw) -> LabeledImages:
    """Real images on which a box of a synthetic image of the class is pasted (Yun et al. 2019, labels not mixed)."""
    synthetic, random = draw.synthetic, np.random.default_rng(draw.seed)
    pixels = synthetic.images.clone()
    height, width = pixels.shape[2:]
    for label in range(len(synthetic.classes)):
        members = np.flatnonzero(synthetic.labels.numpy() == label)
        real = np.flatnonzero(draw.train.labels.numpy() == label)
        for row, partner in zip(members, random.choice(real, len(members)), strict=True):
            box = np.sqrt(random.uniform(0.1, 0.6))
            top, left = (random.integers(0, max(1, round(side * (1 - box)))) for side in (height, width))
            rows, columns = slice(top, top + round(height * box)), slice(left, left + round(width * box))
            image = draw.train.images[partner].clone()
            image[:, rows, columns] = pixels[row][:, rows, columns]
            pixels[row] = image
    return replace(synthetic, images=pixels)


def wider_latents(draw: Draw, std: float) -> np.ndarray:
    """Log-probabilities with samples from latent vectors of another standard deviation."""
    images = sample_learned(draw.augmenter, draw.train, draw.samples_per_class, 1, latent_std=std)
    return predict_trained(draw, mixture(draw, images))
