"""metadata.csv as spreadsheets, pandas and other systems write it."""

import unicodedata

import pandas as pd
import pytest

from ganaug import read_folder
from ganaug.errors import DataError
from ganaug.io.folder import add_to_folder, undo
from ganaug.io.preflight import inspect_folder

ROWS = [("cat/0.png", "cat", "a"), ("cat/1.png", "cat", "b"), ("dog/0.png", "dog", ""), ("dog/1.png", "dog", "c, d")]


@pytest.fixture
def root(photos):
    return photos({"cat": 2, "dog": 2})


def counts_of(root, content) -> dict[str, int]:
    (root / "metadata.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    inspection = inspect_folder(root)
    inspection.raise_for_errors()
    return inspection.counts


def joined(separator=",", end="\n", heading=("file_name", "label")):
    return end.join([separator.join(heading), *(separator.join(row[:2]) for row in ROWS)]) + end


def test_backslashes_separate_folders_as_on_windows(root):
    assert counts_of(root, joined().replace("/", "\\")) == {"cat": 2, "dog": 2}
    assert [entry.file for entry in inspect_folder(root).entries] == [row[0] for row in ROWS]
    (root / "cat" / "0.png").rename(root / "cat\\0.png")  # a name that Linux allows
    assert counts_of(root, joined().replace("/", "\\")) == {"cat": 2, "dog": 2}
    assert inspect_folder(root).entries[0].file == "cat\\0.png"


def test_backslashes_do_not_lead_out_of_the_folder(root):
    (root / "metadata.csv").write_text("file_name,label\n..\\secret.png,cat\ncat\\..\\..\\a.png,cat\n")
    assert {problem.cause.split(" (")[0] for problem in inspect_folder(root).problems} == {
        "the path leads out of the folder"
    }


def test_a_file_that_is_named_with_both_slashes_is_listed_twice(root):
    (root / "metadata.csv").write_text(joined() + "cat\\0.png,dog\n")
    assert inspect_folder(root).problems[0].cause == "listed already on line 2 (line 6 of metadata.csv)"


@pytest.mark.parametrize(
    "content",
    [
        joined(";"),
        joined("\t"),
        joined(end="\r\n"),
        joined(end="\r"),
        "sep=;\r\n" + joined(";", "\r\n"),
        joined().encode("utf-16"),
        joined(";").encode("utf-16"),
        joined("\t", "\r\n").encode("utf-16-le"),
        joined().encode("utf-8-sig"),
        joined() + "\n\n  \n",
        joined() + ",\n,\n",
        joined(";") + ";\n;;;\n",
        joined(heading=("file_name ", " label")),
        joined(", "),
        joined(heading=("File_name", "Label")),
        "\n\r\n" + joined(),
        'file_name, label\n"cat/0.png", "cat"\n"cat/1.png", "cat"\n"dog/0.png", "dog"\n"dog/1.png", "dog"\n',
        "file_name,label,,\n" + "".join(f"{file},{label},,\n" for file, label, _ in ROWS),
        "file_name,label\n" + "".join(f"{file},{label},\n" for file, label, _ in ROWS),
    ],
    ids=range(19),
)
def test_csv_as_spreadsheets_write_it(root, content):
    assert counts_of(root, content) == {"cat": 2, "dog": 2}
    frame = read_folder(root).metadata
    assert list(frame.columns) == ["file_name", "label"]


def test_other_columns_stay_as_they_are_in_a_spreadsheet_with_semicolons(root):
    lines = ["file_name;label;attr_site", *(";".join(row) for row in ROWS)]
    assert counts_of(root, "\n".join(lines)) == {"cat": 2, "dog": 2}
    assert list(read_folder(root).metadata["attr_site"]) == ["a", "b", "", "c, d"]
    assert any("has semicolons" in text for text in inspect_folder(root).warnings)


def test_the_index_that_pandas_writes_is_no_column(root):
    pd.DataFrame(ROWS, columns=["file_name", "label", "attr"]).to_csv(root / "metadata.csv")
    assert list(read_folder(root).metadata.columns) == ["file_name", "label", "attr"]


def test_labels_with_decimals_are_whole_numbers(root):
    frame = pd.DataFrame({"file_name": [row[0] for row in ROWS], "label": [1, 1, 2, 2]})
    frame["label"] = frame["label"].astype(float)
    frame.to_csv(root / "metadata.csv", index=False)
    with pytest.warns(UserWarning, match=r"labels such as 1\.0 are read as whole numbers"):
        assert read_folder(root).counts == {"1": 2, "2": 2}
    assert list(read_folder(root).metadata["label"]) == ["1", "1", "2", "2"]


def test_versions_and_classes_with_a_folder_keep_their_decimals(photos):
    root = photos({"1.0": 2, "1.5": 2})
    text = "file_name,label\n1.0/0.png,1.0\n1.0/1.png,1.0\n1.5/0.png,{0}\n1.5/1.png,{0}\n"
    assert counts_of(root, text.format("1.5")) == {"1.0": 2, "1.5": 2}
    assert counts_of(root, text.format("2.0")) == {"1.0": 2, "2.0": 2}


def test_latin_1_is_read_with_a_warning(photos):
    root = photos({"V\u00f6gel": 2, "dog": 2})
    text = "file_name,label\nV\u00f6gel/0.png,V\u00f6gel\nV\u00f6gel/1.png,V\u00f6gel\ndog/0.png,dog\ndog/1.png,dog\n"
    assert counts_of(root, text.encode("latin-1")) == {"V\u00f6gel": 2, "dog": 2}
    with pytest.warns(UserWarning, match="read as Windows-1252 .*Check the class V\u00f6gel"):
        read_folder(root)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (joined().replace("cat/0", "\u044f/0").encode("cp1251"), "names files that do not exist"),
        (b"file_name,label\ncat/0.png,\x81\n", "cannot be read as CSV in UTF-8"),
        (joined().encode("utf-16")[:-1], "cannot be read as CSV in UTF-8"),
        (joined(heading=("file_name", "label")).replace("label", "label,label", 1), "has the column label twice"),
        (joined(heading=("file_name", "Class")), "lacks the column label; its columns are file_name, Class"),
        (joined("|"), "lacks the column file_name and label"),
    ],
)
def test_a_csv_that_is_ambiguous_is_refused(root, content, expected):
    with pytest.raises(DataError, match=expected):
        counts_of(root, content)


