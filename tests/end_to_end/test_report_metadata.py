"""`ganaug report` with attributes as people write them: in metadata.csv, in a CSV beside the folders, incomplete."""

import json

import pandas as pd
import pytest
from jsonschema import validate

from ganaug import LabeledImages, write_folder
from ganaug.cli.metadata_file import read_metadata_file
from ganaug.io.items import text_value
from tests.end_to_end.test_cli import in_this_process
from tests.end_to_end.test_report_verb import SCHEMA
from tests.planted.test_bias import drawn

VALUES = ["NA", "null", "None", "nan", "N/A", "a", "", "b", "b", "b"] * 4  # of the real images


@pytest.fixture
def folders(tmp_path):
    """Folders real/ and synthetic/ with files of their own names, without attributes; the table of their attributes."""
    tables = []
    for seed, name in enumerate(("real", "synthetic")):
        images = drawn(20, seed=seed)
        files = [f"{name}-{number}.png" for number in range(40)]
        write_folder(
            LabeledImages(images.images, images.labels, images.classes, pd.DataFrame({"file_name": files})),
            tmp_path / name,
        )
        table = pd.read_csv(tmp_path / name / "metadata.csv", dtype=str)
        tables.append(pd.DataFrame({"file_name": table["file_name"], "attr_site": VALUES if name == "real" else "b"}))
    return tmp_path, pd.concat(tables, ignore_index=True)


def report(root, *arguments, out="page"):
    done = in_this_process(
        "report", root / "real", root / "synthetic", "--features", "pixels", "--out", root / f"{out}.html", "--json",
        root / f"{out}.json", *arguments,
    )  # fmt: skip
    path = root / f"{out}.json"
    content = json.loads(path.read_text()) if path.exists() else None
    if content is not None:
        validate(content, SCHEMA)
    return done, content


def rows_of(content):
    return [row for row in content["rows"] if "attr_" in row["subject"]]


def write(root, text, encoding="utf-8"):
    path = root / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


def add_to_folders(root, table):
    """Write the attributes into metadata.csv of both folders instead."""
    for name in ("real", "synthetic"):
        path = root / name / "metadata.csv"
        own = pd.read_csv(path, dtype=str)
        own["attr_site"] = own["file_name"].map(table.set_index("file_name")["attr_site"])
        own.to_csv(path, index=False)


def test_a_csv_is_read_as_metadata_csv_is(folders):
    root, table = folders
    done, from_csv = report(root, "--metadata", write(root, table.to_csv(index=False)), out="csv")
    assert "match no image" not in done.stderr
    counted = {row["metric"]: row["value"] for row in from_csv["rows"] if row["section"] == "Attributes"}
    assert counted == {"real images without a value": 4}
    values = {row["subject"].partition("= ")[2] for row in rows_of(from_csv) if " = " in row["subject"]}
    assert values == {"NA", "null", "None", "nan", "N/A", "a", "b"}
    sentence = "attr_site is unknown for 4 real images"
    for text in (done.stdout, (root / "csv.html").read_text(), " ".join(from_csv["summary"])):
        assert sentence in " ".join(text.split())
    add_to_folders(root, table)
    _, from_folders = report(root, out="folders")
    assert rows_of(from_folders) == rows_of(from_csv)


