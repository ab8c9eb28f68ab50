"""Prepare a fitted generator for others: large classes only, and nothing that identifies training images."""

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.lookup import lookup
from ganaug._runtime.randomness import temporary_seed
from ganaug._runtime.storage import write_bytes
from ganaug._version import __version__
from ganaug.datasets.holdout import split_validation
from ganaug.errors import DataError
from ganaug.estimators.augmenter import GANAugmenter
from ganaug.images import LabeledImages
from ganaug.io.output import check_output
from ganaug.io.paths import shorten
from ganaug.metrics.membership_inference import membership_advantage, nearest_synthetic_distances
from ganaug.models.networks import NETWORKS
from ganaug.models.networks.blocks import to_memory_format
from ganaug.models.networks.transfer import transfer_weights
from ganaug.sampling.filters import Filters
from ganaug.sampling.generator_model import GeneratorModel
from ganaug.training.auxiliary_classifier import AuxiliaryClassifier

MIN_CLASS_SIZE = 100
MAX_LISTED = 10  # classes in the title of the card
MAX_ATTACKED = 500  # images of a class, and samples, by which membership is inferred
MIN_HELD_OUT = 10  # images of a class that training did not see, from which an advantage is measured
CARD = "README.md"
SETTINGS = ("network", "loss", "image_size", "recipe")  # parameters of the fit that an exported model keeps
COLUMNS = ("class", "images", "pass rate", "near-copies", "membership advantage", "by chance", "p")


@library_defaults()
def export_model(
    source: str | Path | GANAugmenter,
    out: str | Path,
    *,
    min_class_size: int = MIN_CLASS_SIZE,
    images: LabeledImages | None = None,
    description: str = "",
) -> pd.DataFrame:
    """Write a model for others, who draw from it with `PretrainedSampler` or continue it with `init_from`.

    Parameters
    ----------
    source : path or GANAugmenter
        Run or model folder, or a fitted augmenter.
    out : path
        New or empty folder: `model.json`, `model.safetensors` and a model card, `README.md`.
    min_class_size : int, default=100
        Classes with fewer training images are left out, with their weights: a generator can repeat what it has seen
        few images of. Classes that were not learned are left out too.
    images : LabeledImages, optional
        The images that the model was fitted on. With them, the advantage of an attacker who infers from samples which
        images were trained on is measured for each class. None: the model card says that it was not measured.
    description : str
        First paragraph of the model card, such as what the images show and under which license.

    Returns
    -------
    DataFrame
        A row for each class: "class", "images", "pass rate" (of the filter "label"), "near-copies" (fraction of
        samples that nearly copy a training image), "membership advantage", "by chance" (the mean advantage where
        nothing can be inferred) and "p". NaN where it was not measured.

    Raises
    ------
    DataError
        If no class is large enough, or `images` are not those of the fit.
    OutputError
        If `out` is not empty.
    ValueError
        If the model is conditioned on attributes.

    Notes
    -----
    Left out are the hashes of training images, what the filter "copies" compares samples with, the discriminator, which
    reacts differently to images it was trained on, and paths. Two networks that were trained on the images remain: the
    generator, and the small classifier of the filter "label". What the generator has memorized, its samples can show;
    the membership advantage measures that (Yeom et al. 2018; Chen et al. 2020, the attack by distance). It does not
    measure what the classifier reveals.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from ganaug import GANAugmenter, TrainingRecipe, export_model
    >>> X = np.random.default_rng(0).integers(0, 255, (30, 8, 8), dtype=np.uint8)
    >>> y = np.array(["common"] * 20 + ["rare"] * 10)
    >>> small = TrainingRecipe(width=4, latent_size=4)
    >>> gan = GANAugmenter(n_steps=2, filters=None, random_state=0, recipe=small).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = export_model(gan, folder, min_class_size=15)
    ...     lent = GANAugmenter.load(folder)
    >>> table["class"].tolist(), lent.sample(2).classes
    (['common'], ('common',))
    """
    out = check_output(out)
    augmenter = source if isinstance(source, GANAugmenter) else GANAugmenter.load(source, "cpu")
    if augmenter.model_.cells is not None:
        raise ValueError(
            "models with condition_on cannot be exported: the weights of small groups cannot be taken out."
        )
    counts: dict[str, int] = augmenter.data_["counts"]
    large = [label for label, name in enumerate(augmenter.model_.classes) if counts[name] >= min_class_size]
    if not large:
        raise DataError(
            f"no class has {min_class_size} training images; the largest has {max(counts.values())}. Lower "
            "min_class_size (--min-class-size) if its images may be recognized in samples."
        )
    # the filter "copies" is left out, so a class that it rejects would be drawn as it is
    unlearned = set(augmenter.model_.unlearned)
    kept = [label for label in large if label not in unlearned]
    if not kept:
        raise DataError("no class with enough images was learned: too few samples pass the filters. Train longer.")
    lent = prepare_for_others(augmenter, kept)
    table = _describe_classes(augmenter, lent, images)
    lent.save(out)
    write_bytes(out / CARD, _model_card(lent, table, min_class_size, description).encode())
    return table


