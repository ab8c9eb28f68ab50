"""Shifts planted among attributes of real images, and a composition that is kept."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from ganaug import LabeledImages
from ganaug.errors import DataError
from ganaug.metrics.attribute_shift import clustered_shift
from ganaug.reports.bias import bias_report

NAMES = ("healthy", "ill")
DARK = 40, 25  # share of dark images of each class, in percent


def drawn(n, dark=DARK, seed=0):
    """`n` images a class with the attributes skin and site; dark ones look dark, sites are even."""
    random = np.random.default_rng(seed)
    images, labels, skin, where = [], [], [], []
    for label, share in enumerate(dark):
        is_dark = np.arange(n) < round(n * share / 100)
        tones = np.where(is_dark, 60, 180)[:, None, None, None] + random.normal(0, 20, (n, 1, 8, 8))
        tones[:, :, :4] += 30 * (label % 2)
        images.append(torch.from_numpy(tones.clip(0, 255).astype(np.uint8)))
        labels += [label] * n
        skin += ["dark" if one else "light" for one in is_dark]
        where += ["north" if k % 2 else "south" for k in range(n)]
    metadata = pd.DataFrame({"attr_skin": skin, "attr_site": where})
    names = NAMES if len(dark) == 2 else tuple(f"class {number}" for number in range(len(dark)))
    return LabeledImages(torch.cat(images), torch.tensor(labels), names, metadata)


def alarms(report):
    return {(row.section, row.subject) for row in report.rows if row.state in ("warn", "fail")}


@pytest.mark.parametrize("claim", ["training", "population"])
@pytest.mark.parametrize("seed", range(3))
def test_a_make_up_that_is_kept_passes(claim, seed):
    report = bias_report(drawn(300, seed=seed), drawn(400, seed=seed + 100), claim=claim, features="pixels")
    assert (report.verdict, alarms(report)) == ("pass", set())
    assert claim[:8] in report.summary[-1]
    json.loads(report.to_json())


@pytest.mark.parametrize(("points", "state"), [(-10, "fail"), (20, "fail"), (6, "warn")])
def test_a_shift_is_found_and_told(points, state):
    real, other = drawn(500), drawn(1000, dark=(DARK[0], DARK[1] + points), seed=1)
    report = bias_report(real, other, attributes=["attr_skin"], features=None)
    (row,) = (row for row in report.rows if row.subject == "ill: attr_skin = dark" and row.metric == "change")
    assert row.value == pytest.approx(points / 100, abs=0.01)
    assert row.state == state
    assert f"{abs(points)} points {'more' if points > 0 else 'less'}" in report.summary[0]


def test_opposite_shifts_of_two_attributes_are_found_together():
    """Each attribute alone stays as it was; who is dark and from the north changes."""
    real, other = drawn(400), drawn(800, seed=1)
    skin = other.metadata["attr_skin"].to_numpy()
    crossed = np.where(
        np.random.default_rng(0).uniform(size=1600) < np.where(skin == "dark", 0.9, 0.3), "north", "south"
    )
    other = LabeledImages(other.images, other.labels, NAMES, other.metadata.assign(attr_site=crossed))
    found = alarms(bias_report(real, other, features=None))
    assert any("attr_skin, attr_site" in subject or "attr_site, attr_skin" in subject for _, subject in found)


def test_an_exaggerated_association_is_found_as_such():
    real, other = drawn(300, dark=(60, 40)), drawn(800, dark=(85, 15), seed=1)
    report = bias_report(real, other, attributes=["attr_skin"], features=None)
    assert ("Bias amplification", "attr_skin") in alarms(report)


def test_a_group_that_the_generator_does_not_show_is_named():
    real, other = drawn(200), drawn(200, dark=(0, 25), seed=1)
    found = alarms(bias_report(real, other, attributes=["attr_skin"], features="pixels"))
    assert ("How well each group is covered", "healthy: attr_skin = dark") in found


def clustered(n_groups, each, seed):
    """Images of patients: nearly all of one patient's are dark, or none; four of ten patients are dark."""
    random = np.random.default_rng(seed)
    patient = np.arange(n_groups * each) // each
    dark = random.uniform(size=n_groups) < 0.4
    is_dark = np.where(random.uniform(size=len(patient)) < 0.05, ~dark[patient], dark[patient])
    metadata = pd.DataFrame({"attr_skin": np.where(is_dark, "dark", "light"), "group_id": patient})
    images = torch.from_numpy(np.where(is_dark, 60, 180).astype(np.uint8)[:, None, None, None] * np.ones((1, 1, 4, 4)))
    return LabeledImages(images.to(torch.uint8), torch.zeros(len(patient), dtype=torch.int64), ("ill",), metadata)


