"""How good are the samples of each class? ganaug, its ablation, and other people's GANs in the same seconds.

    python benchmarks/quality.py fashion-mnist-lt --systems ganaug plain --seconds 900 --name quality_fmnist
    python benchmarks/quality.py fashion-mnist-lt --ablation --seconds 100 --threads 1 --parallel 2 --quick --name abl

Each run is a process of its own: it trains for `--seconds`, draws `--each` samples a class, and is judged.
`--marks 100 300` judges it at those seconds too, for the curve. Results so far lie in CACHE/quality/NAME; a run that is
there is not run again; `--systems` without a name only writes the table of what is there, as it stood at `--seconds`.
The baselines need `--baseline-python mimicry=PATH torchgan=PATH` (see baselines/README.md).
"""

import argparse
import json
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import tables
import torch

HERE = Path(__file__).parent
BASELINES = {"mimicry": "mimicry_cgan.py", "torchgan": "torchgan_dcgan.py"}
# conditional DCGAN as tutorials have it: binary cross entropy, batches as they come, nothing in front of the discriminator, no
# average, no filters, no checks that act; Adam as in Radford et al. 2016. The networks are ganaug's own.
PLAIN: dict[str, Any] = {
    "loss": "non-saturating",
    "augmentation": None,
    "ema_half_life": 0,
    "sampling_power": 1.0,
    "discriminator_norm": "batch",
    "generator_lr": 2e-4,
    "discriminator_lr": 2e-4,
    "betas": (0.5, 0.999),
    "batch_size": 64,
    "precision": "fp32",
    "validation_fraction": 0.0,
    "filters": None,
    "patience": None,
    "check_every": 10**9,
}
IN_ALL = 60_000  # images that a run of the ablation sees, about; what is scheduled in images goes by it
ABLATION: dict[str, dict[str, Any]] = {
    "loss: non-saturating": {"loss": "non-saturating"},
    "loss: wgan-gp": {"loss": "wgan-gp"},
    "loss: relativistic + R1 + R2": {"loss": "relativistic", "discriminator_norm": "none", "lr_decay_images": IN_ALL},
    "penalty: lazy R1": {"penalty": "lazy-r1"},
    "penalty: LeCam": {"penalty": "lecam"},
    "penalty: class-spectral (gSR)": {"penalty": "class-spectral"},
    "augmentation: none": {"augmentation": None},
    "augmentation: + cutout": {"augmentation": "translation,cutout"},
    "augmentation: + color": {"augmentation": "translation,color"},
    "augmentation: + flip": {"augmentation": "translation,flip"},
    "augmentation: adaptive (ADA)": {"augmentation": "translation,cutout,color", "adaptive_augmentation": True},
    "network: resnet": {"network": "resnet"},
    "network: resnet-plain + R1": {"network": "resnet-plain", "discriminator_norm": "none", "penalty": "lazy-r1"},
    "network: shared low resolutions (UTLO without its discriminator)": {"network": "dcgan-shared-low"},
    "conditioning: ramped in": {"conditioning_ramp": (0, IN_ALL / 4)},
    "conditioning: noise alone (NoisyTwins without twins)": {"class_noise": 0.75},
    "batches: as they come": {"sampling_power": 1.0},
    "batches: by the root of counts": {"sampling_power": 0.5},
    "average: none": {"ema_half_life": 0},
    "guidance by the auxiliary classifier": {"guidance": 0.2},
    "width: 16": {"width": 16},
    "width: 48": {"width": 48},
    "average: half-life of 2,000 images": {"ema_half_life": 2000},
    "precision: float32": {"precision": "fp32"},
    "rates: cosine to a tenth": {"lr_decay_images": IN_ALL, "final_lr_ratio": 0.1},
}

# what changes only how samples are drawn is judged on the model of the default's run
DRAWS: dict[str, dict[str, Any]] = {
    "filters: none": {"filtered": False},
    "latent: std 1.2": {"latent_std": 1.2},
    "latent: std 0.8": {"latent_std": 0.8},
    "latent: truncated at 1.5": {"truncation": 1.5},
}


