"""PretrainedSampler: draws from generators that were fitted on other images, by the names of classes."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from ganaug import LabeledImages, PretrainedSampler, augment_folder, read_folder, utility_report, write_folder
from ganaug.errors import ClassNotLearnedError, DataError, RunError
from ganaug.estimators.pretrained import choose_source
from ganaug.evaluation import CNN
from tests.sets import SMALL, augmenter, clothes, sites, tones


def fit_source(images, **params):
    return augmenter(**{**SMALL, "n_steps": 60, "check_every": 60, "generator_lr": 2e-3, **params}).fit(images)


def renamed(images, *names):
    return LabeledImages(images.images, images.labels, names, images.metadata)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A model of dark, middle and bright squares."""
    folder = tmp_path_factory.mktemp("source") / "model"
    fit_source(tones()).save(folder)
    return folder


@pytest.fixture(scope="module")
def fitted(source):
    return PretrainedSampler(source, random_state=0).fit(tones(6, seed=1))


def brightness(images):
    return images.float().mean().item()


def test_a_class_looks_as_in_the_source(fitted):
    levels = [brightness(fitted.sample({name: 8}, start=0).images) for name in ("dark", "middle", "bright")]
    assert levels == sorted(levels)
    assert levels[2] - levels[0] > 80


def test_mapped_classes_are_drawn_from_the_class_they_name(source):
    images = renamed(tones(6, seed=1), "a", "b", "c")
    sampler = PretrainedSampler(source, class_map={"a": "bright", "c": "dark"}, random_state=0)
    with pytest.warns(UserWarning, match="no source has learned b"):
        sampler.fit(images)
    assert brightness(sampler.sample({"a": 8}).images) > brightness(sampler.sample({"c": 8}).images) + 80
    assert sampler.sources_ == {"a": (str(source), "bright"), "c": (str(source), "dark")}
    assert sampler.unlearned_classes_ == ["b"]
    with pytest.raises(ClassNotLearnedError, match="'b'"):
        sampler.sample({"b": 1})


def test_samples_have_the_size_and_the_channels_of_the_real_images(source):
    for shape in ((3, 20, 24), (3, 8, 8), (1, 32, 16)):
        sampler = PretrainedSampler(source).fit(tones(6, shape=shape))
        assert sampler.sample({"dark": 3}).images.shape == (3, *shape)


def test_color_becomes_gray(tmp_path):
    fit_source(tones(shape=(3, 16, 16))).save(tmp_path)
    sampler = PretrainedSampler(tmp_path).fit(tones(6))
    assert sampler.sample(3).images.shape == (3, 1, 16, 16)
    assert brightness(sampler.sample({"bright": 8}).images) > brightness(sampler.sample({"dark": 8}).images) + 80


def test_of_several_sources_the_nearest_one_is_used():
    images = clothes(20)

    def source_of(name, rows):
        drawn = images.take(images.rows_of(name)[rows])
        return SimpleNamespace(model_=SimpleNamespace(sample=lambda counts: drawn))

    half = slice(10, 20)
    sources = [source_of("Sandal", half), source_of("Trouser", half), source_of("Sneaker", half)]
    real = images.take(torch.cat([images.rows_of(name)[:10] for name in images.classes]))
    found = [choose_source(real, name, sources, [(0, 5), (1, 6), (2, 7)]) for name in ("Trouser", "Sandal", "Sneaker")]
    assert found == [(1, 6), (0, 5), (2, 7)]


def test_rows_of_provenance_name_the_source(fitted):
    rows = fitted.sample({"dark": 2, "bright": 1}, start=0).metadata
    assert rows["label"].tolist() == ["dark", "dark", "bright"]
    assert rows["source_class"].tolist() == ["dark", "dark", "bright"]
    assert rows["is_synthetic"].all()
    assert set(rows["model_hash"]) == {fitted.model_.sources[0].hash()}


def test_each_image_depends_on_its_class_and_its_index_alone(fitted):
    together = fitted.sample({"dark": 4, "bright": 4}, start=0)
    alone = fitted.sample({"bright": 2}, start=1)
    assert torch.equal(together.images[5:7], alone.images)
    first, second = fitted.sample({"dark": 3}), fitted.sample({"dark": 3})
    assert not torch.equal(first.images, second.images)


def test_blocks_are_the_same_images(fitted):
    whole = fitted.sample({"dark": 70, "bright": 9}, start=0)
    parts = [
        block.images
        for shard in range(2)
        for block in fitted.sample_blocks({"dark": 70, "bright": 9}, start=0, shard=(shard, 2), block_size=16)
    ]
    assert sorted(map(bytes, (each.numpy().tobytes() for each in torch.cat(parts)))) == sorted(
        each.numpy().tobytes() for each in whole.images
    )


