"""Which use of synthetic images pays? Ways to use them, each beside its control, paired over draws of everything.

    python benchmarks/ladder.py fashion-mnist-lt:500:50 --seconds 600 --seeds 0 1 2 3 4 --out OUT
    python benchmarks/ladder.py ... --ways "classical augmentation" "25%" "25%, held out"

A seed draws the images, which classes are rare, the generator and the classifiers. Every way trains the same network
for the same number of steps, `--inner` times; its gain is against classical augmentation, the best baseline on these sets.
Scores that OUT.json holds are not measured again: ways and seeds can be added to a table.
"""

import argparse
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from imblearn.over_sampling import SMOTE
from rungs import BASE, climb, command_line, drawn
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax, one_hot, softmax
from usefulness import generator

from ganaug import GANAugmenter, LabeledImages
from ganaug._runtime.randomness import derive, temporary_seed
from ganaug._runtime.randomness import generator as draws_of
from ganaug.evaluation.classical import Augment, classical
from ganaug.evaluation.classifiers import CNN, Features
from ganaug.evaluation.scores import offset
from ganaug.evaluation.training_set import TrainingSet, balanced, filled, mixed
from ganaug.evaluation.trial import draw
from ganaug.images import in_passes, to_signed
from ganaug.models.networks.classifier import Classifier as Network

MODELS = Path.home() / ".cache" / "ganaug-benchmarks" / "ladder"
BATCH, EACH, SHARE = 64, 1000, 0.25  # images a step; synthetic images a class; how often one is drawn
TAUGHT = 400  # images of a class that a slow teacher names
HEAD_STEPS, VERSIONS = 300, 5  # of a last layer trained anew; altered versions of an image whose features are taken


@dataclass
class Cell:
    """One draw of a set with its generator, and one training's seed. `made` stands for the synthetic images."""

    train: LabeledImages
    validation: LabeledImages
    test: LabeledImages
    made: LabeledImages
    gan: GANAugmenter
    augment: Augment
    seed: int
    times: int = 1
    notes: dict[str, float] = field(default_factory=dict)

    @cached_property
    def steps(self) -> int:
        """`times` as many as `ganaug.evaluation.classifiers.CNN` takes."""
        return self.times * min(2000, max(100, round(22 * len(self.train) ** 0.5)))

    @cached_property
    def base(self) -> Network:
        """Trained on real images, classes alike, with classical augmentation."""
        return learned(self, batches(self, balanced(self.train)))

    @cached_property
    def blended(self) -> Network:
        """The same with SHARE of what is drawn of each class synthetic."""
        return learned(self, batches(self, mixture(self)))

    @cached_property
    def others(self) -> list[Network]:
        """Two more of the base, from other weights and other batches."""
        return [
            learned(own, batches(own, balanced(own.train)))
            for own in (replace(self, seed=derive(self.seed, k)) for k in "ab")
        ]

    def three(self, images: Tensor) -> Tensor:
        """Mean log-probabilities of the base and the two others, (N, K)."""
        return torch.stack([log_softmax(logits(net, images), dim=1) for net in (self.base, *self.others)]).mean(0)

    @cached_property
    def _features(self) -> Callable[[Tensor], np.ndarray]:
        return Features()(replace(balanced(self.train), classical=True), self.augment, self.seed)

    def on_features(self, images: Tensor) -> Tensor:
        """Log-probabilities of a logistic regression on EfficientNet-lite0's features, (N, K)."""
        return torch.from_numpy(self._features(images))

    @property
    def truth(self) -> np.ndarray:
        return self.test.labels.numpy()

    @cached_property
    def counts(self) -> np.ndarray:
        return np.array(list(self.train.counts.values()))

    def features(self, images: Tensor, name: str, versions: int = VERSIONS) -> Tensor:
        """(versions * N, D) of altered images, by the base."""
        altered = [self.augment(images, derive(self.seed, name, version)) for version in range(versions)]
        return features(self.base, torch.cat(altered))


@dataclass
class Batch:
    """Images uint8 (B, C, H, W), what they should be called (B, K), and which are synthetic (B,)."""

    pixels: Tensor
    targets: Tensor
    synthetic: Tensor


