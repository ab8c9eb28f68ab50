"""ClassTranslator: fill up a rare class with translated images of a common one, if a test shows that it helps.

    python pipelines/cyclegan_rare_class.py FOLDER [--rare defect] [--from healthy] [--to 300] [--minutes 20]
    python pipelines/cyclegan_rare_class.py --smoke

FOLDER holds one folder per class. `utility_report` compares classifiers trained with and without the translated images,
on held-out real images. The program writes its page, utility.html, and a grid of sources and translations. Without
FOLDER it uses the Fashion-MNIST images that ship with ganaug.
"""

import argparse
from pathlib import Path

from sklearn.neighbors import KNeighborsClassifier

from ganaug import ClassTranslator, CycleGAN, TranslationRecipe, read_folder, utility_report
from ganaug.datasets.embedded import fashion_mnist_lt
from ganaug.training.pictures import draw_preview

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", type=Path)
parser.add_argument("--rare", help="class to fill up (default: the smallest)")
parser.add_argument(
    "--from", dest="source", default="auto", help="class to translate (default: the nearest common one)"
)
parser.add_argument("--to", type=int, help="final number of images of the rare class (default: that of the largest)")
parser.add_argument(
    "--minutes", type=float, default=20, help="training time of each translator; the report trains several"
)
parser.add_argument("--out", type=Path, default=Path())
parser.add_argument("--smoke", action="store_true", help="train for a few steps only, as a test")
options = parser.parse_args()

images = read_folder(options.folder) if options.folder else fashion_mnist_lt()
counts = images.counts
rare = options.rare or min(counts, key=counts.get)
final_counts = {rare: options.to or max(counts.values())}
training_options = {"time_budget": 60 * options.minutes}
if options.smoke:
    training_options = {"n_steps": 3, "recipe": TranslationRecipe(width=4)}
translator = ClassTranslator(
    CycleGAN(augmentation="auto", **training_options),
    source=options.source,
    sampling_strategy=final_counts,
    filters=None if options.smoke else "copies,label",
    random_state=0,
)

translator.fit(images)
source = translator.sources_[rare]
print(f"{rare} ({counts[rare]} images) from {source}: cycle error {translator.cycle_error_[rare].mean():.3f}")
if rare in translator.unlearned_classes_:
    raise SystemExit(f"{rare} was not learned: too few translations pass the filters. Train longer, or add images.")
translated = translator.sample({rare: 8})
sources = images.take(translated.metadata["source_row"].tolist()).images
real = images.of_class(rare)[:4]
options.out.mkdir(parents=True, exist_ok=True)
draw_preview({source: (real, sources), rare: (real, translated.images)}).save(options.out / "translations.png")

quick_options = {"shares": (0.25,), "n_seeds": 1, "n_folds": 2, "classifier": KNeighborsClassifier(3)}
report = utility_report(images, translator, **(quick_options if options.smoke else {}))
report.to_html(options.out / "utility.html", overwrite=True)
print(f"{report.verdict}: {report.summary[0]}")
if report.facts["share"] > 0:
    balanced_images, labels = translator.fit_resample(images)
    print(f"{len(balanced_images)} images, {final_counts[rare]} of them {rare}")