def test_images_of_one_patient_are_no_independent_witnesses():
    """Real sets of 20 patients differ a lot in how many images are dark; a faithful generator must not be blamed."""
    fair = clustered(400, 1, 0)
    told, blamed = [], []
    for seed in range(1, 9):
        real = clustered(20, 15, seed)
        told.append(bias_report(real, fair, claim="population", features=None).verdict)
        alone = LabeledImages(real.images, real.labels, real.classes, real.metadata.drop(columns="group_id"))
        blamed.append(bias_report(alone, fair, claim="population", features=None).verdict)
    assert told.count("pass") == 8
    assert blamed.count("pass") < 8
    few = bias_report(clustered(4, 30, 1), fair, claim="population", features=None)
    assert {row.state for row in few.rows if row.section == "Attributes within each class"} == {"insufficient", ""}


@pytest.mark.parametrize(("dark", "state"), [(DARK, "pass"), ((40, 45), "fail")])
def test_attributes_are_guessed_only_when_asked_and_corrected_for_wrong_guesses(dark, state):
    """A fifth of the dark real images look light, and of all others too: plain counts would be far off."""
    sides = []
    for n, share, seed in ((400, DARK, 0), (600, dark, 1)):
        images = drawn(n, share, seed)
        random = np.random.default_rng(seed + 50)
        wrong = random.uniform(size=2 * n) < np.where(images.metadata["attr_skin"] == "dark", 0.2, 0.0)
        swapped = images.images.clone()
        swapped[torch.from_numpy(wrong)] = swapped[torch.from_numpy(wrong)] + 120
        sides.append(LabeledImages(swapped, images.labels, NAMES, images.metadata[["attr_skin"]]))
    real, other = sides
    bare = LabeledImages(other.images, other.labels, NAMES)
    with pytest.raises(DataError, match="predicted=True"):
        bias_report(real, bare, features="pixels")
    report = bias_report(real, bare, predicted=True, features="pixels")
    cells = {row.metric: row for row in report.rows if row.subject == "ill: attr_skin = dark"}
    assert cells["synthetic share"].value == pytest.approx(dark[1] / 100, abs=0.06)
    assert cells["synthetic share"].low <= dark[1] / 100 <= cells["synthetic share"].high
    assert "guessed" in cells["synthetic share"].note
    assert cells["change"].state == state
    assert report.facts["guessed attributes"] == ["attr_skin"]


def test_an_attribute_that_does_not_show_is_not_guessed_at():
    real, other = drawn(200), drawn(200, seed=1)
    bare = LabeledImages(other.images, other.labels, NAMES)
    report = bias_report(real, bare, attributes=["attr_site"], predicted=True, features="pixels")
    rows = [row for row in report.rows if row.metric == "change"]
    assert {row.state for row in rows} == {"insufficient"}
    assert all("hardly tell" in row.note for row in rows)


def wrong_for_the_dark(images):
    """The same images, with every label of a dark one turned around."""
    dark = torch.tensor([value == "dark" for value in images.metadata["attr_skin"]])
    return LabeledImages(images.images, torch.where(dark, 1 - images.labels, images.labels), NAMES, images.metadata)


def test_a_group_for_which_a_classifier_gets_worse_is_named():
    real, test = drawn(60), drawn(150, seed=2)
    judge = RandomForestClassifier(50, random_state=0)
    harmful = wrong_for_the_dark(drawn(300, seed=1))
    options = {"attributes": ["attr_skin"], "features": None, "test": test, "classifier": judge}
    report = bias_report(real, harmful, **options)
    rows = {(row.subject, row.metric): row for row in report.rows if row.section.startswith("A classifier")}
    assert rows["attr_skin = dark", "change"].value < -0.3
    assert rows["attr_skin = dark", "change"].state == "fail"
    assert rows["attr_skin = light", "change"].state == "pass"
    assert rows["attr_skin: largest gap", "change"].state == "fail"
    assert rows["attr_skin = dark", "test images"].value == sum(test.metadata["attr_skin"] == "dark")
    assert "loses" in " ".join(report.summary)
    harmless = bias_report(real, drawn(300, seed=1), **options)
    assert not [
        row for row in harmless.rows if row.section.startswith("A classifier") and row.state in ("warn", "fail")
    ]


