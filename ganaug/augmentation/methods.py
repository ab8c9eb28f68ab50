"""The methods that make synthetic images for a folder, and the choice of the one that is nearer to real images."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from sklearn.base import clone
from torch import Tensor

from ganaug._runtime.lookup import unknown_name_message
from ganaug._runtime.progress import logger
from ganaug._runtime.randomness import generator
from ganaug.datasets.holdout import split_validation
from ganaug.errors import ClassNotLearnedError, RunInterruptedError
from ganaug.estimators.augmenter import GANAugmenter
from ganaug.estimators.class_translator import ClassTranslator
from ganaug.estimators.cyclegan import CycleGAN
from ganaug.estimators.sampler import OverSampler
from ganaug.images import LabeledImages
from ganaug.metrics.distance import energy_distance
from ganaug.metrics.features import get_extractor
from ganaug.training.loop import Callback
from ganaug.training.run_folder import INTERRUPTED, finished_steps, is_unstarted

METHODS = ("conditional", "cyclegan", "auto")
MAX_COMPARED = 100  # images of a class, real and synthetic, by which methods are compared

Sampler = OverSampler[Any]


def make_sampler(method: str, params: Mapping[str, Any]) -> Sampler:
    """Return the over-sampler of "conditional" or "cyclegan".

    Parameters
    ----------
    method : {"conditional", "cyclegan"}
    params : mapping
        "sampling_strategy", "n_steps", "time_budget", "device", "verbose" and "random_state".
    """
    if method == "conditional":
        return GANAugmenter(**params)
    if method == "cyclegan":
        inner = CycleGAN(n_steps=params.get("n_steps"), augmentation="auto")
        return ClassTranslator(inner, **{name: value for name, value in params.items() if name != "n_steps"})
    raise ValueError(unknown_name_message("method", method, list(METHODS)))


def fit_sampler(
    sampler: Sampler, images: LabeledImages, run_dir: Path, *, resume: bool, callbacks: tuple[Callback, ...]
) -> Sampler:
    """Fit a copy of an over-sampler, or resume its run in `run_dir`; a run that is finished is not trained further.

    Raises
    ------
    RunInterruptedError
        If a callback interrupted the fit, which can be resumed.
    """
    fitted: Sampler = clone(sampler).set_params(run_dir=run_dir)
    fitted._checks_time_budget = False  # noqa: SLF001  # augment_folder has checked the whole budget
    steps = finished_steps(run_dir) if resume and "n_steps" in fitted.get_params() else None
    if steps and (fitted.n_steps is None or fitted.n_steps <= steps):
        logger.info("The generator in %s is finished (%s steps), and is used as it is.", run_dir, f"{steps:,}")
        fitted.set_params(n_steps=steps, time_budget=None)  # else the time budget would be spent once more
    fit = fitted.resume if resume else fitted.fit
    fit(images, callbacks=callbacks)
    if fitted.stop_reason_ == INTERRUPTED:
        raise RunInterruptedError(
            f"{run_dir}: the fit was interrupted and saved. Resume it with resume=True (--resume)."
        )
    return fitted


def fit_nearest(
    samplers: Mapping[str, Sampler],
    images: LabeledImages,
    classes: Iterable[str],
    run_dir: Path,
    *,
    resume: bool,
    callbacks: tuple[Callback, ...],
) -> tuple[str, Sampler, pd.DataFrame]:
    """Fit several over-samplers, and return the one whose samples are nearest to real images.

    Parameters
    ----------
    samplers : mapping
        Name -> unfitted over-sampler.
    images : LabeledImages
    classes : iterable of str
        Classes that are filled up.
    run_dir : Path
        Each over-sampler has a run folder of its name in it.

    Returns
    -------
    name : str
    fitted : OverSampler
    comparison : DataFrame
        As `compare_samplers` returns it.
    """
    fitted = {}
    for name, sampler in samplers.items():
        logger.info("Method %s:", name)
        folder = run_dir / name
        can_resume = resume and not is_unstarted(folder)
        fitted[name] = fit_sampler(sampler, images, folder, resume=can_resume, callbacks=callbacks)
    comparison = compare_samplers(fitted, images, list(classes))
    for row in comparison.itertuples():
        logger.info(
            "Method %s: distance from real images %.3f; %s classes not learned.",
            row.method,
            row.distance,
            row.unlearned,
        )
    best = str(comparison["method"].iloc[0])
    logger.info("Method %s is used. `ganaug evaluate` tells whether its images help a classifier.", best)
    return best, fitted[best], comparison


def is_attempted(sampler: Any, name: str) -> bool:
    """Whether a fitted over-sampler was to learn a class: ClassTranslator leaves out those that it translates from."""
    return not isinstance(sampler, ClassTranslator) or name in sampler.sources_


def sample_planned(sampler: Sampler, counts: Mapping[str, int]) -> tuple[LabeledImages, list[str]]:
    """Draw what was planned. Returns the samples, and the classes of which too few samples pass the filters."""
    failed: list[str] = []
    try:
        return sampler.sample(counts), failed
    except ClassNotLearnedError:
        # it ends at the first such class
        for name, count in counts.items():
            try:
                sampler.sample({name: count}, start=0)
            except ClassNotLearnedError:
                failed.append(name)
    return sampler.sample({name: count for name, count in counts.items() if name not in failed}, start=0), failed


def compare_samplers(fitted: Mapping[str, Sampler], images: LabeledImages, classes: list[str]) -> pd.DataFrame:
    """Compare fitted over-samplers by the distance of their samples from real images.

    Parameters
    ----------
    fitted : mapping
        Name -> over-sampler fitted on `images`.
    images : LabeledImages
    classes : list of str
        Classes that are compared.

    Returns
    -------
    DataFrame
        A row for each over-sampler, the best first, with columns "method", "unlearned" (number of classes) and
        "distance": the mean, over classes that all have learned, of the energy distance between synthetic and real
        images in EfficientNet-lite0's features. Real images are the validation images where a class has them. Classes
        that an over-sampler was not to learn do not count. An over-sampler with fewer unlearned classes comes first,
        then the one with the smaller distance.
    """
    _, features = get_extractor("auto")
    first = next(iter(fitted.values()))
    seed = first.model_.seed
    _, validation = split_validation(images, first.validation_fraction, seed=seed)
    classes = [name for name in classes if all(is_attempted(sampler, name) for sampler in fitted.values())]
    unlearned = {
        method: [name for name in classes if name in sampler.unlearned_classes_] for method, sampler in fitted.items()
    }
    # means over different classes do not compare
    common = [name for name in classes if not any(name in names for names in unlearned.values())]
    real = {
        name: features(_some_images(validation if validation.counts[name] else images, name, seed)) for name in common
    }
    rows = []
    for method, sampler in fitted.items():
        distances = [
            energy_distance(features(sampler.sample({name: MAX_COMPARED}, start=0).images), real[name])
            for name in common
        ]
        mean = sum(distances) / len(distances) if distances else float("nan")
        rows.append((method, len(unlearned[method]), mean))
    # unlearned classes first, so that a method cannot win by learning only the easy ones
    return pd.DataFrame(rows, columns=["method", "unlearned", "distance"]).sort_values(["unlearned", "distance"])


def _some_images(images: LabeledImages, name: str, seed: int) -> Tensor:
    rows = images.rows_of(name)
    order = torch.randperm(len(rows), generator=generator(seed, "compared", name))
    return images.images[rows[order[:MAX_COMPARED]]]
