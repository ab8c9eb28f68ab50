"""What every estimator shares: the sets that can be trained on, and the folder that a run begins or goes on in."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from ganaug._runtime.locks import LOCK, locked
from ganaug._runtime.storage import is_left, read_json, read_tree, write_json, write_tree
from ganaug._version import __version__
from ganaug.errors import DataError, RunError
from ganaug.images import LabeledImages
from ganaug.io.findings import LARGEST, MAX_CLASSES
from ganaug.io.names import is_utf8
from ganaug.training.auxiliary_classifier import AuxiliaryClassifier, train_auxiliary_classifier

FORMAT = 4
# What a resumed run may differ in from the run that it continues; the seed is compared by `stored_seed`.
FREE_TO_CHANGE = ("n_steps", "time_budget", "run_dir", "device", "sampling_strategy", "random_state")


class Resumable(BaseEstimator):  # type: ignore[misc]
    """What an estimator needs whose run can be gone on with: its seed and its parameters as a run folder has them."""

    run_dir: str | Path | None
    random_state: int | np.random.RandomState | None

    def _was_killed_at_once(self) -> bool:
        """Whether the run folder is there, but a run was killed in it before it had written anything."""
        return self.run_dir is not None and Path(self.run_dir).is_dir() and is_unbegun(Path(self.run_dir))

    def _seed(self, resume: bool) -> int:
        if resume:
            if self.run_dir is None:
                raise ValueError("resume goes on with the run in run_dir; give it a run_dir.")
            return stored_seed(Path(self.run_dir), self.random_state)
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _described(self) -> dict[str, Any]:
        """The parameters as JSON can hold them; an object of the user's own as null."""
        return {name: as_json(value) for name, value in self.get_params(deep=False).items()}


def check_trainable(images: LabeledImages) -> None:
    """Raise DataError where no conditional GAN can be fitted."""
    if len(images.classes) < 2:
        raise ValueError(f"The target 'y' needs to have more than 1 class. Got {len(images.classes)} class instead")
    if len(images.classes) > MAX_CLASSES:
        raise DataError(f"{len(images.classes):,} classes; at most {MAX_CLASSES:,} are supported.")
    lonely = [name for name, count in images.counts.items() if count < 2]
    if lonely:
        raise DataError(
            f"class {lonely[0]!r} has one image only ({len(lonely)} such classes): nothing can be learned about how its "
            "images vary. Add images or leave the class out."
        )
    if max(images.shape[1:]) > LARGEST and min(images.shape[1:]) > 1:
        raise DataError(
            f"images are {images.shape[1]}x{images.shape[2]} pixels; up to {LARGEST}x{LARGEST} are supported. Resize "
            "them, for example with read_folder(..., image_size=128)."
        )


def is_unbegun(folder: Path) -> bool:
    """Whether nothing was written to `folder` yet, or a run was killed there before it had written anything."""
    is_there = os.path.isdir(folder)  # noqa: PTH112 - Path's raises for long names
    return not is_there or all(path.name == LOCK or is_left(path) for path in folder.iterdir())


@contextmanager
def run_folder(folder: Path, about: Mapping[str, Any], *, resume: bool) -> Iterator[None]:
    """Hold `folder` for a run that is described by `about` ("seed", "params", "data"): a new one, or the one there.

    Raises RunError where the folder is not empty, another run writes in it, or it was begun with other data or
    parameters; nothing is written then.
    """
    if not is_utf8(str(folder)):
        raise RunError(f"{folder}: its name is not UTF-8, and safetensors could not read there. Choose another folder.")
    if not resume and not is_unbegun(folder):
        raise RunError(f"{folder}: is not empty. Resume the run in it, or choose another folder.")
    with locked(folder):
        if resume:
            _compare(folder, about)
        else:
            versions = {"format": FORMAT, "ganaug_version": __version__, "torch_version": torch.__version__}
            write_json(folder / "config.json", {**versions, **about})
        yield


def stored_auxiliary_classifier(
    folder: Path | None,
    train: LabeledImages,
    validation: LabeledImages,
    *,
    seed: int,
    device: torch.device,
    resume: bool,
) -> AuxiliaryClassifier:
    """The auxiliary classifier of a run: trained, and kept in `folder`; for a run that is resumed, the one that is there."""
    kept = None if folder is None else folder / "auxiliary_classifier.safetensors"
    if resume and kept is not None and kept.exists():
        return AuxiliaryClassifier.from_tree(read_tree(kept), train.shape, len(train.classes), device)
    auxiliary_classifier = train_auxiliary_classifier(train, validation, seed=seed, device=device)
    if kept is not None:
        write_tree(kept, auxiliary_classifier.tree())
    return auxiliary_classifier


def stored_seed(folder: Path, random_state: object) -> int:
    """The seed of the run in `folder`. Raises RunError where there is none, or `random_state` is another one."""
    seed = read_json(folder / "config.json").get("seed")
    if not isinstance(seed, int):
        raise RunError(f"{folder}/config.json: has no seed. Begin a new run in another folder.")
    if isinstance(random_state, int | np.integer) and random_state != seed:
        raise RunError(f"{folder}: was begun with other parameters: random_state was {seed} and is {random_state}.")
    return seed


def _compare(folder: Path, now: Mapping[str, Any]) -> None:
    config = folder / "config.json"
    before: Any = read_json(config)
    try:
        same_data, brief = before["data"]["fingerprint"] == now["data"]["fingerprint"], _brief(before["data"])
        known = dict(before["params"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{config}: is not what ganaug wrote ({error!r}). Begin a new run in another folder.") from error
    if not same_data:
        raise RunError(
            f"{folder}: was begun on other data ({brief}) than given now ({_brief(now['data'])}). "
            "Give the same images, or begin a new run in another folder."
        )
    changed = [
        f"{name} was {known.get(name)!r} and is {value!r}"
        for name, value in now["params"].items()
        if name not in FREE_TO_CHANGE and known.get(name) != value
    ]
    if changed:
        raise RunError(f"{folder}: was begun with other parameters: {'; '.join(changed)}. Give the same ones.")


def _brief(data: Mapping[str, Any]) -> str:
    return f"{sum(data['counts'].values()):,} images, {len(data['counts'])} classes, {data['fingerprint']}"


def is_plain(value: object) -> bool:
    """Whether `as_json` says all about a parameter: no object of the user's own, nor one inside a list or mapping."""
    if isinstance(value, Mapping | list | tuple):
        return all(is_plain(item) for item in (value.values() if isinstance(value, Mapping) else value))
    return value is None or as_json(value) is not None


def as_json(value: object) -> Any:
    """A parameter as JSON can hold it; null for an object of the user's own."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.integer | np.floating):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return str(value) if isinstance(value, Path | torch.device) else None
