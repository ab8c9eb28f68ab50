"""Options that verbs share, and how they become parameters of estimators."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ganaug._runtime.terminal import printable
from ganaug._runtime.user_paths import expand_user

F = TypeVar("F", bound=Callable[..., Any])


class UserPath(click.Path):
    """A path in which `~` stands for the home folder: shells do not expand it in --option=~/path."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path: Any = super().convert(os.fspath(expand_user(value)), param, ctx)
        return Path(path)


if TYPE_CHECKING:
    from ganaug.io.resizing import SizeLike

FOLDER = UserPath()
UNITS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}  # seconds
FILE = UserPath(dir_okay=False)


class ExistingFolder(UserPath):
    """A path that must exist. It is checked before the imports of a verb, which take seconds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        return check_exists(super().convert(value, param, ctx))


def check_exists(path: Path) -> Path:
    """Return a path that exists. Raises click.ClickException, with exit status 1, for others."""
    if not os.path.lexists(path):  # Path's own method raises for long names
        raise click.ClickException(f"{printable(str(path))}: does not exist. Check the path.")
    return path


class Duration(click.ParamType[float]):
    """'90', '90s', '10m', '5min' or '1.5h' -> seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = re.fullmatch(rf"(\d+(?:\.\d+)?)\s*({'|'.join(UNITS)})?", str(value).strip().lower())
        if not match or float(match[1]) <= 0:
            self.fail(f"{value!r} is not a duration; write 90s, 10m or 1.5h.", param, ctx)
        seconds = float(match[1]) * UNITS[match[2] or "s"]
        if match[2] is None:
            click.echo(f"{param.opts[0] if param else 'duration'} {value}: {seconds:g} seconds.", err=True)
        return seconds


