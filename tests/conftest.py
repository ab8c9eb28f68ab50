"""What every test runs under: few threads, no network, seeded global generators and an empty cache."""

import atexit
import os
import random
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

import tests.offline.sitecustomize  # noqa: F401  # blocks the network for this process

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:  # test workers run in parallel, so each gets one core, as do its subprocesses
    os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
# not that of the user, which may have results of other versions; fixtures of modules come before `empty_cache`
os.environ["GANAUG_CACHE"] = tempfile.mkdtemp()
atexit.register(shutil.rmtree, os.environ["GANAUG_CACHE"], ignore_errors=True)
OFFLINE = str(Path(__file__).with_name("offline"))  # blocks the network for subprocesses
os.environ["PYTHONPATH"] = os.pathsep.join([OFFLINE, *filter(None, [os.environ.get("PYTHONPATH")])])

# programs that tests start; doctest would import them
collect_ignore_glob = ["stored/make.py", "faults/fuzz.py", "offline/*", "end_to_end/programs/*", "reference/convert_*"]


@pytest.fixture(autouse=True)
def seeded_global_generators():
    """A test that forgets a seed draws the same numbers on every run. Fixtures of wider scope are not covered."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GANAUG_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def two_threads():
    """More threads than the suite gives a test, to reveal sums in an order that depends on the threads."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture
def untouched_global_randomness(seeded_global_generators):
    """Fail if the test changed the global random state of Python, NumPy or torch."""
    before = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state()
    yield
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tobytes() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])
