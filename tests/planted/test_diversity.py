"""Defects planted among real images must be found; other real images must pass. A fast version, on pixels."""

import json

import pytest
import torch

from ganaug import LabeledImages
from ganaug.datasets.embedded import fashion_mnist_lt
from ganaug.errors import DataError
from ganaug.metrics.diversity import DIVERSITY_METRICS
from ganaug.reports import diversity_report

CLOTHES = fashion_mnist_lt()
NAMES = ("T-shirt", "Trouser", "Pullover")
EACH = 70  # images of each class: with three classes, more than the 200 that a pass needs


def drawn(seed, each=EACH):
    """(real, other real images of the same classes), `each` images of each class."""
    shuffled = []
    for name in NAMES:
        images = CLOTHES.of_class(name)
        shuffled.append(images[torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))])
    sets = []
    for start in (0, each):
        parts = [images[start : start + each] for images in shuffled]
        labels = [torch.full((len(part),), label) for label, part in enumerate(parts)]
        sets.append(LabeledImages(torch.cat(parts), torch.cat(labels), NAMES))
    return tuple(sets)


def compare(real, synthetic, **options):
    return diversity_report(real, synthetic, features="pixels", **options)


def alarms(report):
    return {row.metric for row in report.rows if row.state in ("warn", "fail")}


def with_images(like, images):
    return LabeledImages(images, like.labels, like.classes)


def prototypes(n):
    def plant(real, other):
        first = torch.arange(len(other)) // EACH * EACH
        return with_images(other, other.images[first + torch.arange(len(other)) % n])

    return plant


def copies(real, other):
    images = other.images.clone()
    images[::10] = real.images[::10].flip(3)
    return with_images(other, images)


def noise(real, other):
    draws = torch.Generator().manual_seed(0)
    return with_images(other, torch.randint(0, 256, other.images.shape, dtype=torch.uint8, generator=draws))


def swapped(real, other):
    labels = other.labels.clone()
    labels[::5] = (labels[::5] + 1) % len(NAMES)
    return LabeledImages(other.images, labels, NAMES)


def resized(real, other):
    small = torch.nn.functional.interpolate(other.images.float(), size=10, mode="bilinear")
    large = torch.nn.functional.interpolate(small, size=28, mode="bilinear")
    return with_images(other, large.to(torch.uint8))


PLANTED = {
    "one prototype": (prototypes(1), "repeats"),
    "ten prototypes": (prototypes(10), "repeats"),
    "copies of training images": (copies, "near-copies"),
    "noise": (noise, "C2ST AUC"),
    "wrong labels": (swapped, "recognized"),
    "wrong resize": (resized, "C2ST AUC"),
}


@pytest.mark.parametrize(("plant", "metric"), PLANTED.values(), ids=PLANTED)
def test_a_planted_defect_is_found_and_described(plant, metric):
    real, other = drawn(0)
    report = compare(real, plant(real, other))
    assert metric in alarms(report)
    assert report.verdict in ("warn", "fail")
    assert metric.lower() in " ".join(report.summary).lower()


@pytest.mark.parametrize("seed", range(3))
def test_other_real_images_pass(seed):
    real, other = drawn(seed)
    report = compare(real, other)
    assert (report.verdict, alarms(report)) == ("pass", set())


