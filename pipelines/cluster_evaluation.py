"""Do synthetic images help? Ask on a cluster: Ray or Dask runs the trainings of utility_report on all its workers.

    python pipelines/cluster_evaluation.py [ray|dask] [--smoke]

Without an address of a cluster that is running, Ray and Dask start workers on this machine: RAY_ADDRESS for Ray,
Client("tcp://HOST:8786") for Dask. ganaug must be installed on every machine. The report is the same as on one machine.
"""

import argparse

from joblib import parallel_config

from ganaug import GANAugmenter, utility_report
from ganaug.datasets.embedded import fashion_mnist_lt
from ganaug.evaluation import CNN


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cluster", nargs="?", choices=["ray", "dask"], default="ray")
    parser.add_argument("--smoke", action="store_true", help="train for a few steps only, as a test")
    arguments = parser.parse_args()
    smoke = arguments.smoke

    if arguments.cluster == "ray":
        import ray
        from ray.util.joblib import register_ray

        ray.init()
        register_ray()
    else:
        from distributed import Client

        Client()

    images = fashion_mnist_lt()  # or your data: read_folder("photos/train")
    gan = GANAugmenter(n_steps=5 if smoke else 3000, filters=None if smoke else "copies,label", random_state=0)
    with parallel_config(arguments.cluster):
        report = utility_report(
            images,
            gan,
            classifier=CNN(steps=2, width=4) if smoke else "cnn",
            n_seeds=1 if smoke else 5,
            n_folds=2 if smoke else 3,
        )
    print(*report.summary, sep="\n")
    report.to_html("evaluation.html", overwrite=True)


if __name__ == "__main__":  # the workers of Dask import this file
    main()
