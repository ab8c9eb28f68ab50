"""`ganaug augment DATA OUT`: fill up the rare classes of a folder; and undo."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganaug._runtime.lookup import split_names
from ganaug.cli.console import exit_on_error, print_message, table, warnings_to_stderr
from ganaug.cli.options import (
    FOLDER,
    FitOptions,
    check_exists,
    check_unlabeled_folder,
    fit_options,
    limits_training,
    make_sampler,
    share,
    signer,
    signing_options,
    strategy,
)
from ganaug.cli.resuming import ResumableCommand, StopSignals
from ganaug.cli.sources import make_pretrained, source_options
from ganaug.cli.summaries import print_filters, print_fit

if TYPE_CHECKING:
    import pandas as pd

    from ganaug.augmentation import AugmentedFolder

MAX_SENTENCES = 3  # of the report that are printed
DEFAULT_SECONDS = 900.0
INCOMPLETE = 3  # exit status


evaluation_option = click.option(
    "--evaluate/--no-evaluate",
    "evaluates",
    default=True,
    help="Measure what auto leaves open, on folds of DATA, in up to 40 % of the time budget.",
)


@click.command(cls=ResumableCommand)
@click.argument("data", type=FOLDER)
@click.argument("out", type=FOLDER, required=False)
@click.option(
    "--strategy",
    "strategy_text",
    default="auto",
    show_default=True,
    help="How far to fill up: auto (measured), as-is, square-root, full, double (twice the largest class), "
    "a strategy of imbalanced-learn, or final counts 'cat=500,dog=500'.",
)
@click.option(
    "--synthetic-share",
    "share_text",
    default="auto",
    show_default=True,
    help="Synthetic fraction of each class: auto (measured), or a number from 0 to 1. The other additions are altered "
    "copies.",
)
@click.option(
    "--balance",
    "columns_text",
    metavar="COLUMN,...",
    help="Columns of metadata.csv, such as attr_sex: condition the generator on them, and fill up every combination of "
    "a class and their values to the largest of its class. Half of each is synthetic; nothing is measured.",
)
@evaluation_option
@click.option(
    "--method",
    type=click.Choice(["conditional", "cyclegan", "auto"]),
    default="conditional",
    show_default=True,
    help="conditional: GANAugmenter. cyclegan: translate images of a common class. auto: train both, use the one "
    "nearer to real images.",
)
@source_options
@click.option("--run", "run", type=FOLDER, help="Run folder.  [default: OUT.run, or DATA.run with --in-place]")
@click.option(
    "--originals",
    type=click.Choice(["copy", "resize"]),
    default="copy",
    show_default=True,
    help="Write the images of DATA into OUT byte for byte, or resized to the size of the synthetic images.",
)
@click.option("--in-place", is_flag=True, help="Add the copies and synthetic images to DATA itself.")
@click.option("--dry-run", is_flag=True, help="Print counts, expected time and memory; write nothing.")
@click.option(
    "--report/--no-report", "with_report", default=True, help="Judge the synthetic images in RUN/report.html."
)
@click.option("--undo", "undoing", is_flag=True, help="Remove exactly what an earlier augment added to OUT (or DATA).")
@signing_options
@fit_options
def augment(
    data: Path,
    out: Path | None,
    method: str,
    run: Path | None,
    in_place: bool,
    dry_run: bool,
    with_report: bool,
    undoing: bool,
    options: FitOptions,
    **others: Any,
) -> None:
    """Write OUT: the images of DATA byte for byte, altered copies of them, and synthetic images.

    Train on OUT with any program, without class weights. Every class is filled up to twice the largest class, unless
    classifiers learn measurably more from another composition. Of 10, 25 and 50 % of synthetic images the largest share
    without measurable harm is used, at or below the best one. Both are measured on held-out images of DATA; where that
    is not possible, the share is 10 %. OUT holds a folder for each class and metadata.csv, and reads with ImageFolder,
    Hugging Face datasets and timm. Prints class, original, altered, synthetic and total as CSV. RUN/report.html
    says whether the synthetic images are diverse, and whether they copy training images.
    """
    if in_place == (out is not None):
        raise click.UsageError("pass either OUT or --in-place.")
    if not undoing:
        check_exists(data)
        check_unlabeled_folder(options, *(path for path in (out, run) if path is not None))
    with exit_on_error():
        if undoing:
            _undo((data if out is None else out).resolve())
            return
        pretrained = make_pretrained(options, others.pop("sources"), others.pop("map_texts"), method)
        sampler, named = _sampler(options, method) if pretrained is None else (_limited(pretrained), {})
        columns = others.pop("columns_text")
        if columns is not None:
            _balance_cells(sampler, columns, method, others["strategy_text"])
        requested = {
            "sampling_strategy": strategy(others.pop("strategy_text")),
            "synthetic_share": share(others.pop("share_text")),
        }
        named |= {"evaluate": others.pop("evaluates"), "originals": others.pop("originals"), **requested}
        sign = signer(others)
        if dry_run:
            _forecast(data, sampler, options, **requested)
            return
        result = run_augment(data, out, sampler, options, run=run, sign=sign, report=with_report, **named)
    _exit_if_incomplete(result, is_share_given=requested["synthetic_share"] != "auto")


def _exit_if_incomplete(result: "AugmentedFolder", *, is_share_given: bool) -> None:
    """Exit with INCOMPLETE, and say what to do, if nothing was added, or requested synthetic images are missing."""
    if not result.counts[["altered", "synthetic"]].to_numpy().any():
        is_measured = bool(result.selection.rows)
        why = ": on your images, no composition was better than the images as they are" if is_measured else ""
        print_message(f"Nothing was added{why}. To fill up, choose how far, for example --strategy full.")
        sys.exit(INCOMPLETE)
    if is_share_given and result.unlearned:
        print_message(
            f"Not learned, and without the synthetic images that were requested: {', '.join(result.unlearned)}. Train "
            "longer (--time-budget), or add images of these classes."
        )
        sys.exit(INCOMPLETE)


def _sampler(options: FitOptions, method: str) -> tuple[Any, dict[str, Any]]:
    """Return the method for `augment_folder`, and the parameters that it needs beside its name."""
    if method == "auto":
        if options.param or options.config or options.unlabeled:
            raise click.UsageError(
                "--param, --config and --unlabeled need one method: pass --method conditional or --method cyclegan."
            )
        named = {
            "n_steps": options.steps,
            "time_budget": options.time_budget,
            "device": options.device or "auto",
            "random_state": options.seed or 0,
        }
        return "auto", named
    sampler = make_sampler(options, method)
    return (sampler if limits_training(sampler, options) else _limited(sampler)).set_params(verbose=1), {}


def _limited(sampler: Any) -> Any:
    """Return an over-sampler with a time budget."""
    return sampler if sampler.time_budget is not None else sampler.set_params(time_budget=DEFAULT_SECONDS)


def _balance_cells(sampler: Any, columns: str, method: str, strategy_text: str) -> None:
    """Set the parameters of a GANAugmenter with which `augment` fills up cells."""
    if method != "conditional" or not hasattr(sampler, "condition_on"):
        raise click.UsageError("--balance needs --method conditional, and no --from.")
    if strategy_text != "auto":
        raise click.UsageError("--balance fills up combinations and --strategy classes: pass one of them.")
    names = split_names(columns, "--balance")
    if not names:
        raise click.UsageError("--balance: name columns of metadata.csv, such as attr_sex.")
    sampler.set_params(condition_on=names, sampling_strategy="balance-cells")


def _undo(target: Path) -> None:
    from ganaug.io.folder import undo

    undone = undo(target)
    print_message(
        f"{len(undone.removed):,} files removed{', metadata.csv as it was before' if undone.restored else ''}."
    )
    for file, reason in undone.kept.items():
        print_message(f"kept: {file}: {reason}")


def run_augment(
    data: Path,
    out: Path | None,
    sampler: Any,
    options: FitOptions,
    *,
    run: Path | None = None,
    sign: Any = None,
    report: bool = True,
    **named: Any,
) -> "AugmentedFolder":
    """Call `augment_folder`, print its result and return it. A signal ends training, resumable, and exits."""
    from ganaug.augmentation import augment_folder
    from ganaug.errors import RunInterruptedError
    from ganaug.training.run_folder import augmentation_run_folder

    signals = StopSignals(augmentation_run_folder(data if out is None else out) if run is None else run)
    with warnings_to_stderr():
        try:
            result = augment_folder(
                data,
                out,
                method=sampler,
                image_size=options.image_size,
                skip_bad=options.skip_bad,
                subfolder_groups=options.subfolder_groups,
                follow_links=options.follow_links,
                run_dir=run,
                resume=options.resume,
                report=report,
                sign=sign,
                verbose=1,
                callbacks=[signals],
                **named,
            )
        except RunInterruptedError:
            signals.exit_if_stopped()
            raise
    _print_result(result, data, out)
    return result


def _print_result(result: "AugmentedFolder", data: Path, out: Path | None) -> None:
    """Print what was added, how to undo it, and what the report found."""
    if result.sampler is not None and result.run_dir is not None:
        if hasattr(result.sampler, "plan_"):
            print_fit(result.sampler, result.run_dir)
        elif hasattr(result.sampler, "cycle_error_"):
            _print_translators(result)
        else:
            for name, (folder, other) in result.sampler.sources_.items():
                print_message(f"{name}: drawn from class {other!r} of {folder}.")
    for name in result.unlearned:
        print_message(f"warning: class {name!r} was not learned and is filled up with altered copies. Train longer.")
    _print_counts(result.counts)
    run = f"; the run is in {result.run_dir}" if result.run_dir is not None else ""
    print_message(f"Written to {result.out}{run}.")
    print_message(f"To undo: ganaug augment {data} {out or '--in-place'} --undo")
    for sentence in result.selection.sentences:
        print_message(sentence)
    if result.report is not None and result.run_dir is not None:
        page = result.run_dir / "report.html"
        print_message(
            f"Report on the synthetic images: {result.report.verdict}. Open {page}: real images left, synthetic ones "
            "right."
        )
        for sentence in result.report.summary[:MAX_SENTENCES]:
            print_message(f"- {sentence}")


def _print_translators(result: "AugmentedFolder") -> None:
    """Print, for each class, its source and cycle error, and what the filters reject."""
    translator: Any = result.sampler
    for name, source in translator.sources_.items():
        error = translator.cycle_error_[name].mean()
        print_message(f"{name} from {source}: mean cycle error {error:.3f} of the range of pixels.")
    print_filters(translator.filter_report_, "translations")
    print_message(f"Look at the previews below {result.run_dir}.")


def _print_counts(counts: "pd.DataFrame") -> None:
    table([tuple(counts.columns), *counts.itertuples(index=False)])


def _forecast(data: Path, sampler: Any, options: FitOptions, **requested: Any) -> None:
    """Print counts, time and memory from a short trial."""
    from ganaug.augmentation import forecast_augmentation
    from ganaug.estimators.augmenter import GANAugmenter

    if not isinstance(sampler, GANAugmenter):
        raise click.UsageError("--dry-run supports --method conditional only.")
    print_message("Trial of a few training steps ...")
    with warnings_to_stderr():
        forecast = forecast_augmentation(data, sampler, **requested, **options.reading)
    _print_counts(forecast.counts)
    print_message(f"Plan:\n{forecast.plan}")
    print_message(str(forecast))