class Size(click.ParamType[Any]):
    """'64', '48x64' (height x width) or '64:crop' -> 64, (48, 64) or (64, 64, "crop")."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "SizeLike":
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        match = re.fullmatch(r"(\d+)(?:x(\d+))?(?::(stretch|crop|pad))?", value.strip().lower())
        if not match:
            self.fail(f"{value!r} is not a size; write 64, 48x64 for height x width, or 64:crop or 64:pad.", param, ctx)
        height, width = int(match[1]), int(match[2] or match[1])
        if match[3]:
            return height, width, match[3]
        return (height, width) if match[2] else height


subfolder_groups_option = click.option(
    "--subfolder-groups",
    is_flag=True,
    help="Take the subfolder of an image in its class folder, such as the patient, for its group (column group_id).",
)
follow_links_option = click.option(
    "--follow-links", is_flag=True, help="Follow links that lead out of the folder, as in the caches of hubs."
)

DATA = ExistingFolder()


@dataclass(frozen=True)
class FitOptions:
    """The values of the options that `fit_options` adds."""

    param: tuple[str, ...]
    config: Path | None
    steps: int | None
    time_budget: float | None
    unlabeled: Path | None
    image_size: "SizeLike | None"
    device: str | None
    seed: int | None
    resume: bool
    skip_bad: bool
    subfolder_groups: bool
    follow_links: bool

    @property
    def reading(self) -> dict[str, Any]:
        """The options of `ganaug.io.folder.read_and_inspect`."""
        return {name: getattr(self, name) for name in ("image_size", "skip_bad", "subfolder_groups", "follow_links")}


OPTION_FIELDS = fields(FitOptions)


def _training_options() -> list[Callable[[Any], Any]]:
    """Return the options of every verb that trains."""
    # in the order of the help; of stacked decorators the last one applies first, hence `reversed` below
    return [
        click.option(
            "--param",
            multiple=True,
            metavar="NAME=VALUE",
            help="A parameter of the estimator (GANAugmenter, CycleGAN or Pix2Pix), such as loss=wgan-gp or "
            "recipe.generator_lr=2e-4; may be repeated.",
        ),
        click.option("--config", type=UserPath(exists=True, dir_okay=False), help="YAML file of parameters."),
        click.option(
            "--steps",
            type=click.IntRange(1),
            help="Total number of training steps.  [default: planned, unless there is a time budget]",
        ),
        click.option(
            "--time-budget",
            type=Duration(),
            help="Time limit, such as 90s, 10m or 1.5h: of training in fit, of everything in augment, demo and "
            "evaluate. Without --steps, augment has 15m, demo 5m and evaluate 20m.",
        ),
        click.option(
            "--unlabeled",
            type=DATA,
            metavar="DIR",
            help="Train the generator also on the images below this folder, which need no class.",
        ),
        click.option("--image-size", type=Size(), help="Resize the images: 64, or 48x64 (height x width)."),
        click.option("--device", help="auto, cpu, cuda, cuda:1 or mps.  [default: auto]"),
        click.option("--seed", type=click.IntRange(0), help="Seed of all randomness.  [default: 0]"),
        click.option("--resume", is_flag=True, help="Continue the run in the run folder."),
        click.option("--skip-bad", is_flag=True, help="Leave unusable files out; fit lists them in RUN/skipped.csv."),
        subfolder_groups_option,
        follow_links_option,
    ]


def fit_options(command: F, *, without: tuple[str, ...] = ()) -> F:
    """Add the options of every verb that trains; they reach the function as one argument `options`.

    Parameters
    ----------
    command : callable
        Function of the verb.
    without : tuple of str
        Options that make no sense for the verb.
    """

    def with_fit_options(**arguments: Any) -> Any:
        values = {
            each.name: arguments.pop(each.name, False if each.type is bool else None) for each in fields(FitOptions)
        }
        return command(options=FitOptions(**values), **arguments)

    # click takes the help text and the name of a command from the function
    with_fit_options.__doc__ = command.__doc__
    with_fit_options.__name__ = command.__name__
    wrapped: Any = with_fit_options
    wrapped.__click_params__ = getattr(command, "__click_params__", [])
    for option in reversed(_training_options()):
        wrapped = option(wrapped)
    wrapped.__click_params__ = [param for param in wrapped.__click_params__ if param.name not in without]
    return wrapped  # type: ignore[no-any-return]


def check_unlabeled_folder(options: FitOptions, *written: Path) -> None:
    """Raise click.UsageError where --unlabeled cannot be used as it is. written: folders that the command writes."""
    folder = options.unlabeled
    if folder is None:
        return
    inside = [path for path in written if path.resolve().is_relative_to(folder.resolve())]
    if inside:
        raise click.UsageError(f"{inside[0]} lies inside --unlabeled {folder}, whose images would be trained on.")
    if isinstance(options.image_size, tuple) and len(options.image_size) == 3:
        raise click.UsageError(
            "--unlabeled stretches images to their size: write --image-size 64, not 64:crop or 64:pad; or crop the "
            "files first."
        )


def signing_options(command: F) -> F:
    """Add the options by which synthetic images are signed; `signer` reads them."""
    for option in reversed(
        [
            click.option(
                "--sign-certificate",
                type=FILE,
                help="Sign every synthetic image by C2PA: PEM file of the certificate and its issuers.",
            ),
            click.option("--sign-key", type=FILE, help="Its private key, a PEM file."),
            click.option(
                "--sign-algorithm",
                default="es256",
                show_default=True,
                help="Algorithm of the key: es256, es384, es512, ps256, ps384, ps512 or ed25519.",
            ),
        ]
    ):
        command = option(command)
    return command


def signer(arguments: dict[str, Any]) -> Callable[[bytes], bytes] | None:
    """Take the options of `signing_options` out of `arguments`. Return the signer, or None if none was requested."""
    certificate, key, algorithm = (arguments.pop(f"sign_{name}") for name in ("certificate", "key", "algorithm"))
    if (certificate is None) != (key is None):
        raise click.UsageError("--sign-certificate and --sign-key belong together: give both, or neither.")
    if certificate is None:
        return None
    from ganaug.io.signing import ALGORITHMS, Signer

    if algorithm not in ALGORITHMS:
        raise click.UsageError(f"--sign-algorithm {algorithm}: write one of {', '.join(ALGORITHMS)}.")
    return Signer(certificate, key, algorithm=algorithm)


def parameters(options: FitOptions, *classes: Any) -> dict[str, Any]:
    """Return parameters of estimators, from --config, then --param, then the options of their own.

    Nested parameters are written `recipe.generator_lr` and returned as `recipe__generator_lr`.

    Parameters
    ----------
    options : FitOptions
    *classes : type
        Estimator classes whose parameters are known. None: GANAugmenter.

    Raises
    ------
    click.UsageError
        For an unknown name, or a value that cannot be read.
    """
    from ganaug._runtime.lookup import unknown_name_message
    from ganaug.estimators.augmenter import GANAugmenter

    params: dict[str, Any] = {"random_state": 0}
    if options.config:
        try:
            params |= _flat(_yaml(options.config.read_text(encoding="utf-8"), str(options.config)))
        except (OSError, UnicodeDecodeError) as error:
            raise click.UsageError(f"{options.config}: cannot be read as text: {error}") from error
    for pair in options.param:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(f"--param {pair!r}: write NAME=VALUE, for example --param loss=wgan-gp.")
        params |= _flat(_yaml(f"{name.strip()}: {value}", f"--param {pair}"))
    named = {
        "n_steps": options.steps,
        "time_budget": options.time_budget,
        "device": options.device,
        "random_state": options.seed,
        "unlabeled": None if options.unlabeled is None else str(options.unlabeled),
    }
    params |= {name: value for name, value in named.items() if value is not None}
    known = sorted({name.replace("__", ".") for cls in classes or (GANAugmenter,) for name in cls().get_params()})
    for name in params:
        shown = name.replace("__", ".")
        if name in ("run_dir", "image_shape", "image_size", "translator", "recipe", "verbose"):
            raise click.UsageError(
                f"{name} cannot be set by --param or --config: use --run, --image-size and recipe.NAME."
            )
        if shown not in known:
            raise click.UsageError(unknown_name_message("parameter", shown, known))
    return params


def make_estimator(cls: Any, params: dict[str, Any]) -> Any:
    """Return an estimator with these parameters, nested ones included."""
    return cls().set_params(**params)


def make_sampler(options: FitOptions, method: str) -> Any:
    """Return the over-sampler of "conditional" or "cyclegan" with the parameters of the command line.

    Parameters that ClassTranslator does not have are those of its CycleGAN.
    """
    from ganaug.estimators.augmenter import GANAugmenter
    from ganaug.estimators.class_translator import ClassTranslator
    from ganaug.estimators.cyclegan import CycleGAN

    if method == "conditional":
        return make_estimator(GANAugmenter, parameters(options))
    params = parameters(options, CycleGAN, ClassTranslator)
    outer_names = ClassTranslator().get_params(deep=False)
    outer = {name: value for name, value in params.items() if name in outer_names}
    inner = {name: value for name, value in params.items() if name not in outer_names}
    return ClassTranslator(make_estimator(CycleGAN, {"augmentation": "auto", **inner}), **outer)


def limits_training(sampler: Any, options: FitOptions) -> bool:
    """Whether --steps, --time-budget, --param or --config say how long an over-sampler is trained."""
    given = (options.steps, getattr(sampler, "n_steps", None), sampler.time_budget)
    return any(value is not None for value in given)


def _flat(params: dict[str, Any]) -> dict[str, Any]:
    """Return nested parameters as scikit-learn names them: {"recipe": {"width": 8}} -> {"recipe__width": 8}."""
    flat: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, dict) and name == "recipe":
            flat |= {f"{name}__{inner}": item for inner, item in value.items()}
        else:
            flat[name.replace(".", "__")] = value
    return flat


def _yaml(text: str, source: str) -> dict[str, Any]:
    import yaml

    class PlainLoader(yaml.SafeLoader):
        """A loader without references, by which a short text can stand for a value of any size."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("a reference (*name): write the value itself")
            return super().compose_node(parent, index)

    try:
        value = yaml.load(text, PlainLoader)  # noqa: S506  # a SafeLoader
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:  # a date may be invalid
        raise click.UsageError(f"{source}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise click.UsageError(f"{source}: holds a {type(value).__name__}; write name: value lines.")
    return {str(name): _with_numbers(item) for name, item in value.items()}


def _with_numbers(value: Any) -> Any:
    """Return numbers such as 1e-4, which YAML 1.1 reads as strings because they have no point, as numbers."""
    if isinstance(value, dict):
        return {str(name): _with_numbers(item) for name, item in value.items()}
    return float(value) if isinstance(value, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", value) else value


def counts(text: str, option: str) -> dict[str, int]:
    """Return {"cat": 50, "dog": 20} for 'cat=50,dog=20'. Raises click.UsageError for other texts."""
    pairs = [[each.strip() for each in part.rpartition("=")] for part in text.split(",") if part.strip()]
    # bounded length, because Python refuses to convert integers of thousands of digits
    if not pairs or not all(name and number.isdecimal() and len(number) <= 12 for name, _, number in pairs):
        raise click.UsageError(f"{option} {text!r}: write class=number, for example 'cat=50,dog=20'.")
    by_class = {name: int(number) for name, _, number in pairs}
    if len(by_class) < len(pairs):
        raise click.UsageError(f"{option} {text!r}: names a class twice.")
    return by_class


def strategy(text: str) -> str | float | dict[str, int]:
    """Return the sampling strategy that a text names: a name, a ratio, or final counts 'cat=500,dog=500'."""
    if "=" in text:
        return counts(text, "--strategy")
    try:
        return float(text)
    except ValueError:
        return text


def share(text: str) -> str | float:
    """Return the synthetic share that a text names: "auto", or a number."""
    if text == "auto":
        return text
    try:
        return float(text)
    except ValueError as error:
        raise click.UsageError(f"--synthetic-share {text!r}: write auto, or a number from 0 to 1.") from error


def new_file(path: Path | None) -> None:
    """Raise OutputError before any work where `path` cannot be written or would overwrite something."""
    from ganaug.errors import OutputError

    if path is None:
        return
    if path.exists():
        raise OutputError(f"{path}: exists. Choose another name, or remove it first.")
    folder = next(parent for parent in path.resolve().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise OutputError(f"{path}: {folder} cannot be written to. Choose another place.")
