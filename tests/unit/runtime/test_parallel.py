"""Tasks in threads and in processes: the same results, errors and settings."""

import os
import threading
from functools import partial
from pathlib import Path
from time import sleep

import joblib
import pytest
import torch

from ganaug._runtime.cache import cache_folder
from ganaug._runtime.parallel import run_parallel
from ganaug.errors import DataError


def backend(name, **settings):
    return partial(joblib.parallel_config, name, **settings)


BACKENDS = {
    "threads": partial(joblib.parallel_config, n_jobs=2),
    "one thread": partial(joblib.parallel_config, n_jobs=1),
    "threading": backend("threading", n_jobs=2),
    "sequential": backend("sequential"),
    "processes": backend("loky", n_jobs=2),
    "one process": backend("loky", n_jobs=1),
}


@pytest.fixture(params=BACKENDS)
def workers(request):
    with BACKENDS[request.param]():
        yield request.param


@pytest.mark.usefixtures("workers")
def test_results_are_in_order_on_one_core():
    def task(number, power):
        sleep(0.02 if number % 3 == 0 else 0)
        return number**power, torch.get_num_threads()

    n_threads = torch.get_num_threads()
    assert list(run_parallel(task, [(number, 2) for number in range(8)])) == [(number**2, 1) for number in range(8)]
    assert torch.get_num_threads() == n_threads


@pytest.mark.usefixtures("workers")
def test_an_error_of_a_task_arrives_unchanged():
    def task(number):
        if number == 1:
            raise DataError("class 'cat' has no images.")
        return number

    with pytest.raises(DataError, match=r"^class 'cat' has no images\.$"):
        list(run_parallel(task, [(number,) for number in range(3)]))


def test_tasks_run_under_the_settings_of_the_caller(workers, monkeypatch, tmp_path):
    def read_settings():
        sleep(0.1)
        tensor = torch.ones(1) * 1.5
        return (
            tensor.dtype,
            tensor.device.type,
            torch.is_grad_enabled(),
            torch.is_autocast_enabled("cpu"),
            cache_folder(),
        )

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("GANAUG_CACHE", "kept")
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"), torch.no_grad(), torch.autocast("cpu"):
            rows = list(run_parallel(read_settings, [()] * 4))
    finally:
        torch.set_default_dtype(torch.float32)
    folder = Path("kept") if "thread" in workers or workers == "sequential" else tmp_path / "elsewhere" / "kept"
    assert rows == [(torch.float64, "cpu", True, False, folder)] * 4
    # no setting stays behind
    assert list(run_parallel(torch.get_default_dtype, [()] * 4)) == [torch.float32] * 4
    assert os.environ["GANAUG_CACHE"] == "kept"


def test_the_number_of_workers_is_as_in_scikit_learn(two_threads):
    def count_threads(**settings):
        return len(set(run_parallel(name_thread, [()] * 8, **settings)))

    def name_thread():
        sleep(0.05)
        return threading.current_thread().name

    assert count_threads() == 2  # cores that torch may use
    assert count_threads(n_jobs=1) == 1
    assert count_threads(n_jobs=3) == 3
    assert count_threads(n_jobs=-1) == min(joblib.cpu_count(), 8)
    with joblib.parallel_config(n_jobs=3):
        assert count_threads() == 3
        assert count_threads(n_jobs=1) == 1
    with pytest.raises(ValueError, match="n_jobs must be"):
        run_parallel(name_thread, [()], n_jobs=0)


def test_a_backend_without_a_number_uses_all_its_workers(monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")

    def read_process():
        sleep(0.2)
        return os.getpid()

    with joblib.parallel_config("loky"):
        processes = set(run_parallel(read_process, [()] * 6))
    assert len(processes) == 2
    assert os.getpid() not in processes


@pytest.mark.parametrize("name", ["threads", "processes"])
def test_tasks_that_have_not_started_are_cancelled(name, tmp_path, recwarn):
    def task(number):
        (tmp_path / str(number)).touch()
        sleep(0.05)
        return number

    with BACKENDS[name]():
        results = run_parallel(task, [(number,) for number in range(100)])
    assert next(results) == 0
    results.close()
    started = len(list(tmp_path.iterdir()))
    sleep(0.2)
    assert len(list(tmp_path.iterdir())) == started < 50
    assert not [warning for warning in recwarn if "joblib" in warning.filename]
