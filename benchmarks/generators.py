"""Every GANAugmenter of the benchmarks is constructed, trained for a time, stored and sampled here."""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganaug import GANAugmenter, LabeledImages, TrainingRecipe
from ganaug.images import concatenate
from ganaug.training.loop import StopTraining

UNLIMITED = 10**9  # steps: training ends by its time
SMOKE_PARAMETERS = {"width": 8, "latent_size": 8, "batch_size": 16, "filters": None}


def make_augmenter(seed: int, *, smoke: bool = False, **parameters: Any) -> GANAugmenter:
    """A GANAugmenter on the CPU that trains until a callback ends it.

    Parameters
    ----------
    seed : int
        Its `random_state`.
    smoke : bool
        Whether to use networks that train in a fraction of a second, without filters.
    **parameters
        Other parameters of GANAugmenter or of its TrainingRecipe, which replace these defaults.
    """
    defaults = {"n_steps": UNLIMITED, "device": "cpu", "random_state": seed, **(SMOKE_PARAMETERS if smoke else {})}
    settings = {**defaults, **parameters}
    recipe = {name: settings.pop(name) for name in TrainingRecipe().get_params() if name in settings}
    return GANAugmenter(**settings, recipe=TrainingRecipe(**recipe))


def stop_after(seconds: float, threads: int) -> Callable[[int, object], None]:
    """Callback that ends training after `seconds`: of processor time on one thread, else of wall time.

    Processor time is not changed by other processes on the machine.
    """
    clock = time.process_time if threads == 1 else time.perf_counter
    end = clock() + seconds

    def callback(done: int, logs: object) -> None:  # noqa: ARG001  # the signature of callbacks
        if clock() >= end:
            raise StopTraining("time budget")

    return callback


def stored_generator(
    train: LabeledImages, seed: int, folder: Path, options: argparse.Namespace, **parameters: Any
) -> tuple[GANAugmenter, dict[str, Any]]:
    """A generator trained for `options.seconds`, and facts about its training; read from `folder` if it is there.

    parameters: of `make_augmenter`.
    """
    about_file = folder / "about.json"
    if about_file.exists():
        return GANAugmenter.load(folder, device="cpu"), json.loads(about_file.read_text())
    augmenter = make_augmenter(seed, smoke=options.smoke, **parameters)
    augmenter.fit(train, callbacks=[stop_after(options.seconds, options.threads)])
    augmenter.save(folder, overwrite=True)
    about = {
        "steps": augmenter.n_steps_,
        "images_seen": augmenter.n_steps_ * augmenter.plan_.batch_size,
        "unlearned": augmenter.unlearned_classes_,
    }
    about_file.write_text(json.dumps(about))
    return augmenter, about


def stored_stages(
    train: LabeledImages, seed: int, folder: Path, seconds: Sequence[float], options: argparse.Namespace
) -> dict[float, Path]:
    """Model folders of one training run after each number of seconds; stages that are in `folder` are not repeated."""
    models = {stage: folder / f"{stage:g}s" for stage in sorted(seconds)}
    previous = 0.0
    for stage, model in models.items():
        run = folder / "run"
        if not (model / "model.json").exists():
            augmenter = make_augmenter(seed, smoke=options.smoke, run_dir=run, patience=UNLIMITED)
            begin = augmenter.resume if (run / "config.json").exists() else augmenter.fit
            begin(train, callbacks=[stop_after(stage - previous, options.threads)])
            augmenter.save(model, overwrite=True)
        previous = stage
    return models


def sample_learned(
    augmenter: GANAugmenter, train: LabeledImages, count: int, seed: int, **options: Any
) -> LabeledImages:
    """`count` samples of each class that was learned, without metadata; options are those of `sample`."""
    learned = [name for name in train.classes if name not in augmenter.unlearned_classes_]
    if not learned:
        return replace(train.take([]), metadata=None)
    return replace(augmenter.sample(dict.fromkeys(learned, count), random_state=seed, **options), metadata=None)


def sample_all(augmenter: GANAugmenter, classes: Sequence[str], count: int, **options: Any) -> LabeledImages:
    """`count` samples of every class; those of a class that was not learned are not filtered."""
    unlearned = augmenter.unlearned_classes_
    options = {"start": 0, **options}
    samples = augmenter.sample({name: count for name in classes if name not in unlearned}, **options)
    return concatenate(samples, augmenter.sample(dict.fromkeys(unlearned, count), **{**options, "filtered": False}))
