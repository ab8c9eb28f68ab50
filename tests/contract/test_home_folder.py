"""`~` stands for the home folder in every path that a user passes."""

import importlib
import inspect
import pkgutil
from pathlib import Path

import albumentations
import click
import numpy as np
import pytest
from click.testing import CliRunner

import ganaug
from ganaug import (
    ClassTranslator,
    CycleGAN,
    GANAugmenter,
    Pix2Pix,
    PretrainedSampler,
    Report,
    augment_folder,
    build_store,
    export_model,
    read_folder,
    write_folder,
)
from ganaug._runtime.cache import cache_folder
from ganaug._runtime.user_paths import expand_user
from ganaug.augmentation import forecast_augmentation
from ganaug.cli.main import VERBS, main
from ganaug.cli.options import UserPath
from ganaug.datasets.convert import convert
from ganaug.errors import DataError
from ganaug.estimators.unlabeled import collect_unlabeled, describe_files, read_unlabeled
from ganaug.integrations.albumentations import SyntheticSwap
from ganaug.io.archives import publish_parquet, publish_tar
from ganaug.io.folder import read_and_inspect, read_files, write_augmented_folder
from ganaug.io.manifest import undo
from ganaug.io.output import check_output, publish
from ganaug.io.preflight import inspect_folder
from ganaug.io.provenance import is_marked, read_mark
from ganaug.io.records import open_records
from ganaug.io.signing import Signer
from ganaug.io.store import open_store, verify_store
from ganaug.io.store_format import is_store
from ganaug.io.translation_folders import read_domain, read_domains
from ganaug.io.writing import stream_contents
from ganaug.sampling.model_files import model_folder
from ganaug.sampling.shards import Shard, write_shard
from tests.sets import SMALL, augmenter, cyclegan, noise, pix2pix

IMAGES = noise((8, 6))
TINY = {"n_steps": 1, **SMALL}
pytestmark = pytest.mark.filterwarnings("ignore::ganaug.errors.TrainingWarning")


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory):
    """A home folder with a data folder, a store, and models."""
    home = tmp_path_factory.mktemp("home")
    write_folder(IMAGES, home / "photos")
    build_store(home / "photos", home / "store")
    augmenter(run_dir=home / "run", **TINY).fit(IMAGES)
    for name, estimator in (("cyclegan", cyclegan), ("pix2pix", pix2pix)):
        model = estimator(n_steps=1, width=2, device="cpu", random_state=0)
        model.fit(noise((4,), shape=(1, 16, 16)), noise((4,), shape=(1, 16, 16), seed=1)).save(home / name)
    return home


