"""Signs of failing adversarial training: symptoms with thresholds, judged at every check, and the action for each.

The dictionary `SYMPTOMS` holds them all.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

Action = Literal[
    "return to the best state, halve both learning rates",
    "return to the best state, halve the discriminator's learning rate",
    "halve the discriminator's learning rate",
    "halve the generator's learning rate",
]


@dataclass(frozen=True)
class Symptom:
    """A failure of adversarial training.

    Parameters
    ----------
    meaning : str
        Description for the report.
    measure : str
        What the measured value is; empty if the symptom has no value.
    threshold : float
        Limit of the measured value.
    action : str
        What the run does at once.
    final_action : {"stop", "fail", "continue"}
        What the run does after the action did not help `MAX_RETRIES` times: stop and keep the best checkpoint, raise
        TrainingError, or only warn.
    excluded_from_best : bool, default=True
        Whether the state at such a check is excluded from becoming the best checkpoint.
    """

    meaning: str
    measure: str
    threshold: float
    action: Action
    final_action: Literal["stop", "fail", "continue"]
    excluded_from_best: bool = True


MAX_RETRIES = 3
GRACE_CHECKS = 10  # after the start or a roll-back, before a class may be judged without having been diverse
COLLAPSED_DIVERSITY = 0.05  # below it a class has collapsed after the grace checks, even if its diversity grows
RECOVERY_CHECKS = 2 * GRACE_CHECKS  # checks in a row without a symptom that reset retries and raise learning rates
STALLED_CHECKS = 2  # checks without a better score, before a fading signal is a symptom

SIGNAL = ("gap", "gradient_images")  # logged numbers that say what the discriminator tells the generator
RELATIVE = ("gradient_generator", *SIGNAL)

SYMPTOMS: dict[str, Symptom] = {
    "nan": Symptom(
        "a loss, gradient, weight or score is not finite",
        "",
        0.0,
        "return to the best state, halve both learning rates",
        "fail",
    ),
    "vanishing-gradient": Symptom(
        "the generator receives almost no gradient",
        "norm relative to the largest of this run",
        1e-3,
        "return to the best state, halve the discriminator's learning rate",
        "stop",
    ),
    "mode-collapse": Symptom(
        "samples are nearly identical",
        "mean distance relative to that between real images",
        0.25,
        "return to the best state, halve both learning rates",
        "stop",
    ),
    "discriminator-ahead": Symptom(
        "the discriminator is nearly always right",
        "accuracy",
        0.998,
        "halve the discriminator's learning rate",
        "continue",
        excluded_from_best=False,
    ),
    "standstill": Symptom(
        "the discriminator hardly tells real from synthetic images, and these do not improve",
        "its signal relative to the largest of this run",
        0.1,
        "halve the generator's learning rate",
        "continue",
        excluded_from_best=False,
    ),
}


@dataclass(frozen=True)
class Finding:
    """A symptom at one step.

    Parameters
    ----------
    step : int
    symptom : str
        A name in `SYMPTOMS`.
    value, threshold : float
        The measured value and its limit.
    subject : str
        Name of the class or of the logged scalar that shows the symptom, or "samples" for a score that is not finite;
        empty if the symptom concerns the whole run.
    action : str
        What the run did.

    Examples
    --------
    >>> from ganaug.training.health import Finding
    >>> print(Finding(1500, "mode-collapse", 0.11, 0.25, "owl", "return to the best state, halve both learning rates"))
    step 1,500: mode-collapse in class 'owl': samples are nearly identical (mean distance relative to that between real
    images: 0.11, limit 0.25); action: return to the best state, halve both learning rates
    """

    step: int
    symptom: str
    value: float
    threshold: float
    subject: str
    action: str

    def __str__(self) -> str:
        symptom = SYMPTOMS[self.symptom]
        kind = "class " if self.symptom == "mode-collapse" else ""
        location = f" in {kind}{self.subject!r}" if self.subject else ""
        measured = f" ({symptom.measure}: {self.value:.3g}, limit {self.threshold:g})" if symptom.measure else ""
        return f"step {self.step:,}: {self.symptom}{location}: {symptom.meaning}{measured}; action: {self.action}"


@dataclass(frozen=True)
class Evaluation:
    """What a check measures on samples.

    Parameters
    ----------
    score : float
        Distance of samples to real images; lower is better.
    diversity : mapping of str to float
        For each class, the mean distance between samples relative to that between real images.

    Notes
    -----
    Both are computed over the classes with enough real images to compare with, or over all classes if none has.
    """

    score: float
    diversity: Mapping[str, float]


class Health:
    """Judges each check of a run in light of the earlier ones.

    Attributes
    ----------
    findings : list of Finding
        All symptoms so far, in order.
    largest : dict of str to float
        Largest value, at a check without a symptom, of the generator's gradient norm, and of the two parts of the
        discriminator's signal: the gap between its mean logits of real and of synthetic images, and the norm of the
        gradient at a synthetic image.
    best_score : float
    stalled_checks : int
        Checks in a row without a better score.
    best_diversity : dict of str to float
        Largest diversity of each class.
    checks : int
        Checks since the start or the last roll-back.
    healthy_checks : int
        Checks in a row without a symptom.
    retries : dict of str to int
        How often the action of each symptom was taken.

    Examples
    --------
    >>> from ganaug.training.health import Evaluation, Health
    >>> health = Health()
    >>> health.judge(100, {"gradient_generator": 1.0}, Evaluation(0.2, {"owl": 0.9}))
    >>> health.judge(200, {"gradient_generator": 1.0}, Evaluation(0.2, {"owl": 0.1})).symptom
    'mode-collapse'
    """

    def __init__(self) -> None:
        self.largest: dict[str, float] = {}
        self.best_score = math.inf
        self.stalled_checks = 0
        self.best_diversity: dict[str, float] = {}
        self.checks = 0
        self.healthy_checks = 0
        self.retries: dict[str, int] = {}
        self.findings: list[Finding] = []

    def judge(self, step: int, means: Mapping[str, float], evaluation: Evaluation) -> Finding | None:
        """Judge a check, and record the most severe symptom.

        Parameters
        ----------
        step : int
        means : mapping of str to float
            Mean of each logged number since the last check. A number that was not logged is absent.
        evaluation : Evaluation

        Returns
        -------
        Finding or None
            None if there is no symptom.
        """
        self.checks += 1
        # before the records are updated: a value is compared with earlier checks only
        self.stalled_checks = 0 if evaluation.score < self.best_score else self.stalled_checks + 1
        self.best_score = min(self.best_score, evaluation.score)
        most_severe = self._most_severe(means, evaluation)
        for name, ratio in evaluation.diversity.items():
            self.best_diversity[name] = max(ratio, self.best_diversity.get(name, 0.0))
        self.healthy_checks = self.healthy_checks + 1 if most_severe is None else 0
        if most_severe is None:
            # healthy checks only: after an exploding gradient, normal ones would look vanished
            for name in RELATIVE:
                self.largest[name] = max(self.largest.get(name, 0.0), means.get(name, 0.0))
            self.retries = {} if self.healthy_checks >= RECOVERY_CHECKS else self.retries
            return None
        name, value, subject = most_severe
        n_retries = self.retries.get(name, 0)
        self.retries[name] = n_retries + 1
        symptom = SYMPTOMS[name]
        action = symptom.action if n_retries < MAX_RETRIES else symptom.final_action
        if action.startswith("return"):
            self.checks = 0
        finding = Finding(step, name, value, symptom.threshold, subject, action)
        self.findings.append(finding)
        return finding

    def conclude(self, step: int, evaluation: Evaluation) -> None:
        """Record at the end of training a class whose samples are nearly identical, without grace checks.

        Parameters
        ----------
        step : int
        evaluation : Evaluation
            Of the last check.
        """
        threshold = SYMPTOMS["mode-collapse"].threshold
        collapsed = {name: ratio for name, ratio in evaluation.diversity.items() if ratio < threshold}
        if collapsed and not (self.findings and self.findings[-1].step == step):
            worst = min(collapsed, key=lambda name: collapsed[name])
            advice = "none, training has ended; train longer, or leave the class out"
            self.findings.append(Finding(step, "mode-collapse", collapsed[worst], threshold, worst, advice))

    def _most_severe(self, means: Mapping[str, float], evaluation: Evaluation) -> tuple[str, float, str] | None:
        """Return the (name, value, subject) of the most severe symptom, or None."""
        not_finite = [name for name, value in means.items() if not math.isfinite(value)]
        if not_finite or not math.isfinite(evaluation.score):
            return "nan", math.nan, not_finite[0] if not_finite else "samples"
        relative = {name: means[name] / max(self.largest.get(name, 0.0), 1e-30) for name in RELATIVE if name in means}
        gradient = relative.get("gradient_generator", math.inf)
        if gradient <= SYMPTOMS["vanishing-gradient"].threshold:
            return "vanishing-gradient", gradient, ""
        collapsed = {
            name: ratio
            for name, ratio in evaluation.diversity.items()
            if ratio < SYMPTOMS["mode-collapse"].threshold and self._has_collapsed(name, ratio)
        }
        if collapsed:
            worst = min(collapsed, key=lambda name: collapsed[name])
            return "mode-collapse", collapsed[worst], worst
        accuracy = min(means.get("accuracy_real", 0.0), means.get("accuracy_fake", 0.0))
        if accuracy > SYMPTOMS["discriminator-ahead"].threshold and self._is_new("discriminator-ahead"):
            return "discriminator-ahead", accuracy, ""
        signal = max(relative.get(name, math.inf) for name in SIGNAL)
        is_stalled = self.stalled_checks >= STALLED_CHECKS
        if signal < SYMPTOMS["standstill"].threshold and is_stalled and self._is_new("standstill"):
            return "standstill", signal, ""
        return None

    def _is_new(self, name: str) -> bool:
        """Whether the final action of a symptom, a warning, was not recorded yet: it is not repeated at every check."""
        return self.retries.get(name, 0) <= MAX_RETRIES

    def _has_collapsed(self, name: str, ratio: float) -> bool:
        """Decide whether a class of low diversity was diverse before, or does not improve after the grace checks."""
        best = self.best_diversity.get(name, 0.0)
        if best >= 2 * SYMPTOMS["mode-collapse"].threshold:
            return True
        return self.checks > GRACE_CHECKS and (ratio <= best or ratio < COLLAPSED_DIVERSITY)

    def state_dict(self) -> dict[str, object]:
        """Return everything that later judgments depend on."""
        return {
            "largest": self.largest,
            # standard JSON has no infinity
            "best_score": self.best_score if math.isfinite(self.best_score) else None,
            "stalled_checks": self.stalled_checks,
            "best_diversity": self.best_diversity,
            "checks": self.checks,
            "healthy_checks": self.healthy_checks,
            "retries": self.retries,
            "findings": [asdict(finding) for finding in self.findings],
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Restore what `state_dict` returned."""
        self.largest = dict(state["largest"])  # type: ignore[call-overload]
        self.best_score = math.inf if state["best_score"] is None else float(state["best_score"])  # type: ignore[arg-type]
        self.stalled_checks = int(state["stalled_checks"])  # type: ignore[call-overload]
        self.best_diversity = dict(state["best_diversity"])  # type: ignore[call-overload]
        self.checks = int(state["checks"])  # type: ignore[call-overload]
        self.healthy_checks = int(state["healthy_checks"])  # type: ignore[call-overload]
        self.retries = dict(state["retries"])  # type: ignore[call-overload]
        self.findings = [Finding(**finding) for finding in state["findings"]]  # type: ignore[attr-defined]
