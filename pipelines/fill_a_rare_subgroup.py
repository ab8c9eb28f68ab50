"""Draw images of a rare combination of class and attribute, and see whether they help a classifier there.

    python pipelines/fill_a_rare_subgroup.py FOLDER --attribute attr_sex [--minutes 15]
    python pipelines/fill_a_rare_subgroup.py --smoke

FOLDER holds one folder per class, and metadata.csv with file_name, label and the attribute. A third of the images of
each combination is kept for testing. The classifier draws every combination equally often, with and without synthetic
images, so that the second result shows what the images add to balancing. Without FOLDER, Fashion-MNIST images that ship
with ganaug are used, half of which were taken with a second, darker camera; of shirts with the second camera, four are
left.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression

from ganaug import GANAugmenter, LabeledImages, read_folder
from ganaug.datasets.cells import Cells
from ganaug.datasets.embedded import fashion_mnist_lt

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", type=Path)
parser.add_argument("--attribute", default="attr_camera")
parser.add_argument("--minutes", type=float, default=15, help="training time of the generator")
parser.add_argument("--smoke", action="store_true", help="train for a few steps only, as a test")
options = parser.parse_args()
random = np.random.default_rng(0)


def with_two_cameras() -> LabeledImages:
    """Images that ship, half of them darker; four dark shirts."""
    images = fashion_mnist_lt()
    is_dark = random.permutation(len(images)) % 2 == 1
    pixels = images.images.clone()
    pixels[is_dark] = (0.4 * pixels[is_dark].float() + 20).to(torch.uint8)
    cameras = pd.DataFrame({"attr_camera": np.where(is_dark, "second", "first")})
    images = LabeledImages(pixels, images.labels, images.classes, cameras)
    dark_shirts = np.flatnonzero(is_dark & (images.labels.numpy() == images.classes.index("Shirt")))
    return images.take(np.setdiff1d(np.arange(len(images)), dark_shirts[8:]))  # four to train on, four to test


def balanced_recall(train: LabeledImages, test: LabeledImages) -> pd.Series:
    """Recall of each combination, of a classifier that draws all combinations equally often."""
    cells = Cells.of(test, [options.attribute])
    numbers = cells.labels_of(train)
    weights = 1 / torch.bincount(numbers, minlength=len(cells))[numbers]
    model = LogisticRegression(C=0.01, max_iter=20 if options.smoke else 500)
    model.fit(train.images.flatten(1).float() / 255, train.labels, sample_weight=weights * len(train) / weights.sum())
    is_right = model.predict(test.images.flatten(1).float() / 255) == test.labels.numpy()
    return pd.Series(is_right).groupby([cells.names[number] for number in cells.labels_of(test)]).mean()


images = read_folder(options.folder) if options.folder else with_two_cameras()
cells = Cells.of(images, [options.attribute])
numbers = cells.labels_of(images).numpy()
order = random.permutation(len(images))
position = pd.Series(order).groupby(numbers[order]).cumcount().to_numpy()
is_test = np.zeros(len(images), dtype=bool)
is_test[order] = position % 3 == 1
is_test &= np.array([count >= 4 for count in cells.counts])[numbers]
train, test = images.take(np.flatnonzero(~is_test)), images.take(np.flatnonzero(is_test))

limits = {"n_steps": 5, "filters": None} if options.smoke else {"time_budget": 60 * options.minutes, "verbose": 1}
gan = GANAugmenter(condition_on=options.attribute, sampling_strategy="balance-cells", random_state=0, **limits)
gan.fit(train)
missing = gan.sampling_strategy_
print("images that are drawn:", ", ".join(f"{' '.join(map(str, cell))} {n}" for cell, n in missing.items()))
drawn = gan.sample(missing, filtered=not options.smoke)
columns = [options.attribute]
both = LabeledImages(
    torch.cat([train.images, drawn.images]),
    torch.cat([train.labels, drawn.labels]),
    train.classes,
    pd.concat([train.metadata[columns], drawn.metadata[columns]], ignore_index=True),
)
recall = pd.DataFrame({"balanced": balanced_recall(train, test), "with synthetic": balanced_recall(both, test)})
recall["images"] = [Cells.of(train, columns).counts[cells.names.index(name)] for name in recall.index]
print(recall.sort_values("images").head(8).to_string(float_format="{:.2f}".format))
print(f"worst combination: balanced accuracy {recall['balanced'].min():.2f}, {recall['with synthetic'].min():.2f}")
