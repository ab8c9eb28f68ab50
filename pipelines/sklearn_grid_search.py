"""scikit-learn: AugmentedClassifier in a GridSearchCV. It uses synthetic images only if inner validation favors them.

    python pipelines/sklearn_grid_search.py [--smoke]

Insert your data, `image_shape` and estimator. `share_` and `verdict_` hold the decision, `report_` the reasons.
"""

import argparse

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split

from ganaug import AugmentedClassifier, GANAugmenter
from ganaug.datasets.embedded import fashion_mnist_lt

parser = argparse.ArgumentParser()
parser.add_argument("--smoke", action="store_true", help="train for a few steps only, as a test")
smoke = parser.parse_args().smoke

images = fashion_mnist_lt()
names = ("Dress", "Coat", "Shirt")  # 136, 88 and 37 images
part = images.take([index for index, label in enumerate(images.labels.tolist()) if images.classes[label] in names])
X = part.images.flatten(1).numpy() / 255
y = [part.classes[label] for label in part.labels.tolist()]
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)

gan = GANAugmenter(
    image_shape=(28, 28), n_steps=5 if smoke else 1000, filters=None if smoke else "copies,label", random_state=0
)
classifier = AugmentedClassifier(LogisticRegression(max_iter=300), gan, shares=(0.25,), cv=2, random_state=0)
grid = {"estimator__C": [0.1, 1.0]}
search = GridSearchCV(classifier, grid, cv=2, scoring="balanced_accuracy").fit(X_train, y_train)

best = search.best_estimator_
print(f"C={best.estimator.C}, share of synthetic images {best.share_}: {best.verdict_}")
print(f"balanced accuracy on {len(y_test)} held-out real images: {search.score(X_test, y_test):.3f}")
