"""`ganaug evaluate DATA`: test whether synthetic images improve a classifier. A report and an exit status."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from ganaug._runtime.terminal import printable
from ganaug.cli.console import exit_on_error, print_message, show, steps_of, warnings_to_stderr
from ganaug.cli.options import (
    DATA,
    FILE,
    FOLDER,
    FitOptions,
    fit_options,
    limits_training,
    make_estimator,
    make_sampler,
    new_file,
    parameters,
)
from ganaug.cli.reading import read, reader_like
from ganaug.cli.sources import make_pretrained, source_options

# 1 and 2 are taken by failures and by click's usage errors
EXIT_STATUS = {"helps": 0, "helps rare classes": 0, "no evidence": 3, "hurts": 4}  # 0: synthetic images are advised
DEFAULT_BUDGET = 20 * 60.0  # seconds of generators and classifiers together
GENERATORS = 1 / 3  # part of the time budget for generators


@click.command()
@click.argument("data", type=DATA)
@click.option("--out", type=FILE, required=True, help="Report to write, for example report.html.")
@click.option("--json", "as_json", type=FILE, help="Write the report as JSON too.")
@click.option("--run", "run", type=FOLDER, help="A run of `ganaug fit`. Without --test it is refitted in each fold.")
@source_options
@click.option("--synthetic", type=FOLDER, help="Folder of synthetic images, or of real and marked synthetic images.")
@click.option(
    "--method",
    type=click.Choice(["conditional", "cyclegan"]),
    default="conditional",
    show_default=True,
    help="conditional: GANAugmenter. cyclegan: images of a common class are translated.",
)
@click.option("--test", type=FOLDER, help="Real images that nothing was trained on.  [default: folds of DATA]")
@click.option(
    "--classifier",
    type=click.Choice(["cnn", "features", "resnet18"]),
    default="cnn",
    show_default=True,
    help="Classifier to test with: a small CNN, EfficientNet-lite0 features with logistic regression, or ResNet-18.",
)
@click.option("--shares", default="0.1,0.25,0.5", show_default=True, help="Synthetic shares to try.")
@click.option(
    "--objective",
    type=click.Choice(["balanced_accuracy", "macro_f1", "rare_recall"]),
    default="balanced_accuracy",
    show_default=True,
    help="What methods are selected and judged by. rare_recall: recall of the classes smaller than the mean class.",
)
@click.option(
    "--margin",
    type=click.FloatRange(0, 100),
    default=1.0,
    show_default=True,
    help="Points of recall that the other classes may lose where rare classes gain.",
)
@click.option(
    "--groups", help="Column of metadata.csv: groups that stay together.  [default: group_id if there is one]"
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Random seeds with which the best methods are trained in each fold.",
)
@click.option("--folds", type=click.IntRange(2), default=3, show_default=True, help="Folds of DATA without --test.")
@click.option(
    "--n-jobs",
    type=int,
    help="Classifiers trained in parallel; -1: one for each core.  [default: one for each core, at most 8]",
)
@partial(fit_options, without=("resume",))
def evaluate(
    data: Path,
    out: Path,
    as_json: Path | None,
    run: Path | None,
    synthetic: Path | None,
    method: str,
    test: Path | None,
    folds: int,
    options: FitOptions,
    **judging: Any,
) -> None:
    """Train classifiers on DATA with and without synthetic images, and compare them on held-out real images.

    Without --run and --synthetic a generator is fitted in each fold. The last lines are the best training method found,
    with or without synthetic images, as a program. Exit status: 0 if synthetic images are advised, because they help or
    help rare classes; 3 if there is no evidence that they do; 4 if they hurt. --time-budget (20m): a third of it is
    for generators, the rest for classifiers; with --steps or --run there is no limit unless it is given. Samples and
    predictions are cached, so that a second evaluation of the same images is quick.
    """
    sources, map_texts = judging.pop("sources"), judging.pop("map_texts")
    _check_sources(run, synthetic, method, test, options.unlabeled)
    if sources and (run is not None or synthetic is not None):
        raise click.UsageError("give one of --from, --run and --synthetic.")
    with exit_on_error(), warnings_to_stderr():
        pretrained = make_pretrained(options, sources, map_texts, method)
        sampler = make_sampler(options, method) if pretrained is None else pretrained
        for path in (out, as_json):
            new_file(path)
        from ganaug.reports.utility import utility_report

        images, test_images, generated = _read_sets(data, test, synthetic, options)
        is_fitted = pretrained is not None or synthetic is not None or (run and test)
        n_fits = 0 if is_fitted else folds if test is None else 1
        budget = _split_budget(sampler, options, run, n_fits, images)
        source = _source(run, sampler, options, n_fits) if generated is None else generated
        with steps_of("evaluate") as progress:
            report = utility_report(
                images,
                source,
                test=test_images,
                shares=_parse_shares(judging.pop("shares")),
                n_seeds=judging.pop("seeds"),
                n_folds=folds,
                time_budget=budget,
                random_state=options.seed or 0,
                progress=progress,
                **{**judging, "margin": judging["margin"] / 100},
            )
        _show_and_write(report, out, as_json)
    sys.exit(EXIT_STATUS[report.verdict])


def _split_budget(sampler: Any, options: FitOptions, run: Path | None, n_fits: int, images: Any) -> float | None:
    """Give generators their part of the time budget; return what remains for classifiers. None: no limit.

    Raises ValueError if the part of a generator would be too small for these images.
    """
    from ganaug.estimators.smallest_budget import check_time_budget

    budget = options.time_budget
    # a number of steps, a run or --param says how long a generator is trained
    if budget is None and run is None and not limits_training(sampler, options):
        budget = DEFAULT_BUDGET
    if budget is None or not n_fits:
        return budget
    if options.time_budget is not None and run is None:  # a run has parameters of its own
        check_time_budget(budget, sampler.smallest_time_budget(images) * n_fits / GENERATORS)
    sampler.set_params(time_budget=GENERATORS * budget / n_fits)
    return (1 - GENERATORS) * budget


def _show_and_write(report: Any, out: Path, as_json: Path | None) -> None:
    """Print the report, and last the program of the best method; write the files."""
    show(report)
    if report.recipe is not None:
        # whole lines, so that they can be copied
        click.echo(f"\n{printable(report.recipe.code)}\n")
    report.write(out, as_json)
    print_message(f"Written to {out}{f' and {as_json}' if as_json else ''}.")


def _check_sources(
    run: Path | None, synthetic: Path | None, method: str, test: Path | None, unlabeled: Path | None
) -> None:
    """Raise click.UsageError for options that contradict each other."""
    if run is not None and synthetic is not None:
        raise click.UsageError("give --run or --synthetic, not both.")
    if method != "conditional" and (run is not None or synthetic is not None):
        raise click.UsageError(
            "--method selects a generator to fit: it does not go with --run or --synthetic, which already provide one."
        )
    if unlabeled is not None and (synthetic is not None or run is not None):
        raise click.UsageError("--unlabeled is for a generator that is fitted: leave --run and --synthetic out.")
    if synthetic is not None and test is None:
        raise click.UsageError(
            "--synthetic needs --test, real images that the generator was not trained on: DATA may be its training set."
        )


def _source(run: Path | None, sampler: Any, options: FitOptions, n_fits: int) -> Any:
    """Return a fitted augmenter, or an unfitted over-sampler. n_fits: generators still to be fitted."""
    if run is None:
        return sampler
    return _unfitted(run, options, n_fits, sampler.time_budget) if n_fits else _load(run, options)


def _read_sets(data: Path, test: Path | None, synthetic: Path | None, options: FitOptions) -> Any:
    """Read DATA, test images and synthetic images, and print how many files of DATA are left out."""
    from ganaug.io.synthetic import select_synthetic

    images, inspection = read(data, allow_store=False, **options.reading)
    if inspection is not None and inspection.problems:
        print_message(f"{len(inspection.problems):,} unusable files of {data} are left out; `ganaug check` lists them.")
    read_like = reader_like(images, inspection, **options.reading)
    generated = read_like(synthetic, subfolder_groups=False)
    return images, read_like(test), None if generated is None else select_synthetic(generated)


def _load(run: Path, options: FitOptions) -> Any:
    from ganaug.estimators.augmenter import GANAugmenter

    return GANAugmenter.load(run, options.device or "auto")


def _unfitted(run: Path, options: FitOptions, n_fits: int, time_budget: float | None) -> Any:
    """Return an augmenter to be fitted `n_fits` times, with the parameters of a run and those of the command line."""
    augmenter = _load(run, options)
    print_message(
        "The run may have been trained on all of DATA: a generator with its parameters is fitted in each of "
        f"{n_fits} folds."
    )
    params = parameters(options)
    if options.seed is None:  # the command line always has a random_state; without --seed the run's is kept
        params["random_state"] = augmenter.seed_
    if time_budget is not None:
        params["time_budget"] = time_budget
    return make_estimator(type(augmenter), augmenter.get_params(deep=False)).set_params(**params)


def _parse_shares(text: str) -> list[float]:
    """'0.1, 0.25' -> [0.1, 0.25]."""
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise click.UsageError(f"--shares {text!r}: write numbers below 1, for example 0.1,0.25.") from error