def test_a_missing_mode_is_found():
    """Half of the real images of a class are trousers; its synthetic images are T-shirts only."""
    real, other = drawn(0)
    trousers = other.images[EACH : 2 * EACH]
    both = with_images(real, torch.cat([real.images[: EACH // 2], trousers[: EACH // 2], real.images[EACH:]]))
    report = compare(both, other)
    row = next(row for row in report.rows if (row.subject, row.metric) == ("T-shirt", "missing modes"))
    assert row.state == "fail"
    assert row.value > 0.3


def test_diversity_is_judged_against_the_holdout_and_copies_against_the_training_images():
    real, other = drawn(0)
    assert "near-copies" in alarms(compare(real, real))
    with_holdout = compare(real, real, holdout=other)
    assert alarms(with_holdout) == {"near-copies", "membership"}


@pytest.mark.parametrize("each", [1, 2, 5])
def test_few_images_are_insufficient_and_give_valid_json(each):
    real, other = drawn(0, each)
    report = compare(real, other)
    assert {row.state for row in report.rows} <= {"insufficient", ""}
    assert report.verdict == "insufficient"
    json.loads(report.to_json())


def test_a_measure_passes_only_with_enough_images_to_detect_gross_faults():
    report = compare(*drawn(0, 40))
    states = {row.metric: row.state for row in report.rows if row.subject == NAMES[0]}
    assert (states["coverage"], states["repeats"]) == ("pass", "pass")
    assert {states[name] for name in ("recognized", "near-copies", "missing modes", "KID")} == {"insufficient"}
    assert report.verdict == "insufficient"
    assert "Too few" in " ".join(report.summary)


def test_duplicate_training_images_are_reported():
    real, other = drawn(0, 20)
    twice = LabeledImages(torch.cat([real.images, real.images[:5]]), torch.cat([real.labels, real.labels[:5]]), NAMES)
    assert "more than once" in " ".join(compare(twice, other).summary)


def test_the_same_images_give_the_same_report_and_errors_name_the_cause():
    real, other = drawn(0, 20)
    assert compare(real, other).to_json() == compare(real, other).to_json()
    with pytest.raises(DataError, match="no synthetic images"):
        compare(real, other.take([]))
    with pytest.raises(ValueError, match="efficientnet-lite0"):
        diversity_report(real, other, features="efficientnet")


def test_one_class_passes_and_a_class_without_synthetic_images_is_named():
    report = compare(*[LabeledImages(s.images[:200], s.labels[:200], NAMES[:1]) for s in drawn(0, 200)])
    assert report.verdict == "pass"
    assert "Too few" not in " ".join(report.summary)
    real, other = drawn(0, 40)
    report = compare(real, other.take(torch.arange(80)))
    assert "No synthetic images of Pullover" in " ".join(report.summary)


def test_a_class_of_one_image_and_features_of_one_dimension_are_accepted():
    real, other = drawn(0, 20)
    few = real.take(torch.arange(21))
    report = diversity_report(few, other, features=lambda images: images.float().mean((1, 2, 3))[:, None])
    json.loads(report.to_json())


def test_every_class_has_the_same_weight_over_all_classes():
    """Two of three classes collapsed: the values over all classes must show it, whatever the order of the classes."""
    real, other = drawn(0, 110)
    pixels = other.images.clone()
    pixels[110:220], pixels[220:] = pixels[110], pixels[220]
    report = compare(real, with_images(other, pixels))
    ratios = {row.subject: row.value for row in report.rows if row.metric == "Vendi ratio"}
    assert ratios["all classes"] < 0.8 * ratios["T-shirt"]


@pytest.mark.parametrize("parameter", ["holdout", "unseen"])
def test_membership_inference_is_measured_with_images_that_were_not_trained_on(parameter):
    """Half of the synthetic images repeat half of the training images: the advantage of an attacker is about 0.5."""
    real, other = drawn(0)
    half = torch.arange(len(real)) % 2 == 0
    repeating = other.images.clone()
    repeating[half] = real.images[half]
    pool = drawn(1)[1]
    used = torch.cat([real.images, other.images])
    unused = [k for k, image in enumerate(pool.images) if not (image == used).flatten(1).all(1).any()]
    report = compare(real, with_images(other, repeating), **{parameter: pool.take(torch.tensor(unused))})
    (row,) = [row for row in report.rows if row.metric == "membership" and row.subject == "all classes"]
    assert row.state == "warn"
    assert 0.3 < row.value < 0.75
    assert row.low < row.value < row.high
    assert f"{DIVERSITY_METRICS['membership'].reference}: 0." in row.note
    assert any(sentence.startswith("Membership") for sentence in report.summary)


def test_membership_inference_is_not_measured_without_such_images():
    real, other = drawn(0)
    (row,) = [row for row in compare(real, other).rows if row.metric == "membership" and row.subject == "all classes"]
    assert row.value is None
    assert "holdout" in row.note
    assert row.state == ""
