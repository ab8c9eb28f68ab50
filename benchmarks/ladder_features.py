"""Which samples pay where the classifier is a linear layer on features of a network that was trained elsewhere?

    python benchmarks/ladder_features.py cifar10-lt:500:20 --seeds 0 1 2 3 4 --out OUT

EfficientNet-lite0 features, standardized, and a logistic regression on them, classes alike; its penalty is chosen for
every way by the same cross-validation, samplers fitted anew inside each fold. A seed draws the images, which classes
are rare, and the samples. A gain is against classical augmentation. With --seconds a generator of images stands beside
those of features; it is fitted on all of the training images, so its way takes the penalty of classical augmentation.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from imblearn.over_sampling import SMOTE
from ladder import MODELS
from rungs import BASE, climb, command_line, drawn
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from usefulness import generator

from ganaug import GANAugmenter, LabeledImages
from ganaug._runtime.randomness import derive
from ganaug.evaluation.classical import classical
from ganaug.evaluation.classifiers import LEAST
from ganaug.evaluation.scores import offset
from ganaug.evaluation.trial import draw
from ganaug.metrics.features import efficientnet_features

EACH, VERSIONS, FOLDS = 500, 2, 3  # samples a class; altered versions of an image; of the choice of a penalty
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)  # C of the logistic regression
COMPONENTS = 128  # that a generator of features learns
HELD_BACK = 200  # images of a class


@dataclass(frozen=True)
class Rows:
    """Features: float32 (N, D), labels (N,), and which image each is a version of (N,); the first of each as it is."""

    X: np.ndarray
    y: np.ndarray
    image: np.ndarray

    def of(self, images: np.ndarray) -> "Rows":
        keep = np.isin(self.image, images)
        return Rows(self.X[keep], self.y[keep], self.image[keep])

    @property
    def plain(self) -> "Rows":
        first = np.unique(self.image, return_index=True)[1]
        return Rows(self.X[first], self.y[first], self.image[first])


Sampler = Callable[[Rows, int], tuple[np.ndarray, np.ndarray]]  # training rows, seed -> more rows, labels


def gaussians(rows: Rows, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Around each class's mean, with the covariance that classes share (shrunk, Ledoit & Wolf 2004)."""
    means = _means(rows)
    root = np.linalg.cholesky(LedoitWolf().fit(rows.X - means[rows.y]).covariance_ + 1e-6 * np.eye(rows.X.shape[1]))
    named = np.repeat(np.arange(len(means)), EACH)
    normal = np.random.default_rng(seed).normal(size=(len(named), rows.X.shape[1]))
    return (means[named] + normal @ root.T).astype(np.float32), named


