"""Exported models: they draw the same classes, and hold nothing by which training images can be identified."""

import json
import math
from pathlib import Path

import jsonschema
import pandas as pd
import pytest
import torch

from ganaug import GANAugmenter, LabeledImages, PretrainedSampler, export_model
from ganaug._runtime.storage import read_tree
from ganaug.errors import DataError, OutputError
from ganaug.images import image_hashes
from ganaug.sampling.filters import FilterStats
from tests.sets import SMALL, augmenter, noise, sites, tones


def images():
    """40 dark, 40 middle and 12 bright images."""
    whole = tones(40)
    rows = [whole.rows_of("bright")[:12], whole.rows_of("dark"), whole.rows_of("middle")]
    return LabeledImages(
        whole.images[torch.cat(rows)],
        torch.repeat_interleave(torch.arange(3), torch.tensor([12, 40, 40])),
        ("bright", "dark", "middle"),
    )


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    gan = augmenter(
        **{**SMALL, "filters": "copies,label"},
        n_steps=60,
        check_every=60,
        generator_lr=2e-3,
        run_dir=tmp_path_factory.mktemp("private") / "patients.run",
    )
    return gan.fit(images())


@pytest.fixture
def exported(fitted, tmp_path):
    export_model(fitted, tmp_path / "lent", min_class_size=40)
    return tmp_path / "lent"


def test_small_classes_are_left_out(exported):
    lent = GANAugmenter.load(exported)
    assert lent.model_.classes == ("dark", "middle")
    assert lent.data_["counts"] == {"dark": 40, "middle": 40}
    assert all(len(value) != 3 for name, value in lent.model_.generator.state_dict().items() if "gain" in name)


def test_samples_are_those_of_the_fit(fitted, exported):
    lent, seeds = GANAugmenter.load(exported), torch.arange(6)
    for name in ("dark", "middle"):
        rows = [torch.full((6,), model.classes.index(name)) for model in (lent.model_, fitted.model_)]
        torch.testing.assert_close(lent.model_.draw(rows[0], seeds), fitted.model_.draw(rows[1], seeds))
    assert brighter(lent.sample({"middle": 8}), lent.sample({"dark": 8}))


def brighter(first, second):
    return first.images.float().mean() > second.images.float().mean() + 40


def test_nothing_identifies_training_images(fitted, exported):
    tensors = read_tree(exported / "model.safetensors")
    assert len(tensors["training_images"]) == 0
    assert not tensors["discriminator"]
    assert not tensors["filters"]["traces"]
    contents = (exported / "model.safetensors").read_bytes()
    for value in image_hashes(images().images):
        assert int(value).to_bytes(8, "little", signed=True) not in contents
    described = (exported / "model.json").read_text()
    assert "patients.run" not in described
    assert fitted.data_["fingerprint"] not in described
    assert "bright" not in described
    assert sorted(path.name for path in exported.iterdir()) == ["README.md", "model.json", "model.safetensors"]


def test_parameters_and_forms_of_the_data_are_not_exported(tmp_path):
    table = pd.DataFrame(tones(12).images.flatten(1).numpy(), columns=[f"secret{k}" for k in range(256)])
    gan = augmenter(**SMALL, n_steps=1, sampling_strategy={"private": 30}, image_shape=(16, 16))
    gan.fit(table, ["a"] * 15 + ["b"] * 15 + ["private"] * 6)
    export_model(gan, tmp_path / "lent", min_class_size=10)
    described = (tmp_path / "lent" / "model.json").read_text()
    assert "secret" not in described
    assert "private" not in described
    assert "row_format" not in described


def test_a_class_that_is_copied_is_not_exported(fitted, tmp_path):
    gan = GANAugmenter.load(fitted.run_dir_, "cpu")
    label = gan.model_.classes.index("dark")
    stats = {**gan.model_.filter_stats, label: FilterStats(drawn=100, copies=95, mislabeled=0)}
    object.__setattr__(gan.model_, "filter_stats", stats)
    table = export_model(gan, tmp_path / "lent", min_class_size=40)
    assert table["class"].tolist() == ["middle"]
    assert GANAugmenter.load(tmp_path / "lent").sample(2).classes == ("middle",)


def test_a_single_class_of_a_network_whose_classes_share_a_stage(tmp_path):
    images = noise((12, 40), shape=(3, 40, 40))
    gan = augmenter(**SMALL, n_steps=1).fit(images)
    assert gan.plan_.network == "dcgan-halved"
    export_model(gan, tmp_path / "lent", min_class_size=40)
    lent, seeds = GANAugmenter.load(tmp_path / "lent"), torch.arange(3)
    expected = gan.model_.draw(torch.ones(3, dtype=torch.int64), seeds)
    torch.testing.assert_close(lent.model_.draw(torch.zeros(3, dtype=torch.int64), seeds), expected)


def test_others_draw_from_it_and_continue_it(exported):
    others = tones(8, seed=3)
    with pytest.warns(UserWarning, match="no source has learned bright"):
        sampler = PretrainedSampler(exported, random_state=0).fit(others)
    assert sampler.sample({"dark": 2}).counts["dark"] == 2
    continued = augmenter(**SMALL, n_steps=2, init_from=exported).fit(others)
    assert continued.sample({"bright": 2}).counts["bright"] == 2


def test_a_loaded_export_can_be_saved_again(exported, tmp_path):
    GANAugmenter.load(exported).save(tmp_path / "again")
    again = GANAugmenter.load(tmp_path / "again")
    assert again.model_.hash() == GANAugmenter.load(exported).model_.hash()


def test_membership_is_measured_where_images_were_held_out(tmp_path):
    whole = tones(120)
    gan = augmenter(**SMALL, n_steps=20, check_every=20).fit(whole)
    table = export_model(gan, tmp_path / "lent", images=whole).set_index("class")
    assert table["images"].tolist() == [120, 120, 120]
    assert table["membership advantage"].between(0, 1).all()
    assert (table["by chance"] > 0).all()
    assert "membership advantage" in (tmp_path / "lent" / "README.md").read_text()


def test_what_was_not_measured_is_said(fitted, tmp_path):
    table = export_model(fitted, tmp_path / "lent", min_class_size=40, description="Squares, CC0.")
    assert all(math.isnan(value) for value in table["membership advantage"])
    card = (tmp_path / "lent" / "README.md").read_text()
    assert "Squares, CC0." in card
    assert "| dark | 40 |" in card
    assert "near-copies" in card


def test_a_model_that_is_not_exported_writes_nothing(fitted, tmp_path):
    with pytest.raises(DataError, match="no class has 1000 training images; the largest has 40"):
        export_model(fitted, tmp_path / "lent", min_class_size=1000)
    with pytest.raises(DataError, match="not the images that the model was fitted on"):
        export_model(fitted, tmp_path / "lent", min_class_size=40, images=tones(40))
    cells = augmenter(**SMALL, n_steps=1, condition_on="attr_site").fit(sites())
    with pytest.raises(ValueError, match="condition_on"):
        export_model(cells, tmp_path / "lent", min_class_size=1)
    assert not (tmp_path / "lent").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError):
        export_model(fitted, tmp_path / "full", min_class_size=40)


def test_the_description_follows_the_schema(exported):
    schema = json.loads((Path(__file__).parents[2] / "docs" / "model.schema.json").read_text())
    jsonschema.validate(json.loads((exported / "model.json").read_text()), schema)


def test_params_are_those_of_the_fit_without_paths(exported):
    params = json.loads((exported / "model.json").read_text())["params"]
    assert (params["run_dir"], params["init_from"], params["filters"]) == (None, None, "label")
