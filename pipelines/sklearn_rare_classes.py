"""Rare classes in scikit-learn: GANAugmenter in an imbalanced-learn pipeline, compared with random oversampling.

    python pipelines/sklearn_rare_classes.py [--smoke]

The data are three classes of Fashion-MNIST, one of them rare. The pipeline fits the GAN inside each fold, on the
training images of that fold only. If the second score is not better than the first, leave the GAN out.
"""

import argparse

from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

from ganaug import GANAugmenter
from ganaug.datasets.embedded import fashion_mnist_lt

parser = argparse.ArgumentParser()
parser.add_argument("--smoke", action="store_true", help="train for a few steps only, as a test")
smoke = parser.parse_args().smoke

images = fashion_mnist_lt()
names = ("Dress", "Coat", "Shirt")  # 136, 88 and 37 images
rows = [index for index, label in enumerate(images.labels.tolist()) if images.classes[label] in names]
part = images.take(rows)
X = part.images.flatten(1).numpy()
y = [part.classes[label] for label in part.labels.tolist()]

folds = StratifiedKFold(n_splits=3, shuffle=True, random_state=0)
gan = GANAugmenter(
    image_shape=(28, 28), n_steps=5 if smoke else 1000, filters=None if smoke else "copies,label", random_state=0
)
for name, sampler in {"oversampling": RandomOverSampler(random_state=0), "GANAugmenter": gan}.items():
    model = make_pipeline(sampler, LogisticRegression(max_iter=50 if smoke else 1000))
    scores = cross_val_score(model, X, y, cv=folds, scoring="balanced_accuracy")
    print(f"{name}: balanced accuracy {scores.mean():.3f} (from {scores.min():.3f} to {scores.max():.3f} over folds)")