def around_images(rows: Rows, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Around each image of a class, with the covariance that classes share, halved: a kernel density."""
    means = _means(rows)
    root = np.linalg.cholesky(LedoitWolf().fit(rows.X - means[rows.y]).covariance_ + 1e-6 * np.eye(rows.X.shape[1]))
    random, named = np.random.default_rng(seed), np.repeat(np.arange(len(means)), EACH)
    centers = np.concatenate([random.choice(np.flatnonzero(rows.y == k), EACH) for k in range(len(means))])
    middle = 0.5**0.5 * rows.X[centers] + (1 - 0.5**0.5) * means[named]
    normal = random.normal(size=(len(named), rows.X.shape[1]))
    return (middle + 0.5**0.5 * normal @ root.T).astype(np.float32), named


def interpolated(rows: Rows, seed: int) -> tuple[np.ndarray, np.ndarray]:
    counts = np.bincount(rows.y)
    wanted = {k: int(n) + EACH for k, n in enumerate(counts)}
    both, named = SMOTE(
        sampling_strategy=wanted, random_state=seed % 2**32, k_neighbors=min(5, int(counts.min()) - 1)
    ).fit_resample(rows.X, rows.y)
    return both[len(rows.y) :], named[len(rows.y) :]


def generated(rows: Rows, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A conditional WGAN-GP of the largest principal components; the rest as Gaussian noise of their size."""
    pca = PCA(min(COMPONENTS, len(rows.y) - 1), random_state=seed % 2**32).fit(rows.X)
    inner = pca.transform(rows.X)
    gan = GANAugmenter(
        "mlp",
        "wgan-gp",
        sampling_strategy={k: int(n) + EACH for k, n in enumerate(np.bincount(rows.y))},
        n_steps=1000,
        filters=None,
        random_state=seed % 2**31,
        device="cpu",
    )
    both, named = gan.fit_resample(inner, rows.y)
    made = np.asarray(both[len(rows.y) :])
    noise = np.random.default_rng(seed).normal(size=(len(made), rows.X.shape[1])) * pca.noise_variance_**0.5
    return (pca.inverse_transform(made) + noise).astype(np.float32), np.asarray(named[len(rows.y) :])


def _means(rows: Rows) -> np.ndarray:
    return np.stack([rows.X[rows.y == k].mean(0) for k in range(rows.y.max() + 1)])


@dataclass(frozen=True)
class Cell:
    """The features of one draw of a set. `made`: of generated images, where there are."""

    train: Rows
    validation: Rows
    test: Rows
    made: Rows | None
    seed: int
    notes: dict[str, float] = field(default_factory=dict)

    @property
    def truth(self) -> np.ndarray:
        return self.test.y

    @property
    def counts(self) -> np.ndarray:
        return np.bincount(self.train.plain.y)


def weights_of(labels: np.ndarray, synthetic: np.ndarray, share: float) -> np.ndarray:
    """Classes alike, `share` of each synthetic; the sum is the number of real rows."""
    kinds = labels * 2 + synthetic
    sizes = np.bincount(kinds, minlength=2 * labels.max() + 2)
    has = sizes[1::2][labels] > 0
    part = np.where(synthetic, share, np.where(has, 1 - share, 1.0))
    weights = part / sizes[kinds]
    scaled: np.ndarray = weights * (~synthetic).sum() / weights.sum()
    return scaled


def standardized(X: np.ndarray, rows: Rows) -> np.ndarray:
    return (X - rows.X.mean(0)) / (rows.X.std(0) + 1e-6)


def learned(rows: Rows, test: np.ndarray, sampler: Sampler | None, share: float, seed: int) -> list[np.ndarray]:
    """Log-probabilities of `test` for each of STRENGTHS."""
    test, rows = standardized(test, rows), replace(rows, X=standardized(rows.X, rows))
    X, y, synthetic = rows.X, rows.y, np.zeros(len(rows.y), dtype=bool)
    if sampler is not None:
        more, named = sampler(rows, seed)
        X, y = np.concatenate([X, more]).astype(np.float32), np.concatenate([y, named])
        synthetic = np.arange(len(y)) >= len(rows.y)
    weights = weights_of(y, synthetic, share)
    model, found = LogisticRegression(max_iter=400, warm_start=True), []
    for strength in STRENGTHS:
        model.set_params(C=strength).fit(X, y, sample_weight=weights)
        found.append(np.log(model.predict_proba(test).clip(LEAST)))
    return found


def chosen_strength(rows: Rows, sampler: Sampler | None, share: float, seed: int) -> int:
    """The place in STRENGTHS with the least log-loss, classes alike, over folds of the images."""
    plain = rows.plain
    losses = np.zeros(len(STRENGTHS))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed % 2**32)
    for inside, outside in folds.split(plain.X, plain.y):
        own = learned(rows.of(plain.image[inside]), plain.X[outside], sampler, share, seed)
        weights = weights_of(plain.y[outside], np.zeros(len(outside), dtype=bool), 0.0)
        losses += [-(weights * one[np.arange(len(outside)), plain.y[outside]]).sum() for one in own]
    return int(losses.argmin())


def fitted(cell: Cell, sampler: Sampler | None = None, share: float = 0.0, *, altered: bool = True) -> np.ndarray:
    rows = cell.train if altered else cell.train.plain
    place = chosen_strength(rows, sampler, share, cell.seed)
    return learned(rows, cell.test.X, sampler, share, cell.seed)[place]


