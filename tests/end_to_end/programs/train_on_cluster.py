"""Train small networks in the two workers of CLUSTER, write predictions to OUT and print the workers' process ids.

train_on_cluster.py CLUSTER OUT
"""

import os
import sys

import numpy as np

from ganaug import LabeledImages
from ganaug._runtime.parallel import keep_workers, run_parallel
from ganaug.evaluation import CNN, TrainingSet
from tests.clusters import CLUSTERS
from tests.sets import clothes


def train(images: LabeledImages, seed: int) -> tuple[int, np.ndarray]:
    predict = CNN(steps=5, width=8)(TrainingSet.from_images(images), lambda batch, seed: batch, seed)
    return os.getpid(), predict(images.images)


if __name__ == "__main__":  # Dask starts processes that import this file
    with CLUSTERS[sys.argv[1]](), keep_workers():
        calls = [run_parallel(train, [(clothes(), seed) for seed in seeds]) for seeds in (range(4), range(4, 8))]
        results = [result for call in calls for result in call]
    np.save(sys.argv[2], np.stack([predictions for _, predictions in results]))
    print(*{process for process, _ in results} - {os.getpid()})
