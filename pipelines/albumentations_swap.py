"""Albumentations: replace a quarter of the images by synthetic ones, in a DataLoader with workers.

    python pipelines/albumentations_swap.py [--smoke]

SyntheticSwap stores the path of a saved model, so `A.to_dict` can save the Compose and `ReplayCompose` can repeat it.
"""

import argparse
import tempfile
from pathlib import Path

import albumentations as A
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from ganaug import GANAugmenter
from ganaug.datasets.embedded import fashion_mnist_lt
from ganaug.integrations.albumentations import SyntheticSwap

parser = argparse.ArgumentParser()
parser.add_argument("--smoke", action="store_true", help="train for a few steps only, as a test")
smoke = parser.parse_args().smoke

images = fashion_mnist_lt()  # or your data: read_folder("photos/train")
shuffled = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
train, validation = images.take(shuffled[200:]), images.take(shuffled[:200])


class TransformedDataset(Dataset):
    """Labeled images with an Albumentations transform that also receives the label."""

    def __init__(self, images, transform):
        self.images, self.transform = images, transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image, label = self.images[index]
        array = image.permute(1, 2, 0).numpy()
        transformed = self.transform(image=array, label=self.images.classes[label])["image"]
        return torch.from_numpy(np.ascontiguousarray(transformed)).permute(2, 0, 1).float() / 255, label


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        options = {"filters": None} if smoke else {}
        GANAugmenter(n_steps=5 if smoke else 2000, random_state=0, **options).fit(train).save(model)
        transform = A.Compose([SyntheticSwap(model, pool=200, p=0.25), A.Affine(translate_percent=0.1, p=0.5)], seed=0)
        loader = DataLoader(TransformedDataset(train, transform), 64, shuffle=True, num_workers=1)
        torch.manual_seed(0)
        layers = [nn.Conv2d(1, 32, 3, 2), nn.ReLU(), nn.Conv2d(32, 64, 3, 2), nn.ReLU(), nn.Flatten()]
        net = nn.Sequential(*layers, nn.Linear(64 * 6 * 6, len(train.classes)))
        optimizer = torch.optim.Adam(net.parameters(), 1e-3)
        for _ in range(1 if smoke else 10):
            for batch, labels in loader:
                loss = nn.functional.cross_entropy(net(batch), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    with torch.no_grad():
        predictions = net(validation.images.float() / 255).argmax(1)
    recalls = [(predictions[validation.labels == k] == k).float().mean().item() for k in validation.labels.unique()]
    print(f"balanced accuracy on {len(validation)} held-out real images: {sum(recalls) / len(recalls):.3f}")