def handed(cell: Cell, given: Rows | None, share: float) -> np.ndarray:
    """With samples that no fold may choose by: those of a generator that has seen all of the training images."""
    if given is None:
        raise NotImplementedError
    more = standardized(given.X, cell.train), given.y
    place = chosen_strength(cell.train, None, 0.0, cell.seed)
    return learned(cell.train, cell.test.X, lambda rows, seed: more, share, cell.seed)[place]  # noqa: ARG005


def discriminant(cell: Cell) -> np.ndarray:
    """What ever more Gaussians lead to: shared covariance, classes alike."""
    n = len(cell.counts)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=np.full(n, 1 / n))
    found: np.ndarray = np.log(model.fit(cell.train.X, cell.train.y).predict_proba(cell.test.X).clip(LEAST))
    return found


def with_offset(cell: Cell, tau: float) -> np.ndarray:
    return offset(fitted(cell), np.log(cell.counts / cell.counts.sum()), tau)


WAYS: dict[str, Callable[[Cell], np.ndarray]] = {
    "oversampling": lambda c: fitted(c, altered=False),
    BASE: fitted,
    "classical, offsets 0.25": lambda c: with_offset(c, 0.25),
    "linear discriminant": discriminant,
    "25% of features by WGAN-GP": lambda c: fitted(c, generated, 0.25),
    "50% of features by WGAN-GP": lambda c: fitted(c, generated, 0.5),
    "25% of features by Gaussians": lambda c: fitted(c, gaussians, 0.25),
    "50% of features by Gaussians": lambda c: fitted(c, gaussians, 0.5),
    "75% of features by Gaussians": lambda c: fitted(c, gaussians, 0.75),
    "50% of features around images": lambda c: fitted(c, around_images, 0.5),
    "25% of features by SMOTE": lambda c: fitted(c, interpolated, 0.25),
    "50% of features by SMOTE": lambda c: fitted(c, interpolated, 0.5),
    "25% generated images": lambda c: handed(c, c.made, 0.25),
    "50% generated images": lambda c: handed(c, c.made, 0.5),
    "25%, held out": lambda c: handed(c, c.validation, 0.25),
    "50%, held out": lambda c: handed(c, c.validation, 0.5),
}


def cell_of(own: tuple[str, int, float], seed: int, inner: int, options: argparse.Namespace) -> Cell:  # noqa: ARG001
    name, shots, rho = own
    train, validation, test = drawn(own, seed, options)
    augment, made = classical(train), None
    versions = [train.images, *(augment(train.images, derive(seed, "classical", k)) for k in range(VERSIONS))]
    found = np.concatenate([efficientnet_features(one).numpy() for one in versions])
    rows = Rows(found, np.tile(train.labels.numpy(), len(versions)), np.tile(np.arange(len(train)), len(versions)))
    if options.seconds:
        folder = MODELS / f"{name}_{shots}_{rho:g}_{seed}_{options.seconds:g}s"
        gan, _ = generator(train, seed, folder, options)
        made = of_images(draw(gan, dict.fromkeys(train.classes, EACH), 0, train), EACH)
    return Cell(rows, of_images(validation, HELD_BACK), of_images(test, len(test)), made, seed)


def of_images(images: LabeledImages, most: int) -> Rows:
    keep = np.concatenate([np.flatnonzero(images.labels.numpy() == k)[:most] for k in range(len(images.classes))])
    own = images.take(keep)
    return Rows(efficientnet_features(own.images).numpy(), own.labels.numpy(), np.arange(len(own)))


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--seconds", type=float, default=0, help="training of a generator of images; 0: none")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS))
    options = parser.parse_args()
    options.ways = options.ways or [way for way in WAYS if options.seconds or "generated" not in way]
    about = (
        "A draw is one of images, rare classes and samples. Logistic regression on EfficientNet-lite0 features, its "
        "penalty chosen for each way."
    )
    climb(WAYS, cell_of, "What pays on pre-trained features", about, options)


if __name__ == "__main__":
    main()
