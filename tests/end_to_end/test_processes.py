"""Training in several processes: the same result as in one, and a clear end when one of them dies."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from ganaug._runtime.storage import read_json, read_tree
from tests.end_to_end.test_cli import folder_of, wait_for

PROGRAM = Path(__file__).parent / "programs" / "train_together.py"
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
QUIET = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
FIT = ["-m", "ganaug", "fit"]


def run(*command, **options):
    return subprocess.run(
        [*map(str, command)], capture_output=True, text=True, timeout=250, **{"env": QUIET, **options}
    )


def checkpoint(folder, step):
    return read_tree(folder / "checkpoints" / f"{step:08d}.safetensors")


@pytest.mark.timeout(300)
def test_two_processes_learn_the_same_weights_as_one(tmp_path):
    alone = run(sys.executable, PROGRAM, tmp_path / "one", 50)
    assert alone.returncode == 0, alone.stderr
    together = run(*TORCHRUN, PROGRAM, tmp_path / "two", 50)
    assert together.returncode == 0, together.stderr
    recipes = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(recipes) == 5
    for name in recipes:
        one, two = (checkpoint(tmp_path / folder / name, 50) for folder in ("one", "two"))
        for network in ("generator", "discriminator", "average"):
            for key, value in one["step"][network].items():
                torch.testing.assert_close(
                    two["step"][network][key], value, rtol=1e-6, atol=1e-8, msg=f"{name} {network} {key}"
                )
        for domain, images in one["step"].get("pools", {}).items():
            torch.testing.assert_close(two["step"]["pools"][domain], images, rtol=1e-6, atol=1e-6)
        assert [row["score"] for row in two["rows"]] == pytest.approx([row["score"] for row in one["rows"]], rel=1e-6)


@pytest.mark.timeout(300)
def test_a_dead_process_ends_the_run_and_the_checkpoint_resumes_in_one_process(tmp_path):
    data, folder = folder_of(tmp_path / "data", counts=(40, 40), size=(8, 8)), tmp_path / "run"
    arguments = [*FIT, data, "--run-dir", folder, "--param", "recipe.check_every=10", "--param", "recipe.width=8"]
    training = subprocess.Popen(
        [*map(str, [*TORCHRUN, *arguments, "--steps", 100_000])], stderr=subprocess.PIPE, text=True, env=QUIET
    )
    try:
        wait_for(folder / "checkpoints" / "00000020.safetensors", seconds=120)
        os.kill(second_process_of(training.pid), signal.SIGKILL)
        _, stderr = training.communicate(timeout=120)
    finally:
        training.terminate()
    assert training.returncode != 0
    assert "another process of this training has died" in stderr, stderr
    assert "2 processes train together" in stderr
    assert not (folder / "model").exists()
    step = max(int(path.stem) for path in (folder / "checkpoints").glob("*.safetensors"))
    resumed = run(sys.executable, *arguments, "--steps", step + 10, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert read_json(folder / "summary.json")["steps"] == step + 10


def second_process_of(launcher):
    """Return the process id of rank 1 of the two processes that a launcher started."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for path in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
                pairs = (path / "environ").read_text().split("\0")
                environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
            except OSError:
                continue
            if parent == launcher and environment.get("RANK") == "1":
                return int(path.name)
        time.sleep(0.1)
    raise AssertionError(f"launcher {launcher} started no second process.")


def test_an_indivisible_batch_size_and_other_verbs_are_refused(tmp_path):
    data = folder_of(tmp_path / "data", counts=(6, 6), size=(8, 8))
    options = ["--run-dir", tmp_path / "run", "--steps", 2, "--param", "batch_size=7"]
    refused = run(*TORCHRUN, *FIT, data, *options)
    assert refused.returncode == 1
    assert "batch_size 7 cannot be shared out evenly among 2 processes" in refused.stderr
    assert not (tmp_path / "run").exists()
    other = run(sys.executable, "-m", "ganaug", "check", data, env={**QUIET, "WORLD_SIZE": "2", "RANK": "1"})
    assert other.returncode == 2
    assert "works for `fit` and `translate fit` only" in " ".join(other.stderr.split())
    apply = ["translate", "apply", tmp_path / "run", data, tmp_path / "out"]
    other = run(sys.executable, "-m", "ganaug", *apply, env={**QUIET, "WORLD_SIZE": "2", "RANK": "1"})
    assert other.returncode == 2
    assert "works for `fit` and `translate fit` only" in " ".join(other.stderr.split())


@pytest.mark.timeout(300)
def test_translate_fit_trains_in_two_processes(tmp_path):
    data, folder = folder_of(tmp_path / "data", counts=(30, 30), size=(16, 16)), tmp_path / "run"
    classes = sorted(path for path in data.iterdir() if path.is_dir())
    # torchrun reads --run as an abbreviation of one of its options
    options = ["--run-dir", folder, "--steps", 4, "--param", "recipe.width=8", "--param", "batch_size=2"]
    done = run(*TORCHRUN, "-m", "ganaug", "translate", "fit", *classes, *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(folder / "model")]
    assert "2 processes train together, each on 1 images of a batch" in done.stderr
    assert read_json(folder / "summary.json")["steps"] == 4
    options = ["--run-dir", tmp_path / "other", "--steps", 4, "--param", "batch_size=3"]
    refused = run(*TORCHRUN, "-m", "ganaug", "translate", "fit", *classes, *options)
    assert refused.returncode == 1
    assert "cannot be shared out evenly among 2 processes" in refused.stderr
