"""Real, synthetic and test images side by side: a right result, or one named error before any features are computed."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from ganaug import bias_report, diversity_report, utility_report
from ganaug.errors import DataError
from tests.planted.test_bias import drawn

NAMES = ("healthy", "ill")


class Classifier(LogisticRegression):
    """Counts how often it is fitted."""

    n_fits = 0

    def fit(self, *arguments, **options):
        Classifier.n_fits += 1
        return super().fit(*arguments, **options)


class Work:
    """A feature extractor that counts the images."""

    def __init__(self):
        self.n_images, Classifier.n_fits = 0, 0

    def __call__(self, pixels):
        self.n_images += len(pixels)
        return pixels.float().flatten(1)

    @property
    def is_begun(self):
        return self.n_images + Classifier.n_fits > 0


def diversity(sets, work):
    return diversity_report(sets["real"], sets["synthetic"], holdout=sets["test"], features=work, pictures=False)


def bias(sets, work):
    return bias_report(
        sets["real"], sets["synthetic"], test=sets["test"], features=work, classifier=Classifier(), n_seeds=1
    )


def utility(sets, work):
    return utility_report(
        sets["real"],
        sets["synthetic"],
        test=sets["test"],
        classifier=Classifier(),
        shares=(0.5,),
        n_seeds=2,
        resamples=10,
    )


REPORTS = pytest.mark.parametrize("report", [diversity, bias, utility])


def sets_of(**changes):
    sets = {name: drawn(20, seed=seed) for seed, name in enumerate(("real", "synthetic", "test"))}
    return {name: changes[name](images) if name in changes else images for name, images in sets.items()}


def named(*classes):
    return lambda images: replace(images, classes=classes)


def rgb(images):
    return replace(images, images=images.images.expand(-1, 3, -1, -1))


def colored(images):
    pixels = images.images.repeat(1, 3, 1, 1)
    pixels[:2, 1] += 9
    return replace(images, images=pixels)


def doubled(images):
    return replace(images, images=images.images.repeat(1, 1, 2, 2))


def marked(flags):
    return lambda images: replace(images, metadata=images.metadata.assign(is_synthetic=flags * (len(images) // 2)))


def other_order(images):
    return replace(images, labels=1 - images.labels, classes=images.classes[::-1])


def empty(images):
    return images.take([])


REFUSED = {
    "spaces": ({"synthetic": named("healthy ", "ill")}, "look like one class: 'healthy ' = 'healthy'"),
    "case": ({"synthetic": named("Healthy", "ILL")}, "'Healthy' = 'healthy', 'ILL' = 'ill'"),
    "case of the test images": ({"test": named("Healthy", "ill")}, "'Healthy' = 'healthy'"),
    "numbers and names": ({"synthetic": named("0", "1")}, "names its classes by numbers"),
    "names and numbers": ({"real": named("0", "1")}, "names its classes by numbers"),
    "0.0 and 0": (
        {"real": named("0", "1"), "test": named("0", "1"), "synthetic": named("0.0", "1.0")},
        "'0.0' = '0', '1.0' = '1'",
    ),
    "another class": ({"synthetic": named("healthy", "cat")}, "have class 'cat', which the real ones lack"),
    "another class of the test images": ({"test": named("healthy", "cat")}, "have class 'cat'"),
    "color beside gray": ({"synthetic": colored}, "2 of 40 synthetic images are in color"),
    "color beside gray in the test images": ({"test": colored}, "2 of 40 .* images are in color"),
    "another size": ({"synthetic": doubled}, "synthetic images are 16x16 and the real ones 8x8"),
    "another size of the test images": ({"test": doubled}, "images are 16x16 and the real ones 8x8"),
    "no synthetic images": ({"synthetic": empty}, "no synthetic images"),
    "no real images": ({"real": empty}, "no real images"),
    "no test images": ({"test": empty}, "no (test|held-out) images"),
    "real images that are synthetic": ({"real": marked([True, True])}, "all real images are marked as synthetic"),
}


@REPORTS
@pytest.mark.parametrize("case", REFUSED)
def test_sets_that_do_not_match_are_refused_before_anything_is_computed(report, case):
    changes, message = REFUSED[case]
    work = Work()
    with pytest.raises(DataError, match=message):
        report(sets_of(**changes), work)
    assert not work.is_begun


@REPORTS
@pytest.mark.parametrize("which", ["real", "test"])
@pytest.mark.parametrize("value", ["photos/train", (torch.zeros(2, 1, 8, 8), torch.zeros(2))], ids=["path", "tuple"])
def test_what_is_no_image_set_is_named(report, which, value):
    work = Work()
    with pytest.raises(DataError, match=f"images are a {type(value).__name__}; expected LabeledImages"):
        report({**sets_of(), which: value}, work)
    assert not work.is_begun


def test_unseen_images_are_checked_before_the_features():
    sets, work = sets_of(test=named("Healthy", "ill")), Work()
    with pytest.raises(DataError, match="the unseen images have class 'Healthy'"):
        diversity_report(sets["real"], sets["synthetic"], unseen=sets["test"], features=work)
    assert not work.is_begun


@pytest.mark.parametrize("report", [bias, utility])
def test_a_classifier_needs_two_classes(report):
    work = Work()
    sets = {name: images.take(images.labels == 0) for name, images in sets_of().items()}
    with pytest.raises(DataError, match="all real images are of class 'healthy': a classifier needs"):
        report(sets, work)
    assert not work.is_begun


EQUAL = {
    "classes in another order": {"synthetic": other_order, "test": other_order},
    "accents": {
        "real": named("caf\u00e9", "ill"),
        "synthetic": named("cafe\u0301", "ill"),
        "test": named("caf\u00e9", "ill"),
    },
    "gray beside RGB": {"real": rgb},
    "RGB without colors beside gray": {"synthetic": rgb, "test": rgb},
    "a class without images": {"synthetic": named(*NAMES, "cat"), "test": named(*NAMES, "cat")},
}


@REPORTS
@pytest.mark.parametrize("case", EQUAL)
def test_sets_that_differ_in_form_alone_have_the_same_result(report, case):
    expected, result = (report(sets, Work()) for sets in (sets_of(), sets_of(**EQUAL[case])))
    assert result.verdict == expected.verdict
    numbers = [
        [(row.section, row.metric, row.value) for row in each.rows if "KID" not in row.metric]
        for each in (expected, result)
    ]
    if case != "gray beside RGB":  # three channels count as three features
        assert numbers[0] == numbers[1]


@REPORTS
def test_images_that_are_not_marked_as_synthetic_are_not_judged(report):
    sets = sets_of()
    half = sets["synthetic"].take(torch.arange(40) % 2 == 1)
    expected = report({**sets, "synthetic": half}, Work())
    result = report(sets_of(synthetic=marked([False, True])), Work())
    assert [row.value for row in result.rows] == [row.value for row in expected.rows]


def test_real_images_that_are_marked_as_synthetic_are_left_out_with_their_groups():
    real = marked([True, False])(drawn(20))
    groups = pd.Series([*range(20), *range(20)])
    with pytest.warns(UserWarning, match="20 images marked as synthetic or altered are left out of the real images"):
        report = bias_report(real, drawn(20, seed=1), groups=groups, features=None)
    assert (report.facts["real images"], report.facts["groups"]) == (20, 10)


@pytest.mark.parametrize("only", [0, 1])
def test_synthetic_images_of_one_class_are_judged(only):
    sets = sets_of(synthetic=lambda images: images.take(images.labels == only))
    for report in (diversity, bias, utility):
        rows = report(sets, Work()).rows
        assert any(NAMES[only] in row.subject for row in rows)
