"""Shifts planted among attributes of real images, and a make-up that is kept."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from ganaug import LabelledImages
from ganaug.errors import DataError
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
        tones[:, :, :4] += 30 * label
        images.append(torch.from_numpy(tones.clip(0, 255).astype(np.uint8)))
        labels += [label] * n
        skin += ["dark" if one else "light" for one in is_dark]
        where += ["north" if k % 2 else "south" for k in range(n)]
    metadata = pd.DataFrame({"attr_skin": skin, "attr_site": where})
    return LabelledImages(torch.cat(images), torch.tensor(labels), NAMES, metadata)


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
    other = LabelledImages(other.images, other.labels, NAMES, other.metadata.assign(attr_site=crossed))
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


def test_small_cells_are_insufficient():
    report = bias_report(drawn(6), drawn(300, seed=1), features=None)
    assert {row.state for row in report.rows if row.section == "Attributes within each class"} == {"insufficient", ""}
    assert "fewer than 10" in " ".join(report.summary)


def test_missing_values_are_left_out():
    real, other = drawn(100), drawn(100, seed=1)
    holes = other.metadata.assign(attr_skin=[None if k % 3 else v for k, v in enumerate(other.metadata["attr_skin"])])
    report = bias_report(real, LabelledImages(other.images, other.labels, NAMES, holes), features=None)
    counts = [row.value for row in report.rows if row.metric == "synthetic images" and ": attr_skin =" in row.subject]
    assert all(count < 40 for count in counts)
    assert report.verdict == "pass"


def test_what_is_wrong_is_named():
    real, other = drawn(20), drawn(20, seed=1)
    bare = LabelledImages(other.images, other.labels, NAMES)
    with pytest.raises(DataError, match="'attr_site' is not among the metadata of the synthetic"):
        bias_report(real, bare)
    with pytest.raises(DataError, match="no attributes"):
        bias_report(bare, other)
    with pytest.raises(DataError, match="has 1 values"):
        same = LabelledImages(real.images, real.labels, NAMES, real.metadata.assign(attr_site="north"))
        bias_report(same, other)
    with pytest.raises(ValueError, match="population"):
        bias_report(real, other, claim="world")