Batches = Callable[[int], Batch]
Extra = Callable[[Network, int], Tensor]


def batches(cell: Cell, training: TrainingSet, *, soft: Tensor | None = None, altered: bool = True) -> Batches:
    """Batches drawn by the set's chances. soft: targets (N, K) in place of labels."""
    images, n_classes = training.images, len(training.images.classes)
    targets = one_hot(images.labels, n_classes).float() if soft is None else soft

    def batch(step: int) -> Batch:
        draws = draws_of(cell.seed, "ladder", "batch", step)
        rows = torch.multinomial(training.chances, BATCH, replacement=True, generator=draws)
        pixels = images.images[rows]
        pixels = cell.augment(pixels, derive(cell.seed, "ladder", "altered", step)) if altered else pixels
        return Batch(pixels, targets[rows], training.is_synthetic[rows])

    return batch


def learned(
    cell: Cell, batch: Batches, *, net: Network | None = None, extra: Extra | None = None, split: bool = False
) -> Network:
    """The network after `cell.steps` steps, AdamW with a cosine. split: synthetic images leave batch norm alone."""
    if net is None:
        with temporary_seed(derive(cell.seed, "ladder", "network")):
            net = Network(cell.train.shape, len(cell.train.classes), 32)
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, cell.steps)
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    net.train()
    for step in range(cell.steps):
        own = batch(step)
        with torch.autocast("cpu", CNN().dtype, enabled=CNN().dtype != torch.float32):
            loss = torch.zeros(())
            for mine in (~own.synthetic, own.synthetic) if split else (torch.ones_like(own.synthetic),):
                if mine.sum() < 2:
                    continue
                for norm in norms:
                    norm.momentum = 0.0 if split and bool(own.synthetic[mine].all()) else 0.1
                shown = to_signed(own.pixels[mine]).contiguous(memory_format=torch.channels_last)
                loss = loss + cross_entropy(net(shown), own.targets[mine], reduction="sum") / BATCH
            if extra is not None:
                loss = loss + extra(net, step)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return net.eval()


@torch.no_grad()
def features(net: Network, images: Tensor) -> Tensor:
    return in_passes(lambda part: net.features(to_signed(part)), images)


@torch.no_grad()
def logits(net: Network, images: Tensor) -> Tensor:
    return in_passes(lambda part: net(to_signed(part)), images)


def told(cell: Cell, net: Network) -> np.ndarray:
    """Log-probabilities of the test images, (N, K)."""
    return log_softmax(logits(net, cell.test.images), dim=1).numpy()


# Ways. Each gives log-probabilities of the test images.


def mixture(cell: Cell, made: LabeledImages | None = None, share: float = SHARE) -> TrainingSet:
    return mixed(cell.train, cell.made if made is None else made, share)


def trained_on(cell: Cell, training: TrainingSet, **options: Any) -> np.ndarray:
    return told(cell, learned(cell, batches(cell, training), **options))


def only(images: LabeledImages, keep: np.ndarray) -> LabeledImages:
    """Those of the images whose class is in `keep` (K,), bool."""
    return images.take(np.flatnonzero(keep[images.labels.numpy()]))


def with_offset(cell: Cell, tau: float) -> np.ndarray:
    prior = np.log(cell.counts / cell.counts.sum())
    return offset(told(cell, cell.base), prior, tau)


def real_logits(cell: Cell, net: Network, *, last_layer: bool) -> np.ndarray:
    """Batch norm counted anew on real images, and the last layer trained anew on them."""
    net = deepcopy(net)
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    real = batches(cell, balanced(cell.train))
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # type: ignore[assignment]  # the plain mean over what it sees
    net.train()
    with torch.no_grad():
        for step in range(60):
            net(to_signed(real(10**6 + step).pixels))
    net.eval()
    if last_layer:
        found = features(
            net, torch.cat([cell.augment(cell.train.images, derive(cell.seed, v)) for v in range(VERSIONS)])
        )
        own_head(cell, net, found, cell.train.labels.repeat(VERSIONS))
    return told(cell, net)


