"""Local clusters of two processes, which no other machine can reach."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import joblib


@contextmanager
def cluster_environment() -> Iterator[dict[str, str]]:
    """Environment of programs that start a cluster."""
    # sockets have short paths only, so this is not the folder of the test
    with tempfile.TemporaryDirectory(prefix="ray") as folder:
        yield {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "RAY_AUTH_MODE": "disabled",  # a token would be written to the home folder
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # use 127.0.0.1 only
            "RAY_TMPDIR": folder,
            "RAY_USAGE_STATS_ENABLED": "0",
        }


@contextmanager
def ray_cluster() -> Iterator[None]:
    import ray
    from ray.util.joblib import register_ray

    register_ray()
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100 * 2**20)
    try:
        with joblib.parallel_config("ray"):
            yield
    finally:
        ray.shutdown()


@contextmanager
def dask_cluster() -> Iterator[None]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster),
        joblib.parallel_config("dask"),
    ):
        yield


@contextmanager
def two_processes() -> Iterator[None]:
    with joblib.parallel_config("loky", n_jobs=2):
        yield


@contextmanager
def one_process() -> Iterator[None]:
    with joblib.parallel_config(n_jobs=1):
        yield


CLUSTERS = {"dask": dask_cluster, "ray": ray_cluster, "loky": two_processes, "one process": one_process}
