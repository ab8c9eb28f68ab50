"""Which use of synthetic images pays: forty training methods, each paired with training without them.

    python -m benchmarks.uses_of_synthetic fashion-mnist-lt:500:50 --seconds 600
    python -m benchmarks.uses_of_synthetic fashion-mnist-lt:500:50 --methods "classical augmentation" "25%"

Time: for each seed --seconds of training the generator, then about a minute for each method on one core, four minutes
for those with four times the steps.
A seed draws the images, which classes are rare, the generator and the classifiers. Every method trains the same network
for the same number of steps, --trainings times.

How to read it: gains are points over classical augmentation, the best baseline on these sets. "held out" rows use
held-out real images instead of synthetic ones: the most that more images could bring. "Probe AUC" is how well a linear
probe of the network's features tells synthetic from real images.
"""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from torch.nn.functional import log_softmax

from benchmarks.generators import sample_learned, stored_generator
from benchmarks.runner import parse
from benchmarks.subsets import SetSpec
from benchmarks.uses.retuning import predict_retuned
from benchmarks.uses.schedules import (
    average_with_base,
    consistency,
    cutmix,
    decreasing_share,
    four_times,
    mixup,
    predict_average,
    synthetic_first,
)
from benchmarks.uses.scoring import BASE, Method, compare_methods, draw_images, uses_parser
from benchmarks.uses.selection import (
    in_classes,
    likely_real,
    near_boundary,
    pasted_on_real,
    predict_mixture_with_probe,
    predict_with_probe,
    rare_classes,
    recognized_classes,
    wider_latents,
)
from benchmarks.uses.soft_labels import augmented_real, first_of_class, mixed_real, predict_soft_labeled
from benchmarks.uses.training import Batches, Draw, batches, mixture, predict, predict_trained, train_network
from ganaug._runtime.randomness import derive
from ganaug.datasets.alterations import classical_augmentation
from ganaug.evaluation.scores import adjust_logits
from ganaug.evaluation.training_set import balance_classes, fill_classes

SMOKE = {"set": "smoke:8:2", "seeds": [0], "trainings": 1, "seconds": 0.0, "samples_per_class": 12}
SMOKE_TRAINING = {"batch_size": 8, "max_steps": 1}


def with_adjustment(draw: Draw, tau: float) -> np.ndarray:
    """The base under logit adjustment of strength `tau`."""
    return adjust_logits(predict(draw, draw.base), np.log(draw.counts / draw.counts.sum()), tau)


def real_batches(draw: Draw) -> Batches:
    """Balanced batches of real images, classically augmented."""
    return batches(draw, balance_classes(draw.train))


def mixed_batches(draw: Draw) -> Batches:
    """The same with a quarter of synthetic images in each class."""
    return batches(draw, mixture(draw))