def test_a_saved_sampler_draws_the_same_images(fitted, tmp_path):
    fitted.save(tmp_path)
    loaded = PretrainedSampler.load(tmp_path)
    first, second = (each.sample({"dark": 3, "middle": 2}, random_state=1) for each in (fitted, loaded))
    assert torch.equal(first.images, second.images)
    pd.testing.assert_frame_equal(first.metadata, second.metadata)
    assert loaded.sources_ == fitted.sources_


def test_arrays_are_filled_up(source):
    images = tones(6, seed=1)
    rows = torch.cat([images.rows_of("dark"), images.rows_of("middle"), images.rows_of("bright")[:1]])
    X, y = images.images[rows, 0].numpy(), np.array(images.classes)[images.labels[rows]]
    new_X, new_y = PretrainedSampler(source, random_state=0).fit_resample(X, y)
    assert new_X.shape == (18, 16, 16)
    assert (new_y == "bright").sum() == 6


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"class_map": {"owl": "dark"}}, DataError, "the images have no class 'owl'"),
        ({"class_map": {"dark": "owl"}}, DataError, "no source has a class 'owl', only bright, dark, middle"),
        ({"sources": []}, ValueError, "name at least one run or model folder"),
        ({"sources": "nowhere"}, RunError, "nowhere"),
    ],
)
def test_what_does_not_fit_is_refused(source, params, error, message):
    with pytest.raises(error, match=message):
        PretrainedSampler(**{"sources": source, **params}).fit(tones(6))


def test_rows_of_numbers_and_cells_are_refused(source, tmp_path):
    rows, labels = tones(6).images.flatten(1).numpy(), ["dark"] * 9 + ["bright"] * 9
    with pytest.raises(DataError, match="Set image_shape if the rows are images"):
        PretrainedSampler(source).fit(rows, labels)
    augmenter(**SMALL, n_steps=1, condition_on="attr_site").fit(sites()).save(tmp_path)
    with pytest.raises(DataError, match="conditioned on attributes"):
        PretrainedSampler(tmp_path).fit(tones(6))


def test_a_fitted_sampler_does_not_need_its_sources_any_more(tmp_path):
    fit_source(tones()).save(tmp_path / "source")
    sampler = PretrainedSampler(tmp_path / "source", random_state=0).fit(tones(6, seed=1))
    (tmp_path / "source").rename(tmp_path / "moved")
    report = utility_report(
        tones(6, seed=1), sampler, test=tones(8, seed=2), n_seeds=1, shares=[0.5], classifier=CNN(steps=2, width=4)
    )
    assert report.verdict


def test_no_common_class_is_an_error_that_says_how_to_map(source):
    with pytest.raises(DataError, match=r"class_map=\{'a': 'bright'\} \(--map 'a=bright'\)"):
        PretrainedSampler(source).fit(renamed(tones(6), "a", "b", "c"))


def test_images_of_the_source_are_no_test_images(source):
    with pytest.raises(DataError, match="trained on"):
        utility_report(tones(), PretrainedSampler(source, random_state=0), n_seeds=1, n_folds=2)


def test_the_cache_key_changes_with_the_model(source, tmp_path):
    fit_source(tones(), n_steps=1).save(tmp_path)
    first = PretrainedSampler(tmp_path, random_state=0)
    before = first.cache_key()
    fit_source(tones(), n_steps=2).save(tmp_path, overwrite=True)
    assert before is not None
    assert clone(first).cache_key() != before


def test_a_folder_is_filled_up(source, tmp_path):
    images = tones(8, seed=1)
    rows = torch.cat([images.rows_of("dark"), images.rows_of("bright")[:4]])
    few = LabeledImages(images.images[rows], (images.labels[rows] > 0).long(), ("dark", "bright"))
    write_folder(few, tmp_path / "data")
    result = augment_folder(
        tmp_path / "data",
        tmp_path / "out",
        method=PretrainedSampler(source, random_state=0),
        sampling_strategy="full",
        synthetic_share=0.5,
        report=False,
    )
    assert result.counts.set_index("class").loc["bright"].tolist() == [4, 0, 4, 8]
    metadata = read_folder(tmp_path / "out").metadata
    assert metadata.loc[metadata["origin"] == "synthetic", "source_class"].tolist() == ["bright"] * 4


def test_nothing_is_measured_on_images_of_the_source(source, tmp_path):
    write_folder(tones(), tmp_path / "data")
    result = augment_folder(
        tmp_path / "data",
        tmp_path / "out",
        method=PretrainedSampler(source, random_state=0, time_budget=60),
        report=False,
    )
    assert "Nothing was measured" in result.selection.sentences[0]
    assert "trained on" in result.selection.sentences[0]
