"""Files of models and runs: what they hold, what is refused, and that none of them can run code."""

import io
import json
import pickle
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch

from ganaug import ClassTranslator, CycleGAN, GANAugmenter, Pix2Pix, PretrainedSampler
from ganaug._runtime.storage import read_json, write_json
from ganaug.errors import RunError
from tests.hostile import FORMS, pickles
from tests.sets import SMALL, augmenter, cyclegan, noise, pix2pix, tones

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "model.schema.json").read_text())
STORED = ROOT / "tests" / "stored"
KINDS = {
    "generator": GANAugmenter,
    "pix2pix": Pix2Pix,
    "cyclegan": CycleGAN,
    "class-translator": ClassTranslator,
    "pretrained": PretrainedSampler,
}
MAKERS = {"generator": augmenter, "pix2pix": pix2pix, "cyclegan": cyclegan}
DRAWS = np.random.default_rng(0)
MASKS, PHOTOS = (
    DRAWS.integers(0, 2, (8, 8, 8), np.uint8),
    DRAWS.integers(0, 256, (8, 8, 8, 1), np.uint8),
)  # as in make.py
UNEVEN = (np.concatenate([PHOTOS, 255 - PHOTOS[:3]]), ["common"] * 8 + ["rare"] * 3)
SETS = {
    "generator": (tones(30, (1, 8, 8)),),
    "pix2pix": (MASKS, PHOTOS),
    "cyclegan": (PHOTOS, 255 - PHOTOS),
    "class-translator": UNEVEN,
    "pretrained": (tones(30, (1, 8, 8)),),
}
OPTIONS = {
    "generator": {**SMALL, "filters": ("copies", "label"), "validation_fraction": 0.2},
    "pix2pix": {"num_labels": 2, "width": 2, "batch_size": 2, "device": "cpu", "random_state": 0},
    "cyclegan": {"width": 2, "batch_size": 2, "device": "cpu", "random_state": 0},
}