def prepare_for_others(augmenter: GANAugmenter, labels: list[int]) -> GANAugmenter:
    """Return a fitted augmenter of some classes, without what identifies training images.

    Parameters
    ----------
    augmenter : GANAugmenter
        Fitted, without `condition_on`.
    labels : list of int
        The classes that are kept.
    """
    model = _keep_classes(augmenter.model_, labels)
    counts = {name: augmenter.data_["counts"][name] for name in model.classes}
    settings = {name: getattr(augmenter, name) for name in SETTINGS}
    lent = GANAugmenter(**settings, filters=None if model.filters is None else "label", random_state=augmenter.seed_)
    lent.model_, lent.classes_, lent.seed_ = model, model.class_values, augmenter.seed_
    for name in ("stop_reason_", "n_steps_", "best_step_", "seconds_", "n_features_in_"):
        setattr(lent, name, getattr(augmenter, name))
    lent.run_dir_, lent.row_format_, lent._next_indices = None, None, {}  # noqa: SLF001  # what a fit sets
    lent.data_ = {**augmenter.data_, "fingerprint": "", "counts": counts}
    lent.plan_ = replace(augmenter.plan_, validation={}, reasons={"validation": "not described in an exported model"})
    lent.sampling_strategy_, lent.discriminator_ = {}, {}
    lent.history_, lent.health_ = pd.DataFrame(), []  # which name classes that are left out
    lent.training_images_ = torch.empty(0, dtype=torch.int64)
    return lent


def _keep_classes(model: GeneratorModel, labels: list[int]) -> GeneratorModel:
    """Return a model of some classes."""
    network = replace(model, generator=_generator_of(model, labels))
    classifier = None if model.filters is None else model.filters.auxiliary_classifier
    filters = None if classifier is None else Filters(_classifier_of(classifier, labels, model), None)
    return replace(
        network,
        classes=tuple(model.classes[label] for label in labels),
        class_values=model.class_values[labels],
        filters=filters,
        filter_stats={
            # near-copies are no longer rejected, so they do not count either
            place: replace(model.filter_stats[label], copies=0)
            for place, label in enumerate(labels)
            if label in model.filter_stats and filters is not None
        },
    )


def _generator_of(model: GeneratorModel, labels: list[int]) -> torch.nn.Module:
    """Return the generator without the embeddings of the other classes."""
    pair = lookup(NETWORKS, model.network, "network")
    with temporary_seed(0):
        generator = pair.generator(model.shape, len(labels), model.latent_size, model.width)
    transfer_weights(generator, model.generator.state_dict(), [[label] for label in labels], len(model.classes))
    return to_memory_format(generator.eval().requires_grad_(False), model.shape)


