"""What augmenting a folder would cost: counts, time and memory, from a short trial."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.progress import events_shown
from ganaug.augmentation.result import counts_table
from ganaug.augmentation.selection import MIN_GENERATOR_SHARE, default_selection, make_request
from ganaug.estimators.augmenter import GANAugmenter
from ganaug.estimators.plan import Plan
from ganaug.estimators.smallest_budget import check_time_budget
from ganaug.io.folder import read_and_inspect
from ganaug.io.resizing import SizeLike
from ganaug.io.table import check_labels
from ganaug.sampling.composition import split_additions
from ganaug.sampling.strategy import Strategy

TRIAL_STEPS = 25
TRIAL_SAMPLES = 256


@dataclass(frozen=True)
class Forecast:
    """What augmenting a folder would add and cost. Measurements, filters, redraws and reports come on top.

    Attributes
    ----------
    counts : DataFrame
        A row for each class: "class", "original", "altered", "synthetic", "total". What is measured by `augment_folder`
        has its default here.
    plan : Plan
        What would be chosen where a parameter leaves it open.
    training_seconds, sampling_seconds : float
    n_steps : int
        Training steps that fit into the time.
    images_per_second : float
        Real images in training steps.
    peak_memory : float or None
        MiB that the process has used at most. None where the system does not say.

    Examples
    --------
    >>> from ganaug.augmentation import Forecast
    >>> from ganaug.augmentation.result import counts_table
    >>> from ganaug.sampling.composition import Additions
    >>> counts = counts_table({"cat": 50, "dog": 20}, Additions({"dog": 20}, {"dog": 10}))
    >>> print(Forecast(counts, None, 120.0, 1.5, 1000, 500.0, None))
    Expected: 2.0 min of training (1,000 steps, 500 images/s), 1.5 s for 10 synthetic images, ... of memory.
    Measuring, filters and the report come on top; within a time budget they shorten the training. Nothing was written.
    """

    counts: pd.DataFrame
    plan: Plan
    training_seconds: float
    sampling_seconds: float
    n_steps: int
    images_per_second: float
    peak_memory: float | None

    def __str__(self) -> str:
        memory = "an unknown amount of" if self.peak_memory is None else f"about {self.peak_memory:,.0f} MiB of"
        n_synthetic = int(self.counts["synthetic"].sum())
        return (
            f"Expected: {self.training_seconds / 60:.1f} min of training ({self.n_steps:,} steps, "
            f"{self.images_per_second:,.0f} images/s), {self.sampling_seconds:.1f} s for {n_synthetic:,} synthetic "
            f"images, {memory} memory. Measuring, filters and the report come on top; within a time budget they "
            "shorten the training. Nothing was written."
        )


@library_defaults()
def forecast_augmentation(
    data: str | Path,
    augmenter: GANAugmenter | None = None,
    *,
    sampling_strategy: Strategy = "auto",
    synthetic_share: str | float = "auto",
    image_size: SizeLike | None = None,
    skip_bad: bool = False,
    subfolder_groups: bool = False,
    follow_links: bool = False,
) -> Forecast:
    """Forecast what `augment_folder` would add and cost, from a trial of 25 training steps. Writes nothing.

    Parameters
    ----------
    data : path
        Folder with a folder for each class.
    augmenter : GANAugmenter, optional
        None: `GANAugmenter()`.
    sampling_strategy, synthetic_share
        As in `augment_folder`. "auto" is not measured here: the default is shown.
    image_size : int or tuple, optional
        Resize images to this size, (height, width) or (height, width, aspect).
    skip_bad : bool, default=False
        Leave unusable files out.
    subfolder_groups, follow_links : bool, default=False
        As in `augment_folder`.

    Raises
    ------
    DataError
        If the folder cannot be trained on, or if a class has a name that metadata.csv cannot hold.

    Examples
    --------
    >>> import tempfile
    >>> import torch
    >>> from ganaug import GANAugmenter, LabeledImages, TrainingRecipe, write_folder
    >>> from ganaug.augmentation import forecast_augmentation
    >>> pixels = torch.randint(0, 256, (64, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    >>> images = LabeledImages(pixels, torch.tensor([0] * 40 + [1] * 24), ("cat", "dog"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     photos = write_folder(images, f"{folder}/photos")
    ...     small = GANAugmenter(n_steps=100, batch_size=4, random_state=0, recipe=TrainingRecipe(width=2))
    ...     forecast = forecast_augmentation(f"{folder}/photos", small)
    >>> forecast.n_steps
    100
    """
    augmenter = GANAugmenter() if augmenter is None else augmenter
    images, _ = read_and_inspect(
        data, image_size=image_size, skip_bad=skip_bad, subfolder_groups=subfolder_groups, follow_links=follow_links
    )
    check_labels(name for name, count in images.counts.items() if count)
    request = make_request(images, augmenter, sampling_strategy, synthetic_share, evaluate=False)
    selection = default_selection(request, "")
    groups = request.groups(images)
    additions = split_additions(groups.counts, request.targets(groups.counts, selection.balance), selection.share)
    plan = augmenter.plan(images)
    if augmenter.time_budget is not None and additions.synthetic:
        check_time_budget(augmenter.time_budget, augmenter.smallest_time_budget(images) / MIN_GENERATOR_SHARE)
    trial = GANAugmenter(**augmenter.get_params(deep=False))
    # no filters, because they would train a classifier first
    trial.set_params(n_steps=TRIAL_STEPS, time_budget=None, run_dir=None, filters=None, verbose=0)
    ticks: list[float] = []
    with events_shown(0):
        trial.fit(images, callbacks=[lambda done, logs: ticks.append(time.perf_counter())])  # noqa: ARG005
    steady = ticks[len(ticks) // 3 :]  # the first steps are slower
    seconds_per_step = (steady[-1] - steady[0]) / (len(steady) - 1)
    began = time.perf_counter()
    trial.sample(TRIAL_SAMPLES)
    seconds_per_sample = (time.perf_counter() - began) / TRIAL_SAMPLES
    n_steps = plan.n_steps or sys.maxsize
    training_seconds = min(n_steps * seconds_per_step, augmenter.time_budget or float("inf"))
    return Forecast(
        counts=counts_table(groups.counts, additions),
        plan=plan,
        training_seconds=training_seconds,
        sampling_seconds=seconds_per_sample * sum(additions.synthetic.values()),
        n_steps=min(n_steps, round(training_seconds / seconds_per_step)),
        images_per_second=plan.batch_size / seconds_per_step,
        peak_memory=_peak_memory(),
    )


def _peak_memory() -> float | None:
    """Return the MiB that this process has used at most, or None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    # ru_maxrss is in KiB on Linux and in bytes on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