def test_test_images_must_be_apart_and_small_groups_are_insufficient():
    real, other = drawn(60), drawn(60, seed=1)
    judge = LogisticRegression(max_iter=100)
    with pytest.raises(DataError, match="are training images too"):
        bias_report(real, other, features=None, test=real, classifier=judge)
    report = bias_report(
        real, other, attributes=["attr_skin"], features=None, test=drawn(9, seed=3), classifier=judge, n_seeds=1
    )
    rows = [row for row in report.rows if row.section.startswith("A classifier") and row.metric == "change"]
    assert [row.state for row in rows].count("insufficient") == 1
    assert not any("gap" in row.subject for row in rows)


def test_small_cells_are_insufficient():
    report = bias_report(drawn(6), drawn(300, seed=1), features=None)
    assert {row.state for row in report.rows if row.section == "Attributes within each class"} == {"insufficient", ""}
    assert "too little" in " ".join(report.summary)


def test_missing_values_are_left_out():
    real, other = drawn(100), drawn(100, seed=1)
    holes = other.metadata.assign(attr_skin=[None if k % 3 else v for k, v in enumerate(other.metadata["attr_skin"])])
    report = bias_report(real, LabeledImages(other.images, other.labels, NAMES, holes), features=None)
    counts = [row.value for row in report.rows if row.metric == "synthetic images" and ": attr_skin =" in row.subject]
    assert all(count < 40 for count in counts)
    assert report.verdict == "pass"


def test_what_is_wrong_is_named():
    real, other = drawn(20), drawn(20, seed=1)
    bare = LabeledImages(other.images, other.labels, NAMES)
    with pytest.raises(DataError, match="'attr_site' is not among the metadata of the synthetic"):
        bias_report(real, bare)
    with pytest.raises(DataError, match="no attributes"):
        bias_report(bare, other)
    with pytest.raises(DataError, match="has 1 values"):
        same = LabeledImages(real.images, real.labels, NAMES, real.metadata.assign(attr_site="north"))
        bias_report(same, same)
    with pytest.raises(ValueError, match="population"):
        bias_report(real, other, claim="world")


def test_a_value_or_a_combination_that_real_images_lack_is_a_change():
    real, other = drawn(200), drawn(200, seed=1)
    tied = real.metadata.assign(attr_site=np.where(real.metadata["attr_skin"] == "dark", "south", "north"))
    report = bias_report(LabeledImages(real.images, real.labels, NAMES, tied), other, features=None)
    assert report.verdict == "fail"
    green = other.metadata.assign(attr_skin=np.where(np.arange(400) % 2, "green", other.metadata["attr_skin"]))
    report = bias_report(real, LabeledImages(other.images, other.labels, NAMES, green), features=None)
    assert any(row.subject.endswith("attr_skin = green") and row.state == "fail" for row in report.rows)


def test_an_association_is_found_among_many_classes():
    """Many tests are adjusted for many: the smallest p value that resampling can give must outlive that."""
    real, other = drawn(60, (20, 80) * 6, 0), drawn(200, (5, 95) * 6, 1)
    found = alarms(bias_report(real, other, features=None))
    assert ("Bias amplification", "attr_skin") in found


@pytest.mark.parametrize(("share", "each"), [(0.1, 15), (0.05, 15), (0.3, 20)])
def test_rare_attributes_of_few_patients_blame_no_faithful_generator(share, each):
    random = np.random.default_rng(0)
    patients, p_values = np.repeat(np.arange(10), each), []
    for _ in range(400):
        has = (random.uniform(size=10) < share)[patients]
        p_values.append(clustered_shift(has, patients, int(random.binomial(500, share)), 500).p)
    assert np.mean(np.array(p_values) < 0.001) < 0.02


def test_the_usual_classifier_judges_groups_too():
    sides = [drawn(12, seed=seed) for seed in range(3)]
    report = bias_report(sides[0], sides[1], attributes=["attr_site"], features=None, test=sides[2], n_seeds=1)
    assert any(row.section.startswith("A classifier") and row.value is not None for row in report.rows)
    with pytest.raises(DataError, match="'attr_age' is not among the metadata of the test"):
        aged = [
            LabeledImages(s.images, s.labels, NAMES, s.metadata.assign(attr_age=["old", "young"] * 12))
            for s in sides[:2]
        ]
        bias_report(*aged, attributes=["attr_age"], features=None, test=sides[2])