def test_accents_may_be_encoded_in_two_ways(photos):
    decomposed = unicodedata.normalize("NFD", "V\u00f6gel")
    root = photos({decomposed: 2, "dog": 2})
    text = "file_name,label\nV\u00f6gel/0.png,a\nV\u00f6gel/1.png,a\ndog/0.png,b\ndog/1.png,b\n"
    assert counts_of(root, text) == {"a": 2, "b": 2}
    assert inspect_folder(root).entries[0].file == f"{decomposed}/0.png"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_undo_restores_a_metadata_csv_of_any_encoding(root, synthetic, encoding):
    content = joined(";", "\r\n", ("file_name", "label")).replace("\r\n", ";\u00e9\r\n").encode(encoding)
    counts_of(root, content)
    add_to_folder(inspect_folder(root), synthetic)
    assert read_folder(root).counts == {"cat": 4, "dog": 5}
    assert undo(root).restored
    assert (root / "metadata.csv").read_bytes() == content


def test_the_case_of_a_file_name_is_ignored_if_one_file_fits(root):
    assert counts_of(root, joined().replace("png", "PNG").replace("cat/", "Cat\\")) == {"cat": 2, "dog": 2}
    assert [entry.file for entry in inspect_folder(root).entries] == [row[0] for row in ROWS]
    (root / "cat" / "0.png").rename(root / "cat" / "0.Png")
    (root / "cat" / "1.png").rename(root / "cat" / "0.pNg")
    assert inspect_folder(root).problems[0].cause == "does not exist"


def test_a_metadata_csv_in_other_case_is_refused(root):
    (root / "Metadata.CSV").write_text(joined())
    with pytest.raises(DataError, match=r"contains Metadata\.CSV\. Rename it to metadata\.csv, or remove it"):
        read_folder(root)


def test_another_format_of_metadata_is_named(photos):
    root = photos({"": 3})
    (root / "metadata.jsonl").write_text('{"file_name": "0.png", "label": "cat"}\n')
    with pytest.raises(DataError, match=r"add metadata\.csv \(file_name,label\), for example from metadata\.jsonl"):
        read_folder(root)


def test_minus_one_among_numbers_is_announced(root):
    text = joined().replace(",cat", ",-1").replace(",dog", ",{}")
    counts_of(root, text.format(3, 3))
    with pytest.warns(UserWarning, match="the label -1 is read as a class"):
        read_folder(root)
    counts_of(root, text.format(1, 1))
    assert inspect_folder(root).notes == ()
