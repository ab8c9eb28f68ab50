"""Pix2Pix: new pairs of label image and photo for a segmentation network, from edited label images.

    python pipelines/pix2pix_masks_to_photos.py MASKS PHOTOS OUT [--labels 12] [--paste 8] [--count 200]
    python pipelines/pix2pix_masks_to_photos.py --smoke

MASKS and PHOTOS hold pairs of files with equal names. The pixels of a mask are labels, from 0. The program edits the
masks (mirrors, shifts and bends them, and pastes regions of the labels --paste at other places), translates them into
photos, and writes the pairs to OUT/mask and OUT/photo. The photos are marked as synthetic. Without folders the program
draws example pairs: scratches on tiles.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from ganaug import Pix2Pix, TranslationRecipe
from ganaug.integrations.masks import edited_masks
from ganaug.io.output import check_output
from ganaug.io.translation_folders import read_domains

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folders", nargs="*", type=Path, metavar="MASKS PHOTOS OUT")
parser.add_argument("--labels", type=int, default=2, help="number of labels")
parser.add_argument("--paste", type=int, nargs="*", default=[], help="labels whose regions are pasted at other places")
parser.add_argument("--count", type=int, default=200)
parser.add_argument("--minutes", type=float, default=10)
parser.add_argument("--smoke", action="store_true", help="train for a few steps on a few pairs, as a test")
options = parser.parse_args()
if len(options.folders) not in (0, 3):
    parser.error("give MASKS, PHOTOS and OUT, or none of them")


def draw_tiles(root: Path, count: int = 60, size: int = 64) -> tuple[Path, Path]:
    """Write pairs of a scratch's mask and its photo; return both folders."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size]
    for folder in ("mask", "photo"):
        (root / folder).mkdir(parents=True)
    for number in range(count):
        center, angle, length = rng.uniform(16, size - 16, 2), rng.uniform(0, np.pi), rng.uniform(8, 20)
        down, right = rows - center[0], columns - center[1]
        along, across = down * np.cos(angle) + right * np.sin(angle), right * np.cos(angle) - down * np.sin(angle)
        mask = ((np.abs(along) < length) & (np.abs(across) < 2)).astype(np.uint8)
        grain = rng.normal(0, 6, (size, size, 1))
        photo = np.where(mask[..., None], (70, 60, 55), (170, 165, 150)) + grain
        Image.fromarray(mask).save(root / "mask" / f"{number:03}.png")
        Image.fromarray(photo.clip(0, 255).astype(np.uint8)).save(root / "photo" / f"{number:03}.png")
    return root / "mask", root / "photo"


with tempfile.TemporaryDirectory() as temporary:
    n_examples = 12 if options.smoke else 60
    masks, photos = options.folders[:2] if options.folders else draw_tiles(Path(temporary) / "tiles", n_examples)
    out = options.folders[2] if options.folders else Path("masks-to-photos")
    if options.smoke:
        out = Path(temporary) / "out"
    check_output(out)
    source, target = read_domains(masks, photos, paired=True, num_labels=options.labels)
    training = {"time_budget": 60 * options.minutes}
    if options.smoke:
        training = {"n_steps": 4, "recipe": TranslationRecipe(width=4)}
    translator = Pix2Pix(num_labels=options.labels, random_state=0, **training).fit(source.images, target.images)

    paste = options.paste or ([] if options.folders else [1])
    count = 6 if options.smoke else options.count
    new_masks, rows = edited_masks(source.images[:, 0].numpy(), count, paste=paste, seed=0)
    translator.write(new_masks, out, names=[f"{number:05}-{source.files[row]}" for number, row in enumerate(rows)])
    n_photos = len(list((out / "photo").iterdir()))
    print(f"{n_photos} photos with masks in {out}. benchmarks/segmentation.py measures whether such pairs help.")
