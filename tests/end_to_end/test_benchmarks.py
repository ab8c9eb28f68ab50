"""The benchmark programs run as a whole on a few images, and their pages say what a reader needs."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import PROGRAMS
from benchmarks.datasets import HOW_TO_GET, data_path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PAGE_LINKS = re.compile(r"\]\(([^)#]+)\)")


@pytest.mark.filterwarnings("ignore::UserWarning")  # a generator of one step collapses, and says so
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_runs_and_writes_its_page(name, tmp_path):
    page = import_module(f"benchmarks.{name}").main(["--smoke", "--out", str(tmp_path / "page.md")])
    text = page.read_text()
    assert text.startswith("# ")
    assert f"`python -m benchmarks.{name} --smoke" in text
    assert re.search(r"ganaug \d.*, torch \d.*, Python \d.*, 1 thread of .*, \d{4}-\d\d-\d\d\.", text)
    assert "**A smoke run" in text
    assert name == "scaling_plot" or re.search(r"^\|---.*\n\| .*\d", text, re.MULTILINE)
    assert text.count("| - ") <= 0.3 * text.count("| ")  # a renamed row of a report would leave its cells empty


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_says_its_question_command_time_and_how_to_read_the_table(name):
    question, *_ = (docstring := import_module(f"benchmarks.{name}").__doc__).splitlines()
    assert "?" in question or ":" in question
    for part in (f"python -m benchmarks.{name}", "Time:", "How to read it:"):
        assert part in docstring


def test_a_program_starts_from_the_command_line(tmp_path):
    command = [sys.executable, "-m", "benchmarks.paired_gains", "--out", str(tmp_path / "page.md")]
    done = subprocess.run(command, cwd=BENCHMARKS.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "page.md").exists()


def test_the_readme_has_every_program_and_every_page_that_it_names():
    readme = (BENCHMARKS / "README.md").read_text()
    assert [name for name in PROGRAMS if f"python -m benchmarks.{name}" not in readme] == []
    assert [link for link in PAGE_LINKS.findall(readme) if "://" not in link and not (BENCHMARKS / link).exists()] == []
    pages = {path.name for path in (BENCHMARKS / "results").glob("*.md")}
    assert pages == {Path(link).name for link in PAGE_LINKS.findall(readme) if link.startswith("results/")}


def test_pages_show_pictures_that_exist_and_scores_stay_small():
    for page in (BENCHMARKS / "results").glob("*.md"):
        links = [link for link in PAGE_LINKS.findall(page.read_text()) if "://" not in link]
        assert [link for link in links if not (page.parent / link).exists()] == []
    assert [path for path in (BENCHMARKS / "results").glob("*.json") if path.stat().st_size > 50_000] == []


@pytest.mark.parametrize("name", [name for name in HOW_TO_GET if name != "fashion-mnist"])
def test_a_missing_set_is_named_with_the_way_to_get_it(name, tmp_path):
    with pytest.raises(SystemExit, match=r"(?s)no such folder.*https://.*--data DIR"):
        data_path(tmp_path, name)
