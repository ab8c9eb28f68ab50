"""`ganaug report` in a process of its own, on folders with and without attributes."""

import json
from pathlib import Path

import pandas as pd
import pytest
from jsonschema import validate

from ganaug import LabeledImages, write_folder
from ganaug.metrics.diversity import DIVERSITY_METRICS
from tests.planted.test_bias import drawn as with_attributes
from tests.planted.test_diversity import copies, drawn
from tests.processes import ganaug

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text())


def run(*arguments):
    return ganaug("report", *arguments, "--features", "pixels")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("report")
    real, other = drawn(0)
    for name, images in {"real": real, "other": other, "copied": copies(real, other)}.items():
        write_folder(LabeledImages(images.images, images.labels, images.classes), root / name)
    return root


def test_other_real_images_pass_and_the_page_is_complete(folders, tmp_path):
    done = run(folders / "real", folders / "other", "--out", tmp_path / "page.html", "--json", tmp_path / "page.json")
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "page.json").read_text())
    validate(content, SCHEMA)
    assert (content["kind"], content["verdict"]) == ("diversity", "pass")
    page = (tmp_path / "page.html").read_text()
    assert "data:image/png" in page
    assert "<script" not in page
    assert len(page) < 5_000_000
    assert "attr_" in done.stderr


def test_copies_exit_with_status_4_and_are_described(folders, tmp_path):
    done = run(folders / "real", folders / "copied", "--out", tmp_path / "page.html")
    assert done.returncode == 4
    assert "Near-copies" in done.stdout
    assert DIVERSITY_METRICS["near-copies"].meaning in " ".join(done.stdout.split())


@pytest.mark.parametrize("from_csv", [False, True])
def test_attributes_are_compared(tmp_path, from_csv):
    sets = {"real": with_attributes(100), "synthetic": with_attributes(100, dark=(90, 25), seed=1)}
    for name, images in sets.items():
        write_folder(images, tmp_path / name)
    arguments = ["--json", tmp_path / "p.json"]
    if from_csv:  # instead of columns in the metadata.csv of the folder
        path = tmp_path / "synthetic" / "metadata.csv"
        table = pd.read_csv(path)
        table[["file_name", "attr_skin"]].to_csv(tmp_path / "attributes.csv", index=False)
        table.drop(columns=["attr_skin", "attr_site"]).to_csv(path, index=False)
        arguments += ["--metadata", tmp_path / "attributes.csv"]
    done = run(tmp_path / "real", tmp_path / "synthetic", "--out", tmp_path / "p.html", *arguments)
    assert done.returncode == 4, done.stderr
    content = json.loads((tmp_path / "p.json").read_text())
    validate(content, SCHEMA)
    assert content["kind"] == "synthetic"
    expected = "healthy: attr_skin = dark is 50 percentage points more frequent"
    assert any(expected in sentence for sentence in content["summary"])


def test_existing_files_are_not_overwritten_and_an_invalid_csv_is_named(folders, tmp_path):
    (tmp_path / "page.html").write_text("mine")
    done = run(folders / "real", folders / "other", "--out", tmp_path / "page.html")
    assert (done.returncode, (tmp_path / "page.html").read_text()) == (1, "mine")
    (tmp_path / "table.csv").write_text("name,attr_a\n1,2\n")
    done = run(folders / "real", folders / "other", "--out", tmp_path / "p.html", "--metadata", tmp_path / "table.csv")
    assert done.returncode == 1
    assert "table.csv: lacks the column file_name" in done.stderr