def _classifier_of(classifier: AuxiliaryClassifier, labels: list[int], model: GeneratorModel) -> AuxiliaryClassifier:
    """Return the auxiliary classifier without the outputs of the other classes."""
    tree: dict[str, object] = classifier.tree()
    net = dict(tree["net"])  # type: ignore[call-overload]
    net |= {name: net[name][labels] for name in ("head.weight", "head.bias")}
    kept = {**tree, "net": net, "margins": classifier.margin_thresholds[labels]}
    return AuxiliaryClassifier.from_tree(kept, model.shape, len(labels))


def _describe_classes(augmenter: GANAugmenter, lent: GANAugmenter, images: LabeledImages | None) -> pd.DataFrame:
    """Return the row of each class."""
    if images is not None and images.fingerprint() != augmenter.data_["fingerprint"]:
        raise DataError("these are not the images that the model was fitted on: pixels, labels or classes differ.")
    rows = []
    filters = augmenter.model_.filters
    has_detector = filters is not None and filters.copy_detectors is not None
    parts = None
    if images is not None:
        parts = split_validation(images, augmenter.validation_fraction, seed=augmenter.seed_)
    for label, name in enumerate(lent.model_.classes):
        stats = lent.model_.filter_stats.get(label)
        attack = (math.nan, math.nan, math.nan)
        if parts is not None and parts[1].counts[name] >= MIN_HELD_OUT and label not in lent.model_.unlearned:
            samples = lent.sample({name: MAX_ATTACKED}, start=0).images
            distances = [
                nearest_synthetic_distances(part.images[part.rows_of(name)[:MAX_ATTACKED]], samples) for part in parts
            ]
            found = membership_advantage(*distances)
            attack = (found.advantage, found.by_chance, found.p)
        before = augmenter.model_.filter_stats.get(augmenter.model_.classes.index(name))
        copies = before.copies / before.drawn if has_detector and before is not None and before.drawn else math.nan
        pass_rate = math.nan if stats is None else stats.pass_rate
        rows.append((name, lent.data_["counts"][name], pass_rate, copies, *attack))
    return pd.DataFrame(rows, columns=COLUMNS)


def _model_card(lent: GANAugmenter, table: pd.DataFrame, min_class_size: int, description: str) -> str:
    """Return the model card in Markdown."""
    model = lent.model_
    color = "color" if model.shape[0] == 3 else "gray"
    cells = [
        "| "
        + " | ".join([row[0], f"{row[1]:,}", *("-" if math.isnan(x) else f"{x:.2f}" for x in row[2:6]), _p(row[6])])
        + " |"
        for row in table.itertuples(index=False)
    ]
    return f"""# Generator of images: {shorten(list(model.classes), MAX_LISTED)}

{description or "What the images show, where they are from, and under which license samples may be used: add it here."}

A conditional GAN of ganaug {__version__} (`{model.network}`), for {color} images of {model.shape[1]}x{model.shape[2]}
pixels. Samples are synthetic: mark them as such, and do not present them as photographs.

```python
from ganaug import PretrainedSampler

sampler = PretrainedSampler("folder of this file").fit(images)  # your own images
samples = sampler.sample({{{model.classes[0]!r}: 50}})
```

Whether samples help a classifier depends on how similar your images are: `ganaug evaluate DATA --from FOLDER` measures
it on your images.

| {" | ".join(COLUMNS)} |
|{"---|" * len(COLUMNS)}
{chr(10).join(cells)}

*images*: training images. Classes with fewer than {min_class_size:,}, and classes that were not learned, are left out.
*pass rate*: samples that a classifier of the training images recognizes. *near-copies*: samples that nearly copy a
training image. *membership advantage*: true positive rate minus false positive rate of an attacker who infers from
{MAX_ATTACKED} samples which images were trained on, and its mean *by chance*. An advantage as small as by chance means
that samples do not reveal which images were trained on. "-": not measured, because the training images were not passed,
or fewer than {MIN_HELD_OUT} images of the class were held out.

The model holds no training images, no hashes of them, no discriminator and no paths. It holds two networks that were
trained on the images: the generator, and a small classifier that rejects samples of a wrong class.
"""


def _p(value: float) -> str:
    return "-" if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"
