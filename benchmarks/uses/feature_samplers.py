"""Feature vectors of a draw, and the samplers that add more of them to a class."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from imblearn.over_sampling import SMOTE
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA

from benchmarks.generators import make_augmenter

SAMPLES_PER_CLASS = 500
COMPONENTS = 128  # principal components that a generator of features learns


@dataclass(frozen=True)
class FeatureRows:
    """Features of images and their augmented versions.

    Parameters
    ----------
    X : ndarray
        float32, (N, D).
    y : ndarray
        Labels, (N,).
    image : ndarray
        Which image each row is a version of, (N,); the first row of an image is of the image itself.
    """

    X: np.ndarray
    y: np.ndarray
    image: np.ndarray

    def of_images(self, images: np.ndarray) -> "FeatureRows":
        """All rows of some images."""
        mask = np.isin(self.image, images)
        return FeatureRows(self.X[mask], self.y[mask], self.image[mask])

    @property
    def unaugmented(self) -> "FeatureRows":
        """The rows of the images themselves."""
        first = np.unique(self.image, return_index=True)[1]
        return FeatureRows(self.X[first], self.y[first], self.image[first])


Sampler = Callable[[FeatureRows, int], tuple[np.ndarray, np.ndarray]]  # training rows, seed -> more rows, labels


def sample_gaussians(rows: FeatureRows, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal around each class's mean, with the covariance that classes share (shrunk, Ledoit & Wolf 2004)."""
    means = _class_means(rows)
    labels = np.repeat(np.arange(len(means)), SAMPLES_PER_CLASS)
    normal = np.random.default_rng(seed).normal(size=(len(labels), rows.X.shape[1]))
    return (means[labels] + normal @ _shared_root(rows, means).T).astype(np.float32), labels


def sample_kernel_density(rows: FeatureRows, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal around each image of a class, with half of the covariance that classes share."""
    means = _class_means(rows)
    root = _shared_root(rows, means)
    random, labels = np.random.default_rng(seed), np.repeat(np.arange(len(means)), SAMPLES_PER_CLASS)
    members = [random.choice(np.flatnonzero(rows.y == k), SAMPLES_PER_CLASS) for k in range(len(means))]
    centers = 0.5**0.5 * rows.X[np.concatenate(members)] + (1 - 0.5**0.5) * means[labels]
    normal = random.normal(size=(len(labels), rows.X.shape[1]))
    return (centers + 0.5**0.5 * normal @ root.T).astype(np.float32), labels


def sample_smote(rows: FeatureRows, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """SMOTE: points between a row and a neighbor of its class (Chawla et al. 2002)."""
    counts = np.bincount(rows.y)
    sampler = SMOTE(
        sampling_strategy={k: int(n) + SAMPLES_PER_CLASS for k, n in enumerate(counts)},
        random_state=seed % 2**32,
        k_neighbors=min(5, int(counts.min()) - 1),
    )
    X, y = sampler.fit_resample(rows.X, rows.y)
    return X[len(rows.y) :], y[len(rows.y) :]


def sample_wgan_gp(rows: FeatureRows, seed: int, *, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """A conditional WGAN-GP of the largest principal components, and Gaussian noise for the other ones."""
    pca = PCA(min(COMPONENTS, len(rows.y) - 1, rows.X.shape[1]), random_state=seed % 2**32).fit(rows.X)
    augmenter = make_augmenter(
        seed % 2**31,
        network="mlp",
        loss="wgan-gp",
        sampling_strategy={k: int(n) + SAMPLES_PER_CLASS for k, n in enumerate(np.bincount(rows.y))},
        n_steps=steps,
        filters=None,
    )
    X, y = augmenter.fit_resample(pca.transform(rows.X), rows.y)
    components, labels = np.asarray(X[len(rows.y) :]), np.asarray(y[len(rows.y) :])
    noise = np.random.default_rng(seed).normal(size=(len(components), rows.X.shape[1])) * pca.noise_variance_**0.5
    return (pca.inverse_transform(components) + noise).astype(np.float32), labels


def _class_means(rows: FeatureRows) -> np.ndarray:
    """Mean of each class, (K, D)."""
    return np.stack([rows.X[rows.y == k].mean(0) for k in range(rows.y.max() + 1)])


def _shared_root(rows: FeatureRows, means: np.ndarray) -> np.ndarray:
    """Cholesky factor of the covariance that classes share, (D, D)."""
    covariance = LedoitWolf().fit(rows.X - means[rows.y]).covariance_
    root: np.ndarray = np.linalg.cholesky(covariance + 1e-6 * np.eye(rows.X.shape[1]))
    return root
