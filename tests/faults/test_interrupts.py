"""Ctrl-C and SIGTERM: saved, told, the right exit status, and the same model in the end."""

import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from ganaug import read_folder
from ganaug._runtime.storage import is_left, read_json, read_tree
from tests.end_to_end.test_cli import QUICK, UNJUDGED, folder_of, model_hash, wait_for
from tests.faults.processes import ran, start
from tests.faults.test_kills import done_steps
from tests.sets import hashes

ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}  # as `ran` has it: sums in another order have other last bits
ENDLESS = ["--steps", "100000", "--param", "recipe.check_every=1000", *QUICK]


@pytest.fixture
def data(tmp_path):
    return folder_of(tmp_path / "data")


def assert_resumes(data, run, log):
    steps = done_steps(run) + 3
    status, said = ran("fit", data, "--run", run, "--resume", "--steps", steps, *ENDLESS[2:], log=log)
    assert status == 0, said
    status, said = ran("fit", data, "--run", f"{run}.whole", "--steps", steps, *ENDLESS[2:], log=log)
    assert status == 0, said
    assert model_hash(run) == model_hash(run.with_name(f"{run.name}.whole"))


def test_ctrl_c_in_a_terminal(data, tmp_path):
    """The terminal sends the signal to all of its foreground processes, as the key does."""
    run = tmp_path / "run"
    command = [sys.executable, "-m", "ganaug", "fit", str(data), "--run", str(run), *ENDLESS]
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, command, ONE_THREAD)
    wait_for(run / "checkpoints" / "00000000.safetensors")
    time.sleep(1)
    os.write(terminal, b"\x03")
    said = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        said += part
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 130
    assert b"Interrupted and saved" in said
    assert read_json(run / "summary.json")["stop_reason"] == "interrupted"
    assert done_steps(run) > 0
    assert_resumes(data, run, tmp_path / "log")


def test_a_manager_that_ends_the_whole_group(data, tmp_path):
    """As systemd, Slurm and a container's end do: SIGTERM to the shell and to what it runs."""
    run = tmp_path / "run"
    command = f"{sys.executable} -m ganaug fit {data} --run {run} {' '.join(ENDLESS)}; exit $?"
    group = subprocess.Popen(
        ["sh", "-c", f"trap : TERM; {command}"],
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
        env=ONE_THREAD,
    )
    wait_for(run / "checkpoints" / "00000000.safetensors")
    time.sleep(1)
    os.killpg(group.pid, signal.SIGTERM)
    _, said = group.communicate(timeout=60)
    assert group.returncode == 143
    assert "Interrupted and saved" in said
    assert read_json(run / "summary.json")["stop_reason"] == "interrupted"
    assert_resumes(data, run, tmp_path / "log")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_while_it_saves_ends_it_at_once_and_spoils_nothing(data, tmp_path, number):
    run, log = tmp_path / "run", tmp_path / "log"
    often = ["--param", "recipe.check_every=4", *QUICK]
    process = start("fit", data, "--run", run, "--steps", 100_000, *often, log=log, slow=0.8)
    wait_for(lambda: done_steps(run) >= 4)
    os.kill(process.pid, number)
    wait_for(lambda: "Stopping at the end of this step" in log.read_text())
    time.sleep(1.3)  # sooner, it would count as the same signal
    assert process.is_alive(), log.read_text()
    os.kill(process.pid, number)
    process.join(20)
    assert process.exitcode == 128 + number
    assert "Traceback" not in log.read_text()
    assert not [path for path in run.rglob("*") if is_left(path)]
    for path in (run / "checkpoints").glob("*.safetensors"):
        assert read_tree(path)["done"] == int(path.stem)
    status, said = ran("fit", data, "--run", run, "--resume", "--steps", done_steps(run) + 3, *often, log=log)
    assert status == 0, said


def test_a_signal_before_the_first_step_leaves_a_run_that_begins_again(data, tmp_path):
    run, log = tmp_path / "run", tmp_path / "log"
    process = start("fit", data, "--run", run, *ENDLESS, log=log, slow=0.5)
    wait_for(run.exists)
    os.kill(process.pid, signal.SIGTERM)
    process.join(60)
    assert process.exitcode == 143, log.read_text()
    status, said = ran("fit", data, "--run", run, "--resume", "--steps", 3, *ENDLESS[2:], log=log)
    assert status == 0, said


MANY = ("--strategy", "dark=2000,bright=2000", "--steps", "3", *UNJUDGED)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["samples", "writes", "writes in place"])
def test_a_signal_while_augment_samples_or_writes_leaves_nothing(data, tmp_path, moment, number):
    run, log, out = tmp_path / "run", tmp_path / "log", tmp_path / "out"
    where, written = (["--in-place"], data) if moment == "writes in place" else ([out], out)
    before = hashes(data)
    moments = {
        "samples": lambda: log.exists() and "Training ended" in log.read_text(),
        "writes": lambda: any(tmp_path.glob(".out.partial-*")),
        "writes in place": (data / ".ganaug.json").exists,
    }
    process = start("augment", data, *where, "--run", run, *MANY, log=log)
    wait_for(moments[moment])
    os.kill(process.pid, number)
    process.join(30)
    assert process.exitcode == 128 + number, log.read_text()
    assert "Traceback" not in log.read_text()
    assert hashes(data) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "log", "run"]
    status, said = ran("augment", data, *where, "--run", run, "--resume", *MANY, log=log)
    assert status == 0, said
    assert read_folder(written).counts == {"bright": 2000, "dark": 2000}


@contextmanager
def held_still(process):
    """What it holds it goes on to hold, however long the others take."""
    os.kill(process.pid, signal.SIGSTOP)
    yield
    os.kill(process.pid, signal.SIGCONT)
    process.join(60)


def test_a_second_fit_in_one_run_is_refused_and_the_first_one_ends_well(data, tmp_path):
    run, log, steps = tmp_path / "run", tmp_path / "log", ["--steps", 40, "--param", "recipe.check_every=5", *QUICK]
    first = start("fit", data, "--run", run, *steps, log=log)
    wait_for(run / "checkpoints" / "00000005.safetensors")
    with held_still(first):
        for resume, why in (([], "is not empty"), (["--resume"], "another run is writing here")):
            status, said = ran("fit", data, "--run", run, *resume, *steps, log=tmp_path / "second")
            assert status == 1
            assert f"{run}: {why}" in said
    assert first.exitcode == 0, log.read_text()
    status, said = ran("fit", data, "--run", tmp_path / "whole", *steps, log=log)
    assert status == 0, said
    assert model_hash(run) == model_hash(tmp_path / "whole")


@pytest.mark.parametrize("where", ["OUT", "in place"])
def test_a_second_augment_of_one_folder_is_refused_and_the_first_one_ends_well(data, tmp_path, where):
    log, out = tmp_path / "log", tmp_path / "out"
    place, written = ([out], out) if where == "OUT" else (["--in-place"], data)
    first = start("augment", data, *place, "--run", tmp_path / "run", *MANY, log=log)
    wait_for(lambda: any(tmp_path.glob(".out.partial-*")) or (data / ".ganaug.json").exists())
    with held_still(first):
        status, said = ran("augment", data, *place, "--run", tmp_path / "other", *MANY, log=tmp_path / "second")
        assert status == 1
        assert "Traceback" not in said
        assert f"{out}: another run is writing it" in said or f"{data}: was written or added to by ganaug" in said
    assert first.exitcode == 0, log.read_text()
    assert read_folder(written).counts == {"bright": 2000, "dark": 2000}
    assert ran("augment", data, *place, "--undo", log=log)[0] == 0
