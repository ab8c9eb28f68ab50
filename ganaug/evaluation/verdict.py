"""Rules of the verdict: pure functions of intervals and scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from ganaug.evaluation.bootstrap import CONFIDENCE_LEVEL, Interval, interval

HELPS, HELPS_RARE, NO_EVIDENCE, HURTS = "helps", "helps rare classes", "no evidence", "hurts"
ADVISED = (HELPS, HELPS_RARE)  # the verdicts that advise synthetic images
SIGNIFICANCE = 0.05  # of a change of the recall of a class, adjusted for the number of classes


def judge_method(gain: Interval, gain_of_classes: Interval, above: Interval | None, *, is_best: bool) -> str:
    """Judge one training method with synthetic images.

    Parameters
    ----------
    gain : Interval
        Gain in the objective over the selected baseline.
    gain_of_classes : Interval
        The same over the classes with enough test images. A class with a single test image has the same recall in
        every resample, so that its interval has no width.
    above : Interval or None
        Gain over class-wise offsets of the selected baseline; None where there are no rare classes.
    is_best : bool
        Whether no single baseline has a higher score.

    Returns
    -------
    str
        "helps" if both gains lie above 0, the method is best, and it lies above the offset curve; "hurts" if both
        gains lie below 0; else "no evidence".

    Examples
    --------
    >>> from ganaug.evaluation import Interval
    >>> from ganaug.evaluation.verdict import judge_method
    >>> judge_method(Interval(0.02, 0.01, 0.03), Interval(0.02, 0.01, 0.03), None, is_best=True)
    'helps'
    >>> judge_method(Interval(0.02, -0.01, 0.05), Interval(0.02, 0.01, 0.03), None, is_best=True)
    'no evidence'
    """
    if min(gain.low, gain_of_classes.low) > 0 and is_best and (above is None or above.low > 0):
        return HELPS
    return HURTS if max(gain.high, gain_of_classes.high) < 0 else NO_EVIDENCE


@dataclass(frozen=True)
class RareClasses:
    """What a training method does to rare classes, and to the others.

    Attributes
    ----------
    is_gaining : array of shape (K,), bool
        Rare classes whose recall rises, significantly after adjustment for the number of classes.
    others : Interval
        Change of the mean recall of all other classes.
    margin : float
        Loss of the others that is accepted.

    Examples
    --------
    Class 1 is rare and gains 10 points, class 0 loses half a point:

    >>> import numpy as np
    >>> from ganaug.evaluation import Interval
    >>> from ganaug.evaluation.verdict import RareClasses
    >>> changes = [Interval(-0.005, -0.008, -0.002), Interval(0.1, 0.05, 0.15)]
    >>> difference = np.tile([-0.005, 0.1], (100, 1)) + np.random.default_rng(0).normal(0, 0.001, (100, 2))
    >>> RareClasses.judge(changes, np.array([0.04, 0.001]), np.array([False, True]), difference, margin=0.01).is_gain
    True
    """

    is_gaining: np.ndarray
    others: Interval
    margin: float

    @classmethod
    def judge(
        cls,
        changes: Sequence[Interval],
        p_values: np.ndarray,
        is_rare: np.ndarray,
        difference: np.ndarray,
        margin: float,
    ) -> "RareClasses":
        """Judge the changes of recall.

        Parameters
        ----------
        changes : sequence of Interval
            Change of the recall of each class.
        p_values : array of shape (K,)
            Adjusted p values; NaN for a class with too few test images.
        is_rare : array of shape (K,), bool
            Rare classes.
        difference : array of shape (B + 1, K)
            Change of the recall of each class in each resample; NaN for a class that the resample lacks.
        margin : float
            Loss of the other classes that is accepted.

        Returns
        -------
        RareClasses
        """
        is_gaining = is_rare & (p_values < SIGNIFICANCE) & np.array([change.value > 0 for change in changes])
        others = difference[:, ~is_gaining]
        is_known = np.isfinite(others)
        # without other classes nothing can be lost
        means = np.where(is_known, others, 0).sum(1) / np.maximum(is_known.sum(1), 1)
        return cls(is_gaining, interval(means), margin)

    @property
    def is_gain(self) -> bool:
        """Whether a rare class gains, and the interval of the change of the others lies above minus the margin."""
        return bool(self.is_gaining.any()) and self.others.low > -self.margin


def judge_shares(verdicts: Mapping[float, str]) -> str:
    """Judge whether synthetic images hurt, from the verdict on each share.

    Parameters
    ----------
    verdicts : dict of float to str
        Verdict on the method of each synthetic share.

    Returns
    -------
    str
        "hurts" if every share above the smallest hurts, or the only one; else "no evidence". The smallest share can do
        too little harm to be detected.
    """
    judged = sorted(verdicts)[1:] or list(verdicts)
    return HURTS if all(verdicts[share] == HURTS for share in judged) else NO_EVIDENCE


def smallest_within_one_standard_error(accuracy: Mapping[float, np.ndarray]) -> float:
    """Select a share by the one-standard-error rule.

    Parameters
    ----------
    accuracy : dict of float to array of shape (B + 1,)
        For each share, the point estimate of the balanced accuracy, then its value in each resample.

    Returns
    -------
    float
        The smallest share with an accuracy within one standard error of the best.

    References
    ----------
    Breiman, L. et al. (1984). Classification and Regression Trees. Wadsworth, section 3.4.3.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug.evaluation.verdict import smallest_within_one_standard_error
    >>> smallest_within_one_standard_error({0.0: np.array([0.79, 0.7, 0.8]), 0.5: np.array([0.8, 0.78, 0.82])})
    0.0
    """
    best = max(accuracy.values(), key=lambda values: float(values[0]))
    # the smallest share that is nearly as good: a difference within one error is no reason to add more
    return min(share for share, values in accuracy.items() if values[0] >= best[0] - best[1:].std())


def choose_share(differences: Mapping[float, Interval | np.ndarray]) -> float:
    """Choose the largest share without measurable harm that is at or below the best share.

    Parameters
    ----------
    differences : dict of float to Interval or array of shape (B + 1,)
        For each synthetic share, the difference of its score from that of share 0: with its interval, or in every
        resample (as for `interval`). Share 0 need not be among them. Differences that are not finite are left out.

    Returns
    -------
    float
        0 if every share scores lower than share 0, or none is without measurable harm.

    Notes
    -----
    A share does measurable harm if its interval lies below 0. Shares above the best are not chosen, even if their harm
    is too small to be measured: there is nothing to gain by them. The exception are shares that chance alone may put
    below the best: those whose interval lies above 0, within one standard error of the best. Of equal shares, the
    smallest is the best.

    This rule chooses a share where synthetic images are wanted. It is no evidence that they help: see `judge_method`.

    Examples
    --------
    >>> from ganaug.evaluation import Interval, choose_share
    >>> choose_share({0.1: Interval(0.002, -0.01, 0.01), 0.25: Interval(0.008, -0.002, 0.019), 0.5: Interval(0, -1, 1)})
    0.25
    >>> choose_share({0.25: Interval(0.052, 0.032, 0.072), 0.5: Interval(0.05, 0.03, 0.07)})
    0.5
    >>> choose_share({0.1: Interval(-0.001, -0.01, 0.01), 0.25: Interval(-0.02, -0.03, -0.01)})
    0.0
    """
    intervals = {0.0: Interval(0.0, 0.0, 0.0)}
    for share, difference in differences.items():
        intervals[share] = difference if isinstance(difference, Interval) else interval(np.asarray(difference))
    known = {share: each for share, each in intervals.items() if np.isfinite(each.value)}
    best = max(known, key=lambda share: (known[share].value, -share))
    # the width of a 95 % interval is about four standard errors
    lowest = known[best].value - (known[best].high - known[best].low) / (2 * norm.ppf((1 + CONFIDENCE_LEVEL) / 2))
    as_good = [share for share, each in known.items() if each.low > 0 and each.value >= lowest]
    limit = max([best, *as_good])
    return max(share for share, each in known.items() if share <= limit and not each.high < 0)
