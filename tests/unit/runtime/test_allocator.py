import subprocess
import sys

import pytest

from ganaug._runtime import allocator
from ganaug._runtime.allocator import freed_memory_kept

CODE = """
import os, torch
from ganaug._runtime.allocator import freed_memory_kept

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

torch.ones(1).add_(1)
before = resident()
with freed_memory_kept():
    together = [torch.ones(5 * 2**20) for _ in range(10)]  # 200 MiB
    del together
    inside = resident()
print(inside - before, resident() - before)
"""


@pytest.mark.skipif(allocator._glibc() is None, reason="is about glibc")
def test_what_is_freed_stays_until_the_block_ends():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    inside, after = map(float, done.stdout.split())
    assert inside > 150
    assert after < 50


def test_the_last_block_to_end_hands_memory_back(monkeypatch):
    calls = []

    class Libc:
        def mallopt(self, what, value):
            calls.append(what)

        def malloc_trim(self, rest):
            calls.append("trim")

    monkeypatch.setattr(allocator, "_glibc", lambda: Libc())
    with freed_memory_kept():
        with freed_memory_kept():
            pass
        assert "trim" not in calls
    assert calls.count("trim") == 1
    monkeypatch.setattr(allocator, "_glibc", lambda: None)
    with freed_memory_kept():
        pass
    assert calls.count("trim") == 1
