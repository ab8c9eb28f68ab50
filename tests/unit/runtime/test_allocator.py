"""Freed memory stays in the process while a block runs, and returns to the system afterwards."""

import subprocess
import sys

import pytest

from ganaug._runtime import allocator
from ganaug._runtime.allocator import retain_freed_memory

PROGRAM = """
import os, torch
from ganaug._runtime.allocator import retain_freed_memory

def resident_mib():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

torch.ones(1).add_(1)
before = resident_mib()
with retain_freed_memory():
    tensors = [torch.ones(5 * 2**20) for _ in range(10)]  # 200 MiB
    del tensors
    inside = resident_mib()
print(inside - before, resident_mib() - before)
"""


@pytest.mark.skipif(allocator._glibc() is None, reason="needs glibc")
def test_freed_memory_stays_in_the_process_until_the_block_ends():
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    inside, after = map(float, result.stdout.split())
    assert inside > 150
    assert after < 50


def test_the_last_of_nested_blocks_returns_the_memory(monkeypatch):
    calls = []

    class Libc:
        def mallopt(self, parameter, value):
            calls.append(parameter)

        def malloc_trim(self, pad):
            calls.append("trim")

    monkeypatch.setattr(allocator, "_glibc", lambda: Libc())
    with retain_freed_memory():
        with retain_freed_memory():
            pass
        assert "trim" not in calls
    assert calls.count("trim") == 1
    monkeypatch.setattr(allocator, "_glibc", lambda: None)
    with retain_freed_memory():
        pass
    assert calls.count("trim") == 1
