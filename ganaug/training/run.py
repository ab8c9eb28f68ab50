"""One training run, from its first step or a checkpoint to its end: checks, roll-backs, history, pictures."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from PIL import Image
from torch import Tensor

from ganaug._runtime.storage import Tree, writing
from ganaug.errors import RunError, TrainingError
from ganaug.training.checkpoint import Checkpoints, all_finite
from ganaug.training.health import SYMPTOMS, Evaluation, Finding, Health
from ganaug.training.loop import Callback, Step, StopTraining, train
from ganaug.training.pictures import save_curves, save_picture
from ganaug.training.processes import ALONE, Processes

NO_BETTER, INTERRUPTED = "no better score", "interrupted"
Row = dict[str, float | int | str | None]


class RunStep(Step, Protocol):
    """A step that a run can also slow down."""

    def scale_rate(self, name: str, factor: float) -> None:
        """Set the learning rate of 'generator' or 'discriminator' to `factor` times its first value."""


@dataclass
class Run:
    """What is watched while `step` trains on `batches`.

    evaluate: () -> Evaluation of samples drawn now. picture: () -> the preview grid.
    batch_size: images a step, for the count of images seen. check_every: steps between checks.
    folder: where history.csv, previews/, losses.png and checkpoints/ go; None keeps all in memory.
    prepared: seconds spent before the first step.
    processes: those that train together; the first one judges and writes, and the others do as it does.
    patience: checks without a better score after which training stops; None: never.
    """

    step: RunStep
    batches: Callable[[int], Any]
    evaluate: Callable[[], Evaluation]
    picture: Callable[[], Image.Image]
    batch_size: int
    check_every: int
    folder: Path | None = None
    patience: int | None = None
    processes: Processes = ALONE
    rows: list[Row] = field(default_factory=list)
    best_step: int = 0
    best_score: float = math.inf
    rolled_back: int = 0
    prepared: float = 0.0
    rate_factors: dict[str, float] = field(default_factory=dict)
    done: int = 0
    stop_reason: str = ""

    def __post_init__(self) -> None:
        self.health = Health()
        self.folder = self.folder if self.processes.is_first else None
        self.checkpoints = Checkpoints(None if self.folder is None else self.folder / "checkpoints")
        self._sums: dict[str, Tensor] = {}
        self._numbers: dict[str, int] = {}
        self._before = 0.0
        self._evaluation: Evaluation | None = None

    @property
    def findings(self) -> list[Finding]:
        """Every symptom seen, in order."""
        return self.health.findings

    @property
    def seconds(self) -> float:
        """Time spent training, over all resumptions."""
        return self._before + self.prepared + time.perf_counter() - self._started

    def start(self, *, n_steps: int, callbacks: Sequence[Callback] = (), resume: bool = False) -> None:
        """Train to `n_steps` steps in all. Afterwards `stop_reason` says why it stopped and `best_step` which state is best.

        Callbacks run after the run's own bookkeeping; one that raises StopTraining ends the run in good order, with a
        checkpoint from which it resumes. Raises TrainingError when training cannot be kept finite or comes to nothing,
        RunError when the run to resume has done more steps already.
        """
        if resume:
            self._resume(n_steps)
        if not self.done:
            self._save()
        self._started = time.perf_counter()
        watchers = (self._record, self._check, *callbacks)
        if resume and self._has_waited_long():
            self.stop_reason = NO_BETTER
        else:
            self.stop_reason = train(
                self.step,
                self.batches,
                n_steps=n_steps,
                start=self.done,
                callbacks=watchers,
                agree=self.processes.first_of,
            )
        if self.done % self.check_every:
            self._save()
            self._look()  # after saving: a run cut here and resumed must not differ from one that was not cut
        self._conclude()

    def summary(self) -> dict[str, object]:
        """How the run ended, for people and programs that come later."""
        return {
            "stop_reason": self.stop_reason,
            "steps": self.done,
            "best_step": self.best_step,
            "seconds": round(self.seconds, 2),
            "findings": [str(finding) for finding in self.findings],
        }

    def restore_best(self) -> None:
        """Put the best state back into the step, for sampling."""
        if self.best_step != self.done:
            self.step.load_state_dict(self._load(self.best_step)["step"])

    def state_dict(self) -> Tree:
        """All that the rest of the run depends on; `seconds` and the rows' times alone differ between equal runs."""
        return {
            "done": self.done,
            "step": self.step.state_dict(),
            "health": self.health.state_dict(),
            "best_step": self.best_step,
            "best_score": None if math.isinf(self.best_score) else self.best_score,
            "rate_factors": self.rate_factors,
            "rolled_back": self.rolled_back,
            "sums": self._sums,
            "numbers": self._numbers,
            "rows": self.rows,
            "seconds": self.seconds if self.done else 0.0,
        }

    def _resume(self, n_steps: int) -> None:
        steps = self.processes.from_first(self.checkpoints.steps)
        if not steps:  # killed before the first one was written
            return
        state = self._load(steps[-1])
        try:
            if not all_finite(state["step"]) and all_finite(state["sums"]):  # what training spoilt shows in its sums
                raise ValueError("it holds numbers that are not finite")
            self.step.load_state_dict(state["step"])
            self.health.load_state_dict(state["health"])
            self.done, self.best_step = int(state["done"]), int(state["best_step"])
            self.rows = [dict(row) for row in state["rows"]]
            self.best_score = math.inf if state["best_score"] is None else float(state["best_score"])
            self.rate_factors, self.rolled_back = dict(state["rate_factors"]), int(state["rolled_back"])
            self._sums, self._numbers = dict(state["sums"]), dict(state["numbers"])
            self._before = float(state["seconds"])
        except Exception as error:  # whatever an altered file comes to
            raise RunError(
                f"{self.folder}: the checkpoint of step {steps[-1]:,} does not fit this run ({error}). Remove it to go "
                "on from the one before."
            ) from error
        if self.done > n_steps:
            raise RunError(f"{self.folder}: has done {self.done:,} steps already, more than the {n_steps:,} asked for.")

    def _conclude(self) -> None:
        if self._evaluation is not None:
            self.health.conclude(self.done, self._evaluation)
        if self.best_step == 0 and self.done:
            raise TrainingError(
                f"Training came to no state worth keeping in {self.done:,} steps: "
                f"{self.findings[-1] if self.findings else 'no check was made'}. Train longer, or lower the rates."
            )

    def _record(self, done: int, logs: dict[str, Tensor]) -> None:
        self.done = done
        for name, value in logs.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._numbers[name] = self._numbers.get(name, 0) + 1

    def _check(self, done: int, logs: dict[str, Tensor]) -> None:  # noqa: ARG002  # a callback gets both
        if done % self.check_every:
            return
        finding = self._look()
        if finding is not None:
            self._act(finding)
        self._save()
        if finding is not None and finding.action == "stop":
            raise StopTraining(f"{finding.symptom}: kept the state of step {self.best_step:,}")
        if self._has_waited_long():
            raise StopTraining(NO_BETTER)

    def _has_waited_long(self) -> bool:
        """Whether `patience` checks went by since the best one and the last roll-back."""
        since = max(self.best_step, self.rolled_back)
        return (
            self.patience is not None and self.best_step > 0 and self.done - since >= self.patience * self.check_every
        )

    def _look(self) -> Finding | None:
        """Measure, judge, write the row and the pictures."""
        means = {name: float(self.processes.mean(value)) / self._numbers[name] for name, value in self._sums.items()}
        self._sums, self._numbers = {}, {}
        evaluation = self.processes.from_first(self.evaluate)
        weights = {} if self.processes.from_first(self._is_finite) else {"weights": math.nan}
        finding = self.health.judge(self.done, means | weights, evaluation)
        self._evaluation = evaluation
        sound = finding is None or not SYMPTOMS[finding.symptom].spoils
        if sound and evaluation.score < self.best_score:
            self.best_score, self.best_step = evaluation.score, self.done
        worst = min(evaluation.diversity, key=lambda name: evaluation.diversity[name], default="")
        row: Row = {"step": self.done, "images": self.done * self.batch_size, "seconds": round(self.seconds, 2)}
        row |= {name: _finite(value) for name, value in means.items()}
        row |= {"score": _finite(evaluation.score), "diversity": _finite(evaluation.diversity.get(worst, math.nan))}
        row |= {"worst_class": worst, "best_step": self.best_step, "finding": "" if finding is None else str(finding)}
        self.rows.append(row)
        if self.folder is not None:
            with writing(self.folder / "history.csv") as temporary:
                pd.DataFrame(self.rows).to_csv(temporary, index=False, float_format="%.6g")
            save_picture(self.picture(), self.folder / "previews" / f"{self.done:08d}.png")
            save_curves(self.rows, self.folder / "losses.png")
        return finding

    def _act(self, finding: Finding) -> None:
        if finding.action == "fail":
            raise TrainingError(
                f"Training gave numbers that are not finite at step {finding.step:,} ({finding.subject}), also after "
                f"{len(self.findings) - 1} roll-backs at lower rates. Lower generator_lr and discriminator_lr, or "
                f"look for broken images; the last good state is that of step {self.best_step:,}."
            )
        if finding.action.startswith("roll back"):
            self.step.load_state_dict(self._load(self.best_step)["step"])
            self.rolled_back = self.done
        names = {"roll back, halve both rates": ("generator", "discriminator")}.get(finding.action, ("discriminator",))
        if "halve" in finding.action:
            for name in names:
                self.rate_factors[name] = self.rate_factors.get(name, 1.0) / 2
        for name, factor in self.rate_factors.items():  # a state that was rolled back to brings its old rates along
            self.step.scale_rate(name, factor)

    def _is_finite(self) -> bool:
        return all_finite(self.step.state_dict())

    def _load(self, step: int) -> Any:
        return self.processes.from_first(lambda: self.checkpoints.load(step))

    def _save(self) -> None:
        self._sums = {name: self.processes.mean(value) for name, value in self._sums.items()}
        if not self.processes.is_first:
            return
        self.checkpoints.save(self.done, self.state_dict())
        kept = self.checkpoints.steps()
        self.checkpoints.keep_only({*kept[-2:], self.best_step})


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def interrupted(flag: Callable[[], bool]) -> Callback:
    """A callback that ends the run, resumable, once `flag()` is true."""

    def callback(done: int, logs: dict[str, Tensor]) -> None:  # noqa: ARG001  # a callback gets both
        if flag():
            raise StopTraining(INTERRUPTED)

    return callback


def time_budget(seconds: float) -> Callback:
    """A callback that ends the run, resumable, `seconds` after this call."""
    end = time.monotonic() + seconds
    return lambda done, logs: _stop("time budget") if time.monotonic() >= end else None  # noqa: ARG005


def _stop(reason: str) -> None:
    raise StopTraining(reason)
