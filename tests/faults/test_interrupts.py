"""Ctrl-C and SIGTERM: saved, told, the right exit status, and the same model in the end."""

import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from ganaug.storage import is_left, read_tree
from tests.end_to_end.test_cli import QUICK, folder_of, model_hash, wait_for
from tests.faults.processes import ran, start
from tests.faults.test_kills import done_steps

ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}  # as `ran` has it: sums in another order have other last bits
ENDLESS = ["--steps", "100000", "--param", "check_every=1000", *QUICK]


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
    assert_resumes(data, run, tmp_path / "log")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_while_it_saves_ends_it_at_once_and_spoils_nothing(data, tmp_path, number):
    run, log = tmp_path / "run", tmp_path / "log"
    often = ["--param", "check_every=4", *QUICK]
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