METHODS: dict[str, Method] = {
    "oversampling": lambda d: predict(d, train_network(d, batches(d, balance_classes(d.train), augment=False))),
    BASE: lambda d: predict(d, d.base),
    "classical, logit adjustment 0.25": partial(with_adjustment, tau=0.25),
    "classical, logit adjustment 0.5": partial(with_adjustment, tau=0.5),
    "10%": lambda d: predict_trained(d, mixture(d, share=0.1)),
    "25%": lambda d: predict_with_probe(d, d.mixed, d.synthetic),
    "50%": lambda d: predict_trained(d, mixture(d, share=0.5)),
    "filled to balance": lambda d: predict_trained(d, fill_classes(d.train, d.synthetic)),
    "25%, held out": lambda d: predict_mixture_with_probe(d, d.validation),
    "50%, held out": lambda d: predict_trained(d, mixture(d, d.validation, 0.5)),
    "filled to balance, held out": lambda d: predict_trained(d, fill_classes(d.train, d.validation)),
    "25%, then batch norm on real": lambda d: predict_retuned(d, d.mixed, last_layer=False),
    "25%, then batch norm and last layer on real": lambda d: predict_retuned(d, d.mixed, last_layer=True),
    "classical, then batch norm and last layer retrained": lambda d: predict_retuned(d, d.base, last_layer=True),
    "25%, separate batch norm": lambda d: predict_trained(d, mixture(d), separate_norm=True),
    "25% in the rare classes only": lambda d: predict_mixture_with_probe(d, in_classes(d.synthetic, rare_classes(d))),
    "25%, subsampled": lambda d: predict_trained(d, mixture(d, likely_real(d, drop_hardest=False))),
    "25%, subsampled and filtered": lambda d: predict_trained(d, mixture(d, likely_real(d, drop_hardest=True))),
    "25%, subsampled, filtered, soft labels": lambda d: predict_soft_labeled(d, likely_real(d, drop_hardest=True)),
    "25%, soft labels": lambda d: predict_soft_labeled(d, d.synthetic),
    "soft labels on mixed real images": lambda d: predict_soft_labeled(d, mixed_real(d)),
    "three networks, averaged": lambda d: log_softmax(d.ensemble(d.test.images), dim=1).numpy(),
    "50%, labels by three networks": lambda d: predict_soft_labeled(d, d.synthetic, d.ensemble, 0.5),
    "50% mixed real images, labels by three networks": lambda d: predict_soft_labeled(
        d, mixed_real(d), d.ensemble, 0.5
    ),
    "50% augmented real images, labels by three networks": lambda d: predict_soft_labeled(
        d, augmented_real(d), d.ensemble, 0.5
    ),
    "EfficientNet features": lambda d: log_softmax(d.features_classifier(d.test.images), dim=1).numpy(),
    "50%, labels by EfficientNet": lambda d: predict_soft_labeled(
        d, first_of_class(d.synthetic), d.features_classifier, 0.5
    ),
    "75%, labels by EfficientNet": lambda d: predict_soft_labeled(
        d, first_of_class(d.synthetic), d.features_classifier, 0.75
    ),
    "50% mixed real images, labels by EfficientNet": lambda d: predict_soft_labeled(
        d, first_of_class(mixed_real(d)), d.features_classifier, 0.5
    ),
    "synthetic first, then real": synthetic_first,
    "50%, decreasing to 0": decreasing_share,
    "consistency on synthetic": lambda d: consistency(d, d.synthetic.images),
    "consistency on real": lambda d: consistency(d, d.train.images),
    "25%, latent std 1.3": partial(wider_latents, std=1.3),
    "25%, near the boundary": lambda d: predict_trained(d, mixture(d, near_boundary(d))),
    "25%, CutMix with real": lambda d: predict_trained(d, mixture(d, pasted_on_real(d))),
    "25% in the recognized classes": lambda d: predict_trained(d, mixture(d, recognized_classes(d))),
    "two networks, averaged": lambda d: predict_average(d, d.base, d.other_bases[0]),
    "two networks, one on 25%": lambda d: average_with_base(d, mixture(d)),
    "two networks, one on 50%": lambda d: average_with_base(d, mixture(d, share=0.5)),
    "two networks, one on 25% held out": lambda d: average_with_base(d, mixture(d, d.validation)),
    "classical, four times the steps": four_times(lambda d: predict(d, d.base)),
    "25%, four times the steps": four_times(lambda d: predict_trained(d, mixture(d))),
    "50%, four times the steps": four_times(lambda d: predict_trained(d, mixture(d, share=0.5))),
    "mixup, four times the steps": four_times(lambda d: predict(d, train_network(d, mixup(d, real_batches(d))))),
    "CutMix, four times the steps": four_times(lambda d: predict(d, train_network(d, cutmix(d, real_batches(d))))),
    "25% and mixup, four times the steps": four_times(
        lambda d: predict(d, train_network(d, mixup(d, mixed_batches(d))))
    ),
    "25% and CutMix, four times the steps": four_times(
        lambda d: predict(d, train_network(d, cutmix(d, mixed_batches(d))))
    ),
    "25%, held out, four times the steps": four_times(lambda d: predict_trained(d, mixture(d, d.validation))),
}


def make_draw(spec: SetSpec, seed: int, number: int, options: argparse.Namespace) -> Draw:
    """Images, generator and samples of a seed, and the weights of a training."""
    train, validation, test = draw_images(spec, seed, options)
    folder = options.cache / "uses_of_synthetic" / f"{spec.stem}_{seed}_{options.seconds:g}s"
    augmenter, _ = stored_generator(train, seed, folder, options)
    return Draw(
        train,
        validation,
        test,
        sample_learned(augmenter, train, options.samples_per_class, 0),
        augmenter,
        classical_augmentation(train),
        derive(seed, "inner", number),
        samples_per_class=options.samples_per_class,
        **(SMOKE_TRAINING if options.smoke else {}),
    )


def main(argv: Sequence[str] | None = None) -> Path:
    """Score what is missing, and write the page."""
    parser = uses_parser("uses_of_synthetic", __doc__)
    parser.add_argument("--seconds", type=float, default=600, help="training of each generator")
    parser.add_argument("--samples-per-class", type=int, default=1000)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), metavar="METHOD", default=list(METHODS))
    options = parse(parser, argv, SMOKE)
    if options.smoke:  # EfficientNet takes too long for it
        options.methods = [name for name in options.methods if "EfficientNet" not in name]
    about = (
        f"A draw is one of images, rare classes, generator ({options.seconds:g} s) and weights, with "
        f"{options.trainings} training of the small CNN. Probe: how well a linear classifier of the network's "
        "features tells synthetic from real images."
    )
    return compare_methods(METHODS, make_draw, "Uses of synthetic images", about, options)


if __name__ == "__main__":
    main()
