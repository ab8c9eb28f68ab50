"""SIGKILL at random moments: what was there is there, nothing is half-written, and the same command goes on."""

import json
import random
import shutil

import pandas as pd
import pytest

from ganaug import read_folder
from ganaug._runtime.storage import is_left, read_json, read_tree
from ganaug.io.store import open_store
from tests.end_to_end.test_cli import QUICK, folder_of, model_hash
from tests.faults.processes import killed, ran
from tests.sets import hashes

FEW, HALF, MANY = 5, *(pytest.param(n, marks=[pytest.mark.slow, pytest.mark.timeout(7200)]) for n in (100, 200))
FIT = [*QUICK, "--param", "recipe.check_every=1"]


@pytest.fixture
def data(tmp_path):
    return folder_of(tmp_path / "data")


@pytest.mark.parametrize("times", [FEW, MANY])
def test_a_fit_that_is_killed_again_and_again_comes_to_the_same_model(data, tmp_path, times):
    """A check, and so a checkpoint, pictures and a history, after every step: most kills fall into writing.

    One in three comes while a slow disk takes a checkpoint, one in three at any moment from the first one on. A run
    that ends by itself, of a collapse that a later check finds, gives way to another.
    """
    log, draw, kills, checkpoints, half_written = tmp_path / "log", random.Random(times), 0, 0, 0
    for number in range(times):
        run, steps = tmp_path / f"run{number}", -1
        while kills < times:
            begin = ("fit", data, "--run", run, "--steps", 100_000, *(["--resume"] if run.exists() else []), *FIT)
            old = half_written_checkpoints(run)
            more = lambda run=run, steps=steps: done_steps(run) > steps  # noqa: E731
            saving = lambda run=run, old=old: half_written_checkpoints(run) - old  # noqa: E731
            if kills % 3 == 0:
                was_killed = killed(*begin, log=log, after=draw.uniform(0, 1.5))
            elif kills % 3 == 1:
                was_killed = killed(*begin, log=log, after=draw.uniform(0, 0.4), ready=more)
            else:
                was_killed = killed(*begin, log=log, after=draw.uniform(0, 0.06), ready=saving, slow=0.05)
            half_written += bool(half_written_checkpoints(run) - old)
            assert done_steps(run) >= steps
            steps = done_steps(run)
            checkpoints += whole_files(run)
            if not was_killed:
                assert "Training ended (mode-collapse" in log.read_text()
                break
            kills += 1
        status, said = ran("fit", data, "--run", run, "--resume", "--steps", steps + 3, *FIT, log=log)
        assert status == 0, said
        assert not [path for path in run.rglob("*") if is_left(path)]
        other = tmp_path / f"whole{number}"
        status, said = ran("fit", data, "--run", other, "--steps", steps + 3, *FIT, log=log, seconds=600)
        assert status == 0, said
        assert model_hash(run) == model_hash(other)
        if kills == times:
            break
    assert kills == times
    assert checkpoints >= times // 2
    assert half_written >= times // 5


def whole_files(run):
    """Number of checkpoints, all of which can be read, as can what else is there."""
    found = list((run / "checkpoints").glob("*.safetensors"))
    assert all(read_tree(path)["done"] == int(path.stem) for path in found)
    if (run / "config.json").exists():
        assert read_json(run / "config.json")["format"]
    if (run / "history.csv").exists():
        assert list(pd.read_csv(run / "history.csv")["step"])
    return len(found)


def half_written_checkpoints(run):
    return {path.name for path in (run / "checkpoints").glob(".*") if is_left(path)}


def done_steps(run):
    return max((int(path.stem) for path in (run / "checkpoints").glob("*.safetensors")), default=-1)


@pytest.fixture
def fitted(data, tmp_path):
    """A data folder, and a run on it that is done."""
    run, log = tmp_path / "run", tmp_path / "log"
    status, said = ran("fit", data, "--run", run, "--steps", 3, *QUICK, log=log)
    assert status == 0, said
    return data, run, log


WRITE = ["--steps", "3", "--no-report", "--strategy", "dark=400,bright=400", "--resume", *QUICK]


