"""The fitting procedure shared by all estimators: seed, validation split, run folder, training loop, evaluation."""

import math
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ganaug._compat import parameter_names
from ganaug._runtime.allocator import retain_freed_memory
from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.messages import warn_user
from ganaug._runtime.progress import FitProgress, events_shown, logger
from ganaug._runtime.storage import read_tree, write_json, write_tree
from ganaug._runtime.user_paths import expand_user
from ganaug.errors import OutputError, RunError, TrainingWarning
from ganaug.estimators.parameters import as_json, check_stored, from_json
from ganaug.images import LabeledImages
from ganaug.sampling.model_files import DESCRIPTION, StoredModel
from ganaug.training.auxiliary_classifier import AuxiliaryClassifier, train_auxiliary_classifier
from ganaug.training.engine import resolve_device, warn_of_emulation
from ganaug.training.health import Evaluation, Finding
from ganaug.training.loop import Callback
from ganaug.training.processes import Processes, connect_processes
from ganaug.training.run import Run, RunStep, time_budget
from ganaug.training.run_folder import (
    create_fit_folder,
    fit_name,
    is_unstarted,
    latest_fit_folder,
    run_folder,
    stored_recipe,
    stored_seed,
)

Data = TypeVar("Data")
Setup = TypeVar("Setup", bound="FitSetup")
AUXILIARY_CLASSIFIER = "auxiliary_classifier.safetensors"


@dataclass(frozen=True)
class FitContext:
    """Runtime settings of one fit.

    Attributes
    ----------
    seed : int
    device : torch.device
    processes : Processes
        Those that train together.
    folder : Path or None
        Run folder, in the process that writes.
    resume : bool
        Whether a run is continued.
    callbacks : tuple of callable
        Called after every step.
    start_time : float
        `time.perf_counter()` at the start of the fit.
    """

    seed: int
    device: torch.device
    processes: Processes
    folder: Path | None
    resume: bool
    callbacks: tuple[Callback, ...]
    start_time: float


@dataclass(frozen=True)
class FitSetup:
    """Decisions made before a fit writes anything. Subclasses add fields.

    Attributes
    ----------
    batch_size : int or None
        Images in a step. None: the fit trains no network itself.
    n_steps : int or None
        Total steps. None if unknown in advance.
    min_images_per_process : int
        Minimum number of images of a batch in each process.
    planned_params : mapping
        Parameters that the plan determined. They are recorded with the parameters of the run, which a resumed run may
        not change.
    """

    batch_size: int | None
    n_steps: int | None
    min_images_per_process: int
    planned_params: Mapping[str, object]


@dataclass(frozen=True)
class FitResult:
    """The fitted attributes that a fit sets.

    `extra`: further fitted attributes of this estimator, by name. `summary`: contents of summary.json.
    """

    model: StoredModel
    history: pd.DataFrame
    health: list[Finding]
    stop_reason: str
    n_steps: int
    best_step: int
    seconds: float
    summary: Mapping[str, object]
    extra: Mapping[str, object] = field(default_factory=dict)


