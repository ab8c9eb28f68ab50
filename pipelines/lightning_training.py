"""Lightning: a MixedDataset with a synthetic share that falls to 0, so that training ends on real images.

python pipelines/lightning_training.py [--smoke]
"""

import argparse
import logging
import tempfile

import lightning as L
import torch
from torch import nn
from torch.utils.data import DataLoader, WeightedRandomSampler
from torchvision.transforms import v2

from ganaug import GANAugmenter, MixedDataset
from ganaug.datasets.embedded import fashion_mnist_lt

parser = argparse.ArgumentParser()
parser.add_argument("--smoke", action="store_true", help="train for a few steps only, as a test")
smoke = parser.parse_args().smoke
epochs = 2 if smoke else 20

images = fashion_mnist_lt()  # or your data: read_folder("photos/train")
shuffled = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
train, validation = images.take(shuffled[200:]), images.take(shuffled[:200])
gan = GANAugmenter(n_steps=5 if smoke else 2000, filters=None if smoke else "copies,label", random_state=0).fit(train)
synthetic = gan.sample(dict.fromkeys(train.classes, 100))
to_float = v2.ToDtype(torch.float32, scale=True)
mixed = MixedDataset(train, synthetic, share=0.25, fade_epochs=epochs // 2, transform=to_float, item_type="tensor")


class MixedData(L.LightningDataModule):
    def train_dataloader(self):  # called in each epoch, because the mixture changes
        mixed.set_epoch(self.trainer.current_epoch)
        return DataLoader(mixed, 64, sampler=WeightedRandomSampler(mixed.sample_weights(), len(train)))


class Classifier(L.LightningModule):
    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(1, 32, 3, 2), nn.ReLU(), nn.Conv2d(32, 64, 3, 2), nn.ReLU(), nn.Flatten()]
        self.net = nn.Sequential(*layers, nn.Linear(64 * 6 * 6, len(train.classes)))

    def forward(self, images):
        return self.net(images)

    def training_step(self, batch, _):
        images, labels = batch
        return nn.functional.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-3)


L.seed_everything(0, verbose=False)
logging.getLogger("lightning").setLevel(logging.ERROR)
with tempfile.TemporaryDirectory() as folder:
    trainer = L.Trainer(
        max_epochs=epochs, accelerator="cpu", reload_dataloaders_every_n_epochs=1, default_root_dir=folder,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, logger=False,
    )  # fmt: skip
    model = Classifier()
    trainer.fit(model, datamodule=MixedData())

with torch.no_grad():
    predictions = model.eval()(to_float(validation.images)).argmax(1)
recalls = [(predictions[validation.labels == k] == k).float().mean().item() for k in validation.labels.unique()]
print(f"balanced accuracy on {len(validation)} held-out real images: {sum(recalls) / len(recalls):.3f}")
