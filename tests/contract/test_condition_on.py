"""GANAugmenter with condition_on: any cell can be sampled, stored and filled up, one without images too."""

import numpy as np
import pandas as pd
import pytest
import torch

from ganaug import GANAugmenter
from ganaug.errors import DataError, RunError
from ganaug.training.loop import StopTraining
from tests.sets import SMALL, augmenter, sites, tones

COLUMNS = {**SMALL, "filters": "copies"}


def cell_gan(**params):
    return augmenter(**{"n_steps": 6, "check_every": 3, "condition_on": "attr_site", **COLUMNS, **params})


@pytest.fixture(scope="module")
def fitted():
    return cell_gan(sampling_strategy="balance-cells").fit(sites(missing=[5]))


def test_cells_are_sampled_by_class_and_values(fitted):
    samples = fitted.sample({("bright", "s"): 3, ("dark", "n"): 2})
    assert samples.classes == ("dark", "middle", "bright")
    assert samples.counts == {"dark": 2, "middle": 0, "bright": 3}
    rows = samples.metadata
    assert list(zip(rows["label"], rows["attr_site"], strict=True)) == [("dark", "n")] * 2 + [("bright", "s")] * 3
    assert rows["class_index"].tolist() == samples.targets == [0, 0, 2, 2, 2]


def test_a_class_is_sampled_in_the_composition_of_its_real_images(fitted):
    rows = fitted.sample({"middle": 8}).metadata  # 18 images of n, 6 of s
    assert rows["attr_site"].value_counts().to_dict() == {"n": 6, "s": 2}
    assert fitted.sample({"bright": 8}).metadata["attr_site"].unique().tolist() == ["n"]


def test_a_total_is_split_among_the_classes(fitted):
    assert fitted.sample(9).counts == {"dark": 3, "middle": 3, "bright": 3}


def test_each_image_depends_on_its_cell_and_its_index_alone(fitted):
    together = fitted.sample({("dark", "s"): 4, ("bright", "s"): 4}, start=0)
    alone = fitted.sample({("bright", "s"): 2}, start=1)
    assert torch.equal(together.images[5:7], alone.images)


def test_unknown_cells_are_refused(fitted):
    for request, message in (
        ({("bright", "x"): 1}, "attr_site has no value 'x'. Known: n, s, unknown"),
        ({("owl", "s"): 1}, "class 'owl' is unknown"),
        ({("bright",): 1}, "got 0 values for class 'bright'"),
        ({("bright", "s"): -1}, "at least 0; got -1"),
        ({"owl": 1}, "owl"),
    ):
        with pytest.raises(ValueError, match=message):
            fitted.sample(request)


def test_a_saved_model_draws_the_same_images(fitted, tmp_path):
    fitted.save(tmp_path)
    loaded = GANAugmenter.load(tmp_path)
    request = {("bright", "s"): 3, "dark": 4}
    first, second = (gan.sample(request, random_state=1) for gan in (fitted, loaded))
    assert torch.equal(first.images, second.images)
    pd.testing.assert_frame_equal(first.metadata, second.metadata)
    assert loaded.sampling_strategy_ == fitted.sampling_strategy_
    assert loaded.condition_on == "attr_site"
    pd.testing.assert_frame_equal(loaded.filter_report_, fitted.filter_report_)


def test_blocks_are_the_same_images(fitted):
    request = {("bright", "s"): 70, "dark": 9}
    whole = fitted.sample(request, start=0)
    parts = [
        block.images
        for shard in range(2)
        for block in fitted.sample_blocks(request, start=0, shard=(shard, 2), block_size=64)
    ]
    assert sorted(map(hash_of, torch.cat(parts))) == sorted(map(hash_of, whole.images))


def hash_of(image):
    return image.numpy().tobytes()


def test_balance_cells_fills_each_cell_up_to_the_largest_of_its_class(fitted):
    assert fitted.sampling_strategy_ == {("dark", "s"): 11, ("middle", "s"): 12, ("bright", "s"): 18}


def test_fit_resample_adds_the_missing_cells():
    images = sites()
    X, y = cell_gan(sampling_strategy="balance-cells", filters=None).fit_resample(images)
    assert len(X) == len(images) + 12 + 12 + 18
    assert np.bincount(y[len(images) :]).tolist() == [12, 12, 18]


def test_altered_copies_are_of_images_of_the_cell():
    images = sites()
    gan = cell_gan(sampling_strategy={"dark": 60}, filters=None)
    X, _ = gan.fit_resample(images, synthetic_share=0.5)
    assert len(X) == len(images) + 36


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path):
    def stop(done, logs):
        if done == 3:
            raise StopTraining("interrupted")

    whole = cell_gan().fit(sites())
    cell_gan(run_dir=tmp_path / "run").fit(sites(), callbacks=[stop])
    resumed = cell_gan(run_dir=tmp_path / "run").resume(sites())
    assert resumed.model_.hash() == whole.model_.hash()


def test_a_run_is_not_resumed_with_other_attributes(tmp_path):
    cell_gan(run_dir=tmp_path / "run").fit(sites())
    other = sites()
    other.metadata.loc[0, "attr_site"] = "n"
    with pytest.raises(RunError, match="other data"):
        cell_gan(run_dir=tmp_path / "run").resume(other)


@pytest.mark.parametrize("name", ["mlp", "dcgan", "dcgan-smooth", "dcgan-halved", "resnet"])
def test_every_network_takes_cells(name):
    gan = cell_gan(network=name, n_steps=1).fit(sites())
    assert gan.sample({("bright", "s"): 2}, filtered=False).counts["bright"] == 2


def test_a_label_filter_and_guidance_know_cells():
    gan = cell_gan(filters="copies,label", guidance=0.1, n_steps=2).fit(sites())
    assert gan.model_.filters.auxiliary_classifier is None or len(
        gan.model_.filters.auxiliary_classifier.margin_thresholds
    ) == len(gan.model_.label_names)


def test_a_sample_must_not_copy_an_image_of_another_cell_of_its_class(fitted):
    images = sites()
    filters = fitted.model_.filters
    row = int(torch.nonzero(images.labels == 2)[0])  # a bright image of site n
    number = fitted.model_.cells.index("bright", "s")
    assert filters.judge(images.images[row : row + 1], torch.tensor([number])).item() == 1  # a copy


def test_metadata_is_needed():
    with pytest.raises(DataError, match="condition_on: the images have no column 'attr_site'"):
        cell_gan().fit(tones(12))
    with pytest.raises(ValueError, match="'balance-cells' needs condition_on"):
        augmenter(n_steps=1, sampling_strategy="balance-cells", **SMALL).fit(tones(12))


def test_a_value_that_changes_the_image_is_learned_for_a_class_that_never_had_it():
    """No bright image of site s, which has a white bar over a black one, was trained on."""
    gan = cell_gan(n_steps=600, check_every=600, batch_size=32, width=16).fit(sites())
    samples = gan.sample({("bright", "s"): 32, ("bright", "n"): 32}, filtered=False)
    of_s = torch.tensor((samples.metadata["attr_site"] == "s").tolist())
    pixels = samples.images[:, 0].float() / 255
    contrast = pixels[:, :8, :4].mean((1, 2)) - pixels[:, 8:, :4].mean((1, 2))  # 1 in real images of s
    assert contrast[~of_s].abs().mean() < 0.2
    assert contrast[of_s].mean() > 0.5
    rest = pixels[:, :, 6:].mean((1, 2))  # 0.84 in real bright images
    assert (rest[of_s].mean() - rest[~of_s].mean()).abs() < 0.15
