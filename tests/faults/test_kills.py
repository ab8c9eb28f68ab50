"""SIGKILL at random moments: earlier files are intact, no file is partial, and the same command resumes."""

import json
import random
import shutil

import pandas as pd
import pytest

from ganaug import read_folder
from ganaug._runtime.storage import is_temporary_file, read_json, read_tree
from ganaug.io.store import open_store
from tests.end_to_end.test_cli import QUICK, folder_of, model_hash
from tests.processes import kill_command, run_command
from tests.sets import hashes

FEW, HALF, MANY = 5, *(pytest.param(n, marks=[pytest.mark.slow, pytest.mark.timeout(7200)]) for n in (100, 200))
FIT = [*QUICK, "--param", "recipe.check_every=1"]


@pytest.fixture
def data(tmp_path):
    return folder_of(tmp_path / "data")


@pytest.mark.parametrize("times", [FEW, MANY])
def test_a_fit_that_is_killed_again_and_again_ends_with_the_same_model(data, tmp_path, times):
    """A checkpoint, pictures and a history are written after every step, so most kills happen while writing.

    One third of the kills comes at any moment, one third after a new checkpoint, and one third while a slow disk writes
    a checkpoint. A run that ends with a mode collapse is replaced by another run.
    """
    log, rng, n_kills, n_checkpoints, n_partial = tmp_path / "log", random.Random(times), 0, 0, 0
    for number in range(times):
        run, steps = tmp_path / f"run{number}", -1
        while n_kills < times:
            command = ("fit", data, "--run", run, "--steps", 100_000, *(["--resume"] if run.exists() else []), *FIT)
            old = partial_checkpoints(run)
            has_progressed = lambda run=run, steps=steps: steps_done(run) > steps  # noqa: E731
            is_saving = lambda run=run, old=old: partial_checkpoints(run) - old  # noqa: E731
            if n_kills % 3 == 0:
                was_killed = kill_command(*command, log=log, after=rng.uniform(0, 1.5))
            elif n_kills % 3 == 1:
                was_killed = kill_command(*command, log=log, after=rng.uniform(0, 0.4), is_ready=has_progressed)
            else:
                after = rng.uniform(0, 0.06)
                was_killed = kill_command(*command, log=log, after=after, is_ready=is_saving, disk_delay=0.05)
            n_partial += bool(partial_checkpoints(run) - old)
            assert steps_done(run) >= steps
            steps = steps_done(run)
            n_checkpoints += count_valid_checkpoints(run)
            if not was_killed:
                assert "Training ended (mode-collapse" in log.read_text()
                break
            n_kills += 1
        status, output = run_command("fit", data, "--run", run, "--resume", "--steps", steps + 3, *FIT, log=log)
        assert status == 0, output
        assert not [path for path in run.rglob("*") if is_temporary_file(path)]
        uninterrupted = tmp_path / f"whole{number}"
        status, output = run_command(
            "fit", data, "--run", uninterrupted, "--steps", steps + 3, *FIT, log=log, seconds=600
        )
        assert status == 0, output
        assert model_hash(run) == model_hash(uninterrupted)
        if n_kills == times:
            break
    assert n_kills == times
    assert n_checkpoints >= times // 2
    assert n_partial >= times // 5


def count_valid_checkpoints(run):
    """The number of checkpoints. All of them, and all other files, must be readable."""
    checkpoints = list((run / "checkpoints").glob("*.safetensors"))
    assert all(read_tree(path)["done"] == int(path.stem) for path in checkpoints)
    if (run / "config.json").exists():
        assert read_json(run / "config.json")["format"]
    if (run / "history.csv").exists():
        assert list(pd.read_csv(run / "history.csv")["step"])
    return len(checkpoints)


def partial_checkpoints(run):
    return {path.name for path in (run / "checkpoints").glob(".*") if is_temporary_file(path)}


def steps_done(run):
    return max((int(path.stem) for path in (run / "checkpoints").glob("*.safetensors")), default=-1)


@pytest.fixture
def fitted(data, tmp_path):
    """A data folder, a finished run on it, and the path of a log."""
    run, log = tmp_path / "run", tmp_path / "log"
    status, output = run_command("fit", data, "--run", run, "--steps", 3, *QUICK, log=log)
    assert status == 0, output
    return data, run, log


COUNTS = ("--strategy", "dark=400,bright=400", "--synthetic-share", "0.5")
WRITE = ["--steps", "3", "--no-report", *COUNTS, "--resume", *QUICK]


