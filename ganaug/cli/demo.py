"""`ganaug demo`: check, fit, sample and write, on the images that ship with ganaug."""

from functools import partial
from pathlib import Path

import click

from ganaug.cli.augment import evaluation_option, run_augment
from ganaug.cli.console import exit_on_error
from ganaug.cli.options import FOLDER, FitOptions, fit_options, limits_training, make_sampler

DEFAULT_SECONDS = 300.0


@click.command()
@click.argument("out", type=FOLDER, default=Path("ganaug-demo"))
@evaluation_option
@partial(fit_options, without=("unlabeled", "subfolder_groups", "follow_links"))
def demo(out: Path, evaluates: bool, options: FitOptions) -> None:
    """Augment 1,401 images of Fashion-MNIST (500 to 10 per class) in OUT, in about five minutes.

    OUT/real holds the real images, OUT/augmented the augmented set, and OUT/augmented.run what was measured and the
    training run.
    """
    with exit_on_error():
        from ganaug.datasets.embedded import fashion_mnist_lt
        from ganaug.io.folder import check_output, write_folder

        augmenter = make_sampler(options, "conditional").set_params(verbose=1)
        if not limits_training(augmenter, options):
            augmenter.set_params(time_budget=DEFAULT_SECONDS)
        if not options.resume:
            # before the time of training is spent
            check_output(out)
            write_folder(fashion_mnist_lt(), out / "real")
        run_augment(out / "real", out / "augmented", augmenter, options, evaluate=evaluates)
