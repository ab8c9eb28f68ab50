"""`ganaug augment DATA OUT`: check, fit and sample, and undo."""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganaug.cli.console import counting, named_failures, say, steps_of, table
from ganaug.cli.fit import check_run_folder, read, train, train_translators
from ganaug.cli.options import FOLDER, FitOptions, fit_options, parameters_of, signer, signing_options, strategy

if TYPE_CHECKING:
    from ganaug.estimators.sampler import Sampler
    from ganaug.images import LabeledImages
    from ganaug.io.preflight import FolderInspection

TRIAL_STEPS = 25
JUDGED, TOLD = 100, 3  # images of a class that the report looks at, and findings told at the end


@click.command()
@click.argument("data", type=FOLDER)
@click.argument("out", type=FOLDER, required=False)
@click.option(
    "--strategy",
    "strategy_text",
    default="auto",
    show_default=True,
    help="Which classes to fill up: auto, minority, 'not minority', all, a ratio, or final counts 'cat=500,dog=500'.",
)
@click.option(
    "--method",
    type=click.Choice(["conditional", "cyclegan", "auto"]),
    default="conditional",
    show_default=True,
    help="conditional: GANAugmenter. cyclegan: a common class's images are translated. auto: both, and the nearer one.",
)
@click.option("--run", "run", type=FOLDER, help="Run folder.  [default: OUT.run]")
@click.option("--in-place", is_flag=True, help="Add the synthetic images to DATA itself instead of a copy.")
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
    strategy_text: str,
    method: str,
    run: Path | None,
    in_place: bool,
    dry_run: bool,
    with_report: bool,
    undoing: bool,
    options: FitOptions,
    **signing: Any,
) -> None:
    """Write OUT: the images of DATA byte for byte, and synthetic ones that fill up the rare classes.

    OUT holds a folder a class and metadata.csv, and reads with ImageFolder, Hugging Face datasets and timm alike.
    Prints class, original, added and total as CSV. RUN/report.html says whether the synthetic images are diverse and no
    copies; a look at 100 of each class, while `ganaug report` looks at more.
    """
    if in_place == (out is not None):
        raise click.UsageError("give OUT, or --in-place to add to DATA itself; one of the two.")
    target = (data if out is None else out).resolve()
    with named_failures():
        if undoing:
            _undo(target)
            return
        given = _parameters(options, method)
        if "sampling_strategy" not in given or strategy_text != "auto":
            given["sampling_strategy"] = strategy(strategy_text)
        where, sign = run or target.with_name(f"{target.name}.run"), signer(signing)
        run_augment(
            data, out, where, given, options, method=method, sign=sign, dry_run=dry_run, with_report=with_report
        )


def _parameters(options: FitOptions, method: str) -> dict[str, Any]:
    if method != "auto":
        return parameters_of(options, method)
    if options.param or options.config:
        raise click.UsageError("--method auto: --param and --config are of one method. Name it by --method.")
    return parameters_of(options, "conditional")


def _undo(target: Path) -> None:
    from ganaug.io.folder import undo

    done = undo(target)
    say(f"{len(done.removed):,} files removed{', metadata.csv as it was before' if done.restored else ''}.")
    for file, why in done.kept.items():
        say(f"kept: {file}: {why}")


def run_augment(
    data: Path,
    out: Path | None,
    run: Path,
    given: dict[str, Any],
    options: FitOptions,
    *,
    method: str = "conditional",
    sign: Callable[[bytes], bytes] | None = None,
    dry_run: bool = False,
    with_report: bool = True,
) -> None:
    """Check and read `data`, train in `run`, write the augmented set to `out` or into `data` itself, and judge it."""
    from ganaug.estimators.augmenter import GANAugmenter
    from ganaug.io.folder import augment_folder, augment_in_place, check_not_augmented, check_output
    from ganaug.io.output import check_room, on_disk

    if out is not None:
        check_output(out, data)
        check_run_folder(run, out)
    else:
        check_not_augmented(data)
    check_run_folder(run, data)
    images, found = read(data, options)
    wanted = GANAugmenter(sampling_strategy=given.get("sampling_strategy", "auto")).plan_counts(images)
    a_file = images.images[:1].numel() + 4096  # at most: pixels as they are, and the marks
    copies = [] if out is None else [entry.n_bytes for entry in found.entries]
    check_room(out or data, on_disk([*copies, *[a_file] * sum(wanted.values())]))
    if dry_run:
        if method != "conditional":
            raise click.UsageError("--dry-run: only --method conditional can be tried out.")
        _forecast(images, wanted, given)
        return
    made = None
    if wanted:
        made = _trained(images, found, run, given, method, list(wanted), resume=options.resume)
        synthetic = _fill(made, wanted)
    else:
        say("Every class already has as many images as asked for: nothing is trained, nothing is added.")
        synthetic = images.take([])
    with counting("write") as progress:
        if out is None:
            augment_in_place(found, synthetic, sign=sign, progress=progress)
        else:
            augment_folder(found, synthetic, out, sign=sign, progress=progress)
    _table(images.counts, wanted)
    say(f"Written to {out or data}{f'; the run is in {run}' if wanted else ''}.")
    say(f"To take it back: ganaug augment {data} {out or '--in-place'} --undo")
    if made is None:
        return
    say(
        "Not measured here: whether these images help a classifier. `ganaug evaluate` does, on real images that "
        "neither the generator nor the classifier has seen."
    )
    if with_report and len(synthetic):
        _judge(images, synthetic, made, run)