@dataclass(frozen=True)
class Job:
    """One run: a system on a set with a seed."""

    data: str
    system: str
    params: dict[str, Any]
    seed: int
    seconds: float
    marks: tuple[float, ...]
    each: int
    threads: int
    quick: bool
    rival_python: str | None
    folder: str
    draws: bool = False

    @property
    def result(self) -> Path:
        label = "".join(c if c.isalnum() else "-" for c in self.system)
        return Path(self.folder) / f"{label}_{self.seed}_{self.seconds:g}s_{self.threads}t.json"

    def model(self, seconds: float) -> Path:
        return self.result.with_suffix(f".{seconds:g}.model")


def work(job: Job) -> None:
    """Train, sample and judge; write the result."""
    import sets
    from judging import Judge

    from ganaug import GANAugmenter

    torch.set_num_threads(job.threads)
    split = sets.split(job.data)
    runs = baseline(job, split) if job.rival_python else ours(job, split)
    judge = None
    curve = []
    for about, samples in runs:
        judge = judge or Judge(split, quick=job.quick)
        curve.append(about | judge.score(samples, seed=job.seed))
    save(job, curve)
    if job.draws and judge is not None:
        gan = GANAugmenter.load(job.model(job.seconds), "cpu")
        for name, options in DRAWS.items():
            samples = draw(gan, split.train.classes, job.each, **options)
            save(replace(job, system=name), [curve[-1] | judge.score(samples, seed=job.seed)])


def save(job: Job, curve: list[dict[str, Any]]) -> None:
    job.result.parent.mkdir(parents=True, exist_ok=True)
    job.result.write_text(json.dumps({"job": asdict(job), "curve": curve}, indent=1))


def ours(job: Job, split: Any) -> list[tuple[dict[str, Any], Any]]:
    from ganaug import GANAugmenter

    found, done, seconds = [], 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        params = {**job.params, "device": "cpu", "random_state": job.seed, "run_dir": Path(folder) / "run"}
        for mark in (*job.marks, job.seconds):
            gan = GANAugmenter(**params, n_steps=10**9)
            train = gan.fit if not done else gan.resume
            begun = time.perf_counter()
            train(split.train, callbacks=[budget(mark - done, job.threads)])
            done, seconds = mark, seconds + time.perf_counter() - begun
            history = gan.history_.iloc[-1]
            about = {
                "steps": gan.n_steps_,
                "images_seen": int(history["images"]),
                "seconds": seconds,
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "best_step": gan.best_step_,
                "findings": [str(finding) for finding in gan.health_],
                "scores": gan.history_[["step", "score"]].to_dict("list"),
            }
            begun = time.perf_counter()
            samples = draw(gan, split.train.classes, job.each)
            about["sampling_seconds"] = time.perf_counter() - begun
            about["yield"] = gan.filter_report_.set_index("class")["yield"].to_dict() if len(gan.filter_report_) else {}
            about["unlearned"] = [gan.model_.classes[label] for label in gan.model_.unlearned]
            job.result.parent.mkdir(parents=True, exist_ok=True)
            gan.save(job.model(mark))
            found.append((about, samples))
    return found


def budget(seconds: float, threads: int) -> Any:
    """Ends training after `seconds`: of processor time on one thread (unmoved by other work), else by the clock."""
    from ganaug.training.loop import StopTraining

    clock = time.process_time if threads == 1 else time.perf_counter
    end = clock() + seconds

    def callback(done: int, logs: object) -> None:  # noqa: ARG001  # a callback gets both
        if clock() >= end:
            raise StopTraining("time budget")

    return callback


def draw(gan: Any, classes: tuple[str, ...], each: int, **options: Any) -> Any:
    """`each` samples of every class; of a class that is not learned they come unfiltered, to be judged too."""
    from ganaug.images import concatenate

    refused = [classes[label] for label in gan.model_.unlearned]
    samples = gan.sample({name: each for name in classes if name not in refused}, **options)
    return concatenate(samples, gan.sample(dict.fromkeys(refused, each), **{**options, "filtered": False}))


