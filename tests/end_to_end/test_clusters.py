"""Trainings on local clusters of two processes: the same numbers as in one process."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.clusters import cluster_environment

PROGRAMS = Path(__file__).parent / "programs"
ROOT = Path(__file__).parents[2]


def run(program, *arguments):
    command = [sys.executable, PROGRAMS / program, *map(str, arguments)]
    with cluster_environment() as environment:
        environment["PYTHONPATH"] += os.pathsep + str(ROOT)  # the programs use modules of the tests
        done = subprocess.run(command, capture_output=True, text=True, timeout=200, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def predictions_of_one_process(tmp_path_factory):
    path = tmp_path_factory.mktemp("one process") / "predictions.npy"
    assert run("train_on_cluster.py", "one process", path).split() == []
    return np.load(path)


@pytest.mark.parametrize("cluster", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("loky", "dask")), "ray"])
def test_two_processes_train_the_same_networks_as_one(cluster, predictions_of_one_process, tmp_path):
    pytest.importorskip({"dask": "distributed"}.get(cluster, cluster if cluster == "ray" else "joblib"))
    processes = run("train_on_cluster.py", cluster, tmp_path / "predictions.npy").split()
    assert len(processes) == 2
    np.testing.assert_array_equal(np.load(tmp_path / "predictions.npy"), predictions_of_one_process)
    assert len(np.unique(predictions_of_one_process, axis=0)) == 8  # each seed another network


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_give_the_same_report_as_one(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    pytest.importorskip("ray")
    reports = []
    for cluster, n_processes in (("one process", 0), ("dask", 2), ("ray", 2)):
        monkeypatch.setenv("GANAUG_CACHE", str(tmp_path / f"cache of {cluster}"))  # nothing is read from another run
        (tmp_path / cluster).mkdir()
        processes = run("report_on_cluster.py", cluster, tmp_path / cluster / "report.json").split()
        assert len(processes) == n_processes
        reports.append((tmp_path / cluster / "report.json").read_text())
    assert reports[0] == reports[1] == reports[2]