def _judge(images: "LabeledImages", synthetic: "LabeledImages", made: "Sampler", run: Path) -> None:
    """Write the report's page and JSON into the run's folder, and say what they say first."""
    from ganaug.datasets.holdout import split_validation
    from ganaug.reports.diversity import diversity_report

    page = run / "report.html"
    train, unseen = split_validation(images, made.validation_fraction, seed=made.model_.seed)
    with steps_of("report") as progress:
        found = diversity_report(train, synthetic, unseen=unseen, most=JUDGED, progress=progress)
    found.write(page, page.with_suffix(".json"))
    say(f"The synthetic images: {found.verdict}. Open {page}: real images left, synthetic ones right.")
    for sentence in found.summary[:TOLD]:
        say(f"- {sentence}")


def _trained(
    images: "LabeledImages",
    found: "FolderInspection",
    run: Path,
    given: dict[str, Any],
    method: str,
    wanted: list[str],
    *,
    resume: bool,
) -> "Sampler":
    """The over-sampler of `method`, fitted; for "auto" the one of both whose images are nearer to real ones."""
    if method == "conditional":
        return train(images, found, run, given, resume=resume)
    if method == "cyclegan":
        return train_translators(images, found, run, given, wanted, resume=resume)
    from ganaug.estimators.base import is_unbegun
    from ganaug.estimators.choice import compared

    if (budget := given.get("time_budget")) is not None:
        given = {**given, "time_budget": budget / 2}
    ways: dict[str, Callable[[], Sampler]] = {
        "cyclegan": lambda: train_translators(images, found, run / "cyclegan", given, wanted, resume=resume),
        "conditional": lambda: train(
            images, found, run / "conditional", given, resume=resume and not is_unbegun(run / "conditional")
        ),
    }
    fitted = {}
    for name, way in ways.items():
        say(f"Method {name}:")
        fitted[name] = way()
    seen = compared(fitted, images, wanted, share=fitted["conditional"].validation_fraction, seed=given["random_state"])
    for _, name, missing, distance in seen.itertuples():
        say(f"Method {name}: distance from real images {distance:.3f}; {missing} classes not learned.")
    best = seen["method"].iloc[0]
    say(f"Method auto: {best} is used. `ganaug evaluate` would tell whether either helps a classifier.")
    return fitted[best]


def _fill(augmenter: "Sampler", wanted: dict[str, int]) -> "LabeledImages":
    """Samples of the classes wanted, less those that were not learned, which `wanted` then lacks too."""
    for name in augmenter.unlearned_classes_:
        if wanted.pop(name, 0):
            say(f"warning: class {name!r} was not learned and is not filled up. Train longer, or add images of it.")
    return augmenter.sample(wanted)


def _table(before: Mapping[str, int], added: Mapping[str, int]) -> None:
    rows = [(name, count, added.get(name, 0), count + added.get(name, 0)) for name, count in before.items()]
    table([("class", "original", "added", "total"), *rows])


def _forecast(images: "LabeledImages", wanted: Mapping[str, int], given: dict[str, Any]) -> None:
    """Print the counts, then time and memory from a short trial on these images."""
    from ganaug.estimators.augmenter import GANAugmenter

    _table(images.counts, wanted)
    chosen = GANAugmenter(**given)
    plan = chosen.plan(images)
    say(f"Plan:\n{plan}")
    say(f"Trial of {TRIAL_STEPS} steps ...")
    trial = GANAugmenter(**{**given, "n_steps": TRIAL_STEPS, "time_budget": None, "run_dir": None, "filters": None})
    ticks: list[float] = []
    trial.fit(images, callbacks=[lambda done, logs: ticks.append(time.perf_counter())])  # noqa: ARG005  # a callback gets both
    middle = ticks[len(ticks) // 3 :]
    a_step = (middle[-1] - middle[0]) / (len(middle) - 1)
    began = time.perf_counter()
    trial.sample(256)
    an_image = (time.perf_counter() - began) / 256
    n_steps = plan.n_steps or sys.maxsize
    training = min(n_steps * a_step, chosen.time_budget or float("inf"))
    writing = an_image * sum(wanted.values())
    memory = _peak_memory()
    say(
        f"Expected: {training / 60:.1f} min of training ({int(training / a_step):,} steps, "
        f"{plan.batch_size / a_step:,.0f} images/s), {writing:.1f} s for {sum(wanted.values()):,} images, "
        f"{f'about {memory:,.0f} MiB' if memory else 'an unknown amount'} of memory. "
        "Filters and their redraws come on top. Nothing was written."
    )


def _peak_memory() -> float | None:
    """The most memory that this process held so far, in MiB; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
