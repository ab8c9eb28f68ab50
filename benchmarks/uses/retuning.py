"""Networks trained on mixed images, of which parts are trained again on real images alone."""

from copy import deepcopy

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks.uses.training import STREAM, Draw, batch_norms, batches, descend, features, predict
from ganaug._runtime.randomness import derive, generator
from ganaug.evaluation.training_set import balance_classes
from ganaug.images import to_signed
from ganaug.models.networks.classifier import Classifier as Network

VERSIONS, HEAD_STEPS, NORM_BATCHES = 5, 300, 60  # augmented versions of an image; steps; batches for batch norm


def predict_retuned(draw: Draw, network: Network, *, last_layer: bool) -> np.ndarray:
    """As `predict`, with batch norm estimated again on real images; last_layer: retrain that layer on them, too."""
    network = deepcopy(network)
    real = batches(draw, balance_classes(draw.train))
    for norm in batch_norms(network):
        norm.reset_running_stats()
        norm.momentum = None  # type: ignore[assignment]  # the plain mean over batches
    network.train()
    with torch.no_grad():
        for step in range(draw.max_steps or NORM_BATCHES):
            network(to_signed(real(10**6 + step).pixels))
    network.eval()
    if last_layer:
        versions = [draw.augment(draw.train.images, derive(draw.seed, version)) for version in range(VERSIONS)]
        retrain_last_layer(draw, network, features(network, torch.cat(versions)), draw.train.labels.repeat(VERSIONS))
    return predict(draw, network)


def retrain_last_layer(draw: Draw, network: Network, rows: Tensor, labels: Tensor) -> None:
    """Train the last layer on features (N, D) with labels (N,), classes balanced."""
    chances = 1 / torch.bincount(labels, minlength=network.head.out_features).double()[labels]
    optimizer = torch.optim.AdamW(network.head.parameters(), 2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, HEAD_STEPS)
    for step in range(draw.max_steps or HEAD_STEPS):
        draws = generator(draw.seed, STREAM, "head", step)
        chosen = torch.multinomial(chances, 4 * draw.batch_size, replacement=True, generator=draws)
        descend(cross_entropy(network.head(rows[chosen]), labels[chosen]), optimizer, schedule)
