import json
from io import StringIO
from pathlib import Path

import jsonschema
import pytest
from rich.console import Console

from ganaug.reports.report import Figure, Report, Row

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "report.schema.json").read_text())


@pytest.fixture
def report():
    rows = (
        Row("A", "first", "x", 0.5, 0.4, 0.6, state="pass"),
        Row("A", "first", "y", float("nan"), float("inf"), None),
        Row("A", "[bold]second", "x", 12.0),
        Row("B", "third", "z", 1234.0, note="why"),
    )
    return Report("utility", "Title", "helps", ("One.",), rows, {"share": 0.1}, (Figure("<svg/>", "What it shows"),))


def test_the_json_keeps_to_the_published_schema(report):
    jsonschema.validate(json.loads(report.to_json()), SCHEMA)


def test_a_figure_that_is_not_finite_is_missing_and_never_nan(report):
    row = json.loads(report.to_json())["rows"][1]
    assert (row["value"], row["low"]) == (None, None)
    assert str(report.rows[1]) == "-"


def test_tables_have_a_row_a_subject_and_a_column_a_metric(report):
    metrics, subjects = report.tables()["A"]
    assert metrics == ["x", "y"]
    assert str(subjects["first"]["x"]) == "0.500 [0.400, 0.600]"
    assert set(subjects["[bold]second"]) == {"x"}


def test_every_form_shows_the_verdict_and_every_figure(report):
    console = Console(width=100, record=True, file=StringIO())
    console.print(report)
    for text in (console.export_text(), report.to_html(), report._repr_html_()):
        assert "helps" in text
        assert "0.500" in text
        assert "1,234" in text
        assert "[bold]second" in text


def test_the_frame_has_a_row_a_figure(report):
    frame = report.to_frame()
    assert list(frame.columns) == ["section", "subject", "metric", "value", "low", "high", "p", "state", "note"]
    assert len(frame) == 4