@pytest.mark.parametrize("times", [FEW, HALF])
def test_an_augment_that_is_killed_leaves_all_or_nothing(fitted, tmp_path, times):
    data, run, log = fitted
    before, out, draw, whole, kills = hashes(data), tmp_path / "out", random.Random(times), 0, 0
    while kills < times:
        command = ["augment", data, out, "--run", run, *WRITE]
        kills += killed(
            *command, log=log, after=draw.uniform(0, 0.25), ready=lambda: out.exists() or any(tmp_path.glob(".out.p*"))
        )
        assert hashes(data) == before
        if out.exists():  # renamed before the kill came
            whole += 1
            assert_complete(out)
            assert ran("augment", data, out, "--undo", log=log)[0] == 0
            assert not out.exists()
    status, said = ran("augment", data, out, "--run", run, *WRITE, log=log)
    assert status == 0, said
    assert_complete(out)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert whole < times


def assert_complete(out):
    found = read_folder(out)
    assert found.counts == {"bright": 400, "dark": 400}
    manifest = json.loads((out / ".ganaug.json").read_text())["files"]
    assert {name: digest for name, digest in hashes(out).items() if name != ".ganaug.json"} == manifest


@pytest.mark.parametrize("times", [FEW, HALF])
def test_an_undo_that_is_killed_is_finished_by_the_next(fitted, tmp_path, times):
    data, run, log = fitted
    before, out, whole, draw, kills = hashes(data), tmp_path / "out", tmp_path / "whole", random.Random(times), 0
    status, said = ran("augment", data, out, "--run", run, *WRITE, log=log)
    assert status == 0, said
    out.rename(whole)
    written, first = hashes(whole), next(iter(read_json(whole / ".ganaug.json")["files"]))
    while kills < times:
        shutil.copytree(whole, out)
        begun = lambda: not (out / first).exists()  # noqa: E731
        kills += killed("augment", data, out, "--undo", log=log, after=draw.uniform(0, 0.05), ready=begun)
        left = hashes(out)
        assert left.items() <= written.items()
        assert ".ganaug.json" in left or not left
        if left:
            assert ran("augment", data, out, "--undo", log=log)[0] == 0
            assert not out.exists()
        shutil.rmtree(out, ignore_errors=True)
        assert hashes(data) == before


@pytest.mark.parametrize("times", [FEW, HALF])
def test_an_augment_in_place_that_is_killed_is_undone_to_what_was_there(fitted, tmp_path, times):
    """The undoing is killed as well."""
    data, run, log = fitted
    table = pd.DataFrame({"file_name": sorted(f"{p.parent.name}/{p.name}" for p in data.glob("*/*.png"))})
    table.assign(label=table["file_name"].str.split("/").str[0], site="x").to_csv(data / "metadata.csv", index=False)
    shutil.rmtree(run)
    assert ran("fit", data, "--run", run, "--steps", 3, *QUICK, log=log)[0] == 0
    before, draw, kills = hashes(data), random.Random(times), 0
    while kills < times:
        command = ["augment", data, "--in-place", "--run", run, *WRITE]
        kills += killed(*command, log=log, after=draw.uniform(0, 0.3), ready=(data / ".ganaug.json").exists)
        after = hashes(data)
        assert {name: after.get(name) for name in before if name != "metadata.csv"} == {
            name: digest for name, digest in before.items() if name != "metadata.csv"
        }
        if (data / ".ganaug.json").exists():
            killed("augment", data, "--in-place", "--undo", log=log, after=draw.uniform(0, 0.1))
        if (data / ".ganaug.json").exists():
            assert ran("augment", data, "--in-place", "--undo", log=log)[0] == 0
        assert hashes(data) == before


@pytest.mark.parametrize("times", [FEW, pytest.param(50, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_a_store_that_is_killed_while_it_is_built_is_built_on(tmp_path, times):
    data = folder_of(tmp_path / "data", counts=(600, 600))
    out, log, draw, kills = tmp_path / "store", tmp_path / "log", random.Random(times), 0
    while kills < times:
        was_killed = killed("store", data, out, log=log, after=draw.uniform(0, 0.15), ready=out.exists)
        kills += was_killed
        if not was_killed or kills % 5 == 0:
            assert ran("store", data, out, "--verify", log=log)[0] == 0
            shutil.rmtree(out)
    status, said = ran("store", data, out, "--verify", log=log)
    assert status == 0, said
    found, plain = open_store(out), read_folder(data)
    assert found.counts == plain.counts
    assert (found.images[0:1200] == plain.images).all()
    assert sorted(path.name for path in out.iterdir() if path.name.startswith(".")) == []