class Trainable(BaseEstimator, ABC, Generic[Data, Setup]):  # type: ignore[misc]  # scikit-learn has no types
    """Abstract base class of all trained estimators. Subclasses define the data, the setup and the training."""

    run_dir: str | Path | None
    time_budget: float | None
    device: str | torch.device
    verbose: int | bool
    random_state: int | np.random.RandomState | None
    model_: Any
    run_dir_: Path | None
    # whether scikit-learn's `clone` created this estimator: its fits write into subfolders of run_dir
    _is_clone: bool = False

    @abstractmethod
    def _check_params(self) -> None:
        """Raise ValueError for the first invalid parameter. Subclasses call it before `_fit`."""

    @abstractmethod
    def _describe_data(self, data: Data) -> dict[str, Any]:
        """Return "fingerprint" and "counts" of the training data, and what else identifies it."""

    @abstractmethod
    def _set_up(self, data: Data, seed: int, device: torch.device, stored_recipe: Mapping[str, Any]) -> Setup:
        """Split off validation data and decide what the parameters leave open.

        `stored_recipe` is that of the run which is resumed; it decides what the parameters leave open.
        """

    @abstractmethod
    def _train(self, data: Data, setup: Setup, context: FitContext) -> FitResult:
        """Train, and return what is published."""

    @retain_freed_memory()
    def _fit(self, data: Data, callbacks: Sequence[Callback], *, resume: bool) -> None:
        """Run the fitting procedure that all estimators share."""
        start_time = time.perf_counter()
        # first, so that the budget includes the preparation
        budget_callbacks = [time_budget(self.time_budget)] if self.time_budget else []
        device = resolve_device(self.device)
        processes = connect_processes(device)
        description = self._describe_data(data)
        folder = processes.broadcast_from_main(lambda: self._stored_run(description) if resume else None)
        # a run that was killed before it wrote anything is started again
        resume = resume and processes.broadcast_from_main(lambda: not _is_empty(folder))
        # with random_state=None, every process would draw another seed
        seed = processes.broadcast_from_main(lambda: self._seed(folder if resume else None))
        with ExitStack() as stack:
            stack.enter_context(events_shown(self.verbose))
            recipe = processes.broadcast_from_main(lambda: stored_recipe(folder) if resume and folder else {})
            setup = self._set_up(data, seed, device, recipe)
            params = {**self._params_as_json(), **setup.planned_params}
            if setup.batch_size is not None:
                processes.check_batch_size(setup.batch_size, each=setup.min_images_per_process)
            # processes with different data would train without an error, and wrongly
            processes.check_equal("images", description["fingerprint"])
            processes.check_equal("parameters", str(params))
            folder = None if not processes.is_main_process else folder or self._new_run(description)
            if folder is not None:
                config = {"seed": seed, "params": params, "data": description}
                stack.enter_context(run_folder(folder, config, resume=resume))
                if resume:
                    warn_of_emulation(recipe.get("precision"), device)
            progress = self._progress(stack, setup)
            for callback in callbacks:
                if isinstance(callback, AbstractContextManager):  # such as a handler of signals
                    stack.enter_context(callback)
            # the budget last, so that the other callbacks still get the step that ends training
            all_callbacks = (*progress, *callbacks, *budget_callbacks)
            context = FitContext(seed, device, processes, folder, resume, all_callbacks, start_time)
            result = self._train(data, setup, context)
            self._publish(result, description, seed)
            self.run_dir_ = folder
            if folder is not None:
                # before the summary, whose presence tells that the run is complete
                self.save(folder / "model", overwrite=True)
                write_json(folder / "summary.json", result.summary)
            logger.info("fit ended (%s) after %s steps", result.stop_reason, f"{result.n_steps:,}")
        self._warn_of_findings(data, result)

    def _progress(self, stack: ExitStack, setup: FitSetup) -> list[Callback]:
        """Start the progress bar of a fit that trains networks itself, until `stack` is left."""
        if setup.batch_size is None:
            return []
        progress = FitProgress(self.verbose, setup.batch_size, n_steps=setup.n_steps, seconds=self.time_budget)
        return [stack.enter_context(progress)]

    def _publish(self, result: FitResult, description: dict[str, Any], seed: int) -> None:
        """Set the fitted attributes."""
        self.model_, self.data_, self.seed_ = result.model, description, seed
        self.history_, self.health_ = result.history, result.health
        self.stop_reason_, self.n_steps_ = result.stop_reason, result.n_steps
        self.best_step_, self.seconds_ = result.best_step, result.seconds
        for name, value in result.extra.items():
            setattr(self, name, value)

    def _warn_of_findings(self, data: Data, result: FitResult) -> None:  # noqa: ARG002  # over-samplers use the data
        """Warn of the last finding of each symptom; if `verbose` showed them already, of one that ended training."""
        by_symptom = {finding.symptom: finding for finding in result.health}
        for symptom, last in by_symptom.items():
            if self.verbose and last.step != result.n_steps and last.action != "stop":
                continue
            n_times = sum(finding.symptom == symptom for finding in result.health)
            times = f"{symptom} at {n_times} checks, the last one: " if n_times > 1 else ""
            warn_user(
                f"{times}{last}. See `health_`, and the page 'Training, and what can go wrong' of the documentation.",
                TrainingWarning,
            )

    def _train_networks(
        self,
        context: FitContext,
        *,
        step: RunStep,
        batches: Callable[[int], Any],
        evaluate: Callable[[], Evaluation],
        picture: Callable[[], Image.Image],
        batch_size: int,
        check_every: int,
        n_steps: int | None,
        patience: int | None,
    ) -> Run:
        """Train until n_steps, the time budget or the patience is exhausted, and load the best state into `step`."""
        run = Run(
            step,
            batches,
            evaluate,
            picture,
            batch_size,
            check_every,
            context.folder,
            patience,
            context.processes,
        )
        run.setup_seconds = time.perf_counter() - context.start_time
        try:
            run.start(n_steps=n_steps or sys.maxsize, callbacks=context.callbacks, resume=context.resume)
        finally:  # set even if training fails, so that the user can inspect them
            self.history_, self.health_ = pd.DataFrame(run.rows), run.findings
        run.restore_best()
        return run

    @library_defaults()
    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the fitted estimator into `folder`, as JSON and safetensors.

        `load` reads it on any device. Nothing in the files can run code.

        Parameters
        ----------
        folder : path
        overwrite : bool, default=False
            Replace a model that is already there.

        Raises
        ------
        OutputError
            If a model is there, or the files cannot be written.
        """
        check_is_fitted(self, "model_")
        if not overwrite and os.path.lexists(expand_user(folder) / DESCRIPTION):
            raise OutputError(f"{folder}: holds a model. Choose another folder, or pass overwrite=True.")
        fitted = {
            # JSON has no NaN
            "history": self.history_.astype(object).where(self.history_.notna(), None).to_dict("records"),
            "health": [_finding_as_json(finding) for finding in self.health_],
            "stop_reason": self.stop_reason_,
            "n_steps": self.n_steps_,
            "best_step": self.best_step_,
            "seconds": self.seconds_,
            **self._extra_attributes_as_json(),
        }
        description = {"params": self._params_as_json(), "data": self.data_, "fit": fitted}
        self.model_.save(expand_user(folder), description, self._extra_tensors())

    def _restore(self, model: StoredModel, description: dict[str, Any], tensors: Any) -> None:
        """Set the fitted attributes from a model file. May raise any error where the file was altered."""
        fitted = description["fit"]
        self.model_, self.data_, self.seed_ = model, dict(description["data"]), int(description["seed"])
        self.history_ = pd.DataFrame(fitted["history"])
        self.health_ = [
            Finding(**{**finding, "value": math.nan if finding["value"] is None else finding["value"]})
            for finding in fitted["health"]
        ]
        self.stop_reason_, self.n_steps_ = str(fitted["stop_reason"]), int(fitted["n_steps"])
        self.best_step_, self.seconds_ = int(fitted["best_step"]), float(fitted["seconds"])
        self.run_dir_ = None
        self._restore_extra_attributes(fitted, tensors)

    def _extra_attributes_as_json(self) -> dict[str, object]:
        """Return the further fitted attributes of this estimator as JSON."""
        return {}

    def _extra_tensors(self) -> dict[str, object]:
        """Return the further fitted attributes of this estimator that are tensors."""
        return {}

    def _restore_extra_attributes(self, fitted: Mapping[str, Any], tensors: Any) -> None:
        """Set the further fitted attributes of this estimator from a model file."""

    def __sklearn_clone__(self) -> Any:
        copy = super().__sklearn_clone__()
        copy._is_clone = True  # noqa: SLF001  # it has the class of this estimator
        return copy

    def set_params(self, **params: Any) -> Any:
        """Set parameters by name. A clone for which `run_dir` is set writes into it, not into a subfolder."""
        super().set_params(**params)
        if "run_dir" in params:
            self._is_clone = False
        return self

    def _stored_run(self, description: Mapping[str, Any]) -> Path:
        """Return the folder of the run that is resumed."""
        if self.run_dir is None:
            raise ValueError("resume continues the run in run_dir; set run_dir.")
        run_dir = expand_user(self.run_dir)
        return latest_fit_folder(run_dir, self._fit_name(description)) if self._is_clone else run_dir

    def _new_run(self, description: Mapping[str, Any]) -> Path | None:
        """Return the folder of a new run. That of a clone is created."""
        if self.run_dir is None:
            return None
        run_dir = expand_user(self.run_dir)
        return create_fit_folder(run_dir, self._fit_name(description)) if self._is_clone else run_dir

    def _fit_name(self, description: Mapping[str, Any]) -> str:
        return fit_name(self._params_as_json(), description["fingerprint"])

    def _seed(self, stored_run: Path | None) -> int:
        if stored_run is not None:
            return stored_seed(stored_run, self.random_state)
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _params_as_json(self) -> dict[str, Any]:
        """Return the parameters as JSON."""
        params: dict[str, Any] = as_json(self)
        return params

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")


def _is_empty(folder: Path | None) -> bool:
    """Return whether a run folder exists but holds no run yet."""
    return folder is not None and folder.is_dir() and is_unstarted(folder)


def _finding_as_json(finding: Finding) -> dict[str, object]:
    """Return a finding as JSON, which has no NaN."""
    return {**asdict(finding), "value": finding.value if math.isfinite(finding.value) else None}


@library_defaults()
def load_estimator(
    cls: type[Any],
    model_class: type[StoredModel],
    folder: Path,
    device: str | torch.device,
    *,
    kinds: tuple[str, ...],
    **options: Any,
) -> Any:
    """Return the fitted estimator in a model folder.

    Parameters
    ----------
    cls : type
        Class of the estimator.
    model_class : type
        Class of its model.
    folder : Path
        Model folder.
    device : str or torch.device
    kinds : tuple of str
        Kinds of model that the estimator reads.
    **options
        Passed to the model's `build`.

    Raises
    ------
    RunError
        If a file is missing, damaged, altered, or of another format or kind.
    """
    model, description, tensors = model_class.load(folder, resolve_device(device), kinds=kinds, **options)
    try:
        estimator = cls(**_parameters_from(cls, description["params"]))
        # a refit must not write into the run that the model comes from
        estimator.set_params(run_dir=None, device=device)
        estimator._restore(model, description, tensors)  # cls is a Trainable
    except Exception as error:  # the files are untrusted, so any exception is possible
        raise RunError(f"{folder}: model.json does not describe a fitted {cls.__name__} ({error!r}).") from error
    return estimator


def _parameters_from(cls: type[Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return constructor parameters from their JSON form; parameters that are estimators are made by their class."""
    nested = getattr(cls, "_nested", {})
    params = {}
    for name, value in stored.items():
        if name not in parameter_names(cls):
            continue
        is_nested = name in nested and isinstance(value, Mapping)
        params[name] = nested[name](**_parameters_from(nested[name], value)) if is_nested else from_json(value)
    return params


def check_params_restored(estimator: BaseEstimator) -> None:
    """Raise ValueError if a parameter, nested or not, is a `NotStored` placeholder from a loaded model file."""
    check_stored(estimator.get_params(deep=True))


def load_or_train_auxiliary_classifier(
    context: FitContext, train: LabeledImages, validation: LabeledImages, design: Tensor | None = None
) -> AuxiliaryClassifier:
    """Return the auxiliary classifier of a run, on the run's device, in every process.

    Train it in the main process and save it in the run folder; a resumed run loads it. design: as for
    `train_auxiliary_classifier`.
    """

    def load_or_train() -> Any:
        path = None if context.folder is None else context.folder / AUXILIARY_CLASSIFIER
        # retrained on another machine, it could differ in the last bits, and the resumed run with it
        if context.resume and path is not None and path.exists():
            return read_tree(path)
        logger.info("Training the small classifier that checks samples.")
        classifier = train_auxiliary_classifier(
            train, validation, seed=context.seed, device=context.device, design=design
        )
        if path is not None:
            write_tree(path, classifier.tree())
        return classifier.tree()

    stored = context.processes.broadcast_from_main(load_or_train)
    return AuxiliaryClassifier.from_tree(stored, train.shape, len(train.classes), context.device)