def of(kind, run, n_steps=2):
    if kind == "class-translator":
        inner = cyclegan(n_steps=n_steps, check_every=1, **OPTIONS["cyclegan"])
        return ClassTranslator(inner, filters="copies", run_dir=run, device="cpu", random_state=0)
    if kind == "pretrained":  # from the run of a generator beside it
        return PretrainedSampler(run.parent / "generator", run_dir=run, device="cpu", random_state=0)
    return MAKERS[kind](n_steps=n_steps, check_every=1, run_dir=run, **OPTIONS[kind])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A finished run of each kind."""
    root = tmp_path_factory.mktemp("runs")
    for kind in KINDS:
        of(kind, root / kind).fit(*SETS[kind])
    return root


@pytest.fixture
def run(runs, tmp_path):
    """A function that gives a copy of the run of a kind."""

    def copied(kind):
        return Path(shutil.copytree(runs / kind, tmp_path / kind))

    return copied


PLACES = [
    *((kind, f"model/{name}") for kind in KINDS for name in ("model.json", "model.safetensors")),
    *(("generator", name) for name in ("config.json", "checkpoints/*.safetensors", "auxiliary_classifier.safetensors")),
    ("cyclegan", "checkpoints/*.safetensors"),
]
DEFINITIONS = {
    "generator": "generator",
    "pix2pix": "translator",
    "cyclegan": "translator",
    "class-translator": "class-translator",
    "pretrained": "pretrained",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("kind", "place"), PLACES)
def test_a_pickle_in_the_place_of_a_file_is_refused_by_name_and_does_not_run(kind, place, form, run, tmp_path):
    folder, ran = run(kind), tmp_path / "ran"
    planted = list(folder.glob(place))
    assert planted
    for path in planted:
        path.write_bytes(pickles(ran)[form])
    with pytest.raises(RunError) as refused:
        if place.startswith("model/"):
            KINDS[kind].load(folder, "cpu")
        else:
            of(kind, folder, 3).resume(*SETS[kind])
    assert any(str(path) in str(refused.value) for path in planted), refused.value
    assert not ran.exists()


@pytest.mark.parametrize("form", FORMS)
def test_these_pickles_do_run_where_they_are_opened(form, tmp_path):
    content = pickles(tmp_path / "ran")[form]
    if "torch" in form:
        torch.load(io.BytesIO(content), weights_only=False)
    else:
        pickle.loads(content)
    assert (tmp_path / "ran").exists()


def violates(schema, value):
    """Whether the schema refuses it."""
    return not jsonschema.Draft202012Validator({**schema, "$defs": SCHEMA["$defs"]}).is_valid(value)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_follows_the_schema(kind, run):
    folder = run(kind)
    for path in (folder / "model" / "model.json", folder / "config.json"):
        jsonschema.validate(read_json(path), SCHEMA)


def test_models_without_filters_and_with_numbers_for_classes_follow_it_too(tmp_path):
    rows = noise((9, 6)).images.flatten(1).numpy()
    augmenter(n_steps=1, **SMALL).fit(rows, np.repeat([3, 7], [9, 6])).save(tmp_path)
    jsonschema.validate(read_json(tmp_path / "model.json"), SCHEMA)


@pytest.mark.parametrize("kind", KINDS)
def test_a_description_that_lacks_a_field_or_has_another_kind_of_value_there_is_refused_by_name(kind, run):
    folder = run(kind) / "model"
    about, schema = (
        read_json(folder / "model.json"),
        SCHEMA["$defs"][DEFINITIONS[kind]],
    )
    refused = 0
    for name, rule in schema["properties"].items():
        without = {key: value for key, value in about.items() if key != name}
        others = [{**about, name: value} for value in (None, True, 1.5, -1, "x", [], [None], {}, {"x": {"drawn": "x"}})]
        for changed in [without, *others]:
            if name in changed and (name == "data" or not violates(rule, changed[name])):
                continue
            write_json(folder / "model.json", changed)
            with pytest.raises(RunError, match="model"):
                KINDS[kind].load(folder, "cpu")
            refused += 1
    assert refused > 5 * len(about)


CHANGES = {
    "generator": [
        (("shape", 0), 1.5),
        (("shape", 0), "1"),
        (("classes", 0), 1),
        (("classes", 0), None),
        (("class_values", 0), None),
        (("class_values", 0), ["dark"]),
        (("filter_stats", "dark", "drawn"), "128"),
        (("filter_stats", "dark", "min_pass_rate"), None),
        (("filter_stats", "dark"), {}),
    ],
    "pix2pix": [(("domains", 0, "size", 1), 8.5), (("domains", 0, "num_labels"), "2"), (("domains", 0), {})],
    "cyclegan": [(("domains", 1, "size"), [1, 8]), (("domains", 1), None)],
    "class-translator": [
        (("translations", "rare", "source"), 1),
        (("translations", "rare", "domains", 0), {}),
        (("translations", "rare"), None),
        (("fit", "sources", "rare"), None),
        (("fit", "cycle_error"), []),
    ],
    "pretrained": [
        (("origins", "middle"), None),
        (("origins", "middle", 0), "x"),
        (("sources", 0), {}),
        (("sources", 0, "shape"), [1, 8]),
        (("fit", "sources", "middle"), None),
    ],
}


@pytest.mark.parametrize(("kind", "place", "value"), [(k, *change) for k, own in CHANGES.items() for change in own])
def test_so_is_another_kind_of_value_further_in(kind, place, value, run):
    folder = run(kind) / "model"
    about = read_json(folder / "model.json")
    inner = about
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    assert violates(SCHEMA["$defs"][DEFINITIONS[kind]], about)
    write_json(folder / "model.json", about)
    with pytest.raises(RunError, match=r"model"):
        KINDS[kind].load(folder, "cpu")


@pytest.mark.parametrize("name", sorted(path.name for path in STORED.iterdir() if path.is_dir()))
def test_stored_models_draw_what_they_drew_or_say_what_to_do(name):
    kind, number = name.rsplit("-", 1)
    cls, folder = KINDS[kind], STORED / name
    if int(number) < 5:
        with pytest.raises(RunError, match=rf"model format {number}, written by ganaug 0\.1\.0; .* Fit again"):
            cls.load(folder, "cpu")
        return
    jsonschema.validate(read_json(folder / "model.json"), SCHEMA)
    loaded = cls.load(folder, "cpu")
    if kind == "generator":
        images = loaded.sample({"dark": 1, "bright": 1}).images.numpy()
        assert loaded.model_.filters is not None
    elif kind == "class-translator":
        images = loaded.sample({"rare": 1}).images.numpy()
    else:
        images = loaded.transform((MASKS if kind == "pix2pix" else PHOTOS)[:1])
    first = json.loads((folder / "first.json").read_text())
    np.testing.assert_allclose(images.reshape(len(first), -1), first, atol=1)  # processors round differently


def test_a_model_of_a_later_version_asks_for_that_version(run):
    path = run("generator") / "model" / "model.json"
    write_json(path, {**read_json(path), "format": 99, "ganaug_version": "9.0"})
    with pytest.raises(RunError, match=r"model format 99, written by ganaug 9\.0; .* Update ganaug"):
        GANAugmenter.load(path.parent, "cpu")
