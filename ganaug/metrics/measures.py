"""What is measured of synthetic images of one class: each measure one entry, with its test and what to make of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from scipy.stats import beta, binom, fisher_exact, norm
from torch import Tensor

from ganaug._runtime.randomness import generator
from ganaug.metrics.alignment import aligned_nearest, copy_ratios
from ganaug.metrics.coverage import balls, precision, recall
from ganaug.metrics.distance import distances, kernel_distance_error
from ganaug.metrics.membership import membership
from ganaug.metrics.modes import Mode, modes
from ganaug.metrics.permutation import Permutations, Tested, classifier_test, coverage_test, kernel_test, mean_test
from ganaug.metrics.recognition import Recognition
from ganaug.metrics.variety import vendi_ratio

NEIGHBORS = 5
COPY, PLAIN_COPY = 0.5, 0.25  # `copy_ratios` below which an image is taken for a copy, and for one beyond doubt
HONEST, PLAINLY_HONEST = 0.005, 0.001  # share of honest images that fall below these all the same
A_FILM = 0.05  # share of training images as near to another as a copy is, beyond which that is how these images are
FEW_PERMUTATIONS, MAX_PERMUTED = 5, 1000  # of both sets, for figures that are shown and not judged; points of each
HALVES, MAX_VARIED = 20, 300  # half-samples for the error of the Vendi ratio, and points of each
REPEATED = 0.05  # quantile of distances among real images, half of which makes two synthetic images one

_NORMAL = float(norm.ppf(0.975))


@dataclass(frozen=True)
class Pair:
    """Real and synthetic images of one class, or of all, side by side.

    real, synthetic: features (N, D), (M, D). real_images, synthetic_images: uint8 (N, C, H, W), (M, C, H, W).
    training_images: what may have been copied (T, C, H, W). recognized: what a classifier says of both, or None.
    members: how near the synthetic images of their class come to real images that were trained on, and to as many that
    were not, (P,) each (`membership.nearest_synthetic`), or None.
    """

    real: Tensor
    synthetic: Tensor
    real_images: Tensor
    synthetic_images: Tensor
    training_images: Tensor
    recognized: tuple[Recognition, Recognition] | None
    claimed: tuple[Tensor, Tensor]
    n_permutations: int
    seed: int
    members: tuple[Tensor, Tensor] | None = None

    @property
    def k(self) -> int:
        """Neighbors that make a ball: 5, or fewer where there are few points."""
        return max(1, min(NEIGHBORS, len(self.real) - 1, len(self.synthetic) - 1))

    @cached_property
    def who(self) -> Permutations:
        """Who is synthetic, permuted."""
        return Permutations(len(self.real), len(self.synthetic), self.n_permutations, self.seed)

    @cached_property
    def reached_alike(self) -> tuple[float, float]:
        """(Precision, recall) where both are draws from one distribution: means over a few deals."""
        some = [side[:MAX_PERMUTED] for side in (self.real, self.synthetic)]
        between = distances(torch.cat(some), torch.cat(some))
        found = []
        for is_synthetic in Permutations(len(some[0]), len(some[1]), FEW_PERMUTATIONS, self.seed).few[1:]:
            for balls_of in (~is_synthetic, is_synthetic):
                reach = between[balls_of][:, balls_of].kthvalue(self.k + 1, dim=1).values  # itself is the nearest
                found.append(float((between[~balls_of][:, balls_of] < reach).any(1).double().mean()))
        return sum(found[::2]) / FEW_PERMUTATIONS, sum(found[1::2]) / FEW_PERMUTATIONS

    @cached_property
    def copies(self) -> tuple[Tensor, Tensor, Tensor]:
        """`alignment.copy_ratios` of the synthetic images to the training images."""
        return copy_ratios(self.synthetic_images, self.training_images, seed=self.seed)

    @cached_property
    def modes(self) -> list[Mode]:
        """Clusters of both sets."""
        return modes(self.real, self.synthetic, seed=self.seed % 2**31)


@dataclass(frozen=True)
class Measured:
    """A figure, its 95 % interval, what it would be were both sets alike, and the p value of its being so bad.

    n: images of each kind that it speaks of, where these are not all.
    """

    value: float
    low: float | None = None
    high: float | None = None
    expected: float | None = None
    p: float | None = None
    note: str = ""
    n: int | None = None


@dataclass(frozen=True)
class Measure:
    """A measure. severity: what it is where its test fails. means, fix: a sentence each for the reader.

    enough: real and synthetic images of a class from which on gross faults of this kind show, so that their absence
    says something: one kind in five missing, one image in twenty copied, one label in five wrong, half of the images
    darker and half brighter, no more than ten images over and over (benchmarks/judgement.py). takes: of a pair, what
    must be there, and otherwise: what to say where it is not. alike: what `Measured.expected` is of.
    """

    of: Callable[[Pair], Measured]
    severity: str = ""
    means: str = ""
    fix: str = ""
    enough: int = 20
    takes: str = ""
    otherwise: str = ""
    alike: str = "real images"


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    z = _NORMAL
    middle, spread = hits + z * z / 2, z * math.sqrt(hits * (n - hits) / n + z * z / 4)
    return max(0.0, (middle - spread) / (n + z * z)), min(1.0, (middle + spread) / (n + z * z))


def at_most(hits: int, n: int) -> float:
    """Upper 95 % bound of a share: 3 / n where there is none (Clopper & Pearson 1934)."""
    return float(beta.ppf(0.95, hits + 1, n - hits)) if hits < n else 1.0


def _share(value: float, n: int, found: Tested | None = None) -> Measured:
    low, high = wilson(round(value * n), n)
    return Measured(value, low, high) if found is None else Measured(value, low, high, found.expected, found.p)


def _recognized(pair: Pair) -> Measured:
    assert pair.recognized is not None
    of_real, of_synthetic = pair.recognized
    hits, n = int((of_synthetic.named == pair.claimed[1]).sum()), len(of_synthetic.named)
    found = mean_test(of_real.confidence, of_synthetic.confidence, pair.who)
    usual = float((of_real.named == pair.claimed[0]).double().mean())
    return Measured(hits / n, *wilson(hits, n), usual, found.p)


def _coverage(pair: Pair) -> Measured:
    found = coverage_test(pair.real, pair.synthetic, pair.who, k=pair.k)
    return _share(found.value, len(pair.real), found)


def _kernel(pair: Pair) -> Measured:
    found = kernel_test(pair.real, pair.synthetic, pair.who)
    reach = _NORMAL * kernel_distance_error(pair.real, pair.synthetic)
    chance = f"alike: {found.low:.3f} to {found.high:.3f}"
    return Measured(found.value, found.value - reach, found.value + reach, 0.0, found.p, chance)


def _classifier(pair: Pair) -> Measured:
    found = classifier_test(pair.real, pair.synthetic, pair.who)
    low, high = auc_interval(found.value, len(pair.real), len(pair.synthetic))
    return Measured(found.value, low, high, found.expected, found.p)


def auc_interval(auc: float, n: int, m: int) -> tuple[float, float]:
    """95 % interval of an area under the curve (Hanley & McNeil 1982)."""
    one, two = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    variance = (auc * (1 - auc) + (m - 1) * (one - auc * auc) + (n - 1) * (two - auc * auc)) / (n * m)
    reach = _NORMAL * math.sqrt(max(0.0, variance))
    return max(0.0, auc - reach), min(1.0, auc + reach)


def _missing_modes(pair: Pair) -> Measured:
    p = min(1.0, pair.modes[0].p * len(pair.modes))
    missing = [mode for mode in pair.modes if mode.p * len(pair.modes) < 0.01]
    lost = sum(mode.real for mode in missing) / len(pair.real)
    return Measured(lost, *wilson(round(lost * len(pair.real)), len(pair.real)), 0.0, p)


def copy_limit(among: Tensor) -> float:
    """The ratio below which an image is taken for a copy: 0.5, or less where the training images repeat each other.

    among: `alignment.copy_ratios` of the training images among themselves. A few that are there twice change nothing;
    where many are, as frames of a film, a copy must be nearer than nearly all of these.
    """
    repeat_each_other = len(among) and float((among < COPY).double().mean()) > A_FILM
    return float(among.quantile(HONEST)) if repeat_each_other else COPY


def _copies(pair: Pair) -> Measured:
    ratios, _, among = pair.copies
    n, limit = len(ratios), copy_limit(among)
    plain_limit = min(PLAIN_COPY, limit)
    hits, usual, p = _beyond_honest(ratios, among, limit, HONEST)
    plain_p = _beyond_honest(ratios, among, plain_limit, PLAINLY_HONEST)[2]
    expected = max(HONEST, usual / max(1, len(among)))
    low = wilson(hits, n)[0] if hits else 0.0
    return Measured(hits / n, low, at_most(hits, n), expected, min(1.0, 2 * p, 2 * plain_p), "high end: 95 % one-sided")


def _beyond_honest(ratios: Tensor, among: Tensor, limit: float, honest: float) -> tuple[int, int, float]:
    """Synthetic images below the limit, training images below it, and the p value of so many of the former."""
    n, hits, usual = len(ratios), int((ratios < limit).sum()), int((among < limit).sum())
    p = float(binom.sf(hits - 1, n, honest))
    if usual:  # the training images repeat each other: the synthetic ones must do so more often
        table = [[hits, n - hits], [usual, len(among) - usual]]
        p = max(p, float(fisher_exact(table, alternative="greater").pvalue))
    return hits, usual, p


def _repeats(pair: Pair) -> Measured:
    """Synthetic images that another one repeats, among as many as there are real ones."""
    n = min(len(pair.real_images), len(pair.synthetic_images))
    among = [_among(images, n, pair.seed) for images in (pair.real_images, pair.synthetic_images)]
    if n < 3 or not len(among[0]):
        return Measured(0.0, 0.0, 1.0, 0.0, 1.0)
    limit = float(among[0].quantile(REPEATED)) / 2
    real, synthetic = (int((distances <= limit).sum()) for distances in among)
    p = float(fisher_exact([[synthetic, n - synthetic], [real, n - real]], alternative="greater").pvalue)
    return Measured(synthetic / n, *wilson(synthetic, n), real / n, p)


def _among(images: Tensor, n: int, seed: int) -> Tensor:
    some = torch.randperm(len(images), generator=generator(seed, "repeats"))[:n]
    chosen = images[some.sort().values]
    return aligned_nearest(chosen, chosen, places=torch.arange(len(chosen)))[0][:, 0].clamp_max(1.5)


def _vendi(pair: Pair) -> Measured:
    n = min(len(pair.real), len(pair.synthetic), MAX_VARIED)
    draws = generator(pair.seed, "halves")
    halves = torch.stack([torch.randperm(n, generator=draws)[: max(1, n // 2)] for _ in range(HALVES)])
    value, error = vendi_ratio(pair.real[:n], pair.synthetic[:n], halves)
    return Measured(value, max(0.0, value - _NORMAL * error), value + _NORMAL * error, 1.0)


def _membership(pair: Pair) -> Measured:
    assert pair.members is not None
    found, n = membership(*pair.members), len(pair.members[0])
    low, high = difference_of_shares(found.true_positives, n, found.false_positives, n)
    told = f"{found.true_positives:.0%} of those trained on are told, and {found.false_positives:.0%} of others"
    return Measured(found.advantage, max(0.0, low), high, found.by_chance, found.p, told, n)


def difference_of_shares(one: float, n: int, other: float, m: int) -> tuple[float, float]:
    """95 % interval of one share, of n, less another, of m (Newcombe 1998, method 10)."""
    of_one, of_other = wilson(round(one * n), n), wilson(round(other * m), m)
    down = math.hypot(one - of_one[0], of_other[1] - other)
    up = math.hypot(of_one[1] - one, other - of_other[0])
    return one - other - down, one - other + up


def _density(pair: Pair) -> Measured:
    counts = balls(pair.real, pair.synthetic, k=pair.k).double() / pair.k
    reach = _NORMAL * float(counts.std()) / math.sqrt(len(counts))
    value = float(counts.mean())
    return Measured(value, max(0.0, value - reach), value + reach, 1.0)


def _precision(pair: Pair) -> Measured:
    found = _share(precision(pair.real, pair.synthetic, k=pair.k), len(pair.synthetic))
    return replace(found, expected=pair.reached_alike[0])


def _recall(pair: Pair) -> Measured:
    found = _share(recall(pair.real, pair.synthetic, k=pair.k), len(pair.real))
    return replace(found, expected=pair.reached_alike[1])


MEASURES: dict[str, Measure] = {
    "recognized": Measure(
        _recognized,
        "fail",
        "a classifier of the real images does not see the class in them as surely as in real ones",
        "train longer, keep the label filter on, or leave the class out",
        enough=100,
        takes="recognized",
        otherwise="takes two classes of two real images",
    ),
    "near-copies": Measure(
        _copies,
        "fail",
        "synthetic images repeat training images",
        "keep the copy filter on, augment more, stop earlier; do not publish these images as synthetic",
        enough=50,
    ),
    "coverage": Measure(
        _coverage,
        "fail",
        "many real images have no synthetic one like them",
        "train longer or with augmentation, sample with a larger latent spread, do not truncate",
    ),
    "missing modes": Measure(
        _missing_modes,
        "fail",
        "whole kinds of real images have no synthetic ones",
        "look at the kinds below; train longer, or collect more images of these kinds",
        enough=200,
    ),
    "repeats": Measure(
        _repeats,
        "fail",
        "synthetic images repeat each other more than real ones do",
        "mode collapse: another loss, more augmentation, an earlier checkpoint",
    ),
    "KID": Measure(
        _kernel,
        "warn",
        "features differ from those of real images",
        "train longer; see which classes",
        enough=200,
    ),
    "C2ST AUC": Measure(
        _classifier,
        "warn",
        "a classifier tells synthetic from real images",
        "look at both side by side below",
        enough=200,
    ),
    "membership": Measure(
        _membership,
        "warn",
        "from the synthetic images one can tell which real images were trained on",
        "train for less time or hand out fewer images, which lowered it where that was measured; filters did not",
        enough=50,
        takes="members",
        otherwise="takes real images that were not trained on (holdout). Classes of 10 to 24 images of a long-tailed "
        "Fashion-MNIST had 0.26, 0.16 after a quarter of the training",
        alike="by chance",
    ),
    "density": Measure(_density),
    "precision": Measure(_precision),
    "recall": Measure(_recall),
    "Vendi ratio": Measure(_vendi),
}
