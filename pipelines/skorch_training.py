"""skorch: a PyTorch network as the classifier of AugmentedClassifier, which chooses the share of synthetic images.

python pipelines/skorch_training.py [--smoke]
"""

import argparse

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from skorch import NeuralNetClassifier
from torch import nn

from ganaug import AugmentedClassifier, GANAugmenter
from ganaug.datasets.embedded import fashion_mnist_lt

parser = argparse.ArgumentParser()
parser.add_argument("--smoke", action="store_true", help="train for a few steps only, as a test")
smoke = parser.parse_args().smoke

images = fashion_mnist_lt()  # or your data: read_folder("photos/train")
X = (images.images.flatten(1).numpy() / 255).astype(np.float32)
y = images.labels.numpy()
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(1, 32, 3, 2), nn.ReLU(), nn.Conv2d(32, 64, 3, 2), nn.ReLU(), nn.Flatten()]
        self.net = nn.Sequential(*layers, nn.Linear(64 * 6 * 6, len(images.classes)))

    def forward(self, rows):
        return self.net(rows.view(-1, 1, 28, 28))


torch.manual_seed(0)
net = NeuralNetClassifier(
    Net, criterion=nn.CrossEntropyLoss, optimizer=torch.optim.Adam, lr=1e-3, batch_size=64,
    max_epochs=1 if smoke else 10, train_split=None, verbose=0, iterator_train__shuffle=True,
)  # fmt: skip
gan = GANAugmenter(
    image_shape=(28, 28), n_steps=5 if smoke else 1500, filters=None if smoke else "copies,label", random_state=0
)
model = AugmentedClassifier(net, gan, shares=(0.25,), cv=2, random_state=0).fit(X_train, y_train)

print(f"share of synthetic images {model.share_}: {model.verdict_}")
predictions = model.predict(X_test)
recalls = [(predictions[y_test == k] == k).mean() for k in np.unique(y_test)]
print(f"balanced accuracy on {len(y_test)} held-out real images: {np.mean(recalls):.3f}")
