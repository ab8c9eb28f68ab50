"""Hugging Face datasets: real and synthetic images in one Dataset, with a column that tells them apart.

    python pipelines/hugging_face_datasets.py [--smoke]

`load_dataset("imagefolder", data_dir=...)` reads a folder written by `ganaug augment`, with the same columns.
"""

import argparse

import datasets
import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression

from ganaug import GANAugmenter, LabeledImages
from ganaug.datasets.embedded import fashion_mnist_lt

parser = argparse.ArgumentParser()
parser.add_argument("--smoke", action="store_true", help="train for a few steps only, as a test")
smoke = parser.parse_args().smoke

images = fashion_mnist_lt()


def as_dataset(part, is_synthetic):
    """Convert LabeledImages to a Dataset with the columns image, label and is_synthetic."""
    label = datasets.ClassLabel(names=list(part.classes))
    features = datasets.Features(image=datasets.Image(), label=label, is_synthetic=datasets.Value("bool"))
    pictures = [Image.fromarray(pixels[0].numpy()) for pixels in part.images]
    columns = {"image": pictures, "label": part.labels.tolist(), "is_synthetic": [is_synthetic] * len(part)}
    return datasets.Dataset.from_dict(columns, features=features)


split = as_dataset(images, is_synthetic=False).train_test_split(0.3, stratify_by_column="label", seed=0)
pixels = np.stack([np.asarray(picture) for picture in split["train"]["image"]])
gan = GANAugmenter(n_steps=5 if smoke else 2000, filters=None if smoke else "copies,label", random_state=0)
gan.fit(pixels, np.asarray(split["train"]["label"]))  # the class values are the integer labels
synthetic = gan.sample(dict.fromkeys(gan.classes_, 50))
synthetic = LabeledImages(synthetic.images, synthetic.labels, images.classes)  # class names instead of integers
train = datasets.concatenate_datasets([split["train"], as_dataset(synthetic, is_synthetic=True)]).shuffle(seed=0)
print(f"{len(train)} images, {sum(train['is_synthetic'])} of them synthetic")


def features_and_labels(part):
    return np.stack([np.asarray(picture).ravel() / 255 for picture in part["image"]]), np.asarray(part["label"])


for name, part in {"real only": train.filter(lambda row: not row["is_synthetic"]), "with synthetic": train}.items():
    X, y = features_and_labels(part)
    model = LogisticRegression(max_iter=50 if smoke else 1000, class_weight="balanced").fit(X, y)
    X_test, y_test = features_and_labels(split["test"])
    predictions = model.predict(X_test)
    recalls = [(predictions[y_test == k] == k).mean() for k in np.unique(y_test)]
    print(f"{name}: balanced accuracy {np.mean(recalls):.3f}")
