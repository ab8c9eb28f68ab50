"""What a user may rely on of the filters: copies and misfits never leave `sample`, counts stay exact."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from ganaug import GANAugmenter
from ganaug._runtime.storage import read_tree, write_tree
from ganaug.datasets.holdout import split_validation
from ganaug.errors import ClassNotLearnedError, RunError
from ganaug.images import LabeledImages
from ganaug.sampling.filters import COPY, MISLABELED, PASSED, FilterStats, filter_names, make_filters
from ganaug.training.auxiliary_classifier import train_auxiliary_classifier
from tests.sets import SMALL, augmenter, tones
from tests.unit.metrics.test_alignment import ALTERED, OTHERS, TRAINING

LEARNED = {**SMALL, "filters": "copies,label", "width": 16, "batch_size": 32, "ema_half_life": 500}


@pytest.fixture(scope="module")
def images():
    return tones(60, (1, 8, 8))


@pytest.fixture(scope="module")
def gan(images):
    """A fitted augmenter whose auxiliary classifier asks of each class what about half of the samples reach."""
    gan = augmenter(n_steps=300, check_every=50, **LEARNED).fit(images)
    raw, auxiliary_classifier = gan.sample(300, filtered=False), gan.model_.filters.auxiliary_classifier
    logit_margins = auxiliary_classifier.logit_margins(raw.images, raw.labels)
    stricter = replace(
        auxiliary_classifier,
        margin_thresholds=torch.stack([logit_margins[raw.labels == label].median() for label in range(3)]),
    )
    gan.model_ = replace(
        gan.model_, filters=replace(gan.model_.filters, auxiliary_classifier=stricter)
    ).with_filter_stats()
    return gan


@pytest.fixture(scope="module")
def filters(images):
    train, validation = split_validation(images, 0.2, seed=0)
    return make_filters(
        ("copies", "label"), train, train_auxiliary_classifier(train, validation, seed=0, device=torch.device("cpu"))
    )


def test_planted_copies_and_misfits_are_told_apart(images, filters):
    train = split_validation(images, 0.2, seed=0)[0]
    assert (filters.judge(train.images, train.labels) == COPY).all()
    assert (filters.judge(train.images.flip(3), train.labels) == COPY).all()
    fresh = tones(60, (1, 8, 8), seed=5)
    verdict = filters.judge(fresh.images, fresh.labels)
    assert (verdict != COPY).all()
    assert (verdict == PASSED).float().mean() > 0.5
    assert (filters.judge(fresh.images, (fresh.labels + 1) % 3) == MISLABELED).all()


class Parrot(nn.Module):
    """Every other image is a training image, in turn as it is, mirrored, shifted or as JPEG; the rest are honest."""

    def __init__(self, learned, honest):
        super().__init__()
        self.said = torch.cat([torch.cat([alter(learned) for alter in ALTERED.values()]), honest])
        self.n_copies = len(ALTERED) * len(learned)
        self.none = nn.Parameter(torch.zeros(1))

    def forward(self, latents, labels):
        draws = (latents[:, 0].abs() * 1e6).long()
        n_honest = len(self.said) - self.n_copies
        chosen = torch.where(draws % 2 == 0, draws // 2 % self.n_copies, self.n_copies + draws // 2 % n_honest)
        return self.said[chosen].float() / 127.5 - 1


def test_training_images_never_leave_through_sample(gan):
    learned = LabeledImages(TRAINING, torch.zeros(len(TRAINING), dtype=torch.int64), ("T-shirt",))
    parrot = Parrot(TRAINING, OTHERS)
    filters = make_filters(("copies",), learned, None)
    model = replace(gan.model_, generator=parrot, classes=("T-shirt",), shape=(1, 28, 28), filters=filters)
    model = model.with_filter_stats()
    assert 0.4 < model.filter_stats[0].copies / model.filter_stats[0].drawn < 0.6
    bare = model.sample({0: 300}, filtered=False).images
    safe = model.sample({0: 300}).images
    copies, honest = parrot.said[: parrot.n_copies].flatten(1).float(), OTHERS.flatten(1).float()
    for images, least, most in ((bare, 120, 180), (safe, 0, 3)):
        is_copy = torch.cdist(images.flatten(1).float(), copies).amin(1) < 30
        is_copy &= torch.cdist(images.flatten(1).float(), honest).amin(1) > 30
        assert least <= int(is_copy.sum()) <= most


def test_what_is_rejected_never_leaves_sample(gan):
    synthetic = gan.sample({"dark": 150, "bright": 90}, start=0)
    assert synthetic.counts == {"dark": 150, "middle": 0, "bright": 90}
    assert (gan.model_.filters.judge(synthetic.images, synthetic.labels) == PASSED).all()
    raw = gan.sample({"dark": 150, "bright": 90}, start=0, filtered=False)
    redrawn = synthetic.metadata["redraws"].to_numpy() > 0
    assert np.array_equal(redrawn, (gan.model_.filters.judge(raw.images, raw.labels) != PASSED).numpy())
    assert torch.equal(synthetic.images[~redrawn], raw.images[~redrawn])


def test_an_image_depends_on_its_place_alone_also_when_it_was_redrawn(gan):
    whole = gan.sample({"dark": 150, "bright": 90}, start=0)
    assert whole.metadata["redraws"].max() > 0, "nothing was redrawn: this would prove nothing"
    assert torch.equal(gan.sample({"bright": 90}, start=0).images, whole.images[150:])
    assert torch.equal(gan.sample({"dark": 50}, start=100).images, whole.images[100:150])
    row = whole.metadata.iloc[int(whole.metadata["redraws"].argmax())]
    again = gan.model_.draw(torch.tensor([row["class_index"]]), torch.tensor([row["seed"]]))
    assert torch.equal(again[0], whole.images[row.name])
    assert whole.metadata["seed"].is_unique


def test_a_loaded_augmenter_filters_alike(gan, tmp_path):
    gan.save(tmp_path)
    loaded = GANAugmenter.load(tmp_path, "cpu")
    assert torch.equal(loaded.sample(60).images, gan.sample(60, start=0).images)
    pd.testing.assert_frame_equal(loaded.filter_report_, gan.filter_report_)


def test_the_yield_is_reported_by_class(gan):
    table = gan.filter_report_.set_index("class")
    assert list(table.index) == ["dark", "middle", "bright"]
    passed = table["drawn"] - table["copies"] - table["mislabeled"]
    assert np.allclose(table["pass_rate"], passed / table["drawn"])
    assert table["learned"].all()


def test_a_class_that_is_not_learned_is_refused_and_left_as_it_was(gan, images):
    poor = {0: FilterStats(128, 3, 120), 1: FilterStats(128, 0, 0), 2: FilterStats(128, 0, 64)}
    crippled = augmenter(**LEARNED)
    crippled.model_ = replace(gan.model_, filter_stats=poor)
    crippled.classes_ = gan.classes_
    with pytest.raises(ClassNotLearnedError, match=r"class 'dark' is not learned.*4% of 128 trial samples pass"):
        crippled.sample({"dark": 1, "bright": 1})
    assert crippled.sample({"bright": 3}).counts["bright"] == 3
    assert crippled.sample({"dark": 2}, filtered=False).counts["dark"] == 2
    assert not crippled.filter_report_["learned"].all()


def test_untrained_classes_are_not_filled_up_with_rubbish(images):
    raw = augmenter(n_steps=1, sampling_strategy={"dark": 70, "middle": 70, "bright": 70}, **LEARNED)
    with pytest.warns(UserWarning, match="not learned, and get no synthetic images"):
        _, labels = raw.fit_resample(images)
    lacking = np.flatnonzero(~raw.filter_report_["learned"])
    assert len(lacking) > 0
    assert all((np.asarray(labels) == value).sum() == 60 for value in lacking)


def test_altered_filters_are_refused(gan, tmp_path):
    gan.save(tmp_path)
    tensors = read_tree(tmp_path / "model.safetensors")
    tensors["filters"]["auxiliary_classifier"]["margins"] = torch.full((3,), -99.0)
    write_tree(tmp_path / "model.safetensors", tensors)
    with pytest.raises(RunError, match=r"model.safetensors: is not the file that model.json names"):
        GANAugmenter.load(tmp_path, "cpu")


def test_a_referee_that_hardly_knows_the_classes_is_not_heard(images, filters):
    assert make_filters(("label",), images, replace(filters.auxiliary_classifier, recall=0.3)) is None
    assert (
        make_filters(
            ("copies", "label"), images, replace(filters.auxiliary_classifier, recall=0.3)
        ).auxiliary_classifier
        is None
    )
    assert (
        make_filters(("label",), images, replace(filters.auxiliary_classifier, recall=0.8)).auxiliary_classifier
        is not None
    )


def test_latents_that_cannot_be_are_refused(gan):
    with pytest.raises(ValueError, match=r"latent_std must be a number above 0; got -1"):
        gan.sample(1, latent_std=-1)
    with pytest.raises(ValueError, match=r"truncation must be a number above 0; got 0"):
        gan.sample(1, truncation=0)


def test_filters_come_by_name_or_not_at_all():
    assert filter_names("copies, label") == ("copies", "label")
    assert filter_names(None) == filter_names("") == ()
    with pytest.raises(ValueError, match=r"Unknown filter 'label_s'.*copies, label"):
        filter_names(["label_s"])
    assert FilterStats(100, 5, 5).pass_rate == pytest.approx(0.9)
    assert not FilterStats(100, 0, 91).is_learned
    assert FilterStats(100, 0, 91, min_pass_rate=0.05).is_learned
    with pytest.raises(ValueError, match=r"filters must be comma-separated names.*got 5"):
        filter_names(5)


def test_latents_reach_farther_or_less_far(gan):
    spread = {
        std: gan.sample({"middle": 200}, latent_std=std, filtered=False).images.float().std(0).mean()
        for std in (0.3, 1.0, 1.6)
    }
    assert spread[0.3] < spread[1.0] < spread[1.6]
    cut = gan.sample({"middle": 200}, truncation=0.5, filtered=False)
    assert cut.images.float().std(0).mean() < spread[1.0]
    assert (cut.metadata["truncation"] == 0.5).all()