def own_head(cell: Cell, net: Network, found: Tensor, labels: Tensor, chances: Tensor | None = None) -> Network:
    """`net` with its last layer trained on features (N, D), each class alike unless `chances` (N,) say otherwise."""
    counts = torch.bincount(labels, minlength=net.head.out_features).double()
    chances = 1 / counts[labels] if chances is None else chances
    optimizer = torch.optim.AdamW(net.head.parameters(), 2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, HEAD_STEPS)
    for step in range(HEAD_STEPS):
        draws = draws_of(cell.seed, "ladder", "head", step)
        rows = torch.multinomial(chances, 4 * BATCH, replacement=True, generator=draws)
        loss = cross_entropy(net.head(found[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return net


def probed(cell: Cell, net: Network, made: LabeledImages) -> np.ndarray:
    """As `told`, and how well a linear probe of the network's features tells `made` from real images (AUC)."""
    real, others = features(net, cell.train.images), features(net, made.images)
    cell.notes["probe AUC"] = told_apart(cell, real, others, made.labels)[1]
    return told(cell, net)


def probed_mixture(cell: Cell, made: LabeledImages) -> np.ndarray:
    return probed(cell, learned(cell, batches(cell, mixture(cell, made))), made)


def told_apart(cell: Cell, real: Tensor, made: Tensor, made_labels: Tensor) -> tuple[np.ndarray, float]:
    """How likely each synthetic image is real, by a linear classifier that has not seen it, and the AUC."""
    rows = torch.cat([real, made]).numpy()
    is_real = np.arange(len(rows)) < len(real)
    labels = torch.cat([cell.train.labels, made_labels]).numpy()
    cell_of = labels * 2 + is_real
    weights = (1 / np.bincount(cell_of).clip(1))[cell_of]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))
    params = {"logisticregression__sample_weight": weights * len(weights) / weights.sum()}
    found = cross_val_predict(model, rows, is_real, cv=5, method="predict_proba", params=params)[:, 1]
    return found[len(real) :], float(roc_auc_score(is_real, found, sample_weight=weights))


def sifted(cell: Cell, *, subsample: bool = True, drop: bool = True) -> LabeledImages:
    """Synthetic images subsampled by density ratio, without the tenth of a class that the base finds hardest."""
    made = cell.made
    if subsample:
        likely, _ = told_apart(
            cell, features(cell.base, cell.train.images), features(cell.base, made.images), made.labels
        )
        ratio = likely / (1 - likely).clip(1e-3)
        keep = []
        for label in range(len(made.classes)):
            own = np.flatnonzero(made.labels.numpy() == label)
            chance = ratio[own] / ratio[own].sum() if len(own) else ratio[own]
            random = np.random.default_rng([cell.seed, label])
            keep.append(random.choice(own, len(own) // 2, replace=False, p=chance) if len(own) else own)
        made = made.take(np.concatenate(keep))
    if drop:
        hard = cross_entropy(logits(cell.base, made.images), made.labels, reduction="none").numpy()
        labels = made.labels.numpy()
        limit = [np.quantile(hard[labels == k], 0.9) if (labels == k).any() else 0 for k in range(len(made.classes))]
        made = made.take(np.flatnonzero(hard <= np.array(limit)[labels]))
    return made


Teacher = Callable[[Tensor], Tensor]  # images -> log-probabilities (N, K)


def soft_labeled(cell: Cell, more: LabeledImages, teacher: Teacher | None = None, share: float = SHARE) -> np.ndarray:
    """The images `more` are called what the teacher, by default the base, calls them; real ones keep their labels."""
    training = mixture(cell, more, share)
    soft = one_hot(training.images.labels, len(more.classes)).float()
    soft[training.is_synthetic] = softmax((teacher or partial(logits, cell.base))(more.images), dim=1)
    return told(cell, learned(cell, batches(cell, training, soft=soft)))


def mixed_up(cell: Cell) -> LabeledImages:
    """The control of soft labels: sums of two real images in place of synthetic ones."""
    random, n = np.random.default_rng(cell.seed), len(cell.train.classes) * EACH
    chances = balanced(cell.train).chances.numpy()
    first, second = (random.choice(len(cell.train), n, p=chances / chances.sum()) for _ in range(2))
    weight = torch.from_numpy(random.beta(0.4, 0.4, (n, 1, 1, 1))).float()
    both = weight * cell.train.images[first] + (1 - weight) * cell.train.images[second]
    labels = cell.train.labels[np.where(weight.flatten() > 0.5, first, second)]
    return LabeledImages(both.round().to(torch.uint8), labels, cell.train.classes)


def few(images: LabeledImages) -> LabeledImages:
    """TAUGHT images of each class, for a teacher that takes its time."""
    places = [np.flatnonzero(images.labels.numpy() == k)[:TAUGHT] for k in range(len(images.classes))]
    return images.take(np.concatenate(places))


def classically(cell: Cell) -> LabeledImages:
    """Real images, altered; TAUGHT of each class."""
    images, n = cell.train, TAUGHT * len(cell.train.classes)
    chances = balanced(images).chances.numpy()
    drawn = images.take(np.random.default_rng(cell.seed).choice(len(images), n, p=chances / chances.sum()))
    return replace(drawn, images=cell.augment(drawn.images, derive(cell.seed, "taught")))


def cut_mixed(cell: Cell) -> np.ndarray:
    """A box of a synthetic image pasted on a real one of its class (Yun et al. 2019, without mixing labels)."""
    made, random = cell.made, np.random.default_rng(cell.seed)
    pixels = made.images.clone()
    height, width = pixels.shape[2:]
    for label in range(len(made.classes)):
        own, real = np.flatnonzero(made.labels.numpy() == label), np.flatnonzero(cell.train.labels.numpy() == label)
        for place, partner in zip(own, random.choice(real, len(own)), strict=True):
            box = np.sqrt(random.uniform(0.1, 0.6))
            top, left = (random.integers(0, max(1, round(side * (1 - box)))) for side in (height, width))
            inside = slice(top, top + round(height * box)), slice(left, left + round(width * box))
            whole = cell.train.images[partner].clone()
            whole[:, inside[0], inside[1]] = pixels[place][:, inside[0], inside[1]]
            pixels[place] = whole
    return trained_on(cell, mixture(cell, replace(made, images=pixels)))


def near_the_boundary(cell: Cell) -> np.ndarray:
    """The half of a class's synthetic images of which the base is least sure, wrong ones left out."""
    chances = softmax(logits(cell.base, cell.made.images), dim=1)
    right = chances.argmax(1) == cell.made.labels
    sure = chances.gather(1, cell.made.labels[:, None])[:, 0].masked_fill(~right, 1.0).numpy()
    labels = cell.made.labels.numpy()
    limit = np.array([np.median(sure[labels == k]) if (labels == k).any() else 0 for k in range(len(cell.counts))])
    return trained_on(cell, mixture(cell, cell.made.take(np.flatnonzero((sure <= limit[labels]) & right.numpy()))))


More = Callable[[Cell, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]  # features and labels -> others


def in_feature_space(cell: Cell, more: More | None) -> np.ndarray:
    """The base's last layer trained anew on features of real images, and on a quarter of what `more` makes."""
    real = cell.features(cell.train.images, "features")
    labels = cell.train.labels.repeat(VERSIONS)
    chances = (1 / torch.bincount(labels).double())[labels]
    if more is not None:
        made, made_labels = more(cell, real.numpy(), labels.numpy())
        real = torch.cat([real, torch.from_numpy(made).float()])
        of_made = torch.from_numpy(made_labels)
        own = (SHARE / (1 - SHARE) / torch.bincount(of_made, minlength=len(cell.counts)).double())[of_made]
        labels, chances = torch.cat([labels, of_made]), torch.cat([chances, own])
    return told(cell, own_head(cell, deepcopy(cell.base), real, labels, chances))


def generated(cell: Cell, rows: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A conditional WGAN-GP of feature vectors."""
    counts = np.bincount(labels)
    gan = GANAugmenter(
        "mlp",
        "wgan-gp",
        sampling_strategy={k: int(n) + EACH for k, n in enumerate(counts)},
        n_steps=2000,
        filters=None,
        random_state=cell.seed % 2**31,
        device="cpu",
    )
    both, named = gan.fit_resample(rows, labels)
    return np.asarray(both[len(rows) :]), np.asarray(named[len(rows) :])


def gaussian(cell: Cell, rows: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Normal around each class's mean, with the covariance that classes share (shrunk, Ledoit & Wolf 2004)."""
    means = np.stack([rows[labels == k].mean(0) for k in range(len(cell.counts))])
    root = np.linalg.cholesky(LedoitWolf().fit(rows - means[labels]).covariance_ + 1e-6 * np.eye(rows.shape[1]))
    named = np.repeat(np.arange(len(means)), EACH)
    normal = np.random.default_rng(cell.seed).normal(size=(len(named), rows.shape[1]))
    return means[named] + normal @ root.T, named


def interpolated(cell: Cell, rows: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counts = np.bincount(labels)
    both, named = SMOTE(
        sampling_strategy={k: int(n) + EACH for k, n in enumerate(counts)}, random_state=cell.seed % 2**32
    ).fit_resample(rows, labels)
    return both[len(rows) :], named[len(rows) :]


def held_back_features(cell: Cell, rows: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # noqa: ARG001
    return cell.features(cell.validation.images, "held out", 1).numpy(), cell.validation.labels.numpy()


def first_synthetic(cell: Cell) -> np.ndarray:
    """Synthetic images alone in the first half of the steps, real ones in the second."""
    made, real = batches(cell, balanced(cell.made)), batches(cell, balanced(cell.train))
    return told(cell, learned(cell, lambda step: (made if step < cell.steps // 2 else real)(step)))


def fading(cell: Cell) -> np.ndarray:
    """A share of a half that falls to nothing over the first two thirds of the steps."""
    made, real = batches(cell, mixture(cell, share=0.999)), batches(cell, balanced(cell.train))

    def batch(step: int) -> Batch:
        part = round(BATCH * max(0.0, 0.5 * (1 - 1.5 * step / cell.steps)))
        one, other = made(step), real(step)
        joined = (torch.cat([getattr(one, name)[:part], getattr(other, name)[part:]]) for name in vars(one))
        return Batch(*joined)

    return told(cell, learned(cell, batch))


def consistent(cell: Cell, images: Tensor) -> np.ndarray:
    """Real images with their labels; of other images only that two altered versions are called the same."""

    def extra(net: Network, step: int) -> Tensor:
        draws = draws_of(cell.seed, "ladder", "pairs", step)
        rows = torch.randint(len(images), (BATCH // 2,), generator=draws)
        one, other = (
            log_softmax(net(to_signed(cell.augment(images[rows], derive(cell.seed, "pairs", step, k)))).float(), dim=1)
            for k in range(2)
        )
        return kl_div(one, other.detach(), reduction="batchmean", log_target=True)

    return told(cell, learned(cell, batches(cell, balanced(cell.train)), extra=extra))


def drawn_wide(cell: Cell, std: float) -> np.ndarray:
    usual = cell.gan.latent_std
    made = draw(cell.gan.set_params(latent_std=std), dict.fromkeys(cell.train.classes, EACH), 1, cell.train)
    cell.gan.set_params(latent_std=usual)
    return trained_on(cell, mixture(cell, replace(made, metadata=None)))


def mixup(cell: Cell, batch: Batches) -> Batches:
    """Sums of two images of a batch, labels alike (Zhang et al. 2018, alpha 0.2)."""

    def mixed_batch(step: int) -> Batch:
        own, random = batch(step), np.random.default_rng([cell.seed, step])
        weight, order = float(random.beta(0.2, 0.2)), torch.from_numpy(random.permutation(len(own.pixels)))
        pixels = (weight * own.pixels + (1 - weight) * own.pixels[order]).round().to(torch.uint8)
        return Batch(pixels, weight * own.targets + (1 - weight) * own.targets[order], own.synthetic)

    return mixed_batch


def cutmix(cell: Cell, batch: Batches) -> Batches:
    """A box of one image on another, labels by its area (Yun et al. 2019, alpha 1); every second batch."""

    def pasted(step: int) -> Batch:
        own, random = batch(step), np.random.default_rng([cell.seed, step])
        if step % 2:
            return own
        height, width = own.pixels.shape[2:]
        side, order = np.sqrt(1 - random.beta(1.0, 1.0)), torch.from_numpy(random.permutation(len(own.pixels)))
        middle = random.integers(height), random.integers(width)
        (top, bottom), (left, right) = (
            np.clip([m - round(size * side / 2), m + round(size * side / 2)], 0, size)
            for m, size in zip(middle, (height, width), strict=True)
        )
        pixels = own.pixels.clone()
        pixels[:, :, top:bottom, left:right] = own.pixels[order][:, :, top:bottom, left:right]
        weight = 1 - (bottom - top) * (right - left) / (height * width)
        return Batch(pixels, weight * own.targets + (1 - weight) * own.targets[order], own.synthetic)

    return pasted


def averaged(cell: Cell, *nets: Network) -> np.ndarray:
    """Mean log-probabilities of several networks."""
    found: np.ndarray = np.mean([told(cell, net) for net in nets], axis=0)
    return found


def beside(cell: Cell, training: TrainingSet) -> np.ndarray:
    """The base, averaged with a network of other weights that is trained on `training`."""
    own = replace(cell, seed=derive(cell.seed, "a"))
    return averaged(cell, cell.base, learned(own, batches(own, training)))


def recognized(cell: Cell) -> LabeledImages:
    """Synthetic images of the classes whose samples the base tells as well as the middle class."""
    right = (logits(cell.base, cell.made.images).argmax(1) == cell.made.labels).numpy()
    labels = cell.made.labels.numpy()
    rate = np.array([right[labels == k].mean() if (labels == k).any() else 0.0 for k in range(len(cell.counts))])
    return only(cell.made, rate >= np.median(rate))


def four_times(way: Callable[[Cell], np.ndarray]) -> Callable[[Cell], np.ndarray]:
    """The same with four times the steps."""
    return lambda cell: way(replace(cell, times=4))


def rare(cell: Cell) -> np.ndarray:
    keep: np.ndarray = cell.counts < cell.counts.mean()
    return keep


WAYS: dict[str, Callable[[Cell], np.ndarray]] = {
    "oversampling": lambda c: told(c, learned(c, batches(c, balanced(c.train), altered=False))),
    BASE: lambda c: told(c, c.base),
    "classical, offsets 0.25": partial(with_offset, tau=0.25),
    "classical, offsets 0.5": partial(with_offset, tau=0.5),
    "10%": lambda c: trained_on(c, mixture(c, share=0.1)),
    "25%": lambda c: probed(c, c.blended, c.made),
    "50%": lambda c: trained_on(c, mixture(c, share=0.5)),
    "filled to balance": lambda c: trained_on(c, filled(c.train, c.made)),
    "25%, held out": lambda c: probed_mixture(c, c.validation),
    "50%, held out": lambda c: trained_on(c, mixture(c, c.validation, 0.5)),
    "filled to balance, held out": lambda c: trained_on(c, filled(c.train, c.validation)),
    "25%, then batch norm on real": lambda c: real_logits(c, c.blended, last_layer=False),
    "25%, then batch norm and last layer on real": lambda c: real_logits(c, c.blended, last_layer=True),
    "classical, then batch norm and last layer anew": lambda c: real_logits(c, c.base, last_layer=True),
    "25%, batch norm of its own": lambda c: trained_on(c, mixture(c), split=True),
    "25% in the rare classes alone": lambda c: probed_mixture(c, only(c.made, rare(c))),
    "25%, subsampled": lambda c: trained_on(c, mixture(c, sifted(c, drop=False))),
    "25%, subsampled and filtered": lambda c: trained_on(c, mixture(c, sifted(c))),
    "25%, subsampled, filtered, soft labels": lambda c: soft_labeled(c, sifted(c)),
    "25%, soft labels": lambda c: soft_labeled(c, c.made),
    "soft labels on mixed real images": lambda c: soft_labeled(c, mixed_up(c)),
    "three networks, averaged": lambda c: log_softmax(c.three(c.test.images), dim=1).numpy(),
    "50%, taught by three": lambda c: soft_labeled(c, c.made, c.three, 0.5),
    "50% mixed real images, taught by three": lambda c: soft_labeled(c, mixed_up(c), c.three, 0.5),
    "50% altered real images, taught by three": lambda c: soft_labeled(c, classically(c), c.three, 0.5),
    "EfficientNet's features": lambda c: log_softmax(c.on_features(c.test.images), dim=1).numpy(),
    "50%, taught by features": lambda c: soft_labeled(c, few(c.made), c.on_features, 0.5),
    "75%, taught by features": lambda c: soft_labeled(c, few(c.made), c.on_features, 0.75),
    "50% mixed real images, taught by features": lambda c: soft_labeled(c, few(mixed_up(c)), c.on_features, 0.5),
    "75% mixed real images, taught by features": lambda c: soft_labeled(c, few(mixed_up(c)), c.on_features, 0.75),
    "50% altered real images, taught by features": lambda c: soft_labeled(c, classically(c), c.on_features, 0.5),
    "50% held out, taught by features": lambda c: soft_labeled(c, few(c.validation), c.on_features, 0.5),
    "last layer on features": lambda c: in_feature_space(c, None),
    "25% of features by WGAN-GP": lambda c: in_feature_space(c, generated),
    "25% of features by Gaussians": lambda c: in_feature_space(c, gaussian),
    "25% of features by SMOTE": lambda c: in_feature_space(c, interpolated),
    "25% of features, held out": lambda c: in_feature_space(c, held_back_features),
    "synthetic first, then real": first_synthetic,
    "half, falling to nothing": fading,
    "consistency on synthetic": lambda c: consistent(c, c.made.images),
    "consistency on real": lambda c: consistent(c, c.train.images),
    "25%, latent std 1.3": partial(drawn_wide, std=1.3),
    "25%, near the boundary": near_the_boundary,
    "25%, CutMix with real": cut_mixed,
    "25% in the classes that are recognized": lambda c: trained_on(c, mixture(c, recognized(c))),
    "two networks, averaged": lambda c: averaged(c, c.base, c.others[0]),
    "one of two on 25%": lambda c: beside(c, mixture(c)),
    "one of two on 50%": lambda c: beside(c, mixture(c, share=0.5)),
    "one of two on 25% held out": lambda c: beside(c, mixture(c, c.validation)),
    "classical, four times the steps": four_times(lambda c: told(c, c.base)),
    "25%, four times the steps": four_times(lambda c: trained_on(c, mixture(c))),
    "50%, four times the steps": four_times(lambda c: trained_on(c, mixture(c, share=0.5))),
    "mixup, four times the steps": four_times(lambda c: told(c, learned(c, mixup(c, batches(c, balanced(c.train)))))),
    "CutMix, four times the steps": four_times(lambda c: told(c, learned(c, cutmix(c, batches(c, balanced(c.train)))))),
    "25% and mixup, four times the steps": four_times(lambda c: told(c, learned(c, mixup(c, batches(c, mixture(c)))))),
    "25% and CutMix, four times the steps": four_times(
        lambda c: told(c, learned(c, cutmix(c, batches(c, mixture(c)))))
    ),
    "25%, held out, four times the steps": four_times(lambda c: trained_on(c, mixture(c, c.validation))),
}


def cell_of(own: tuple[str, int, float], seed: int, inner: int, options: argparse.Namespace) -> Cell:
    name, shots, rho = own
    train, validation, test = drawn(own, seed, options)
    gan, _ = generator(train, seed, MODELS / f"{name}_{shots}_{rho:g}_{seed}_{options.seconds:g}s", options)
    made = draw(gan, dict.fromkeys(train.classes, EACH), 0, train)
    own_seed = derive(seed, "inner", inner)
    return Cell(train, validation, test, replace(made, metadata=None), gan, classical(train), own_seed)


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="training of each generator")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    options = parser.parse_args()
    about = (
        f"A draw is one of images, rare classes, generator ({options.seconds:g} s) and weights, with {options.inner} "
        "training of the small CNN. Probe: how well a linear classifier of the network's features tells synthetic from "
        "real."
    )
    climb(WAYS, cell_of, "What pays", about, options)


if __name__ == "__main__":
    main()
