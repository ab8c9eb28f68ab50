"""Command lines in processes of their own that start at once, since they are forked from one that has imported all."""

import contextlib
import multiprocessing
import os
import resource
import signal
import sys
import time
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.faults.processes", "tests.faults.loaded"])


@contextlib.contextmanager
def limited_memory(n_bytes):
    """What takes so many bytes more than are mapped now ends in a MemoryError."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (mapped + n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _main(arguments, log, slow, memory):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    fsync = os.fsync
    os.fsync = lambda file: (time.sleep(slow), fsync(file))  # a disk that takes its time
    with open(log, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    import torch

    from ganaug.cli.main import main

    torch.set_num_threads(1)
    with contextlib.nullcontext() if memory is None else limited_memory(memory):
        sys.exit(main(arguments, standalone_mode=True))


def start(*arguments, log, slow=0, memory=None):
    """`ganaug ARGUMENTS`, begun; what it says goes to the file `log`.

    slow: seconds that the disk takes for a file. memory: bytes that it may take beyond those of its imports.
    """
    parts = [str(part) for part in arguments]
    process = CONTEXT.Process(target=_main, args=(parts, str(log), slow, memory), daemon=True)
    process.start()
    return process


def ran(*arguments, log, seconds=120, memory=None):
    """`ganaug ARGUMENTS`: its exit status, and what it said."""
    process = start(*arguments, log=log, memory=memory)
    process.join(seconds)
    assert process.exitcode is not None, f"still running after {seconds} s: {arguments}"
    return process.exitcode, log.read_text()


def killed(*arguments, log, after, ready=lambda: True, seconds=60, slow=0):
    """Kill `ganaug ARGUMENTS` `after` seconds from when `ready()` first holds; False where it had ended before."""
    process, end = start(*arguments, log=log, slow=slow), time.monotonic() + seconds
    while not (came := ready()) and process.is_alive() and time.monotonic() < end:
        time.sleep(0.002)
    time.sleep(after)
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    assert process.exitcode in (0, -signal.SIGKILL), log.read_text()
    assert came or process.exitcode == 0, f"not ready after {seconds} s: {arguments}\n{log.read_text()}"
    return process.exitcode == -signal.SIGKILL
