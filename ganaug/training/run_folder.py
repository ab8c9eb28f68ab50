"""The folder of a run: who may write in it, and whether a run may be resumed in it."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganaug._runtime.locks import LOCK_FILE, locked
from ganaug._runtime.storage import digest, is_temporary_file, read_json, write_json
from ganaug._version import __version__
from ganaug.errors import RunError
from ganaug.io.names import is_utf8
from ganaug.io.output import name_os_errors

FORMAT = 5
CONFIG, SUMMARY = "config.json", "summary.json"
INTERRUPTED = "interrupted"  # why a run ended that a signal stopped
COMMAND = "command.json"  # options of the command that started the run
EVALUATION = "evaluation"  # subfolder of what was measured before the run of an augmentation
# A resumed run may differ in these parameters, nested or not; the seed is compared by `stored_seed`.
MAY_CHANGE = frozenset({"n_steps", "time_budget", "run_dir", "device", "sampling_strategy", "random_state", "verbose"})
FIT_FOLDER = re.compile(r"fit-[0-9a-f]{16}(-\d+)?")  # of one fit of a clone


def augmentation_run_folder(target: Path) -> Path:
    """Return the run folder of an augmentation that writes into `target`, where none is named."""
    target = target.resolve()
    return target.with_name(f"{target.name}.run")


def is_unstarted(folder: Path) -> bool:
    """Return whether nothing was written to `folder` yet, or a run was killed there before it wrote anything.

    Folders of clones and of the evaluation do not count, because each is another run.
    """
    if not os.path.isdir(folder):  # noqa: PTH112  # Path's own method raises for long names
        return True
    names = [path.name for path in folder.iterdir() if not is_temporary_file(path)]
    return all(name in (LOCK_FILE, EVALUATION, COMMAND) or FIT_FOLDER.fullmatch(name) for name in names)


def check_unused(folder: Path) -> None:
    """Raise RunError if `folder` has a run, or what was measured before one."""
    evaluation = folder / EVALUATION
    if not is_unstarted(folder) or (os.path.isdir(evaluation) and any(evaluation.iterdir())):  # noqa: PTH112
        raise _not_empty(folder)


def _not_empty(folder: Path) -> RunError:
    return RunError(
        f"{folder}: is not empty. Resume the run in it (resume=True, --resume), which uses its generator if it is "
        "finished; choose another folder; or remove this one."
    )


def create_fit_folder(parent: Path, name: str) -> Path:
    """Create a folder for one fit of a clone: `name`, or `name`-2 and so on if there are such fits.

    Processes may do so at the same time; no two get the same folder.
    """
    for number in count(1):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        with name_os_errors(folder), suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder
    raise AssertionError


def latest_fit_folder(parent: Path, name: str) -> Path:
    """Return the folder of the latest fit of a clone. Raises RunError if there is none."""
    numbers = [1] if (parent / name).is_dir() else []
    numbers += [int(path.name.removeprefix(f"{name}-")) for path in parent.glob(f"{name}-*")]
    if not numbers:
        raise RunError(f"{parent}: holds no run of a clone with these data and parameters ({name}). Fit first.")
    return parent / (name if max(numbers) == 1 else f"{name}-{max(numbers)}")


def fit_name(params: Mapping[str, Any], fingerprint: str) -> str:
    """Return the name of the folder of a fit, which tells data and parameters from others.

    Parameters in which a resumed run may differ do not count, except for the seed.
    """
    return f"fit-{digest({'data': fingerprint, 'params': _lasting(params), 'seed': params.get('random_state')})}"


def _lasting(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters, nested ones too, that a resumed run may not change."""
    kept = {name: value for name, value in params.items() if name not in MAY_CHANGE}
    return {name: _lasting(value) if isinstance(value, Mapping) else value for name, value in kept.items()}


