"""Options that verbs share, and what they mean to GANAugmenter."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
FOLDER = click.Path(path_type=Path)
FILE = click.Path(path_type=Path, dir_okay=False)


class Duration(click.ParamType[float]):
    """'90', '90s', '10m' or '1.5h' -> seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|h)?", str(value).strip().lower())
        if not found or float(found[1]) <= 0:
            self.fail(f"{value!r} is not a duration; write 90s, 10m or 1.5h.", param, ctx)
        return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2] or "s"]


class Size(click.ParamType[Any]):
    """'64' or '48x64' (height x width) -> 64 or (48, 64)."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | tuple[int, int]:
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        found = re.fullmatch(r"(\d+)(?:x(\d+))?", value.strip().lower())
        if not found:
            self.fail(f"{value!r} is not a size; write 64, or 48x64 for height x width.", param, ctx)
        return (int(found[1]), int(found[2])) if found[2] else int(found[1])


@dataclass(frozen=True)
class FitOptions:
    """What the options of `fit_options` came to."""

    param: tuple[str, ...]
    config: Path | None
    steps: int | None
    time_budget: float | None
    image_size: int | tuple[int, int] | None
    device: str | None
    seed: int | None
    resume: bool
    skip_bad: bool


def fit_options(command: F, *, without: tuple[str, ...] = ()) -> F:
    """The options of every verb that trains; they reach the function as one argument `options`.

    without: options that make no sense for a verb.
    """
    options = [
        click.option(
            "--param",
            multiple=True,
            metavar="NAME=VALUE",
            help="A parameter of what is trained (GANAugmenter); may be repeated.",
        ),
        click.option(
            "--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file of parameters."
        ),
        click.option("--steps", type=click.IntRange(1), help="Training steps in all.  [default: as planned]"),
        click.option("--time-budget", type=Duration(), help="End training after this time: 90s, 10m, 1.5h."),
        click.option("--image-size", type=Size(), help="Resize the images: 64, or 48x64 (height x width)."),
        click.option("--device", help="auto, cpu, cuda, cuda:1 or mps.  [default: auto]"),
        click.option("--seed", type=click.IntRange(0), help="Seed of all randomness.  [default: 0]"),
        click.option("--resume", is_flag=True, help="Go on with the run in the run folder."),
        click.option("--skip-bad", is_flag=True, help="Leave unusable files out; fit lists them in RUN/skipped.csv."),
    ]

    def gathered(**given: Any) -> Any:
        own = {field.name: given.pop(field.name, None) for field in fields(FitOptions)}
        return command(options=FitOptions(**own), **given)

    gathered.__doc__ = command.__doc__
    gathered.__name__ = command.__name__
    wrapped: Any = gathered
    wrapped.__click_params__ = getattr(command, "__click_params__", [])
    for option in reversed(options):
        wrapped = option(wrapped)
    wrapped.__click_params__ = [param for param in wrapped.__click_params__ if param.name not in without]
    return wrapped  # type: ignore[no-any-return]


def signing_options(command: F) -> F:
    """The options by which synthetic pictures are signed; what they come to, by `signer`."""
    for option in reversed(
        [
            click.option(
                "--sign-certificate",
                type=FILE,
                help="Sign every synthetic picture by C2PA: PEM file of the certificate and those above it.",
            ),
            click.option("--sign-key", type=FILE, help="Its private key, a PEM file."),
            click.option(
                "--sign-algorithm",
                default="es256",
                show_default=True,
                help="As the key is: es256, es384, es512, ps256, ps384, ps512 or ed25519.",
            ),
        ]
    ):
        command = option(command)
    return command


def signer(given: dict[str, Any]) -> Callable[[bytes], bytes] | None:
    """Take the options of `signing_options` out of `given`; what signs, or None where signing was not asked for."""
    certificate, key, algorithm = (given.pop(f"sign_{name}") for name in ("certificate", "key", "algorithm"))
    if (certificate is None) != (key is None):
        raise click.UsageError("--sign-certificate and --sign-key belong together: give both, or neither.")
    if certificate is None:
        return None
    from ganaug.io.signing import ALGORITHMS, Signer

    if algorithm not in ALGORITHMS:
        raise click.UsageError(f"--sign-algorithm {algorithm}: write one of {', '.join(ALGORITHMS)}.")
    return Signer(certificate, key, algorithm=algorithm)


def parameters(options: FitOptions, *of: Any) -> dict[str, Any]:
    """Parameters of estimators from --config, then --param, then the options of their own; of nothing: GANAugmenter's.

    Raises click.UsageError for an unknown name, which lists the known ones, or a value that cannot be read.
    """
    from ganaug._runtime.lookup import unknown
    from ganaug.estimators.augmenter import GANAugmenter

    given: dict[str, Any] = {"random_state": 0}
    if options.config:
        try:
            given |= _yaml(options.config.read_text(encoding="utf-8"), str(options.config))
        except (OSError, UnicodeDecodeError) as error:
            raise click.UsageError(f"{options.config}: cannot be read as text: {error}") from error
    for pair in options.param:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(f"--param {pair!r}: write NAME=VALUE, for example --param loss=wgan-gp.")
        given |= _yaml(f"{name.strip()}: {value}", f"--param {pair}")
    named = {
        "n_steps": options.steps,
        "time_budget": options.time_budget,
        "device": options.device,
        "random_state": options.seed,
    }
    given |= {name: value for name, value in named.items() if value is not None}
    known = sorted({name for kind in of or (GANAugmenter,) for name in kind._get_param_names()})  # noqa: SLF001  # scikit-learn's own list
    for name in given:
        if name in ("run_dir", "image_shape", "translator"):
            raise click.UsageError(f"{name} is not for the command line: use --run, and --image-size.")
        if name not in known:
            raise click.UsageError(unknown("parameter", name, known))
    return given


def parameters_of(options: FitOptions, method: str) -> dict[str, Any]:
    """`parameters` of the over-sampler 'conditional' or 'cyclegan'."""
    if method == "conditional":
        return parameters(options)
    from ganaug.estimators.class_translator import ClassTranslator
    from ganaug.estimators.cyclegan import CycleGAN

    return parameters(options, CycleGAN, ClassTranslator)


def _yaml(text: str, source: str) -> dict[str, Any]:
    import yaml

    class Plain(yaml.SafeLoader):
        """Without references, by which a short text can stand for a value of any size."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("a reference (*name): write the value itself")
            return super().compose_node(parent, index)

    try:
        value = yaml.load(text, Plain)  # noqa: S506  # a SafeLoader
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:  # a date may be none
        raise click.UsageError(f"{source}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise click.UsageError(f"{source}: holds a {type(value).__name__}; write name: value lines.")
    return {str(name): _number(item) for name, item in value.items()}


def _number(value: Any) -> Any:
    """YAML 1.1 takes 1e-4, without a point, for a string; other strings, such as '0', were meant as such."""
    return float(value) if isinstance(value, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", value) else value


def counts(text: str, option: str) -> dict[str, int]:
    """'cat=50,dog=20' -> {"cat": 50, "dog": 20}. Raises click.UsageError."""
    pairs = [[each.strip() for each in part.rpartition("=")] for part in text.split(",") if part.strip()]
    if not pairs or not all(name and number.isdecimal() and len(number) <= 12 for name, _, number in pairs):
        raise click.UsageError(f"{option} {text!r}: write class=number, for example 'cat=50,dog=20'.")
    found = {name: int(number) for name, _, number in pairs}
    if len(found) < len(pairs):
        raise click.UsageError(f"{option} {text!r}: names a class twice.")
    return found


def strategy(text: str) -> str | float | dict[str, int]:
    """A sampling strategy as imbalanced-learn knows it, from its name, a ratio, or final counts 'cat=500,dog=500'."""
    if "=" in text:
        return counts(text, "--strategy")
    try:
        return float(text)
    except ValueError:
        return text


def new_file(path: Path | None) -> None:
    """Raise OutputError before any work where `path` cannot be written or would overwrite something."""
    from ganaug.errors import OutputError

    if path is None:
        return
    if path.exists():
        raise OutputError(f"{path}: is there already. Choose another name, or remove it first.")
    folder = next(parent for parent in path.resolve().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise OutputError(f"{path}: {folder} cannot be written to. Choose another place.")
