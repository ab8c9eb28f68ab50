"""GANAugmenter with init_from: a fit starts from the weights of another one, whose classes may be others."""

import shutil

import pytest
import torch
from sklearn.base import clone

from ganaug import GANAugmenter, LabeledImages
from ganaug.errors import DataError, RunError
from ganaug.reports.utility import utility_report
from ganaug.training.loop import StopTraining
from tests.sets import SMALL, augmenter, sites, tones

UNCHANGED = {"generator_lr": 1e-12, "discriminator_lr": 1e-12, "ema_half_life": 0}  # weights stay as they start


def gan(**params):
    return augmenter(**{**SMALL, "n_steps": 2, "check_every": 2, **params})


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A model of dark, middle and bright squares that tells them apart."""
    folder = tmp_path_factory.mktemp("source") / "model"
    gan(n_steps=60, check_every=60, generator_lr=2e-3, discriminator_lr=2e-3).fit(tones()).save(folder)
    return folder


def reordered():
    """Bright, a new class, and dark: in another order than in the source, without middle."""
    images = tones(12)
    order = torch.cat([images.rows_of("bright"), images.rows_of("middle"), images.rows_of("dark")])
    return LabeledImages(images.images[order], torch.arange(3).repeat_interleave(12), ("bright", "gray", "dark"))


def test_classes_of_the_same_name_start_as_they_are(source):
    before = GANAugmenter.load(source, "cpu")
    continued = gan(init_from=source, **UNCHANGED).fit(reordered())
    for name in ("bright", "dark"):
        label, other = continued.model_.classes.index(name), before.model_.classes.index(name)
        seeds = torch.arange(8)
        after = continued.model_.draw(torch.full((8,), label), seeds).float()
        # two steps have moved the statistics of batch norm a little; dark and bright are 175 apart
        assert (after - before.model_.draw(torch.full((8,), other), seeds).float()).abs().mean() < 8


def test_a_new_class_starts_between_the_others(source):
    before = GANAugmenter.load(source, "cpu")
    continued = gan(init_from=source, **UNCHANGED).fit(reordered())
    table, old = (
        [value for name, value in model.generator.state_dict().items() if name.endswith("gain.weight")]
        for model in (continued.model_, before.model_)
    )
    assert table
    for new, known in zip(table, old, strict=True):
        rows = known.mean(0) if len(known) > 1 else known[0]  # a stage that all classes share has one row
        torch.testing.assert_close(new[1] if len(new) > 1 else new[0], rows)


def test_the_discriminator_continues(source):
    before = GANAugmenter.load(source, "cpu").discriminator_
    continued = gan(init_from=source, **UNCHANGED).fit(reordered())
    shared = [name for name in before if "embedding" not in name and name.endswith(("original", "bias"))]
    assert shared
    for name in shared:
        torch.testing.assert_close(continued.discriminator_[name], before[name], atol=1e-6, rtol=0)


def test_a_model_without_a_discriminator_can_be_continued(source, monkeypatch):
    monkeypatch.setattr(GANAugmenter, "discriminator_", property(lambda _: {}, lambda *_: None), raising=False)
    continued = gan(init_from=source, **UNCHANGED).fit(reordered())
    assert continued.sample({"gray": 2}).counts["gray"] == 2


def test_more_and_fewer_classes(source):
    images = tones(12)
    few = images.take(torch.cat([images.rows_of("dark"), images.rows_of("bright")]))
    few = LabeledImages(few.images, (few.labels > 0).long(), ("dark", "bright"))
    assert gan(init_from=source).fit(few).sample(4).counts == {"dark": 2, "bright": 2}
    many = LabeledImages(images.images, torch.arange(36) % 6, tuple("abcdef"))
    assert gan(init_from=source).fit(many).sample({"f": 2}).counts["f"] == 2


def test_cells_start_from_their_class(source, tmp_path):
    continued = gan(init_from=source, condition_on="attr_site", **UNCHANGED).fit(sites())
    before = GANAugmenter.load(source, "cpu")
    label = continued.model_.cells.names.index(next(name for name in continued.model_.cells.names if "dark" in name))
    after = continued.model_.draw(torch.full((4,), label), torch.arange(4)).float()
    old = before.model_.draw(torch.zeros(4, dtype=torch.int64), torch.arange(4)).float()
    assert (after - old).abs().mean() < 3
    # and a model of cells can be continued in turn
    continued.save(tmp_path)
    assert gan(init_from=tmp_path, condition_on="attr_site").fit(sites()).sample({("bright", "s"): 2}).counts["bright"]


def test_the_plan_says_that_the_network_is_that_of_init_from(tmp_path):
    gan(network="mlp", n_steps=1).fit(tones(8)).save(tmp_path)
    plan = gan(init_from=tmp_path, width=None).plan(tones(8))
    assert plan.network == "mlp"
    assert plan.recipe.width == SMALL["width"]
    assert "network = mlp: as in init_from." in str(plan)


@pytest.mark.parametrize(
    ("params", "images", "error", "message"),
    [
        ({}, tones(shape=(3, 16, 16)), DataError, "16x16 pixels in gray; these images are 16x16 pixels in color"),
        ({}, tones(shape=(1, 24, 24)), DataError, r"Set image_size=\(16, 16\)"),
        ({"network": "resnet"}, tones(), ValueError, "leave network='resnet' out"),
        ({"width": 12}, tones(), ValueError, "init_from has width=8; leave width=12 out"),
    ],
)
def test_what_does_not_fit_is_refused_before_training(source, tmp_path, params, images, error, message):
    with pytest.raises(error, match=message):
        gan(init_from=source, run_dir=tmp_path / "run", **params).fit(images)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_holds_no_model_is_named(tmp_path):
    with pytest.raises(RunError, match="nothing"):
        gan(init_from=tmp_path / "nothing").fit(tones())


def test_images_of_the_source_cannot_be_test_images(source):
    continued = gan(init_from=source).fit(reordered())
    assert len(continued.training_images_) == len(reordered()) + len(tones())
    test = tones()
    names = {"dark": "dark", "bright": "bright"}
    kept = test.take(torch.cat([test.rows_of(name) for name in names]))
    kept = LabeledImages(kept.images, (kept.labels == 0).long() * 2, ("bright", "gray", "dark"))
    with pytest.raises(DataError, match="trained on"):
        utility_report(reordered(), continued, test=kept, n_seeds=1)


def test_a_resumed_fit_equals_an_uninterrupted_one(source, tmp_path):
    def stop(step, _):
        if step == 2:
            raise StopTraining

    whole = gan(init_from=source, n_steps=6).fit(reordered())
    run = gan(init_from=source, n_steps=6, run_dir=tmp_path / "run")
    run.fit(reordered(), callbacks=[stop])
    resumed = clone(run).set_params(run_dir=tmp_path / "run").resume(reordered())
    assert resumed.model_.hash() == whole.model_.hash()


def test_a_run_does_not_continue_with_another_model(source, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(source, other)
    gan(init_from=other, run_dir=tmp_path / "run").fit(reordered())
    shutil.rmtree(other)
    gan(n_steps=1).fit(tones()).save(other)
    with pytest.raises(RunError, match="init_from was"):
        gan(init_from=other, run_dir=tmp_path / "run", n_steps=4).resume(reordered())


def test_a_saved_model_keeps_its_discriminator(source, tmp_path):
    loaded = GANAugmenter.load(source)
    loaded.save(tmp_path)
    again = GANAugmenter.load(tmp_path)
    assert again.discriminator_.keys() == loaded.discriminator_.keys()
    assert all(torch.equal(again.discriminator_[name], value) for name, value in loaded.discriminator_.items())


def test_samples_of_another_model_in_the_same_folder_are_not_taken_from_the_cache(tmp_path):
    gan(n_steps=1).fit(tones()).save(tmp_path)
    before = gan(init_from=tmp_path).cache_key()
    gan(n_steps=2).fit(tones()).save(tmp_path, overwrite=True)
    assert before is not None
    assert gan(init_from=tmp_path).cache_key() != before


def test_settings_that_weights_depend_on_cannot_be_changed(source):
    with pytest.raises(ValueError, match="init_from has latent_size=8; leave latent_size=12 out"):
        gan(init_from=source, latent_size=12).fit(reordered())
    with pytest.raises(ValueError, match="discriminator_norm='spectral'; leave discriminator_norm='none' out"):
        gan(init_from=source, discriminator_norm="none").fit(reordered())