@contextmanager
def run_folder(folder: Path, config: Mapping[str, Any], *, resume: bool) -> Iterator[None]:
    """Lock `folder` for a run while the block runs.

    Parameters
    ----------
    folder : Path
    config : mapping
        "seed", "params" and "data" of the run, written to config.json or compared with it.
    resume : bool
        Whether the run in the folder is continued.

    Raises
    ------
    RunError
        If the folder is not empty, another run writes in it, or its run was started with other data or parameters.
        Nothing is written then.
    """
    if not is_utf8(str(folder)):
        raise RunError(f"{folder}: its name is not UTF-8, and safetensors cannot read there. Choose another folder.")
    if not resume and not is_unstarted(folder):
        raise _not_empty(folder)
    with locked(folder):
        if resume:
            _check_same_run(folder, config)
        else:
            versions = {"format": FORMAT, "ganaug_version": __version__, "torch_version": torch.__version__}
            write_json(folder / CONFIG, {**versions, **config})
        yield


def finished_steps(folder: Path) -> int | None:
    """Return the steps of the run in `folder` if it ended and was not interrupted, else None."""
    if not (folder / SUMMARY).exists():
        return None
    summary: dict[str, Any] = read_json(folder / SUMMARY)
    return None if summary.get("stop_reason") == INTERRUPTED else int(summary["steps"])


def stored_seed(folder: Path, random_state: object) -> int:
    """Return the seed of the run in `folder`.

    Raises
    ------
    RunError
        If there is no run, or `random_state` is another seed.
    """
    if not (folder / CONFIG).exists():
        raise RunError(
            f"{folder}: there is no run to resume. Start it without resume (--resume), or name its folder: run_dir "
            "(--run)."
        )
    seed = read_json(folder / CONFIG).get("seed")
    if not isinstance(seed, int):
        raise RunError(f"{folder / CONFIG}: has no seed. Start a new run in another folder.")
    if isinstance(random_state, int | np.integer) and random_state != seed:
        raise RunError(
            f"{folder}: its run was started with other parameters: random_state was {seed} and is now {random_state}. "
            "Restore this value, or start a new run in another folder."
        )
    return seed


def stored_recipe(folder: Path) -> dict[str, Any]:
    """Return the recipe of the run in `folder`, as it was planned; empty if there is none."""
    params: Any = read_json(folder / CONFIG).get("params")
    recipe = params.get("recipe") if isinstance(params, Mapping) else None
    return dict(recipe) if isinstance(recipe, Mapping) else {}


def _check_same_run(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise RunError if the run in `folder` was started with other data or parameters."""
    stored: Any = read_json(folder / CONFIG)
    try:
        has_same_data = stored["data"]["fingerprint"] == config["data"]["fingerprint"]
        stored_data, stored_params = _brief(stored["data"]), dict(stored["params"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(
            f"{folder / CONFIG}: is damaged, or was not written by ganaug ({error!r}). Start a new run in another "
            "folder."
        ) from error
    if not has_same_data:
        raise RunError(
            f"{folder}: its run was started with other data ({stored_data}); the current data are "
            f"{_brief(config['data'])}. Use the same images, or start a new run in another folder."
        )
    changed = _changes(stored_params, config["params"])
    if changed:
        raise RunError(
            f"{folder}: its run was started with other parameters: {'; '.join(changed)}. Restore these values, or "
            "start a new run in another folder."
        )


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return a sentence for each parameter that differs and may not; nested parameters as recipe__name."""
    changes = []
    for name, value in after.items():
        stored = before.get(name)
        if name in MAY_CHANGE or stored == value:
            continue
        if isinstance(stored, Mapping) and isinstance(value, Mapping) and value.keys() == stored.keys():
            changes += _changes(stored, value, f"{prefix}{name}__")
        else:
            changes.append(f"{prefix}{name} was {stored!r} and is now {value!r}")
    return changes


def _brief(data: Mapping[str, Any]) -> str:
    return f"{sum(data['counts'].values()):,} images, {len(data['counts'])} classes, {data['fingerprint']}"
