"""Pix2Pix: label images that nobody drew, and photos of them, for a segmentation network.

    python pipelines/pix2pix_masks_to_photos.py MASKS PHOTOS OUT [--labels 12] [--paste 8] [--count 200] [--minutes 10]
    python pipelines/pix2pix_masks_to_photos.py --smoke

MASKS and PHOTOS hold pairs by equal names; a mask's pixels are labels from 0. The masks are altered (mirrored, shifted,
bent, a region of label --paste put down elsewhere), and OUT/photo and OUT/mask hold the new pairs, marked as synthetic.
Without folders it draws pairs of its own: scratches on tiles.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from ganaug import Pix2Pix
from ganaug.integrations.masks import edited_masks
from ganaug.io.output import check_output
from ganaug.io.translation_folders import read_sides

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folders", nargs="*", type=Path, metavar="MASKS PHOTOS OUT")
parser.add_argument("--labels", type=int, default=2, help="how many labels there are")
parser.add_argument("--paste", type=int, nargs="*", default=[], help="labels of which regions are put down elsewhere")
parser.add_argument("--count", type=int, default=200)
parser.add_argument("--minutes", type=float, default=10)
parser.add_argument("--smoke", action="store_true", help="a few steps on a few pairs, to see that it runs")
options = parser.parse_args()
if len(options.folders) not in (0, 3):
    parser.error("give MASKS, PHOTOS and OUT, or none of them")


def tiles(root: Path, count: int = 60, size: int = 64) -> tuple[Path, Path]:
    """Pairs of a mask of a scratch and a photo of it."""
    draws = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size]
    for side in ("mask", "photo"):
        (root / side).mkdir(parents=True)
    for number in range(count):
        center, angle, long = draws.uniform(16, size - 16, 2), draws.uniform(0, np.pi), draws.uniform(8, 20)
        down, right = rows - center[0], columns - center[1]
        along, across = down * np.cos(angle) + right * np.sin(angle), right * np.cos(angle) - down * np.sin(angle)
        mask = ((np.abs(along) < long) & (np.abs(across) < 2)).astype(np.uint8)
        grain = draws.normal(0, 6, (size, size, 1))
        photo = np.where(mask[..., None], (70, 60, 55), (170, 165, 150)) + grain
        Image.fromarray(mask).save(root / "mask" / f"{number:03}.png")
        Image.fromarray(photo.clip(0, 255).astype(np.uint8)).save(root / "photo" / f"{number:03}.png")
    return root / "mask", root / "photo"


with tempfile.TemporaryDirectory() as room:
    masks, photos = options.folders[:2] if options.folders else tiles(Path(room) / "tiles", 12 if options.smoke else 60)
    out = options.folders[2] if options.folders else Path("masks-to-photos")
    if options.smoke:
        out = Path(room) / "out"
    check_output(out)
    source, target = read_sides(masks, photos, paired=True, num_labels=options.labels)
    length = {"n_steps": 4, "width": 4} if options.smoke else {"time_budget": 60 * options.minutes}
    translator = Pix2Pix(num_labels=options.labels, random_state=0, **length).fit(source.images, target.images)

    paste = options.paste or ([] if options.folders else [1])
    count = 6 if options.smoke else options.count
    altered, origins = edited_masks(source.images[:, 0].numpy(), count, paste=paste, seed=0)
    translator.write(altered, out, names=[f"{number:05}-{source.files[row]}" for number, row in enumerate(origins)])
    print(
        f"{len(list((out / 'photo').iterdir()))} photos with masks; how far they help, benchmarks/segmentation.py shows"
    )
