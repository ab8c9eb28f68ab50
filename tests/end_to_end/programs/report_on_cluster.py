"""Evaluate a generator in the two workers of CLUSTER, write the report to OUT and print the workers' process ids.

report_on_cluster.py CLUSTER OUT
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch import Tensor

from ganaug import utility_report
from ganaug.evaluation import CNN, TrainingSet
from tests.clusters import CLUSTERS
from tests.sets import augmenter, clothes

OUT = Path(sys.argv[2])


class RecordedCNN(CNN):
    """A CNN that leaves a file named like its process."""

    def __call__(self, training: TrainingSet, *arguments: object) -> Callable[[Tensor], np.ndarray]:
        (OUT.parent / f"{OUT.stem}-{os.getpid()}").touch()
        return super().__call__(training, *arguments)


if __name__ == "__main__":  # Dask starts processes that import this file
    gan = augmenter(n_steps=4, batch_size=8, width=8, latent_size=8, device="cpu", random_state=0, filters=None)
    with CLUSTERS[sys.argv[1]]():
        report = utility_report(
            clothes(), gan, classifier=RecordedCNN(steps=4, width=4), shares=(0.25,), n_seeds=2, n_folds=2, resamples=50
        )
    report.to_json(OUT)
    print(*{path.name.split("-")[-1] for path in OUT.parent.glob(f"{OUT.stem}-*")} - {str(os.getpid())})
