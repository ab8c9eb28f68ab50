"""The small U-Net of `segmentation.py`: its training on real and translated pairs, and its predictions."""

import albumentations as A  # noqa: N812  # as its manual has it
import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

LABELS, VOID = 11, 11  # labels 0 to 10 are scored, 11 is not
PIXEL_STRIDE = 4  # every fourth row and column of a test frame is scored
BATCH_SIZE = 8
Pairs = tuple[np.ndarray, np.ndarray]  # photos (N, H, W, 3) and label images (N, H, W)


class UNet(nn.Module):
    """Three scales, 0.5 million weights: float images (N, 3, H, W) -> logits (N, 11, H, W)."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()

        def block(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
            first = [nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]
            return nn.Sequential(*first, nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU())

        widths = [width, 2 * width, 4 * width]
        self.down = nn.ModuleList(block(n_in, n_out, 2) for n_in, n_out in zip([3, *widths], widths, strict=False))
        self.up = nn.ModuleList([block(widths[2] + widths[1], widths[1]), block(widths[1] + widths[0], widths[0])])
        self.head = nn.Conv2d(width, LABELS, 1)

    def forward(self, images: Tensor) -> Tensor:
        scales = []
        features = images
        for down in self.down:
            features = down(features)
            scales.append(features)
        for up, skip in zip(self.up, scales[-2::-1], strict=True):
            features = up(torch.cat([interpolate(features, skip.shape[2:], mode="nearest"), skip], 1))
        return interpolate(self.head(features), images.shape[2:], mode="bilinear", align_corners=False)


def augmentation_policy() -> A.Compose:
    """Classical augmentation of a pair: mirrored, shifted, resized, and other light."""
    geometry = {"border_mode": cv2.BORDER_REFLECT_101, "mask_interpolation": cv2.INTER_NEAREST}
    return A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            A.Affine(scale=(0.75, 1.35), translate_percent=(-0.1, 0.1), rotate=(-5, 5), p=0.9, **geometry),
            A.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.03, p=0.8),
        ]
    )


def train_network(
    real: Pairs, synthetic: Pairs, share: float, *, augment: bool, seed: int, steps: int, width: int = 24
) -> UNet:
    """A network after `steps` steps of AdamW.

    Parameters
    ----------
    real, synthetic : (photos, label images)
        The pairs that batches are drawn from.
    share : float
        Chance that a pair of a batch is synthetic.
    augment : bool
        Whether to use classical augmentation.
    seed, steps, width : int
        Seed of weights, batches and augmentation; training steps; channels of the first scale.
    """
    torch.manual_seed(seed)
    draws = np.random.default_rng(seed)
    policy = augmentation_policy()
    policy.set_random_seed(seed)
    network = UNet(width)
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps)
    for _ in range(steps):
        batch = []
        for is_synthetic in draws.random(BATCH_SIZE) < share:
            photos, masks = synthetic if is_synthetic else real
            row = draws.integers(len(photos))
            pair = {"image": photos[row], "mask": masks[row]}
            pair = policy(**pair) if augment else pair
            batch.append((pair["image"], pair["mask"]))
        photos, masks = (torch.from_numpy(np.stack(part)) for part in zip(*batch, strict=True))
        loss = cross_entropy(network(_to_float(photos)), masks.long(), ignore_index=VOID)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def _to_float(photos: Tensor) -> Tensor:
    """uint8 (N, H, W, 3) -> float (N, 3, H, W) in [-0.5, 0.5]."""
    return photos.permute(0, 3, 1, 2).float() / 255 - 0.5


@torch.no_grad()
def predict(network: UNet, photos: np.ndarray) -> np.ndarray:
    """Log-probabilities of the scored pixels, frame after frame: (N * H / 4 * W / 4, 11)."""
    parts = []
    for part in torch.from_numpy(photos).split(32):
        logits = network(_to_float(part))[:, :, ::PIXEL_STRIDE, ::PIXEL_STRIDE].log_softmax(1)
        parts.append(logits.permute(0, 2, 3, 1).reshape(-1, LABELS))
    return torch.cat(parts).numpy()
