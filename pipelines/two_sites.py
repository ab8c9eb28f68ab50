"""Two sites: draw the rare classes of one from a generator of the other, without exchanging images.

    python pipelines/two_sites.py [--minutes 10]
    python pipelines/two_sites.py --smoke

Both sites have Fashion-MNIST images that ship with ganaug. What is common at one site is rare at the other. The second
site fits a generator and exports it; only this model reaches the first site, which trains a classifier with and
without its samples. All classes have the same weight in both trainings, so the second result shows what samples add.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from ganaug import GANAugmenter, LabeledImages, PretrainedSampler, export_model
from ganaug.datasets.embedded import fashion_mnist_lt

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--minutes", type=float, default=10, help="training time of the generator")
parser.add_argument("--smoke", action="store_true", help="train for a few steps only, as a test")
options = parser.parse_args()


def split(images: LabeledImages) -> tuple[LabeledImages, LabeledImages, LabeledImages]:
    """Training images of two sites, whose rare classes differ, and test images of the first."""
    here, there, test = [], [], []
    for k, name in enumerate(images.classes):
        rows = images.rows_of(name)[:120]
        few, many = rows[:6], rows[6:-20]
        here.append(few if k % 2 else many)
        there.append(many if k % 2 else few)
        test.append(rows[-20:])
    return images.take(torch.cat(here)), images.take(torch.cat(there)), images.take(torch.cat(test))


def recalls(train: LabeledImages, test: LabeledImages) -> np.ndarray:
    """Recall of each class, of a classifier to which all classes are equally common."""
    model = LogisticRegression(C=0.01, max_iter=20 if options.smoke else 500, class_weight="balanced")
    model.fit(train.images.flatten(1).numpy() / 255, train.labels.numpy())
    is_right = model.predict(test.images.flatten(1).numpy() / 255) == test.labels.numpy()
    return np.array([is_right[test.labels.numpy() == k].mean() for k in range(len(test.classes))])


images = fashion_mnist_lt()
large = [name for name, count in images.counts.items() if count >= 120]
images = images.take(torch.cat([images.rows_of(name) for name in large]))
images = LabeledImages(images.images, torch.unique(images.labels, return_inverse=True)[1], tuple(large))
here, there, test = split(images)

limits = {"n_steps": 5, "filters": None} if options.smoke else {"time_budget": 60 * options.minutes, "verbose": 1}
with tempfile.TemporaryDirectory() as folder:
    generator = GANAugmenter(random_state=0, validation_fraction=0.2, **limits).fit(there)
    lent = Path(folder) / "lent"
    print(export_model(generator, lent, min_class_size=50, images=there).to_string(index=False))
    sampler = PretrainedSampler(lent, random_state=0).fit(here)
rare = {name: 80 for name, count in here.counts.items() if count < 50}
drawn = sampler.sample({name: n for name, n in rare.items() if name not in sampler.unlearned_classes_})
both = LabeledImages(torch.cat([here.images, drawn.images]), torch.cat([here.labels, drawn.labels]), here.classes)
is_rare = np.array([name in rare for name in here.classes])
for label, train in (("real images of this site", here), ("and samples of the other one", both)):
    recall = recalls(train, test)
    print(f"{label}: balanced accuracy {recall.mean():.2f}, of rare classes {recall[is_rare].mean():.2f}")
