"""ClassTranslator: fill up a rare class with images of a common one, and ask whether that helps before it is used.

    python pipelines/cyclegan_rare_class.py FOLDER [--rare defect] [--from healthy] [--to 300] [--minutes 20]
    python pipelines/cyclegan_rare_class.py --smoke

FOLDER holds a folder a class. `utility_report` compares a classifier with the translated images to classifiers without,
on real images that neither saw; its page is written as utility.html, beside a grid of sources and translations.
Without FOLDER it uses the Fashion-MNIST images that ship with ganaug.
"""

import argparse
from pathlib import Path

from sklearn.neighbors import KNeighborsClassifier

from ganaug import ClassTranslator, CycleGAN, read_folder, utility_report
from ganaug.datasets.embedded import fashion_mnist_lt
from ganaug.training.pictures import preview

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", type=Path)
parser.add_argument("--rare", help="the class to fill up; the smallest one if not given")
parser.add_argument("--from", dest="source", default="auto", help="the class to translate; the nearest common one")
parser.add_argument("--to", type=int, help="images of the rare class in the end; as many as the largest has")
parser.add_argument("--minutes", type=float, default=20, help="training of each translator; the report trains several")
parser.add_argument("--out", type=Path, default=Path())
parser.add_argument("--smoke", action="store_true", help="a few steps only, to see that it runs")
options = parser.parse_args()

images = read_folder(options.folder) if options.folder else fashion_mnist_lt()
counts = images.counts
rare = options.rare or min(counts, key=counts.get)
wanted = {rare: options.to or max(counts.values())}
length = {"n_steps": 3, "width": 4} if options.smoke else {"time_budget": 60 * options.minutes}
translator = ClassTranslator(
    CycleGAN(**length),
    source=options.source,
    sampling_strategy=wanted,
    filters=None if options.smoke else "copies,label",
    random_state=0,
)

translator.fit(images)
source = translator.sources_[rare]
print(f"{rare} ({counts[rare]} images) from {source}: cycle error {translator.cycle_error_[rare].mean():.3f}")
if rare in translator.unlearned_classes_:
    raise SystemExit(f"{rare} was not learned: too few translations pass the filters. Train longer, or add images.")
made = translator.sample({rare: 8})
origins = images.take(made.metadata["source_row"].tolist()).images
own = images.of_class(rare)[:4]
options.out.mkdir(parents=True, exist_ok=True)
preview({source: (own, origins), rare: (own, made.images)}).save(options.out / "translations.png")

quick = {"shares": (0.25,), "n_seeds": 1, "n_folds": 2, "classifier": KNeighborsClassifier(3)}
report = utility_report(images, translator, **(quick if options.smoke else {}))
report.to_html(options.out / "utility.html")
print(f"{report.verdict}: {report.summary[0]}")
if report.verdict == "helps":
    more, labels = translator.fit_resample(images)
    print(f"{len(more)} images, of which {rare}: {wanted[rare]}")
