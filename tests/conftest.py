"""What every test runs under: few threads, no network, seeded global draws, and a check that they stay as they were."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch

import tests.offline.sitecustomize  # noqa: F401  # blocks this process

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:  # tests run side by side, a core each, and so do the processes they start
    os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
OFFLINE = str(Path(__file__).with_name("offline"))  # blocks the processes that tests start
os.environ["PYTHONPATH"] = os.pathsep.join([OFFLINE, *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.fixture(autouse=True)
def same_draws():
    """A test that forgets a seed draws the same on every run; one that fails, fails again. Not so wider fixtures."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GANAUG_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def two_threads():
    """More than the suite gives a test: threads that add up in any order show here."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def untouched_global_randomness(same_draws):
    """Fails where the test changed the global random state of Python, NumPy or torch."""
    before = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state()
    yield
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tobytes() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])
