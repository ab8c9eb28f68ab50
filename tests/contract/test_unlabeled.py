"""Images without a class beside labeled ones: y = -1, and GANAugmenter(unlabeled=...)."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.naive_bayes import GaussianNB
from torch.utils.data import TensorDataset

from ganaug import GANAugmenter, LabeledImages, build_store, read_folder, write_folder
from ganaug.errors import DataError, RunError
from ganaug.estimators.unlabeled import add_pseudo_labels, read_unlabeled
from ganaug.images import image_hashes
from ganaug.models import NETWORKS, Network
from ganaug.reports.utility import utility_report
from ganaug.training.auxiliary_classifier import train_auxiliary_classifier
from ganaug.training.batches import SemiSupervisedBatches
from ganaug.training.loop import StopTraining
from tests.sets import SMALL, augmenter, noise, tones


def gan(**params):
    return augmenter(**{**SMALL, "n_steps": 2, "check_every": 2, **params})


def barred(count=40, seed=1):
    """Tones with a white bar over a black one at the left edge, which no labeled image has; without a class."""
    images = tones(count, seed=seed).images.clone()
    images[:, :, :8, :4], images[:, :, 8:, :4] = 255, 0
    return LabeledImages(images, torch.zeros(len(images), dtype=torch.int64), ("none",))


def bars(images):
    """Fraction of images whose left edge is bright above and dark below."""
    pixels = images.images.float()
    return float((pixels[:, 0, :8, :4].mean((1, 2)) - pixels[:, 0, 8:, :4].mean((1, 2)) > 60).float().mean())


def test_minus_one_marks_images_without_a_class():
    images = noise((8, 6, 5))
    X, y = images.images.numpy(), np.array([3] * 8 + [7] * 6 + [-1] * 5)
    fitted = gan().fit(X, y)
    assert fitted.classes_.tolist() == [3, 7]
    assert fitted.data_["counts"] == {"3": 8, "7": 6}
    X_all, y_all = gan().fit_resample(X, y)
    assert y_all.tolist() == [*y, 7, 7]
    np.testing.assert_array_equal(X_all[: len(X)], X)


def test_rows_of_numbers_and_data_sets_may_hold_minus_one():
    images = noise((8, 6, 5))
    y = torch.tensor([0] * 8 + [1] * 6 + [-1] * 5)
    rows = images.images.flatten(1).numpy()
    assert gan(image_shape=(8, 8)).fit(rows, y.numpy()).classes_.tolist() == [0, 1]
    fitted = gan().fit(TensorDataset(images.images, y))
    assert fitted.classes_.tolist() == [0, 1]
    assert len(fitted.training_images_) == 19


def test_labels_minus_one_and_one_are_two_classes():
    assert gan().fit(noise((6, 4)).images.numpy(), [-1] * 6 + [1] * 4).classes_.tolist() == [-1, 1]


def test_a_missing_label_is_not_silently_an_image_without_a_class():
    with pytest.raises(DataError, match=r"no label in row 9.*label them -1"):
        gan().fit(list(noise((6, 4)).images.numpy()), [0] * 6 + [1] * 3 + [None])


def test_samples_show_what_only_images_without_a_class_show():
    labeled = tones(8)
    learner = gan(network="mlp", n_steps=400, check_every=200, generator_lr=1e-3, discriminator_lr=1e-3)
    assert bars(learner.fit(labeled).sample(90)) < 0.05
    samples = learner.set_params(unlabeled=barred()).fit(labeled).sample(90)
    assert bars(samples) > 0.2
    means = [float(samples.images[samples.rows_of(name)][:, :, :, 4:].float().mean()) for name in samples.classes]
    assert means[0] + 40 < means[1] < means[2] - 40  # the classes stay apart


def test_a_folder_gets_the_size_and_the_channels_of_the_labeled_images(tmp_path):
    write_folder(noise((5, 4), shape=(3, 20, 24), seed=5), tmp_path / "photos")
    fitted = gan(unlabeled=str(tmp_path / "photos")).fit(noise())
    assert len(fitted.training_images_) == 10 + 9
    loaded_from = tmp_path / "model"
    fitted.save(loaded_from)
    loaded = GANAugmenter.load(loaded_from, "cpu")
    assert torch.equal(loaded.sample({"a": 3}).images, fitted.sample({"a": 3}).images)


def test_images_that_are_labeled_already_are_left_out(caplog):
    labeled = noise()
    further = LabeledImages(labeled.images[:3], torch.zeros(3, dtype=torch.int64), ("x",))
    with caplog.at_level("INFO", "ganaug"):
        fitted = gan(unlabeled=further).fit(labeled)
    assert "0 images without a class; 3 equal labeled images" in caplog.text
    assert torch.equal(fitted.training_images_, image_hashes(labeled.images))


@pytest.mark.parametrize(
    ("make", "message"), [(lambda path: path / "none", "is no folder"), (lambda path: path, "contains no")]
)
def test_a_folder_without_images_is_an_error_before_training(tmp_path, make, message):
    with pytest.raises(DataError, match=message):
        gan(unlabeled=make(tmp_path), run_dir=tmp_path.parent / "run").fit(noise())
    assert not (tmp_path.parent / "run").exists()


def test_copies_of_images_without_a_class_are_rejected():
    further = noise((30,), shape=(1, 16, 16), seed=3)
    fitted = gan(unlabeled=further, filters="copies").fit(tones(8))
    filters = fitted.model_.filters
    assert filters.judge(further.images, torch.zeros(30, dtype=torch.int64)).tolist() == [1] * 30
    restored = type(filters).from_tree(filters.tree(), (1, 16, 16), 3)
    assert restored.judge(further.images, torch.zeros(30, dtype=torch.int64)).tolist() == [1] * 30


def test_nothing_is_measured_on_images_that_were_trained_on_without_their_class():
    images = tones(30)
    with pytest.raises(DataError, match="trained on"):
        utility_report(images, gan(unlabeled=images.take(images.labels == 0)), shares=(0.5,), n_seeds=2)


def test_a_resumed_run_equals_one_that_was_not_interrupted(tmp_path):
    images, options = tones(12), {"unlabeled": barred(), "n_steps": 6}
    whole = gan(**options).fit(images)

    def stop(done, logs):
        if done == 3:
            raise StopTraining("interrupted")

    run = gan(**options, run_dir=tmp_path / "run")
    run.fit(images, callbacks=[stop])
    run.resume(images)
    assert torch.equal(run.sample({"dark": 4}).images, whole.sample({"dark": 4}).images)
    with pytest.raises(RunError, match="unlabeled was"):
        clone(run).set_params(unlabeled=barred(seed=2), run_dir=tmp_path / "run").resume(images)


def test_a_discriminator_that_needs_a_class_is_refused():
    class WithClass(torch.nn.Module):
        def __init__(self, shape, n_classes, width, normalization):
            super().__init__()
            self.table = torch.nn.Embedding(n_classes, 64)

        def forward(self, images, labels):
            return (images.flatten(1) * self.table(labels)).sum(1)

    network = Network(NETWORKS["mlp"].generator, WithClass)
    assert gan(network=network).fit(noise()).sample(2)
    with pytest.raises(ValueError, match="judge an image by itself"):
        gan(network=network, unlabeled=noise((4,), seed=2)).fit(noise())


@pytest.mark.parametrize("loss", ["hinge", "relativistic", "wgan-gp"])
@pytest.mark.parametrize("network", ["mlp", "dcgan", "resnet"])
def test_every_loss_and_network_takes_images_without_a_class(network, loss):
    fitted = gan(network=network, loss=loss, discriminator_norm="none", penalty="r1", unlabeled=barred(4)).fit(tones(8))
    assert fitted.sample(3).images.shape == (3, 1, 16, 16)


def test_pseudo_labels_are_given_where_the_classifier_is_sure():
    labeled, others = tones(30), tones(20, seed=4)
    unlabeled = LabeledImages(others.images, torch.zeros(60, dtype=torch.int64), ("none",))
    classifier = train_auxiliary_classifier(labeled, labeled.take([]), seed=0, device=torch.device("cpu"))
    more, rest = add_pseudo_labels(labeled, unlabeled, classifier, 0.6)
    assert len(more) + len(rest) == 150
    found = more.take(torch.arange(90, len(more)))
    assert len(found) > 40
    truth = {int(code): int(label) for code, label in zip(image_hashes(others.images), others.labels, strict=True)}
    hits = [
        truth[int(code)] == int(label) for code, label in zip(image_hashes(found.images), found.labels, strict=True)
    ]
    assert np.mean(hits) > 0.95
    assert len(add_pseudo_labels(labeled, unlabeled, classifier, 1.0)[1]) == 60


def test_pseudo_labels_are_part_of_a_fit(caplog):
    with caplog.at_level("INFO", "ganaug"):
        gan(unlabeled=barred(), pseudo_label_threshold=0.5).fit(tones(30))
    assert "images without a class got one" in caplog.text


def test_batches_hold_the_share_and_every_process_gets_its_part():
    labeled, others = tones(8), barred(20)
    options = {"share": 0.25, "seed": 0, "power": 0.0}
    whole = SemiSupervisedBatches(labeled, others, 16, **options)(5)
    assert whole.conditions.tolist()[12:] == [-1] * 4
    assert torch.equal(whole.conditions[:12], whole.labels[:12])
    assert bars(LabeledImages(((whole.images[12:] + 1) * 127.5).to(torch.uint8), torch.zeros(4).long(), ("x",))) == 1
    parts = [SemiSupervisedBatches(labeled, others, 16, **options, rank=rank, world_size=2)(5) for rank in range(2)]
    assert [part.conditions.eq(-1).sum().item() for part in parts] == [2, 2]
    joined = torch.cat([part.images for part in parts])
    assert sorted(joined.flatten(1).sum(1).tolist()) == sorted(whole.images.flatten(1).sum(1).tolist())


def test_fakes_beside_images_without_a_class_follow_the_counts_of_the_labeled_ones():
    images = noise((90, 10))
    batches = SemiSupervisedBatches(images, noise((100,), seed=1), 64, share=0.5, seed=0, power=0.0)
    labels = torch.cat([batches(step).labels[32:] for step in range(60)])
    assert 0.06 < float((labels == 1).float().mean()) < 0.14


def test_few_images_without_a_class_are_not_repeated_more_than_labeled_ones():
    batch = SemiSupervisedBatches(noise((90, 10)), noise((10,), seed=1), 64, share=0.5, seed=0, power=0.0)(0)
    assert int((batch.conditions == -1).sum()) == round(64 * 10 / 110)


@pytest.mark.parametrize("params", [{"unlabeled_share": 1.0}, {"pseudo_label_threshold": 1.5}])
def test_settings_outside_their_range_are_refused(params):
    with pytest.raises(ValueError, match=next(iter(params))):
        gan(**params).fit(noise())


def test_the_number_of_processes_does_not_change_a_batch():
    options = {"share": 0.1, "seed": 0, "power": 0.0}
    parts = [
        SemiSupervisedBatches(tones(8), barred(20), 64, **options, rank=rank, world_size=4)(3) for rank in range(4)
    ]
    whole = SemiSupervisedBatches(tones(8), barred(20), 64, **options)(3)
    for rank, part in enumerate(parts):
        assert torch.equal(part.images, whole.images[rank::4])
        assert torch.equal(part.conditions, whole.conditions[rank::4])
        assert torch.equal(part.labels, whole.labels[rank::4])


def test_a_few_images_without_a_class_are_trained_on():
    batch = SemiSupervisedBatches(noise((900, 100)), noise((5,), seed=1), 64, share=0.5, seed=0, power=0.0)(0)
    assert int((batch.conditions == -1).sum()) == 1


def test_a_folder_is_cropped_as_the_labeled_images_are(tmp_path):
    wide = torch.zeros(4, 1, 16, 32, dtype=torch.uint8)
    wide[:, :, :, 8:24] = 200  # the part that a crop to a square keeps
    further = LabeledImages(wide, torch.zeros(4, dtype=torch.int64), ("x",))
    write_folder(further, tmp_path / "photos")
    cropped = read_unlabeled(tmp_path / "photos", (1, 16, 16), (16, 16, "crop"))
    assert int(cropped.min()) == 200
    assert int(read_unlabeled(tmp_path / "photos", (1, 16, 16)).min()) == 0


def test_a_store_of_images_without_a_class_can_be_cloned(tmp_path):
    write_folder(noise((5, 4), seed=5), tmp_path / "photos")
    build_store(tmp_path / "photos", tmp_path / "store")
    template = gan(unlabeled=read_folder(tmp_path / "store"))
    assert len(clone(template).fit(noise()).training_images_) == 10 + 9


def test_a_loaded_model_is_evaluated_without_its_images_without_a_class(tmp_path):
    images = tones(30)
    gan(unlabeled=barred()).fit(images).save(tmp_path / "model")
    loaded = GANAugmenter.load(tmp_path / "model", "cpu")
    report = utility_report(
        images, loaded, test=tones(20, seed=5), shares=(0.5,), n_seeds=2, classifier=GaussianNB(), resamples=50
    )
    assert report.verdict
    with pytest.raises(ValueError, match="unlabeled was an object"):
        loaded.other_training_images(images)


def test_pseudo_labels_for_a_store_are_refused_before_training(tmp_path):
    write_folder(noise((15, 14), seed=5), tmp_path / "photos")
    build_store(tmp_path / "photos", tmp_path / "store")
    with pytest.raises(ValueError, match="in memory, not in a store"):
        gan(unlabeled=noise((4,)), pseudo_label_threshold=0.5).fit(read_folder(tmp_path / "store"))
