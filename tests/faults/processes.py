"""Command lines in processes of their own that start at once, since they are forked from one that has imported all."""

import contextlib
import multiprocessing
import os
import signal
import sys
import time

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.faults.processes", "tests.faults.loaded"])


def _main(arguments, log, slow):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    fsync = os.fsync
    os.fsync = lambda file: (time.sleep(slow), fsync(file))  # a disk that takes its time
    with open(log, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    import torch

    from ganaug.cli.main import main

    torch.set_num_threads(1)
    sys.exit(main(arguments, standalone_mode=True))


def start(*arguments, log, slow=0):
    """`ganaug ARGUMENTS`, begun; what it says goes to the file `log`. slow: seconds that the disk takes for a file."""
    process = CONTEXT.Process(target=_main, args=([str(part) for part in arguments], str(log), slow), daemon=True)
    process.start()
    return process


def ran(*arguments, log, seconds=120):
    """`ganaug ARGUMENTS`: its exit status, and what it said."""
    process = start(*arguments, log=log)
    process.join(seconds)
    assert process.exitcode is not None, f"still running after {seconds} s: {arguments}"
    return process.exitcode, log.read_text()


def killed(*arguments, log, after, ready=lambda: True, seconds=60):
    """Kill `ganaug ARGUMENTS` `after` seconds from when `ready()` first holds; False where it had ended before."""
    process, end = start(*arguments, log=log), time.monotonic() + seconds
    while process.is_alive() and not ready() and time.monotonic() < end:
        time.sleep(0.002)
    time.sleep(after)
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    assert process.exitcode in (0, -signal.SIGKILL), log.read_text()
    return process.exitcode == -signal.SIGKILL
