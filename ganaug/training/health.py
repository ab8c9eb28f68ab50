"""Is training well? Named symptoms with thresholds, watched at every check, and what is done about each."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

Action = Literal[
    "roll back, halve both rates", "roll back, halve the discriminator's rate", "halve the discriminator's rate"
]


@dataclass(frozen=True)
class Symptom:
    """Something that can go wrong in adversarial training.

    meaning: in words, for the report. threshold: the number that the measured value is held against. action: what is
    done at once. ends: what happens when the action was taken `RETRIES` times in vain; 'stop' keeps the best
    checkpoint, 'fail' raises TrainingError, 'go on' leaves it at the warning. spoils: whether the state at such a check
    is unfit to be kept as the best.
    """

    meaning: str
    threshold: float
    action: Action
    ends: Literal["stop", "fail", "go on"]
    spoils: bool = True


RETRIES = 3
GRACE = 10  # checks, from the start or a roll-back, until samples of a class must differ from each other
NEXT_TO_NOTHING = 0.05  # diversity that is a collapse after the grace even where it grows
RECOVERED = 2 * GRACE  # checks without a symptom after which earlier ones no longer count

SYMPTOMS: dict[str, Symptom] = {
    "nan": Symptom("a loss, gradient or weight is not a finite number", 0.0, "roll back, halve both rates", "fail"),
    "vanishing-gradient": Symptom(
        "the discriminator gives the generator next to no gradient (share of the largest gradient norm of this run)",
        1e-3,
        "roll back, halve the discriminator's rate",
        "stop",
    ),
    "mode-collapse": Symptom(
        "samples of a class are nearly all alike (their mean distance as a share of that between real images)",
        0.25,
        "roll back, halve both rates",
        "stop",
    ),
    "discriminator-ahead": Symptom(
        "the discriminator tells real from fake nearly always (its accuracy; about 0.5 is convergence)",
        0.98,
        "halve the discriminator's rate",
        "go on",
        spoils=False,
    ),
}


@dataclass(frozen=True)
class Finding:
    """One symptom at one step: the value measured, what it was held against, which class, and what was done."""

    step: int
    symptom: str
    value: float
    threshold: float
    subject: str
    action: str

    def __str__(self) -> str:
        where = f" in class {self.subject!r}" if self.subject else ""
        return (
            f"step {self.step:,}: {self.symptom}{where}: {self.value:.3g} against {self.threshold:g} "
            f"({SYMPTOMS[self.symptom].meaning}); {self.action}"
        )


@dataclass(frozen=True)
class Evaluation:
    """What a check measured on samples. score: distance to the real images, lower is better. diversity: by class.

    Both over the classes with enough real images to compare with, or over all where none has.
    """

    score: float
    diversity: Mapping[str, float]


class Health:
    """Judges each check against those before it; remembers what it needs in `state_dict`."""

    def __init__(self) -> None:
        self.largest_gradient = 0.0
        self.best_diversity: dict[str, float] = {}
        self.checks = 0
        self.well = 0
        self.retries: dict[str, int] = {}
        self.findings: list[Finding] = []

    def judge(self, step: int, means: Mapping[str, float], evaluation: Evaluation) -> Finding | None:
        """The gravest symptom at this check, or None.

        means: the mean of each logged number since the last check; missing where nothing was logged.
        """
        self.checks += 1
        found = self._gravest(means, evaluation)
        before = dict(self.best_diversity)
        for name, ratio in evaluation.diversity.items():
            self.best_diversity[name] = max(ratio, before.get(name, 0.0))
        self.well = self.well + 1 if found is None else 0
        if found is None:
            self.largest_gradient = max(self.largest_gradient, means.get("gradient_generator", 0.0))
            self.retries = {} if self.well >= RECOVERED else self.retries
            return None
        name, value, subject = found
        tries = self.retries.get(name, 0)
        self.retries[name] = tries + 1
        symptom = SYMPTOMS[name]
        action = symptom.action if tries < RETRIES else symptom.ends
        if action.startswith("roll back"):
            self.checks = 0
        finding = Finding(step, name, value, symptom.threshold, subject, action)
        self.findings.append(finding)
        return finding

    def conclude(self, step: int, evaluation: Evaluation) -> None:
        """At the end of training, without grace: a class whose samples are nearly all alike is a finding."""
        threshold = SYMPTOMS["mode-collapse"].threshold
        poor = {name: ratio for name, ratio in evaluation.diversity.items() if ratio < threshold}
        if poor and not (self.findings and self.findings[-1].step == step):
            worst = min(poor, key=lambda name: poor[name])
            what = "training has ended; train longer, or leave the class out"
            self.findings.append(Finding(step, "mode-collapse", poor[worst], threshold, worst, what))

    def _gravest(self, means: Mapping[str, float], evaluation: Evaluation) -> tuple[str, float, str] | None:
        broken = [(name, value) for name, value in means.items() if not math.isfinite(value)]
        if broken or not math.isfinite(evaluation.score):
            return "nan", math.nan, broken[0][0] if broken else "samples"
        gradient = means.get("gradient_generator")
        if gradient is not None and gradient <= SYMPTOMS["vanishing-gradient"].threshold * self.largest_gradient:
            return "vanishing-gradient", gradient / max(self.largest_gradient, 1e-30), ""
        collapsed = {
            name: ratio
            for name, ratio in evaluation.diversity.items()
            if ratio < SYMPTOMS["mode-collapse"].threshold and self._has_fallen(name, ratio)
        }
        if collapsed:
            worst = min(collapsed, key=lambda name: collapsed[name])
            return "mode-collapse", collapsed[worst], worst
        accuracy = min(means.get("accuracy_real", 0.0), means.get("accuracy_fake", 0.0))
        if (
            accuracy > SYMPTOMS["discriminator-ahead"].threshold
            and self.retries.get("discriminator-ahead", 0) <= RETRIES
        ):
            return "discriminator-ahead", accuracy, ""
        return None

    def _has_fallen(self, name: str, ratio: float) -> bool:
        """Whether the class was diverse before, or had its time and does not get better either."""
        best = self.best_diversity.get(name, 0.0)
        if best >= 2 * SYMPTOMS["mode-collapse"].threshold:
            return True
        return self.checks > GRACE and (ratio <= best or ratio < NEXT_TO_NOTHING)

    def state_dict(self) -> dict[str, object]:
        """What later judgements depend on."""
        return {
            "largest_gradient": self.largest_gradient,
            "best_diversity": self.best_diversity,
            "checks": self.checks,
            "well": self.well,
            "retries": self.retries,
            "findings": [asdict(finding) for finding in self.findings],
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Continue from `state_dict()`."""
        self.largest_gradient = float(state["largest_gradient"])  # type: ignore[arg-type]
        self.best_diversity = dict(state["best_diversity"])  # type: ignore[call-overload]
        self.checks = int(state["checks"])  # type: ignore[call-overload]
        self.well = int(state["well"])  # type: ignore[call-overload]
        self.retries = dict(state["retries"])  # type: ignore[call-overload]
        self.findings = [Finding(**finding) for finding in state["findings"]]  # type: ignore[attr-defined]
