"""`ganaug evaluate DATA`: do synthetic images help a classifier? A page, a verdict and an exit status."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from ganaug.cli.console import named_failures, say, show, steps_of
from ganaug.cli.options import FILE, FOLDER, FitOptions, fit_options, make_estimator, make_sampler, new_file, parameters
from ganaug.cli.reading import read

EXIT = {"helps": 0, "no evidence": 3, "hurts": 4}


@click.command()
@click.argument("data", type=FOLDER)
@click.option("--out", type=FILE, required=True, help="The page to write, for example report.html.")
@click.option("--json", "as_json", type=FILE, help="Write everything found as JSON too.")
@click.option("--run", "run", type=FOLDER, help="A run of `ganaug fit`. Without --test it is fitted anew in each fold.")
@click.option("--synthetic", type=FOLDER, help="A folder of synthetic images, or one with some among real ones.")
@click.option(
    "--method",
    type=click.Choice(["conditional", "cyclegan"]),
    default="conditional",
    show_default=True,
    help="conditional: GANAugmenter. cyclegan: a common class's images are translated.",
)
@click.option("--test", type=FOLDER, help="Real images that nothing was trained on.  [default: folds of DATA]")
@click.option("--classifier", type=click.Choice(["cnn", "features"]), default="cnn", show_default=True)
@click.option("--shares", default="0.1,0.25,0.5", show_default=True, help="Synthetic shares to try.")
@click.option("--groups", help="Column of metadata.csv whose groups stay together.  [default: group_id if there]")
@click.option("--seeds", type=click.IntRange(1), default=5, show_default=True, help="Classifiers a way and fold.")
@click.option("--folds", type=click.IntRange(2), default=3, show_default=True, help="Folds of DATA without --test.")
@partial(fit_options, without=("resume",))
def evaluate(
    data: Path,
    out: Path,
    as_json: Path | None,
    run: Path | None,
    synthetic: Path | None,
    method: str,
    test: Path | None,
    classifier: str,
    shares: str,
    groups: str | None,
    seeds: int,
    folds: int,
    options: FitOptions,
) -> None:
    """Train classifiers on DATA with and without synthetic images, and compare them on images that nobody saw.

    Without --run and --synthetic a generator is fitted inside each fold. Exit status: 0 synthetic images help, 3 no
    evidence that they do, 4 they hurt. --time-budget: half of it for generators, half for classifiers. What was
    trained is kept by its content, so that a second look is quick.
    """
    if run is not None and synthetic is not None:
        raise click.UsageError("give --run or --synthetic, not both.")
    if method != "conditional" and (run is not None or synthetic is not None):
        raise click.UsageError(
            "--method is of generators that are fitted here: it does not go with --run, --synthetic."
        )
    if synthetic is not None and test is None:
        raise click.UsageError(
            "--synthetic needs --test, real images that the generator has not seen: it may have seen any of DATA."
        )
    with named_failures():
        sampler = make_sampler(options, method)
        for path in (out, as_json):
            new_file(path)
        from ganaug.io.folder import read_folder
        from ganaug.io.origin import synthetic_part
        from ganaug.reports.utility import utility_report

        budget = options.time_budget
        images, found = read(data, options)
        if found.problems:
            say(f"{len(found.problems):,} unusable files of {data} are left out; `ganaug check` lists them.")
        size = (images.shape[1], images.shape[2])
        apart = None if test is None else read_folder(test, image_size=size, skip_bad=options.skip_bad)
        source: Any
        if synthetic is not None:
            source, fits = synthetic_part(read_folder(synthetic, image_size=size, skip_bad=options.skip_bad)), 0
        elif run is not None and apart is not None:
            source, fits = _loaded(run, options), 0
        else:
            fits = folds if apart is None else 1
            if budget is not None:
                sampler.set_params(time_budget=budget / 2 / fits)
            source = sampler if run is None else _unfitted(run, options, fits, sampler.time_budget)
        with steps_of("evaluate") as progress:
            report = utility_report(
                images,
                source,
                classifier=classifier,
                test=apart,
                groups=groups,
                shares=_shares(shares),
                n_seeds=seeds,
                n_folds=folds,
                time_budget=None if budget is None else budget / 2 if fits else budget,
                random_state=options.seed or 0,
                progress=progress,
            )
        show(report)
        report.write(out, as_json)
        say(f"Written to {out}{f' and {as_json}' if as_json else ''}.")
    sys.exit(EXIT[report.verdict])


def _loaded(run: Path, options: FitOptions) -> Any:
    from ganaug.estimators.augmenter import GANAugmenter

    return GANAugmenter.load(run, options.device or "auto")


def _unfitted(run: Path, options: FitOptions, fits: int, time_budget: float | None) -> Any:
    """Return an unfitted augmenter with the parameters of a run, and those of the command line."""
    augmenter = _loaded(run, options)
    say(f"The run was trained on all of DATA, so generators are fitted again with its parameters, {fits} in total.")
    params = {name: value for name, value in parameters(options).items() if name != "random_state"}
    seed = {} if options.seed is not None else {"random_state": augmenter.seed_}
    unfitted = make_estimator(type(augmenter), augmenter.get_params(deep=False))
    return unfitted.set_params(**seed, **params, time_budget=time_budget)


def _shares(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise click.UsageError(f"--shares {text!r}: write numbers below 1, for example 0.1,0.25.") from error
