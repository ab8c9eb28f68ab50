"""Hugging Face datasets: real and synthetic images in one Dataset, the synthetic ones marked as such.

    python pipelines/hugging_face_datasets.py [--smoke]

`load_dataset("imagefolder", data_dir=...)` also reads what `ganaug augment` writes, with the same columns.
"""

import argparse

import datasets
import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression

from ganaug import GANAugmenter, LabeledImages
from ganaug.datasets.embedded import fashion_mnist_lt

parser = argparse.ArgumentParser()
parser.add_argument("--smoke", action="store_true", help="a few steps only, to see that it runs")
smoke = parser.parse_args().smoke

images = fashion_mnist_lt()


def as_dataset(part, is_synthetic):
    """LabeledImages as a Dataset with the columns image, label and is_synthetic."""
    label = datasets.ClassLabel(names=list(part.classes))
    features = datasets.Features(image=datasets.Image(), label=label, is_synthetic=datasets.Value("bool"))
    pictures = [Image.fromarray(pixels[0].numpy()) for pixels in part.images]
    columns = {"image": pictures, "label": part.labels.tolist(), "is_synthetic": [is_synthetic] * len(part)}
    return datasets.Dataset.from_dict(columns, features=features)


split = as_dataset(images, is_synthetic=False).train_test_split(0.3, stratify_by_column="label", seed=0)
pixels = np.stack([np.asarray(picture) for picture in split["train"]["image"]])
gan = GANAugmenter(n_steps=5 if smoke else 2000, filters=None if smoke else "copies,label", random_state=0)
gan.fit(pixels, np.asarray(split["train"]["label"]))  # class values are the labels
synthetic = gan.sample(dict.fromkeys(gan.classes_, 50))
named = LabeledImages(synthetic.images, synthetic.labels, images.classes)
train = datasets.concatenate_datasets([split["train"], as_dataset(named, is_synthetic=True)]).shuffle(seed=0)
print(f"{len(train)} images, {sum(train['is_synthetic'])} of them synthetic")


def rows(part):
    return np.stack([np.asarray(picture).ravel() / 255 for picture in part["image"]]), np.asarray(part["label"])


for name, part in {"real only": train.filter(lambda row: not row["is_synthetic"]), "with synthetic": train}.items():
    X, y = rows(part)
    model = LogisticRegression(max_iter=50 if smoke else 1000, class_weight="balanced").fit(X, y)
    X_test, y_test = rows(split["test"])
    predicted = model.predict(X_test)
    recalls = [(predicted[y_test == k] == k).mean() for k in np.unique(y_test)]
    print(f"{name}: balanced accuracy {np.mean(recalls):.3f}")
