import subprocess
import sys

from ganaug import allocator
from ganaug.allocator import freed_memory_kept

CODE = """
import resource, torch
from contextlib import nullcontext
from ganaug.allocator import freed_memory_kept

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

with {block}:
    torch.zeros(2**21).add_(1)
    before = faults()
    for _ in range(50):
        torch.ones(2**21), torch.ones(2**22)
    print(faults() - before)
"""


def faults(block):
    done = subprocess.run([sys.executable, "-c", CODE.format(block=block)], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_memory_is_not_fetched_from_the_system_again_and_again():
    if allocator._glibc() is None:
        return
    assert faults("freed_memory_kept()") < faults("nullcontext()") / 2


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
