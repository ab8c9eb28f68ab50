"""Defects planted among real images, and real images that must pass: a fast cut, on pixels."""

import json

import pytest
import torch

from ganaug import LabeledImages
from ganaug.datasets.embedded import fashion_mnist_lt
from ganaug.errors import DataError
from ganaug.reports.diversity import diversity_report

CLOTHES = fashion_mnist_lt()
NAMES = ("T-shirt", "Trouser", "Pullover")
EACH = 70  # of three classes: more than 200 in all, from which on a report may say that all is well


def drawn(seed, each=EACH):
    """(real, other real images of the same classes), `each` a class."""
    sides = [], []
    for label, name in enumerate(NAMES):
        own = CLOTHES.of_class(name)
        own = own[torch.randperm(len(own), generator=torch.Generator().manual_seed(seed))]
        for side, part in zip(sides, (own[:each], own[each : 2 * each]), strict=True):
            side.append(LabeledImages(part, torch.full((len(part),), label), NAMES))
    return tuple(
        LabeledImages(torch.cat([p.images for p in side]), torch.cat([p.labels for p in side]), NAMES) for side in sides
    )


def judged(real, synthetic, **options):
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
    some = other.images.clone()
    some[::10] = real.images[::10].flip(3)
    return with_images(other, some)


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
def test_what_is_planted_is_found(plant, metric):
    real, other = drawn(0)
    report = judged(real, plant(real, other))
    assert metric in alarms(report)
    assert report.verdict in ("warn", "fail")
    assert metric.lower() in " ".join(report.summary).lower()


@pytest.mark.parametrize("seed", range(3))
def test_other_real_images_pass(seed):
    real, other = drawn(seed)
    report = judged(real, other)
    assert (report.verdict, alarms(report)) == ("pass", set())


def test_a_missing_kind_is_named_with_examples():
    """Synthetic images of one class show shirts only where half of the real ones are trousers."""
    real, other = drawn(0)
    trousers = other.images[EACH : 2 * EACH]
    both = with_images(real, torch.cat([real.images[: EACH // 2], trousers[: EACH // 2], real.images[EACH:]]))
    report = judged(both, other)
    own = next(row for row in report.rows if (row.subject, row.metric) == ("T-shirt", "missing modes"))
    assert own.state == "fail"
    assert own.value > 0.3


def test_images_apart_are_what_diversity_is_judged_against_and_copies_are_of_the_training_images():
    real, other = drawn(0)
    assert "near-copies" in alarms(judged(real, real))
    validation = judged(real, real, holdout=other)
    assert alarms(validation) == {"near-copies", "membership"}


@pytest.mark.parametrize("each", [1, 2, 5])
def test_few_images_are_insufficient_and_give_no_nan(each):
    real, other = drawn(0, each)
    report = judged(real, other)
    assert {row.state for row in report.rows} <= {"insufficient", ""}
    assert report.verdict == "insufficient"
    json.loads(report.to_json())


def test_a_cell_is_green_only_where_gross_faults_of_its_kind_would_show():
    report = judged(*drawn(0, 40))
    states = {row.metric: row.state for row in report.rows if row.subject == NAMES[0]}
    assert (states["coverage"], states["repeats"]) == ("pass", "pass")
    assert {states[name] for name in ("recognized", "near-copies", "missing modes", "KID")} == {"insufficient"}
    assert report.verdict == "insufficient"
    assert "Too few" in " ".join(report.summary)


def test_training_images_that_are_there_twice_are_told():
    real, other = drawn(0, 20)
    twice = LabeledImages(torch.cat([real.images, real.images[:5]]), torch.cat([real.labels, real.labels[:5]]), NAMES)
    assert "there twice" in " ".join(judged(twice, other).summary)


def test_the_same_images_give_the_same_report_and_errors_name_the_matter():
    real, other = drawn(0, 20)
    assert judged(real, other).to_json() == judged(real, other).to_json()
    with pytest.raises(DataError, match="no synthetic images"):
        judged(real, other.take([]))
    with pytest.raises(ValueError, match="efficientnet-lite0"):
        diversity_report(real, other, features="efficientnet")


def test_one_class_passes_and_a_class_without_synthetic_images_is_named():
    sides = drawn(0, 200)
    report = judged(*[LabeledImages(side.images[:200], side.labels[:200], NAMES[:1]) for side in sides])
    assert report.verdict == "pass"
    assert "Too few" not in " ".join(report.summary)
    real, other = drawn(0, 40)
    report = judged(real, other.take(torch.arange(80)))
    assert "No synthetic images of Pullover" in " ".join(report.summary)


def test_a_class_of_one_real_image_and_features_of_one_number_are_no_trouble():
    real, other = drawn(0, 20)
    few = real.take(torch.arange(21))
    report = diversity_report(few, other, features=lambda images: images.float().mean((1, 2, 3))[:, None])
    json.loads(report.to_json())


def test_over_all_classes_every_class_counts():
    """Two of three classes collapsed: the figures over all must show it, whatever the order of the classes."""
    real, other = drawn(0, 110)
    pixels = other.images.clone()
    pixels[110:220], pixels[220:] = pixels[110], pixels[220]
    report = judged(real, with_images(other, pixels))
    own = {row.subject: row.value for row in report.rows if row.metric == "Vendi ratio"}
    assert own["all classes"] < 0.8 * own["T-shirt"]


@pytest.mark.parametrize("as_what", ["holdout", "unseen"])
def test_images_that_were_not_trained_on_show_what_the_synthetic_ones_betray(as_what):
    """Half of the synthetic images repeat half of the training images: an attacker's advantage is about a half."""
    real, other = drawn(0)
    half = torch.arange(len(real)) % 2 == 0
    repeating = other.images.clone()
    repeating[half] = real.images[half]
    apart = drawn(1)[1]
    seen = torch.cat([real.images, other.images])
    unseen = [k for k, image in enumerate(apart.images) if not (image == seen).flatten(1).all(1).any()]
    report = judged(real, with_images(other, repeating), **{as_what: apart.take(torch.tensor(unseen))})
    (row,) = [row for row in report.rows if row.metric == "membership" and row.subject == "all classes"]
    assert row.state == "warn"
    assert 0.3 < row.value < 0.75
    assert row.low < row.value < row.high
    assert "by chance: 0." in row.note
    assert any(told.startswith("Membership") for told in report.summary)


def test_without_such_images_nothing_is_said_of_membership():
    real, other = drawn(0)
    (row,) = [row for row in judged(real, other).rows if row.metric == "membership" and row.subject == "all classes"]
    assert row.value is None
    assert "holdout" in row.note
    assert row.state == ""
