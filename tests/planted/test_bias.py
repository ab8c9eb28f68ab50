"""Shifts planted in the attributes of real images must be found; an unchanged composition must pass."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from ganaug import LabeledImages
from ganaug.errors import DataError
from ganaug.metrics.attribute_shift import clustered_share_shift
from ganaug.reports import bias_report
from tests.sets import SMALL, augmenter

NAMES = ("healthy", "ill")
DARK = 40, 25  # percent of dark images in each class


def drawn(n, dark=DARK, seed=0):
    """`n` images of each class with the attributes skin (visible in the pixels) and site (half each, not visible)."""
    random = np.random.default_rng(seed)
    images, labels, skin, site = [], [], [], []
    for label, share in enumerate(dark):
        is_dark = np.arange(n) < round(n * share / 100)
        tones = np.where(is_dark, 60, 180)[:, None, None, None] + random.normal(0, 20, (n, 1, 8, 8))
        tones[:, :, :4] += 30 * (label % 2)
        images.append(torch.from_numpy(tones.clip(0, 255).astype(np.uint8)))
        labels += [label] * n
        skin += np.where(is_dark, "dark", "light").tolist()
        site += ["north" if k % 2 else "south" for k in range(n)]
    metadata = pd.DataFrame({"attr_skin": skin, "attr_site": site})
    names = NAMES if len(dark) == 2 else tuple(f"class {number}" for number in range(len(dark)))
    return LabeledImages(torch.cat(images), torch.tensor(labels), names, metadata)


def alarms(report):
    return {(row.section, row.subject) for row in report.rows if row.state in ("warn", "fail")}


@pytest.mark.parametrize("claim", ["training", "population"])
@pytest.mark.parametrize("seed", range(3))
def test_an_unchanged_composition_passes(claim, seed):
    report = bias_report(drawn(300, seed=seed), drawn(400, seed=seed + 100), claim=claim, features="pixels")
    assert (report.verdict, alarms(report)) == ("pass", set())
    assert claim[:8] in report.summary[-1]
    json.loads(report.to_json())


@pytest.mark.parametrize(("points", "state"), [(-10, "fail"), (20, "fail"), (6, "warn")])
def test_a_shift_is_found_and_described(points, state):
    real, other = drawn(500), drawn(1000, dark=(DARK[0], DARK[1] + points), seed=1)
    report = bias_report(real, other, attributes=["attr_skin"], features=None)
    (row,) = (row for row in report.rows if row.subject == "ill: attr_skin = dark" and row.metric == "change")
    assert row.value == pytest.approx(points / 100, abs=0.01)
    assert row.state == state
    assert f"{abs(points)} percentage points {'more' if points > 0 else 'less'} frequent" in report.summary[0]


def test_a_shift_of_the_combination_of_two_attributes_is_found():
    """Each attribute alone is unchanged; the share of dark images from the north is not."""
    real, other = drawn(400), drawn(800, seed=1)
    skin = other.metadata["attr_skin"].to_numpy()
    crossed = np.where(
        np.random.default_rng(0).uniform(size=1600) < np.where(skin == "dark", 0.9, 0.3), "north", "south"
    )
    other = LabeledImages(other.images, other.labels, NAMES, other.metadata.assign(attr_site=crossed))
    subjects = [subject for _, subject in alarms(bias_report(real, other, features=None))]
    assert any("attr_skin, attr_site" in subject or "attr_site, attr_skin" in subject for subject in subjects)


def test_bias_amplification_is_found():
    real, other = drawn(300, dark=(60, 40)), drawn(800, dark=(85, 15), seed=1)
    report = bias_report(real, other, attributes=["attr_skin"], features=None)
    assert ("Bias amplification", "attr_skin") in alarms(report)
    assert "class and attribute are more strongly associated" in " ".join(report.summary)


def test_a_group_that_the_generator_omits_is_named():
    real, other = drawn(200), drawn(200, dark=(0, 25), seed=1)
    report = bias_report(real, other, attributes=["attr_skin"], features="pixels")
    assert ("Coverage by group", "healthy: attr_skin = dark") in alarms(report)
    advice = " ".join(report.summary)
    assert "ganaug augment DATA OUT --balance attr_skin," in advice
    assert 'GANAugmenter(condition_on=["attr_skin"], sampling_strategy="balance-cells")' in advice


def test_the_advice_is_followed_and_the_report_shows_the_cells_filled():
    """Samples that lack dark healthy images, and samples of the cells that the report asks for."""
    real = drawn(60)
    gan = augmenter(n_steps=2, condition_on="attr_skin", sampling_strategy="balance-cells", **SMALL).fit(real)
    assert gan.sampling_strategy_ == {("healthy", "dark"): 12, ("ill", "dark"): 30}
    before = gan.sample({("healthy", "light"): 600, ("ill", "light"): 600})
    cells = {(name, skin): 10 * n for name, skin, n in zip(*cell_counts(real), strict=True)}
    after = gan.sample(cells)
    reports = [bias_report(real, samples, attributes=["attr_skin"], features=None) for samples in (before, after)]
    assert [report.verdict for report in reports] == ["fail", "pass"]
    assert "--balance attr_skin" in " ".join(reports[0].summary)
    assert "--balance" not in " ".join(reports[1].summary)


def cell_counts(images):
    """Class, skin and number of images of each cell."""
    skin = images.metadata["attr_skin"]
    counts = skin.groupby([[images.classes[label] for label in images.targets], skin]).size()
    return *zip(*counts.index, strict=True), counts.tolist()


def clustered(n_groups, each, seed):
    """Images of patients: nearly all images of a patient are dark, or nearly none; four in ten patients are dark."""
    random = np.random.default_rng(seed)
    patient = np.arange(n_groups * each) // each
    dark = random.uniform(size=n_groups) < 0.4
    is_dark = np.where(random.uniform(size=len(patient)) < 0.05, ~dark[patient], dark[patient])
    metadata = pd.DataFrame({"attr_skin": np.where(is_dark, "dark", "light"), "group_id": patient})
    images = torch.from_numpy(np.where(is_dark, 60, 180).astype(np.uint8)[:, None, None, None] * np.ones((1, 1, 4, 4)))
    return LabeledImages(images.to(torch.uint8), torch.zeros(len(patient), dtype=torch.int64), ("ill",), metadata)


def test_images_of_one_patient_are_not_independent_evidence():
    """The share of dark images varies widely between sets of 20 patients: a faithful generator must pass."""
    fair = clustered(400, 1, 0)
    with_groups, without_groups = [], []
    for seed in range(1, 9):
        real = clustered(20, 15, seed)
        with_groups.append(bias_report(real, fair, claim="population", features=None).verdict)
        ungrouped = LabeledImages(real.images, real.labels, real.classes, real.metadata.drop(columns="group_id"))
        without_groups.append(bias_report(ungrouped, fair, claim="population", features=None).verdict)
    assert with_groups.count("pass") == 8
    assert without_groups.count("pass") < 8
    few = bias_report(clustered(4, 30, 1), fair, claim="population", features=None)
    assert {row.state for row in few.rows if row.section == "Attributes within each class"} == {"insufficient", ""}


@pytest.mark.parametrize(("dark", "state"), [(DARK, "pass"), ((40, 45), "fail")])
def test_attributes_are_predicted_on_request_and_corrected_for_wrong_predictions(dark, state):
    """A fifth of the dark images, real and synthetic, look light: uncorrected shares would be far off."""
    sets = []
    for n, share, seed in ((400, DARK, 0), (600, dark, 1)):
        images = drawn(n, share, seed)
        random = np.random.default_rng(seed + 50)
        wrong = random.uniform(size=2 * n) < np.where(images.metadata["attr_skin"] == "dark", 0.2, 0.0)
        swapped = images.images.clone()
        swapped[torch.from_numpy(wrong)] = swapped[torch.from_numpy(wrong)] + 120
        sets.append(LabeledImages(swapped, images.labels, NAMES, images.metadata[["attr_skin"]]))
    real, other = sets
    bare = LabeledImages(other.images, other.labels, NAMES)
    with pytest.raises(DataError, match="predicted=True"):
        bias_report(real, bare, attributes=["attr_skin"], features="pixels")
    report = bias_report(real, bare, predicted=True, features="pixels")
    cells = {row.metric: row for row in report.rows if row.subject == "ill: attr_skin = dark"}
    assert cells["synthetic share"].value == pytest.approx(dark[1] / 100, abs=0.06)
    assert cells["synthetic share"].low <= dark[1] / 100 <= cells["synthetic share"].high
    assert "predicted by a classifier" in cells["synthetic share"].note
    assert cells["change"].state == state
    assert report.facts["predicted attributes"] == ["attr_skin"]


def test_an_attribute_that_is_not_visible_is_not_predicted():
    real, other = drawn(200), drawn(200, seed=1)
    bare = LabeledImages(other.images, other.labels, NAMES)
    report = bias_report(real, bare, attributes=["attr_site"], predicted=True, features="pixels")
    rows = [row for row in report.rows if row.metric == "change"]
    assert {row.state for row in rows} == {"insufficient"}
    assert all("clearly enough" in row.note for row in rows)


def mislabeled_if_dark(images):
    """The same images with wrong labels for all dark ones."""
    dark = torch.tensor([value == "dark" for value in images.metadata["attr_skin"]])
    return LabeledImages(images.images, torch.where(dark, 1 - images.labels, images.labels), NAMES, images.metadata)


def test_a_group_for_which_the_classifier_gets_worse_is_named():
    real, test = drawn(60), drawn(150, seed=2)
    forest = RandomForestClassifier(50, random_state=0)
    harmful = mislabeled_if_dark(drawn(300, seed=1))
    options = {"attributes": ["attr_skin"], "features": None, "test": test, "classifier": forest}
    report = bias_report(real, harmful, **options)
    rows = {(row.subject, row.metric): row for row in report.rows if row.section.startswith("Classifier")}
    assert rows["attr_skin = dark", "change in accuracy"].value < -0.3
    assert rows["attr_skin = dark", "change in accuracy"].state == "fail"
    assert rows["attr_skin = light", "change in accuracy"].state == "pass"
    assert rows["attr_skin: largest gap", "change in accuracy"].state == "fail"
    assert rows["attr_skin: equalized odds difference", "change in recall"].state == "fail"
    assert rows["attr_skin = dark", "test images"].value == sum(test.metadata["attr_skin"] == "dark")
    assert "attr_skin = dark: classifier accuracy falls by" in " ".join(report.summary)
    harmless = bias_report(real, drawn(300, seed=1), **options)
    assert not [section for section, _ in alarms(harmless) if section.startswith("Classifier")]


def test_test_images_must_not_be_training_images_and_small_groups_are_insufficient():
    real, other = drawn(60), drawn(60, seed=1)
    linear = LogisticRegression(max_iter=100)
    with pytest.raises(DataError, match="are training images too"):
        bias_report(real, other, features=None, test=real, classifier=linear)
    report = bias_report(
        real, other, attributes=["attr_skin"], features=None, test=drawn(9, seed=3), classifier=linear, n_seeds=1
    )
    rows = [row for row in report.rows if row.metric == "change in accuracy"]
    assert [row.state for row in rows].count("insufficient") == 1
    assert not any("gap" in row.subject for row in rows)


def test_small_cells_are_insufficient():
    report = bias_report(drawn(6), drawn(300, seed=1), features=None)
    assert {row.state for row in report.rows if row.section == "Attributes within each class"} == {"insufficient", ""}
    assert "Insufficient results: 12." in " ".join(report.summary)


def test_missing_values_are_left_out():
    real, other = drawn(100), drawn(100, seed=1)
    skin = [None if k % 3 else value for k, value in enumerate(other.metadata["attr_skin"])]
    incomplete = other.metadata.assign(attr_skin=skin)
    report = bias_report(real, LabeledImages(other.images, other.labels, NAMES, incomplete), features=None)
    counts = [row.value for row in report.rows if row.metric == "synthetic images" and ": attr_skin =" in row.subject]
    assert all(count < 40 for count in counts)
    assert report.verdict == "pass"


def test_errors_name_the_attribute_or_parameter():
    real, other = drawn(20), drawn(20, seed=1)
    bare = LabeledImages(other.images, other.labels, NAMES)
    with pytest.raises(DataError, match="'attr_site' is not a column of the metadata of the synthetic"):
        bias_report(real, bare, attributes=["attr_site"])
    with pytest.raises(DataError, match="no attributes"):
        bias_report(bare, other)
    with pytest.raises(DataError, match="Did you mean 'attr_skin'"):
        bias_report(real, other, attributes="attr_site, attr_skinn")
    with pytest.raises(ValueError, match="population"):
        bias_report(real, other, claim="world")


def test_a_value_or_combination_that_real_images_lack_is_found():
    real, other = drawn(200), drawn(200, seed=1)
    tied = real.metadata.assign(attr_site=np.where(real.metadata["attr_skin"] == "dark", "south", "north"))
    report = bias_report(LabeledImages(real.images, real.labels, NAMES, tied), other, features=None)
    assert report.verdict == "fail"
    green = other.metadata.assign(attr_skin=np.where(np.arange(400) % 2, "green", other.metadata["attr_skin"]))
    report = bias_report(real, LabeledImages(other.images, other.labels, NAMES, green), features=None)
    assert any(row.subject.endswith("attr_skin = green") and row.state == "fail" for row in report.rows)


def test_bias_amplification_is_found_among_many_classes():
    """The smallest p value that resampling can give must stay significant when adjusted for many tests."""
    real, other = drawn(60, (20, 80) * 6, 0), drawn(200, (5, 95) * 6, 1)
    assert ("Bias amplification", "attr_skin") in alarms(bias_report(real, other, features=None))


@pytest.mark.parametrize(("share", "each"), [(0.1, 15), (0.05, 15), (0.3, 20)])
def test_rare_attributes_of_few_patients_raise_few_false_alarms(share, each):
    random = np.random.default_rng(0)
    patients, p_values = np.repeat(np.arange(10), each), []
    for _ in range(400):
        has = (random.uniform(size=10) < share)[patients]
        p_values.append(clustered_share_shift(has, patients, int(random.binomial(500, share)), 500).p)
    assert np.mean(np.array(p_values) < 0.001) < 0.02


def test_the_default_classifier_is_compared_by_group():
    real, other, test = (drawn(12, seed=seed) for seed in range(3))
    report = bias_report(real, other, attributes=["attr_site"], features=None, test=test, n_seeds=1)
    assert any(row.metric == "change in accuracy" and row.value is not None for row in report.rows)
    with pytest.raises(DataError, match="'attr_age' is not a column of the metadata of the test"):
        aged = [
            LabeledImages(s.images, s.labels, NAMES, s.metadata.assign(attr_age=["old", "young"] * 12))
            for s in (real, other)
        ]
        bias_report(*aged, attributes=["attr_age"], features=None, test=test)
