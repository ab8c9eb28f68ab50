"""Generators of the folds: fitted one after the other in this process, or at the same time in others."""

import os
from time import sleep

import joblib
import pytest
import torch
from sklearn.base import BaseEstimator

from ganaug.evaluation.generators import Generators
from tests.sets import noise, tones

SEEDS = [0, 1]


class RecordedGenerator(BaseEstimator):
    """Samples are noise; each fit leaves a file named like its process."""

    def __init__(self, folder, key=None):
        self.folder = folder
        self.key = key

    def fit(self, X, y=None):
        file = self.folder / f"{os.getpid()}-{X.fingerprint()}"
        file.touch(exist_ok=False)
        sleep(0.2)
        self.seed_ = int(X.images.sum())
        return self

    def sample(self, counts, *, random_state=None):
        images = noise(tuple(counts.values()), shape=(1, 16, 16), seed=(self.seed_ + random_state) % 2**31)
        return type(images)(images.images, images.labels, tuple(counts))

    def cache_key(self):
        return self.key


def processes(folder):
    return {int(path.name.split("-")[0]) for path in folder.iterdir()}


def sample_all(generators):
    generators.prepare(SEEDS)
    return torch.cat([generators.sample(fold, seed).images for fold in range(3) for seed in SEEDS])


@pytest.fixture
def folders(tmp_path):
    for name in ("threads", "processes"):
        (tmp_path / name).mkdir()
    return tmp_path / "threads", tmp_path / "processes"


def test_generators_are_fitted_in_other_processes_and_sample_the_same(folders):
    parts = [tones(6, seed=seed) for seed in range(3)]
    here = sample_all(Generators(RecordedGenerator(folders[0]), parts))
    assert processes(folders[0]) == {os.getpid()}
    with joblib.parallel_config("loky", n_jobs=2):
        elsewhere = sample_all(Generators(RecordedGenerator(folders[1]), parts))
    assert len(list(folders[1].iterdir())) == 3
    assert len(processes(folders[1])) == 2
    assert os.getpid() not in processes(folders[1])
    assert torch.equal(here, elsewhere)


def test_only_generators_without_cached_samples_are_fitted(folders):
    parts = [tones(6, seed=seed) for seed in range(3)]
    Generators(RecordedGenerator(folders[0], key="noise"), parts[:2]).prepare(SEEDS)
    with joblib.parallel_config("loky", n_jobs=2):
        Generators(RecordedGenerator(folders[1], key="noise"), parts).prepare(SEEDS)
    assert [path.name.split("-")[1] for path in folders[1].iterdir()] == [parts[2].fingerprint()]
