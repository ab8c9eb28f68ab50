"""One run of `sample_quality.py`: train a system, draw samples of each class, score them, keep the scores."""

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.generators import make_augmenter, sample_all, stop_after
from benchmarks.judge import Judge
from benchmarks.peer_runs import run_peer
from benchmarks.recipes import SAMPLING
from benchmarks.runner import peak_mib
from benchmarks.splits import Split, load_split
from ganaug import GANAugmenter, LabeledImages


@dataclass(frozen=True)
class Job:
    """One run: a system on a set with a seed. Fields are plain values, so that a job can be passed as JSON."""

    set: str
    system: str
    params: Mapping[str, Any]
    seed: int
    seconds: float
    marks: Sequence[float]
    samples_per_class: int
    threads: int
    quick: bool
    features_only: bool
    peer_python: str | None
    data: str
    cache: str
    name: str
    smoke: bool
    has_sampling_variants: bool = False

    @property
    def result(self) -> Path:
        """File of the run's scores."""
        label = "".join(c if c.isalnum() else "-" for c in self.system)
        file_name = f"{label}_{self.seed}_{self.seconds:g}s_{self.threads}t.json"
        return Path(self.cache) / "sample_quality" / self.name / file_name

    def model(self, seconds: float) -> Path:
        """Folder of the generator after `seconds`."""
        return self.result.with_suffix(f".{seconds:g}.model")


def run_job(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Train, sample and score one job, passed as its fields; writes its result."""
    job = Job(**fields)
    split = load_split(job.set, Path(job.data))
    stages = train_peer(job, split) if job.peer_python else train_ganaug(job, split)
    judge = Judge(split, Path(job.cache), quick=job.quick, features_only=job.features_only, smoke=job.smoke)
    curve = [about | judge.score(samples, seed=job.seed) for about, samples in stages]
    save_result(job, curve)
    if job.has_sampling_variants:
        augmenter = GANAugmenter.load(job.model(job.seconds), "cpu")
        for name, options in SAMPLING.items():
            samples = sample_all(augmenter, split.train.classes, job.samples_per_class, **options)
            save_result(replace(job, system=name), [curve[-1] | judge.score(samples, seed=job.seed)])
    return {}


def save_result(job: Job, curve: list[dict[str, Any]]) -> None:
    """Write a run's job and its scores at each mark."""
    job.result.parent.mkdir(parents=True, exist_ok=True)
    job.result.write_text(json.dumps({"job": asdict(job), "curve": curve}))


def train_ganaug(job: Job, split: Split) -> list[tuple[dict[str, Any], LabeledImages]]:
    """Facts of training and samples, at each mark and at the end."""
    stages, seconds_before, wall_seconds = [], 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for mark in (*job.marks, job.seconds):
            augmenter = make_augmenter(job.seed, smoke=job.smoke, run_dir=Path(folder) / "run", **job.params)
            train = augmenter.resume if seconds_before else augmenter.fit
            start = time.perf_counter()
            train(split.train, callbacks=[stop_after(mark - seconds_before, job.threads)])
            seconds_before, wall_seconds = mark, wall_seconds + time.perf_counter() - start
            about = {
                "steps": augmenter.n_steps_,
                "images_seen": int(augmenter.history_["images"].iloc[-1]),
                "seconds": wall_seconds,
                "peak_mib": peak_mib(),
                "unlearned": augmenter.unlearned_classes_,
            }
            job.result.parent.mkdir(parents=True, exist_ok=True)
            augmenter.save(job.model(mark), overwrite=True)
            stages.append((about, sample_all(augmenter, split.train.classes, job.samples_per_class)))
    return stages


def train_peer(job: Job, split: Split) -> list[tuple[dict[str, Any], LabeledImages]]:
    """Facts of another library's training, and its samples."""
    about, samples = run_peer(
        job.system,
        str(job.peer_python),
        split.train,
        seconds=job.seconds,
        threads=job.threads,
        seed=job.seed,
        samples_per_class=job.samples_per_class,
    )
    assert samples is not None
    return [(about, samples)]