@pytest.mark.parametrize("times", [FEW, HALF])
def test_an_augment_that_is_killed_leaves_a_complete_folder_or_none(fitted, tmp_path, times):
    data, run, log = fitted
    before, out, rng, n_complete, n_kills = hashes(data), tmp_path / "out", random.Random(times), 0, 0
    while n_kills < times:
        command = ["augment", data, out, "--run", run, *WRITE]
        is_writing = lambda: out.exists() or any(tmp_path.glob(".out.p*"))  # noqa: E731
        n_kills += kill_command(*command, log=log, after=rng.uniform(0, 0.25), is_ready=is_writing)
        assert hashes(data) == before
        if out.exists():  # renamed before the kill came
            n_complete += 1
            assert_complete(out)
            assert run_command("augment", data, out, "--undo", log=log)[0] == 0
            assert not out.exists()
    status, output = run_command("augment", data, out, "--run", run, *WRITE, log=log)
    assert status == 0, output
    assert_complete(out)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert n_complete < times


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_measurement_that_is_killed_again_and_again_ends_with_the_same_folder(data, tmp_path, monkeypatch):
    """Kills come while classifiers are trained, and while generators of the folds are."""
    log, rng, n_kills = tmp_path / "log", random.Random(0), 0
    options = ("--steps", 30, "--no-report", *FIT)
    monkeypatch.setenv("GANAUG_CACHE", str(tmp_path / "cache of the uninterrupted"))
    assert run_command("augment", data, tmp_path / "whole", *options, log=log, seconds=1200)[0] == 0
    monkeypatch.setenv("GANAUG_CACHE", str(tmp_path / "cache"))
    run = tmp_path / "out.run"
    for _ in range(20):
        command = ["augment", data, tmp_path / "out", *(["--resume"] if run.exists() else []), *options]
        has_fold = lambda: (run / "evaluation" / "fold-1").exists()  # noqa: E731
        is_ready = has_fold if n_kills % 2 else lambda: True
        if not kill_command(*command, log=log, after=rng.uniform(0, 8), is_ready=is_ready, seconds=600):
            break
        n_kills += 1
        assert not (tmp_path / "out").exists()
    if not (tmp_path / "out").exists():
        status, output = run_command("augment", data, tmp_path / "out", "--resume", *options, log=log, seconds=1200)
        assert status == 0, output
    assert n_kills > 2
    assert hashes(tmp_path / "out") == hashes(tmp_path / "whole")


def assert_complete(out):
    assert read_folder(out).counts == {"bright": 400, "dark": 400}
    manifest = json.loads((out / ".ganaug.json").read_text())["files"]
    assert {name: digest for name, digest in hashes(out).items() if name != ".ganaug.json"} == manifest


@pytest.mark.parametrize("times", [FEW, HALF])
def test_an_undo_that_is_killed_is_finished_by_the_next_undo(fitted, tmp_path, times):
    data, run, log = fitted
    before, out, complete, rng, n_kills = hashes(data), tmp_path / "out", tmp_path / "whole", random.Random(times), 0
    status, output = run_command("augment", data, out, "--run", run, *WRITE, log=log)
    assert status == 0, output
    out.rename(complete)
    written, first = hashes(complete), next(iter(read_json(complete / ".ganaug.json")["files"]))
    while n_kills < times:
        shutil.copytree(complete, out)
        has_started = lambda: not (out / first).exists()  # noqa: E731
        after = rng.uniform(0, 0.05)
        n_kills += kill_command("augment", data, out, "--undo", log=log, after=after, is_ready=has_started)
        remaining = hashes(out)
        assert remaining.items() <= written.items()
        assert ".ganaug.json" in remaining or not remaining
        if remaining:
            assert run_command("augment", data, out, "--undo", log=log)[0] == 0
            assert not out.exists()
        shutil.rmtree(out, ignore_errors=True)
        assert hashes(data) == before


@pytest.mark.parametrize("times", [FEW, HALF])
def test_an_augment_in_place_that_is_killed_can_be_undone_completely(fitted, tmp_path, times):
    """The undo is killed as well."""
    data, run, log = fitted
    table = pd.DataFrame({"file_name": sorted(f"{p.parent.name}/{p.name}" for p in data.glob("*/*.png"))})
    table.assign(label=table["file_name"].str.split("/").str[0], site="x").to_csv(data / "metadata.csv", index=False)
    shutil.rmtree(run)
    assert run_command("fit", data, "--run", run, "--steps", 3, *QUICK, log=log)[0] == 0
    before, rng, n_kills = hashes(data), random.Random(times), 0
    while n_kills < times:
        command = ["augment", data, "--in-place", "--run", run, *WRITE]
        has_manifest = (data / ".ganaug.json").exists
        n_kills += kill_command(*command, log=log, after=rng.uniform(0, 0.3), is_ready=has_manifest)
        after = hashes(data)
        assert {name: after.get(name) for name in before if name != "metadata.csv"} == {
            name: digest for name, digest in before.items() if name != "metadata.csv"
        }
        if (data / ".ganaug.json").exists():
            kill_command("augment", data, "--in-place", "--undo", log=log, after=rng.uniform(0, 0.1))
        if (data / ".ganaug.json").exists():
            assert run_command("augment", data, "--in-place", "--undo", log=log)[0] == 0
        assert hashes(data) == before


@pytest.mark.parametrize("times", [FEW, pytest.param(50, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_a_killed_store_build_is_resumed(tmp_path, times):
    data = folder_of(tmp_path / "data", counts=(600, 600))
    out, log, rng, n_kills = tmp_path / "store", tmp_path / "log", random.Random(times), 0
    while n_kills < times:
        was_killed = kill_command("store", data, out, log=log, after=rng.uniform(0, 0.15), is_ready=out.exists)
        n_kills += was_killed
        if not was_killed or n_kills % 5 == 0:
            assert run_command("store", data, out, "--verify", log=log)[0] == 0
            shutil.rmtree(out)
    status, output = run_command("store", data, out, "--verify", log=log)
    assert status == 0, output
    stored, expected = open_store(out), read_folder(data)
    assert stored.counts == expected.counts
    assert (stored.images[0:1200] == expected.images).all()
    assert sorted(path.name for path in out.iterdir() if path.name.startswith(".")) == []