FORMS = {
    "byte order mark": lambda text: "\ufeff" + text,
    "spaces": lambda text: text.replace("file_name,attr_site", " file_name , attr_site"),
    "backslashes": lambda text: text.replace("healthy/", "healthy\\").replace("ill/", "ill\\"),
    "dots": lambda text: text.replace("healthy/", "./healthy/"),
    "spaces in cells": lambda text: text.replace(",b\n", ", b \n"),
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "empty rows": lambda text: text + ",\n\n",
    "a row twice": lambda text: text + text.split("\n", 2)[1] + "\n",
    "semicolons": lambda text: text.replace(",", ";"),
    "a column without a name": lambda text: text.replace("\n", ",\n"),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_a_csv(folders, form):
    root, table = folders
    text = table.to_csv(index=False)
    expected, changed = (values_of(read_metadata_file(write(root, each))) for each in (text, FORMS[form](text)))
    assert changed == expected


def values_of(file):
    """The value of each column for each image, as reports compare them."""
    return {key: {name: text_value(cell) for name, cell in row.items()} for key, row in file.rows.items()}


def test_escaped_cells_and_numbers_in_two_forms(folders):
    root, table = folders
    table["attr_site"] = ["'=x", "1"] * 20 + ["=x", "1.0"] * 20
    _, content = report(root, "--metadata", write(root, table.to_csv(index=False)))
    assert {row["subject"].partition("= ")[2] for row in rows_of(content) if " = " in row["subject"]} == {"1", "=x"}


REFUSED = {
    "two values of one image": (
        lambda text: text + text.split("\n", 2)[1].removesuffix(",NA") + ",x\n",
        r"lines 2 and 82 have different values of attr_site for healthy/real-0.png: 'NA' and 'x'",
    ),
    "too many cells": (lambda text: text + "a,b,c\n", "line 82 has more cells than the heading"),
    "no name": (lambda text: text + ",b\n", "line 82 has no file_name"),
    "a column twice": (lambda text: text.replace("attr_site", "a,a"), "has the column a twice"),
    "empty": (lambda text: "", "lacks the column file_name"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_csv_that_cannot_be_used_is_named_with_its_line(folders, case):
    root, table = folders
    change, message = REFUSED[case]
    done, content = report(root, "--metadata", write(root, change(table.to_csv(index=False))))
    assert (done.exit_code, content) == (1, None)
    assert "table.csv: " in done.stderr
    assert message in done.stderr


def test_a_csv_in_another_encoding(folders):
    root, table = folders
    text = table.to_csv(index=False)
    _, expected = report(root, "--metadata", write(root, text))
    _, content = report(root, "--metadata", write(root, text, "utf-16"), out="utf-16")
    assert rows_of(content) == rows_of(expected)


def test_the_number_of_file_names_that_match_no_image_is_printed(folders):
    root, table = folders
    table["file_name"] = [name.replace("healthy/", "") for name in table["file_name"]]
    done, _ = report(root, "--metadata", write(root, table.to_csv(index=False)))
    assert "40 of 80 file names match no image: real-0.png" in " ".join(done.stderr.split())
    assert "the name of an image is healthy/real-0.png" in " ".join(done.stderr.split())


def test_values_of_metadata_csv_come_first_and_missing_ones_are_added(folders):
    root, table = folders
    add_to_folders(root, table)
    table.loc[table["attr_site"] == "a", "attr_site"] = "other"
    table.loc[table["attr_site"].isin(["", "nan"]), "attr_site"] = "added"
    table.loc[0, "attr_site"] = "b"
    done, content = report(root, "--metadata", write(root, table.to_csv(index=False)))
    assert "values of attr_site differ from those of metadata.csv, which are used" in " ".join(done.stderr.split())
    values = {row["subject"].partition("= ")[2] for row in rows_of(content) if " = " in row["subject"]}
    assert {"added", "a"} <= values
    assert "other" not in values


def test_one_name_in_two_folders_is_ambiguous(folders):
    root, table = folders
    write_folder(drawn(5, seed=3), root / "test")
    path = root / "test" / "metadata.csv"
    rows = pd.read_csv(path, dtype=str).drop(columns=["attr_skin", "attr_site"])
    first = root / "test" / rows.loc[0, "file_name"]
    first.rename(first.with_name("real-0.png"))
    rows.loc[0, "file_name"] = "healthy/real-0.png"
    rows.to_csv(path, index=False)
    done, _ = report(root, "--test", root / "test", "--metadata", write(root, table.to_csv(index=False)))
    assert done.exit_code == 1
    assert "the real and the test images both have a file healthy/real-0.png (1 shared names)" in done.stderr


def test_unsuitable_columns_keep_the_report_and_its_verdict(folders):
    root, table = folders
    table["attr_id"] = [f"p{number}" for number in range(80)]
    done, content = report(root, "--metadata", write(root, table.to_csv(index=False)))
    assert "warning: attr_id is left out: it has 80 values, more than 20" in " ".join(done.stderr.split())
    assert any("attr_id is left out" in sentence for sentence in content["summary"])
    assert any("attr_site = b" in row["subject"] for row in content["rows"])
    alone, content = report(
        root, "--metadata", write(root, table.drop(columns="attr_site").to_csv(index=False)), out="alone"
    )
    _, diversity = report(root, out="diversity")
    assert (content["verdict"], content["kind"], diversity["kind"]) == (diversity["verdict"], "synthetic", "diversity")
    assert "No attribute can be compared." in content["summary"]
    assert "No attribute can be compared." in " ".join(alone.stdout.split())
    assert any(row["metric"] == "coverage" for row in content["rows"])


def test_requested_columns_that_cannot_be_compared_make_the_report_insufficient(folders):
    root, table = folders
    table["attr_id"] = [f"p{number}" for number in range(80)]
    path = write(root, table.to_csv(index=False))
    done, content = report(root, "--metadata", path, "--attributes", "attr_id")
    assert (done.exit_code, content["verdict"]) == (3, "insufficient")
    missing, nothing = report(root, "--metadata", path, "--attributes", "attr_sit", out="missing")
    assert (missing.exit_code, nothing) == (1, None)
    assert "Did you mean 'attr_site'?" in missing.stderr


def test_errors_come_before_the_features(folders, monkeypatch):
    root, _ = folders
    monkeypatch.setattr("ganaug.reports.diversity.get_extractor", lambda name: pytest.fail("features were computed"))
    for arguments, message in (
        (["--attributes", "attr_x"], "'attr_x' is not a column"),
        (["--test", root / "real"], "test images are training images too"),
    ):
        table = drawn(20).metadata
        for name in ("real", "synthetic"):
            path = root / name / "metadata.csv"
            pd.read_csv(path, dtype=str).assign(attr_site=table["attr_site"]).to_csv(path, index=False)
        done, _ = report(root, *arguments)
        assert done.exit_code == 1
        assert message in done.stderr
