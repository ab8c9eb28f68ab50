"""Run command lines in processes that start at once: they are forked from a process that has imported everything."""

import contextlib
import multiprocessing
import os
import resource
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.processes", "tests.preloaded"])


@contextlib.contextmanager
def limited_memory(n_bytes):
    """Limit the memory of this process to `n_bytes` more than it uses now; beyond it, a MemoryError is raised."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (mapped + n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _main(arguments, program, stdout, stderr, environment, cwd, disk_delay, memory):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(environment)  # that of the process forked from is older
    os.chdir(cwd)
    fsync = os.fsync
    os.fsync = lambda file: (time.sleep(disk_delay), fsync(file))
    for path, number in ((stdout, 1), (stderr, 2)):
        with open(path, "a") as file:
            os.dup2(file.fileno(), number)
    import torch

    from ganaug.cli.main import main

    torch.set_num_threads(1)
    if program is not None:
        sys.argv = [program, *arguments]
        runpy.run_path(program, run_name="__main__")
        return
    with contextlib.nullcontext() if memory is None else limited_memory(memory):
        sys.exit(main(arguments, prog_name="ganaug", standalone_mode=True))


def start_command(*arguments, log, errors=None, program=None, cwd=None, disk_delay=0, memory=None):
    """Start `ganaug ARGUMENTS`, with its output in the file `log`.

    errors: file for stderr, if it is another one. program: path of a Python program to start instead. disk_delay:
    seconds that the disk takes per file. memory: bytes it may use in addition to its imports.
    """
    stdout, stderr = str(log), str(errors or log)
    for path in (stdout, stderr):
        Path(path).write_text("")
    options = {
        "arguments": [str(part) for part in arguments],
        "program": program and str(program),
        "stdout": stdout,
        "stderr": stderr,
        "environment": dict(os.environ),
        "cwd": str(cwd or Path.cwd()),
        "disk_delay": disk_delay,
        "memory": memory,
    }
    process = CONTEXT.Process(target=_main, kwargs=options, daemon=program is None)  # a daemon can start no process
    process.start()
    return process


def run_command(*arguments, log, seconds=120, memory=None):
    """Run `ganaug ARGUMENTS`. Returns its exit status and its output."""
    process = start_command(*arguments, log=log, memory=memory)
    process.join(seconds)
    assert process.exitcode is not None, f"still running after {seconds} s: {arguments}"
    return process.exitcode, log.read_text()


def ganaug(*arguments, cwd=None):
    """Run `ganaug ARGUMENTS`. Returns its exit status, stdout and stderr."""
    return run_program(None, *arguments, cwd=cwd)


def run_program(program, *arguments, cwd=None, seconds=240):
    """Run a Python program; None: `ganaug`. Returns its exit status, stdout and stderr."""
    with tempfile.TemporaryDirectory() as folder:
        log, errors = Path(folder, "stdout"), Path(folder, "stderr")
        process = start_command(*arguments, log=log, errors=errors, program=program, cwd=cwd)
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            raise AssertionError(f"still running after {seconds} s: {arguments}\n{errors.read_text()}")
        return subprocess.CompletedProcess(arguments, process.exitcode, log.read_text(), errors.read_text())


def kill_command(*arguments, log, after, is_ready=lambda: True, seconds=60, disk_delay=0):
    """Kill `ganaug ARGUMENTS` `after` seconds from the moment when `is_ready()` is true. False if it ended before."""
    process, end = start_command(*arguments, log=log, disk_delay=disk_delay), time.monotonic() + seconds
    while not (was_ready := is_ready()) and process.is_alive() and time.monotonic() < end:
        time.sleep(0.002)
    time.sleep(after)
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    assert process.exitcode in (0, -signal.SIGKILL), log.read_text()
    assert was_ready or process.exitcode == 0, f"not ready after {seconds} s: {arguments}\n{log.read_text()}"
    return process.exitcode == -signal.SIGKILL