def baseline(job: Job, split: Any) -> list[tuple[dict[str, Any], Any]]:
    from ganaug import LabeledImages

    train = split.train
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "train.npz", Path(folder) / "samples.npz"
        np.savez(source, images=train.images.numpy(), labels=train.labels.numpy())
        command = [str(job.rival_python), str(HERE / "baselines" / BASELINES[job.system]), str(source), str(target)]
        command += ["--seconds", str(job.seconds), "--seed", str(job.seed), "--per-class", str(job.each)]
        subprocess.run([*command, "--threads", str(job.threads)], check=True)
        with np.load(target) as found:
            about = json.loads(str(found["about"]))
            samples = LabeledImages(torch.from_numpy(found["images"]), torch.from_numpy(found["labels"]), train.classes)
    about["peak_mib"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return [(about, samples)]


def jobs(options: argparse.Namespace, folder: Path) -> list[Job]:
    pythons = dict(part.split("=", 1) for part in options.rival_python)
    systems: dict[str, dict[str, Any]] = {}
    known = {"ganaug": {}, "plain": PLAIN} | ABLATION | {name: {} for name in BASELINES}
    for name in options.systems:
        if name not in known:
            raise SystemExit(f"unknown system {name!r}; known: {', '.join(known)}")
        systems[name] = known[name]
    if options.ablation:
        systems |= {"ganaug": {}} | ABLATION
    if options.params and set(systems) & {*BASELINES, "plain"}:
        raise SystemExit("--params is for ganaug; run the baselines without it")
    if options.params:
        systems = {f"{name} {options.params}": {**p, **json.loads(options.params)} for name, p in systems.items()}
    return [
        Job(
            options.data,
            name,
            params,
            seed,
            options.seconds,
            tuple(options.marks),
            options.each,
            options.threads,
            options.quick,
            pythons[name] if name in BASELINES else None,
            str(folder),
            options.ablation and name == "ganaug",
        )
        for seed in options.seeds
        for name, params in systems.items()
    ]


def run(job: Job) -> None:
    if job.result.exists():
        return
    begun = time.perf_counter()
    command = [sys.executable, __file__, "--job", json.dumps(asdict(job))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{job.system}, seed {job.seed}: failed\n{done.stderr[-2000:]}", flush=True)
        return
    last = json.loads(job.result.read_text())["curve"][-1]
    figures = {name: round(value, 3) for name, value in last["overall"].items()}
    print(f"{job.system}, seed {job.seed}: {figures} in {time.perf_counter() - begun:.0f} s", flush=True)


def main() -> None:
    if sys.argv[1:2] == ["--job"]:
        job = json.loads(sys.argv[2])
        work(Job(**{**job, "marks": tuple(job["marks"])}))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--systems", nargs="*", default=["ganaug"])
    parser.add_argument("--ablation", action="store_true")
    parser.add_argument("--params", help="parameters of GANAugmenter as JSON, for every system that is ganaug")
    parser.add_argument("--seconds", type=float, default=900)
    parser.add_argument("--marks", type=float, nargs="*", default=[])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--each", type=int, default=500, help="samples a class")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a smaller classifier and no EfficientNet features")
    parser.add_argument("--baseline-python", nargs="*", default=[])
    parser.add_argument("--name", required=True)
    parser.add_argument("--out", type=Path, help="write OUT.json and OUT.md")
    parser.add_argument("--title", default="Quality of samples")
    options = parser.parse_args()
    folder = Path.home() / ".cache" / "ganaug-benchmarks" / "quality" / options.name
    planned = jobs(options, folder)
    with ThreadPoolExecutor(options.parallel) as pool:
        list(pool.map(run, planned))
    if options.out is not None:
        command = f"python benchmarks/quality.py {shlex.join(sys.argv[1:])}"
        tables.write(folder, options.out, options.title, command, options.seconds)
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M}: done", flush=True)


if __name__ == "__main__":
    main()
