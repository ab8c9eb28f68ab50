"""Images without a class: they help a generator that has few labeled images.

    python pipelines/unlabeled.py [--minutes 10]
    python pipelines/unlabeled.py --smoke

Of Fashion-MNIST images that ship with ganaug, a few have a label; in y, -1 marks the others, as in scikit-learn. Two
generators are fitted, one to all images and one to the labeled images alone. A classifier is trained without samples
and with samples of each, so the last two results differ by what the images without a class add to the samples. Better
than samples may be pseudo-labels, which scikit-learn gives with SelfTrainingClassifier: compare with them on your data.
"""

import argparse

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.semi_supervised import SelfTrainingClassifier

from ganaug import GANAugmenter
from ganaug.datasets.embedded import fashion_mnist_lt

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--minutes", type=float, default=10, help="training time of each generator")
parser.add_argument("--smoke", action="store_true", help="train for a few steps only, as a test")
options = parser.parse_args()

images = fashion_mnist_lt()
large = [label for label, count in enumerate(images.counts.values()) if count >= 60]
keep = np.isin(images.labels.numpy(), large)
X, y = images.images.numpy()[keep, 0], images.labels.numpy()[keep]
random = np.random.default_rng(0)
order = random.permutation(len(X))
test, train = order[:300], order[300:]
n_labeled = 15  # of each class
labeled = np.concatenate([train[y[train] == label][:n_labeled] for label in large])
some = np.full(len(X), -1)
some[labeled] = y[labeled]


def balanced_accuracy(X_train: np.ndarray, y_train: np.ndarray, *, self_training: bool = False) -> float:
    """Mean recall on the test images, of a linear classifier of pixels."""
    model = LogisticRegression(C=0.01, max_iter=20 if options.smoke else 500, class_weight="balanced")
    model = SelfTrainingClassifier(model, threshold=0.9) if self_training else model
    model.fit(X_train.reshape(len(X_train), -1) / 255, y_train)
    is_right = model.predict(X[test].reshape(len(test), -1) / 255) == y[test]
    return float(np.mean([is_right[y[test] == label].mean() for label in large]))


limits = {"n_steps": 5, "filters": None} if options.smoke else {"time_budget": 60 * options.minutes, "verbose": 1}
print(f"balanced accuracy with labeled images alone: {balanced_accuracy(X[labeled], y[labeled]):.3f}")
print(f"with pseudo-labels: {balanced_accuracy(X[train], some[train], self_training=True):.3f}")
for title, rows in (("labeled images", labeled), ("all images", train)):
    generator = GANAugmenter(random_state=0, **limits).fit(X[rows], some[rows])
    X_new, y_new = generator.sample_rows(5 * len(labeled))
    score = balanced_accuracy(np.concatenate([X[labeled], X_new]), np.concatenate([y[labeled], y_new]))
    print(f"with samples of a generator of {title}: {score:.3f}")
