"""Ctrl-C and SIGTERM: the run is saved, the exit status is right, and resuming gives the same model."""

import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from ganaug import read_folder
from ganaug._runtime.storage import is_temporary_file, read_json, read_tree
from ganaug.cli.resuming import StopSignals
from ganaug.errors import TrainingError
from tests.end_to_end.test_cli import QUICK, UNJUDGED, folder_of, model_hash, wait_for
from tests.faults.test_kills import steps_done
from tests.processes import run_command, start_command
from tests.sets import hashes

# one thread as in `run_command`: sums in another order differ in their last bits
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
SIGTERM = pytest.param(signal.SIGTERM, marks=pytest.mark.slow)  # handled as SIGINT is
ENDLESS = ["--steps", "100000", "--param", "recipe.check_every=1000", *QUICK]


@pytest.fixture
def data(tmp_path):
    return folder_of(tmp_path / "data")


def assert_resumes(data, run, log):
    steps = steps_done(run) + 3
    status, output = run_command("fit", data, "--run", run, "--resume", "--steps", steps, *ENDLESS[2:], log=log)
    assert status == 0, output
    status, output = run_command("fit", data, "--run", f"{run}.uninterrupted", "--steps", steps, *ENDLESS[2:], log=log)
    assert status == 0, output
    assert model_hash(run) == model_hash(run.with_name(f"{run.name}.uninterrupted"))


def test_ctrl_c_in_a_terminal(data, tmp_path):
    """The terminal sends the signal to all its foreground processes, as it does for a key press."""
    run = tmp_path / "run"
    command = [sys.executable, "-m", "ganaug", "fit", str(data), "--run", str(run), *ENDLESS]
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, command, ONE_THREAD)
    wait_for(run / "checkpoints" / "00000000.safetensors")
    time.sleep(1)
    os.write(terminal, b"\x03")
    output = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        output += part
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 130
    assert b"Interrupted and saved" in output
    assert read_json(run / "summary.json")["stop_reason"] == "interrupted"
    assert steps_done(run) > 0
    assert_resumes(data, run, tmp_path / "log")


def test_sigterm_to_the_whole_process_group(data, tmp_path):
    """As systemd, Slurm and container runtimes send it: to the shell and to its child."""
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
    _, output = group.communicate(timeout=60)
    assert group.returncode == 143
    assert "Interrupted and saved" in output
    assert read_json(run / "summary.json")["stop_reason"] == "interrupted"
    assert_resumes(data, run, tmp_path / "log")


@pytest.mark.parametrize("number", [signal.SIGINT, SIGTERM])
def test_a_second_signal_during_saving_exits_at_once_and_damages_nothing(data, tmp_path, number):
    run, log = tmp_path / "run", tmp_path / "log"
    frequent_checks = ["--param", "recipe.check_every=4", *QUICK]
    process = start_command("fit", data, "--run", run, "--steps", 100_000, *frequent_checks, log=log, disk_delay=0.8)
    wait_for(lambda: steps_done(run) >= 4)
    os.kill(process.pid, number)
    wait_for(lambda: "Stopping after this step" in log.read_text())
    time.sleep(1.3)  # an earlier one would count as the same signal
    assert process.is_alive(), log.read_text()
    os.kill(process.pid, number)
    process.join(20)
    assert process.exitcode == 128 + number
    assert "Traceback" not in log.read_text()
    assert not [path for path in run.rglob("*") if is_temporary_file(path)]
    for path in (run / "checkpoints").glob("*.safetensors"):
        assert read_tree(path)["done"] == int(path.stem)
    status, output = run_command(
        "fit", data, "--run", run, "--resume", "--steps", steps_done(run) + 3, *frequent_checks, log=log
    )
    assert status == 0, output


def test_a_run_interrupted_before_its_first_step_can_be_resumed(data, tmp_path):
    run, log = tmp_path / "run", tmp_path / "log"
    process = start_command("fit", data, "--run", run, *ENDLESS, log=log, disk_delay=0.5)
    wait_for(run.exists)
    os.kill(process.pid, signal.SIGTERM)
    process.join(60)
    assert process.exitcode == 143, log.read_text()
    status, output = run_command("fit", data, "--run", run, "--resume", "--steps", 3, *ENDLESS[2:], log=log)
    assert status == 0, output


