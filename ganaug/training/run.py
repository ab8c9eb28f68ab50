"""One training run, from its first step or a checkpoint to its end: checks, roll-backs, history, previews."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from PIL import Image
from torch import Tensor

from ganaug._runtime.progress import logger
from ganaug._runtime.storage import Tree, atomic_write
from ganaug.errors import RunError, TrainingError
from ganaug.training.checkpoint import Checkpoints, all_finite
from ganaug.training.health import RECOVERY_CHECKS, SYMPTOMS, Evaluation, Finding, Health
from ganaug.training.loop import Callback, Step, StopTraining, train
from ganaug.training.pictures import save_curves, save_picture
from ganaug.training.processes import SINGLE_PROCESS, Processes

SECONDS_BETWEEN_PLOTS = 60  # of losses.png
NO_BETTER = "no better score"
Row = dict[str, float | int | str | None]


class RunStep(Step, Protocol):
    """A training step whose learning rates a run can lower."""

    def scale_rate(self, name: str, factor: float) -> None:
        """Set the learning rate of 'generator' or 'discriminator' to `factor` times its first value."""


@dataclass
class Run:
    """Trains by a step, checks progress, and keeps checkpoints.

    Attributes
    ----------
    step : RunStep
    batches : callable
        Step number -> batch.
    evaluate : callable
        () -> Evaluation of samples drawn now.
    picture : callable
        () -> preview image.
    batch_size : int
        Images in a step, for the number of images in the history.
    check_every : int
        Steps between checks.
    folder : Path or None
        Where history.csv, previews/, losses.png and checkpoints/ are written. None: everything stays in memory.
    patience : int or None
        Checks without a better score after which training stops. None: never.
    processes : Processes
        Those that train together. The first one evaluates and writes, and the others follow its decisions.
    rows : list of dict
        The history, one row for each check.
    best_step, best_score : int, float
        Step and score of the best state.
    setup_seconds : float
        Seconds spent before the first step.
    done : int
        Steps done.
    stop_reason : str
        Why training ended.
    """

    step: RunStep
    batches: Callable[[int], Any]
    evaluate: Callable[[], Evaluation]
    picture: Callable[[], Image.Image]
    batch_size: int
    check_every: int
    folder: Path | None = None
    patience: int | None = None
    processes: Processes = SINGLE_PROCESS
    rows: list[Row] = field(default_factory=list)
    best_step: int = 0
    best_score: float = math.inf
    rolled_back: int = 0
    setup_seconds: float = 0.0
    rate_factors: dict[str, float] = field(default_factory=dict)
    done: int = 0
    stop_reason: str = ""

    def __post_init__(self) -> None:
        self.health = Health()
        self.folder = self.folder if self.processes.is_main_process else None
        self.checkpoints = Checkpoints(None if self.folder is None else self.folder / "checkpoints")
        self._sums: dict[str, Tensor] = {}
        self._numbers: dict[str, int] = {}
        self._before = 0.0
        self._evaluation: Evaluation | None = None

    @property
    def findings(self) -> list[Finding]:
        """Every finding, in order."""
        return self.health.findings

    @property
    def seconds(self) -> float:
        """Seconds spent training, over all resumptions."""
        return self._before + self.setup_seconds + time.perf_counter() - self._started

    def start(self, *, n_steps: int, callbacks: Sequence[Callback] = (), resume: bool = False) -> None:
        """Train until `n_steps` steps are done in total.

        Parameters
        ----------
        n_steps : int
            Total number of steps.
        callbacks : sequence of callable
            Called after the run's own bookkeeping. One that raises StopTraining ends the run, with a checkpoint from
            which it resumes.
        resume : bool, default=False
            Continue from the last checkpoint.

        Raises
        ------
        TrainingError
            If training cannot be kept finite, or no check found a state worth keeping.
        RunError
            If the run to resume has done more steps already.
        """
        if resume:
            self._resume(n_steps)
        # a roll-back before the first good check returns to the initial weights
        if not self.done:
            self._save()
        self._started = self._plotted = time.perf_counter()
        if resume and self._is_out_of_patience():
            self.stop_reason = NO_BETTER
        else:
            self.stop_reason = train(
                self.step,
                self.batches,
                n_steps=n_steps,
                start=self.done,
                callbacks=(self._record, self._check, *callbacks),
                agree=self.processes.first_reason,
            )
        if self.done % self.check_every:
            self._save()
            self._measure()  # after saving, so that a run that is resumed from here equals one that was not interrupted
        self._plot()
        self._conclude()

    def summary(self) -> dict[str, object]:
        """Return how the run ended, as it is written to summary.json."""
        return {
            "stop_reason": self.stop_reason,
            "steps": self.done,
            "best_step": self.best_step,
            "seconds": round(self.seconds, 2),
            "findings": [str(finding) for finding in self.findings],
        }

    def restore_best(self) -> None:
        """Load the best state into the step, for sampling."""
        if self.best_step != self.done:
            self.step.load_state_dict(self._load(self.best_step)["step"])

    def state_dict(self) -> Tree:
        """Return everything that the rest of the run depends on.

        Only `seconds` and the times in the rows differ between equal runs.
        """
        return {
            "done": self.done,
            "step": self.step.state_dict(),
            "health": self.health.state_dict(),
            "best_step": self.best_step,
            # standard JSON has no infinity
            "best_score": None if math.isinf(self.best_score) else self.best_score,
            "rate_factors": self.rate_factors,
            "rolled_back": self.rolled_back,
            "sums": self._sums,
            "numbers": self._numbers,
            "rows": self.rows,
            # the checkpoint of step 0 is saved before the clock starts
            "seconds": self.seconds if self.done else 0.0,
        }

    def _resume(self, n_steps: int) -> None:
        steps = self.processes.broadcast_from_main(self.checkpoints.steps)
        if not steps:  # the run was killed before it wrote a checkpoint
            return
        state = self._load(steps[-1])
        try:
            # a file that was altered, because training that diverged also shows in the sums of its logs
            if not all_finite(state["step"]) and all_finite(state["sums"]):
                raise ValueError("it holds numbers that are not finite")
            self.step.load_state_dict(state["step"])
            self.health.load_state_dict(state["health"])
            self.done, self.best_step = int(state["done"]), int(state["best_step"])
            self.rows = [dict(row) for row in state["rows"]]
            self.best_score = math.inf if state["best_score"] is None else float(state["best_score"])
            self.rate_factors, self.rolled_back = dict(state["rate_factors"]), int(state["rolled_back"])
            self._sums, self._numbers = dict(state["sums"]), dict(state["numbers"])
            self._before = float(state["seconds"])
        except Exception as error:  # an altered file may raise any error
            raise RunError(
                f"{self.folder}: the checkpoint of step {steps[-1]:,} does not fit this run ({error}). Remove it to "
                "resume from the one before."
            ) from error
        if self.done > n_steps:
            raise RunError(f"{self.folder}: has done {self.done:,} steps already, more than the {n_steps:,} asked for.")

    def _conclude(self) -> None:
        if self._evaluation is not None:
            n_findings = len(self.findings)
            self.health.conclude(self.done, self._evaluation)
            for finding in self.findings[n_findings:]:
                logger.warning("%s", finding)
        if self.best_step == 0 and self.done:
            raise TrainingError(
                f"No check in {self.done:,} steps found a state worth keeping: "
                f"{self.findings[-1] if self.findings else 'no check was made'}. Train longer, or lower the learning "
                "rates."
            )

    def _record(self, done: int, logs: dict[str, Tensor]) -> None:
        self.done = done
        for name, value in logs.items():
            # summed on the device, because float() would wait for the device in every step
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._numbers[name] = self._numbers.get(name, 0) + 1

    def _check(self, done: int, logs: dict[str, Tensor]) -> None:  # noqa: ARG002  # a callback gets both
        if done % self.check_every:
            return
        finding = self._measure()
        if finding is None:
            self._recover()
        else:
            self._act(finding)
        # after acting, so that a run resumed from here has the rolled-back weights and the lowered rates
        self._save()
        if finding is not None and finding.action == "stop":
            raise StopTraining(f"{finding.symptom}: kept the state of step {self.best_step:,}")
        if self._is_out_of_patience():
            raise StopTraining(NO_BETTER)

    def _is_out_of_patience(self) -> bool:
        """Return whether `patience` checks have passed since the best one and since the last roll-back."""
        since = max(self.best_step, self.rolled_back)
        return (
            self.patience is not None and self.best_step > 0 and self.done - since >= self.patience * self.check_every
        )

    def _measure(self) -> Finding | None:
        """Evaluate, look for symptoms, write the row of the history and the pictures."""
        means = {
            name: float(self.processes.all_reduce_mean(value)) / self._numbers[name]
            for name, value in self._sums.items()
        }
        self._sums, self._numbers = {}, {}
        evaluation = self.processes.broadcast_from_main(self.evaluate)
        # a weight can be infinite already while the losses of this interval are still finite
        weights = {} if self.processes.broadcast_from_main(self._is_finite) else {"weights": math.nan}
        finding = self.health.judge(self.done, means | weights, evaluation)
        self._evaluation = evaluation
        is_sound = finding is None or not SYMPTOMS[finding.symptom].excluded_from_best
        if is_sound and evaluation.score < self.best_score:
            self.best_score, self.best_step = evaluation.score, self.done
        worst = min(evaluation.diversity, key=lambda name: evaluation.diversity[name], default="")
        row: Row = {"step": self.done, "images": self.done * self.batch_size, "seconds": round(self.seconds, 2)}
        row |= {name: _finite(value) for name, value in means.items()}
        row |= {"score": _finite(evaluation.score), "diversity": _finite(evaluation.diversity.get(worst, math.nan))}
        row |= {"worst_class": worst, "best_step": self.best_step, "finding": "" if finding is None else str(finding)}
        self.rows.append(row)
        if self.processes.is_main_process:
            self._report(row, finding)
        if self.folder is not None:
            with atomic_write(self.folder / "history.csv") as temporary:
                pd.DataFrame(self.rows).to_csv(temporary, index=False, float_format="%.6g")
            save_picture(self.picture(), self.folder / "previews" / f"{self.done:08d}.png")
            if time.perf_counter() - self._plotted > SECONDS_BETWEEN_PLOTS:
                self._plot()
        return finding

    def _plot(self) -> None:
        """Write losses.png. It takes as long as several steps."""
        if self.folder is not None and self.rows:
            save_curves(self.rows, self.folder / "losses.png")
            self._plotted = time.perf_counter()

    def _report(self, row: Row, finding: Finding | None) -> None:
        """Send the check, and the finding if there is one, to the logger."""
        numbers = [f"{name} {value:.3g}" for name, value in row.items() if isinstance(value, float)]
        logger.info("step %s: %s", f"{self.done:,}", ", ".join(numbers), extra={"in_progress_bar": True})
        if finding is not None:
            logger.warning("%s", finding)

    def _act(self, finding: Finding) -> None:
        """Do what a finding asks for: return to the best state, lower learning rates, or fail."""
        if finding.action == "fail":
            self._plot()
            n_rollbacks = sum(each.action.startswith("return") for each in self.findings)
            raise TrainingError(
                f"Training diverged to numbers that are not finite at step {finding.step:,} ({finding.subject}), "
                f"also after {n_rollbacks} roll-backs at lower rates. Lower generator_lr and "
                f"discriminator_lr, or look for broken images; the last good state is that of step {self.best_step:,}."
            )
        if finding.action.startswith("return"):
            self.step.load_state_dict(self._load(self.best_step)["step"])
            self.rolled_back = self.done
        if "halve" in finding.action:
            for name in ("generator", "discriminator"):
                if "both" in finding.action or name in finding.action:
                    self.rate_factors[name] = self.rate_factors.get(name, 1.0) / 2
        self._scale_rates()  # also because the restored state has its old learning rates

    def _recover(self) -> None:
        """Double learning rates that were halved, up to their first value, after many checks without a symptom."""
        is_lowered = any(factor < 1 for factor in self.rate_factors.values())
        if is_lowered and self.health.healthy_checks % RECOVERY_CHECKS == 0:
            self.rate_factors = {name: min(1.0, 2 * factor) for name, factor in self.rate_factors.items()}
            self._scale_rates()
            factors = ", ".join(f"{name} {factor:g}" for name, factor in self.rate_factors.items())
            logger.info("step %s: learning rates rise again, to these parts: %s", f"{self.done:,}", factors)

    def _scale_rates(self) -> None:
        for name, factor in self.rate_factors.items():
            self.step.scale_rate(name, factor)

    def _is_finite(self) -> bool:
        return all_finite(self.step.state_dict())

    def _load(self, step: int) -> Any:
        return self.processes.broadcast_from_main(lambda: self.checkpoints.load(step))

    def _save(self) -> None:
        # before the return, because every process takes part; averaged, because one process writes for all
        self._sums = {name: self.processes.all_reduce_mean(value) for name, value in self._sums.items()}
        if not self.processes.is_main_process:
            return
        self.checkpoints.save(self.done, self.state_dict())
        kept = self.checkpoints.steps()
        # two of the newest, so that there is another one to resume from if the last file is damaged
        self.checkpoints.keep_only({*kept[-2:], self.best_step})


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def time_budget(seconds: float) -> Callback:
    """Return a callback that ends the run, resumable, `seconds` after this call."""
    # monotonic, because the system clock can be set while training runs
    end = time.monotonic() + seconds
    return lambda done, logs: _stop("time budget") if time.monotonic() >= end else None  # noqa: ARG005


def _stop(reason: str) -> None:
    raise StopTraining(reason)
