import json
from io import StringIO
from pathlib import Path

import jsonschema
import pytest
from rich.console import Console

from ganaug.reports import Figure, Report, Row, joined

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "report.schema.json").read_text())


@pytest.fixture
def report():
    rows = (
        Row("A", "first", "x", 0.5, 0.4, 0.6, state="pass"),
        Row("A", "first", "y", float("nan"), float("inf"), None),
        Row("A", "[bold]second", "x", 12.0),
        Row("B", "third", "z", 1234.0, note="why"),
    )
    return Report("utility", "Title", "helps", ("One.",), rows, {"share": 0.1}, (Figure("<svg/>", "Caption"),))


def test_the_json_follows_the_published_schema(report):
    jsonschema.validate(json.loads(report.to_json()), SCHEMA)


def test_a_number_that_is_not_finite_is_null_in_the_json(report):
    row = json.loads(report.to_json())["rows"][1]
    assert (row["value"], row["low"]) == (None, None)
    assert str(report.rows[1]) == "-"


def test_tables_have_a_row_for_each_subject_and_a_column_for_each_metric(report):
    metrics, subjects = report.tables()["A"]
    assert metrics == ["x", "y"]
    assert str(subjects["first"]["x"]) == "0.500 [0.400, 0.600]"
    assert set(subjects["[bold]second"]) == {"x"}


def test_terminal_page_and_notebook_show_the_verdict_and_all_numbers(report):
    console = Console(width=100, record=True, file=StringIO())
    console.print(report)
    for text in (console.export_text(), report.to_html(), report._repr_html_()):
        assert "helps" in text
        assert "0.500" in text
        assert "1,234" in text
        assert "[bold]second" in text


def test_the_frame_has_a_row_for_each_number(report):
    frame = report.to_frame()
    assert list(frame.columns) == ["section", "subject", "metric", "value", "low", "high", "p", "state", "note"]
    assert len(frame) == 4


def test_a_note_that_many_cells_share_is_listed_once():
    rows = tuple(Row("A", f"class {number}", "x", None, note="too few images") for number in range(6))
    page = Report("diversity", "Title", "insufficient", (), rows).to_html()
    assert page.count(": too few images</li>") == 1
    assert "class 3, x and 2 more" in page


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("pass", "warn"), "warn"),
        (("fail", "warn"), "fail"),
        (("pass", "insufficient"), "insufficient"),
        (("pass",) * 2, "pass"),
    ],
)
def test_joined_reports_have_the_worst_verdict_and_all_rows(verdicts, expected):
    parts = [Report(f"kind {k}", "", v, (f"{k}.",), (Row("A", "a", "x", k),), {"n": k}) for k, v in enumerate(verdicts)]
    report = joined("synthetic", "Title", parts)
    assert (report.verdict, report.summary, len(report.rows)) == (expected, ("0.", "1."), 2)
    assert report.facts == {"kind 0: n": 0, "kind 1: n": 1}


def test_the_page_and_the_json_are_written_together_or_not_at_all(report, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        report.write(tmp_path / "page.html", tmp_path / "folder")
    assert not (tmp_path / "page.html").exists()
    report.write(tmp_path / "page.html", tmp_path / "report.json")
    assert (tmp_path / "page.html").read_text() == report.to_html()
    assert (tmp_path / "report.json").read_text() == report.to_json()


def test_the_page_shows_facts_as_text_and_not_as_python_literals():
    facts = {"seeds": None, "gain": 0.0412500001, "classes": ["a<b", "c"], "counts": {"real only": 16}, "losing": []}
    page = Report("utility", "Title", "helps", (), (), facts).to_html()
    for text in ("<td>none</td>", "<td>0.04125</td>", "<td>a&lt;b, c</td>", "<td>real only: 16</td>"):
        assert text in page