def test_an_error_after_a_signal_is_not_hidden_by_it():
    """As in a training of several processes: the launcher sends a signal because another process has died."""
    with pytest.raises(TrainingError, match="has died"), StopSignals():
        signal.raise_signal(signal.SIGTERM)
        raise TrainingError("another process has died")


MANY_IMAGES = ("--strategy", "dark=2000,bright=2000", "--synthetic-share", "0.5", "--steps", "3", *UNJUDGED)


@pytest.mark.parametrize("number", [signal.SIGINT, SIGTERM])
@pytest.mark.parametrize("moment", ["samples", "writes", "writes in place"])
def test_a_signal_during_sampling_or_writing_leaves_nothing_behind(data, tmp_path, moment, number):
    run, log, out = tmp_path / "run", tmp_path / "log", tmp_path / "out"
    target, written = (["--in-place"], data) if moment == "writes in place" else ([out], out)
    before = hashes(data)
    moments = {
        "samples": lambda: log.exists() and "fit ended" in log.read_text(),
        "writes": lambda: any(tmp_path.glob(".out.partial-*")),
        "writes in place": (data / ".ganaug.json").exists,
    }
    process = start_command("augment", data, *target, "--run", run, *MANY_IMAGES, log=log)
    wait_for(moments[moment])
    os.kill(process.pid, number)
    process.join(30)
    assert process.exitcode == 128 + number, log.read_text()
    assert "Traceback" not in log.read_text()
    assert hashes(data) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "log", "run"]
    status, output = run_command("augment", data, *target, "--run", run, "--resume", *MANY_IMAGES, log=log)
    assert status == 0, output
    assert read_folder(written).counts == {"bright": 2000, "dark": 2000}


@contextmanager
def suspended(process):
    """Suspend a process, which keeps its locks, and let it finish afterwards."""
    os.kill(process.pid, signal.SIGSTOP)
    yield
    os.kill(process.pid, signal.SIGCONT)
    process.join(60)


def test_a_second_fit_in_the_same_run_is_refused_and_the_first_one_succeeds(data, tmp_path):
    run, log, steps = tmp_path / "run", tmp_path / "log", ["--steps", 40, "--param", "recipe.check_every=5", *QUICK]
    first = start_command("fit", data, "--run", run, *steps, log=log)
    wait_for(run / "checkpoints" / "00000005.safetensors")
    with suspended(first):
        for resume, reason in (([], "is not empty"), (["--resume"], "another run is writing here")):
            status, output = run_command("fit", data, "--run", run, *resume, *steps, log=tmp_path / "second")
            assert status == 1
            assert f"{run}: {reason}" in output
    assert first.exitcode == 0, log.read_text()
    status, output = run_command("fit", data, "--run", tmp_path / "uninterrupted", *steps, log=log)
    assert status == 0, output
    assert model_hash(run) == model_hash(tmp_path / "uninterrupted")


@pytest.mark.parametrize("where", ["OUT", "in place"])
def test_a_second_augment_of_the_same_folder_is_refused_and_the_first_one_succeeds(data, tmp_path, where):
    log, out = tmp_path / "log", tmp_path / "out"
    target, written = ([out], out) if where == "OUT" else (["--in-place"], data)
    first = start_command("augment", data, *target, "--run", tmp_path / "run", *MANY_IMAGES, log=log)
    wait_for(lambda: any(tmp_path.glob(".out.partial-*")) or (data / ".ganaug.json").exists())
    with suspended(first):
        status, output = run_command(
            "augment", data, *target, "--run", tmp_path / "other", *MANY_IMAGES, log=tmp_path / "second"
        )
        assert status == 1
        assert "Traceback" not in output
        assert f"{out}: another run is writing it" in output or f"{data}: was written or added to by ganaug" in output
    assert first.exitcode == 0, log.read_text()
    assert read_folder(written).counts == {"bright": 2000, "dark": 2000}
    assert run_command("augment", data, *target, "--undo", log=log)[0] == 0
