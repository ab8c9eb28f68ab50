"""`ganaug report` as a process, on folders with and without attributes."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from jsonschema import validate

from ganaug import LabeledImages, write_folder
from tests.planted.test_bias import drawn as with_attributes
from tests.planted.test_diversity import copies, drawn

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text())


def run(*words):
    command = [sys.executable, "-m", "ganaug", "report", *map(str, words), "--features", "pixels"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("report")
    real, other = drawn(0)
    for name, images in {"real": real, "other": other, "copied": copies(real, other)}.items():
        write_folder(LabeledImages(images.images, images.labels, images.classes), root / name)
    return root


def test_other_real_images_pass_and_the_page_is_whole(folders, tmp_path):
    done = run(folders / "real", folders / "other", "--out", tmp_path / "page.html", "--json", tmp_path / "page.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "page.json").read_text())
    validate(found, SCHEMA)
    assert (found["kind"], found["verdict"]) == ("diversity", "pass")
    page = (tmp_path / "page.html").read_text()
    assert "data:image/png" in page
    assert "<script" not in page
    assert len(page) < 5_000_000
    assert "attr_" in done.stderr


def test_copies_end_with_status_4_and_are_told_in_words(folders, tmp_path):
    done = run(folders / "real", folders / "copied", "--out", tmp_path / "page.html")
    assert done.returncode == 4
    assert "Near-copies" in done.stdout
    assert "repeat training images" in " ".join(done.stdout.split())


@pytest.mark.parametrize("own_file", [False, True])
def test_attributes_are_compared(tmp_path, own_file):
    sides = {"real": with_attributes(100), "made": with_attributes(100, dark=(90, 25), seed=1)}
    for name, images in sides.items():
        write_folder(images, tmp_path / name)
    words = ["--json", tmp_path / "p.json"]
    if own_file:  # in place of columns in the folder's metadata.csv
        path = tmp_path / "made" / "metadata.csv"
        table = pd.read_csv(path)
        table[["file_name", "attr_skin"]].to_csv(tmp_path / "attributes.csv", index=False)
        table.drop(columns=["attr_skin", "attr_site"]).to_csv(path, index=False)
        words += ["--metadata", tmp_path / "attributes.csv"]
    done = run(tmp_path / "real", tmp_path / "made", "--out", tmp_path / "p.html", *words)
    assert done.returncode == 4, done.stderr
    found = json.loads((tmp_path / "p.json").read_text())
    validate(found, SCHEMA)
    assert found["kind"] == "synthetic"
    assert any("healthy: attr_skin = dark is 50 points more frequent" in sentence for sentence in found["summary"])


def test_what_is_there_is_not_overwritten_and_a_wrong_table_is_named(folders, tmp_path):
    (tmp_path / "page.html").write_text("mine")
    done = run(folders / "real", folders / "other", "--out", tmp_path / "page.html")
    assert (done.returncode, (tmp_path / "page.html").read_text()) == (1, "mine")
    (tmp_path / "table.csv").write_text("name,attr_a\n1,2\n")
    done = run(folders / "real", folders / "other", "--out", tmp_path / "p.html", "--metadata", tmp_path / "table.csv")
    assert done.returncode == 1
    assert "table.csv: has no column file_name" in done.stderr