@pytest.fixture
def home(shared_home, tmp_path, monkeypatch):
    """The home folder, which the current folder is not."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("HOME", str(shared_home))
    yield shared_home
    assert list(Path().iterdir()) == []  # no folder of the name ~


def contents():
    return stream_contents([IMAGES], IMAGES.counts, IMAGES.shape)


def translator(method, tmp):
    images = noise((8, 4))
    recipe = {"n_steps": 1, "width": 2}
    ClassTranslator(method(**recipe), filters=None, device="cpu", random_state=0, run_dir=f"~/{tmp}").fit(images)


def report(kind):
    return Report(kind, "", "pass", (), ())


def saved(name):
    GANAugmenter.load("~/run", "cpu").save(f"~/{name}")


def written(name, action):
    action(f"~/{name}")
    return expand_user(f"~/{name}").exists()


def swap():
    transform = albumentations.Compose([SyntheticSwap("~/run", p=1)], seed=0)
    return transform(image=np.zeros((8, 8, 1), np.uint8), label="a")["image"].any()


def undone(home):
    write_folder(IMAGES, home / "undone")
    return undo("~/undone").removed and not (home / "undone").exists()


def not_found(home, action):
    with pytest.raises(DataError, match=str(home)):
        action()
    return True


def fit_pairs(estimator, name):
    estimator(n_steps=1, width=2, device="cpu", random_state=0, run_dir=f"~/{name}").fit(
        noise((4,), shape=(1, 16, 16)), noise((4,), shape=(1, 16, 16), seed=1)
    )


FILE = "~/photos/a/image-000001.png"
# name of the function or class -> what a user does with it, which returns something true
CASES = {
    "GANAugmenter": lambda home: augmenter(run_dir="~/run-2", **TINY).fit(IMAGES) and (home / "run-2/model").is_dir(),
    "GANAugmenter.load": lambda home: GANAugmenter.load("~/run"),
    "Trainable.save": lambda home: saved("saved") or (home / "saved/model.json").is_file(),
    "ClassTranslator": lambda home: translator(cyclegan, "translated") or (home / "translated/b").is_dir(),
    "ClassTranslator.load": lambda home: (
        translator(cyclegan, "translated-2") or ClassTranslator.load("~/translated-2", "cpu")
    ),
    "PretrainedSampler": lambda home: (
        PretrainedSampler("~/run", run_dir="~/drawn", device="cpu").fit(IMAGES) and (home / "drawn/model").is_dir()
    ),
    "PretrainedSampler.load": lambda home: (
        PretrainedSampler("~/run", device="cpu").fit(IMAGES).save("~/drawn-2")
        or PretrainedSampler.load("~/drawn-2", "cpu")
    ),
    "export_model": lambda home: (
        export_model("~/run", "~/lent", min_class_size=1) is not None and (home / "lent/model.json").is_file()
    ),
    "collect_unlabeled": lambda home: collect_unlabeled("~/photos", None, noise(seed=7)),
    "read_unlabeled": lambda home: len(read_unlabeled("~/photos", (1, 8, 8))),
    "describe_files": lambda home: describe_files("~/photos"),
    "CycleGAN": lambda home: fit_pairs(cyclegan, "run-3") or (home / "run-3/model").is_dir(),
    "Pix2Pix": lambda home: fit_pairs(pix2pix, "run-4") or (home / "run-4/model").is_dir(),
    "Translator.load": lambda home: CycleGAN.load("~/cyclegan", "cpu") and Pix2Pix.load("~/pix2pix", "cpu"),
    "Translator.write": lambda home: written(
        "translations", lambda out: Pix2Pix.load("~/pix2pix", "cpu").write(noise((2,), shape=(1, 16, 16)), out)
    ),
    "TranslationModel.write": lambda home: written(
        "translations-2",
        lambda out: Pix2Pix.load("~/pix2pix", "cpu").model_.write(noise((1,), shape=(1, 16, 16)).images, ["1"], out),
    ),
    "model_folder": lambda home: model_folder("~/run") == home / "run/model",
    "write_shard": lambda home: written("shards", lambda out: write_shard(contents, Shard(0, 1), out, {})),
    "augment_folder": lambda home: (
        augment_folder(
            "~/photos", "~/filled", evaluate=False, run_dir="~/filled-run", report=False, method=augmenter(**TINY)
        )
        and (home / "filled/b").is_dir()
        and (home / "filled-run/model").is_dir()
    ),
    "forecast_augmentation": lambda home: len(forecast_augmentation("~/photos", augmenter(**TINY)).counts) == 2,
    "convert": lambda home: (
        convert("~/photos").images.counts == IMAGES.counts and convert([FILE, FILE], [0, 1]).images.shape == (1, 8, 8)
    ),
    "read_folder": lambda home: read_folder("~/photos").counts == read_folder("~/store").counts == IMAGES.counts,
    "read_and_inspect": lambda home: read_and_inspect("~/photos")[0].counts == IMAGES.counts,
    "read_files": lambda home: read_files([FILE]).shape == (1, 1, 8, 8),
    "inspect_folder": lambda home: inspect_folder("~/photos").counts == IMAGES.counts,
    "write_folder": lambda home: written("out", lambda out: write_folder(IMAGES, out)),
    "write_augmented_folder": lambda home: written(
        "out-2", lambda out: write_augmented_folder(inspect_folder("~/photos"), IMAGES.take([0]), out)
    ),
    "check_output": lambda home: check_output("~/new", "~/photos") == home / "new",
    "publish": lambda home: written("out-3", lambda out: publish(contents(), out, None)),
    "publish_tar": lambda home: written("out.tar", lambda out: publish_tar(contents(), out, None)),
    "publish_parquet": lambda home: written("out.parquet", lambda out: publish_parquet(contents(), out, None)),
    "undo": undone,
    "open_records": lambda home: next(iter(open_records("~/photos").iterate_from(0))).label == "a",
    "build_store": lambda home: written("store-2", lambda out: build_store("~/photos", out)),
    "is_store": lambda home: is_store("~/store"),
    "open_store": lambda home: open_store("~/store"),
    "verify_store": lambda home: verify_store("~/store"),
    "read_domain": lambda home: len(read_domain("~/photos").files) == 14,
    "read_domains": lambda home: len(read_domains("~/photos/a", "~/photos/b", paired=False)[1].files) == 6,
    "is_marked": lambda home: not is_marked(FILE),
    "read_mark": lambda home: read_mark(FILE) is None,
    "Signer": lambda home: not_found(home, lambda: Signer("~/no-chain.pem", "~/no-key.pem")),
    "Report.to_json": lambda home: written("report-1.json", report("bias").to_json),
    "Report.to_html": lambda home: written("report-2.html", report("bias").to_html),
    "Report.write": lambda home: (
        report("bias").write("~/report.html", "~/report.json")
        or ((home / "report.html").is_file() and (home / "report.json").is_file())
    ),
    "SyntheticSwap": lambda home: swap(),
}


@pytest.mark.parametrize("name", CASES)
def test_the_home_folder_is_found(home, name):
    assert CASES[name](home)


def test_every_function_with_a_path_is_tested():
    names = set()
    for module in pkgutil.walk_packages(ganaug.__path__, "ganaug."):
        if any(part.startswith("_") for part in module.name.split(".")) or ".cli" in module.name:
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if getattr(value, "__module__", "").startswith("ganaug"):
                names |= set(with_paths(value))
    assert sorted(names - {"expand_user"} - set(CASES)) == []


def with_paths(value):
    """Yield the name of a function, or those of a class and its methods, that take the path of a user."""
    if getattr(value, "__name__", "_").startswith("_"):
        return
    if inspect.isclass(value):
        if takes_path(value.__init__):
            yield value.__qualname__
        for name, method in vars(value).items():
            function = getattr(method, "__func__", method)
            if not name.startswith("_") and inspect.isfunction(function) and takes_path(function):
                yield function.__qualname__
    elif inspect.isfunction(value) and takes_path(value):
        yield value.__qualname__


def takes_path(function):
    annotations = [str(each) for name, each in inspect.get_annotations(function).items() if name != "return"]
    return any("Path" in each and "str" in each for each in annotations)


def test_every_path_of_the_command_line_is_expanded(home):
    for verb in VERBS:
        command = main.get_command(click.Context(main), verb)
        for each in getattr(command, "commands", {verb: command}).values():
            assert all(isinstance(param.type, UserPath) for param in each.params if isinstance(param.type, click.Path))
    fit = ["fit", "~/photos", "--run=~/run-5", "--steps=1", "--param=filters=", "--param=recipe.width=2"]
    result = CliRunner().invoke(main, fit, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert (home / "run-5/model").is_dir()


def test_the_cache_may_be_in_the_home_folder(home, monkeypatch):
    monkeypatch.setenv("GANAUG_CACHE", "~/cache")
    assert cache_folder() == home / "cache"


def test_other_paths_stay_as_they_are():
    assert expand_user("~no-such-user-here/1.png") == Path("~no-such-user-here/1.png")
    assert expand_user(Path("a/~/b")) == Path("a/~/b")
