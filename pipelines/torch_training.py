"""PyTorch: train on a MixedDataset of real and synthetic images, with CutMix and a balanced sampler.

    python pipelines/torch_training.py [--smoke]

To use it, insert your `read_folder(...)` and network. Then compare `share=0.0` with the share that you want to use, on
real images that neither the generator nor the classifier was trained on.
"""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, WeightedRandomSampler, default_collate
from torchvision.transforms import v2

from ganaug import GANAugmenter, MixedDataset
from ganaug.datasets.embedded import fashion_mnist_lt

parser = argparse.ArgumentParser()
parser.add_argument("--smoke", action="store_true", help="train for a few steps only, as a test")
smoke = parser.parse_args().smoke

images = fashion_mnist_lt()  # or your data: read_folder("photos/train")
shuffled = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
train, validation = images.take(shuffled[200:]), images.take(shuffled[:200])

gan = GANAugmenter(n_steps=5 if smoke else 2000, filters=None if smoke else "copies,label", random_state=0).fit(train)
synthetic = gan.sample({name: 100 for name, count in train.counts.items() if count < 100})

transform = v2.Compose([v2.RandomCrop(28, padding=2), v2.ToDtype(torch.float32, scale=True)])
mixed = MixedDataset(train, synthetic, share=0.2, transform=transform, item_type="tensor")
generator = torch.Generator().manual_seed(0)
# as many images an epoch for every share, so that trainings with different shares are comparable
sampler = WeightedRandomSampler(mixed.sample_weights(), len(train), generator=generator)
cutmix = v2.CutMix(num_classes=len(mixed.classes))
loader = DataLoader(mixed, 64, sampler=sampler, collate_fn=lambda items: cutmix(*default_collate(items)))

torch.manual_seed(0)
layers = [nn.Conv2d(1, 32, 3, 2), nn.ReLU(), nn.Conv2d(32, 64, 3, 2), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10)]
classifier = nn.Sequential(*layers)
classifier(torch.zeros(1, 1, 28, 28))
optimizer = torch.optim.Adam(classifier.parameters(), 1e-3)
for epoch in range(1 if smoke else 20):
    for batch, labels in loader:
        loss = nn.functional.cross_entropy(classifier(batch), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}: loss {loss.item():.3f}")

with torch.no_grad():
    predictions = classifier(validation.images.float() / 255).argmax(1)
recalls = [(predictions[validation.labels == k] == k).float().mean().item() for k in validation.labels.unique()]
print(f"balanced accuracy on {len(validation)} held-out real images: {sum(recalls) / len(recalls):.3f}")
