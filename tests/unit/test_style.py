"""ganaug reads like other libraries: documented, with examples, without a dialect of its own."""

import importlib
import inspect
from pathlib import Path

import pytest

import ganaug
from tests.style import DIALECT, measure

ROOT = Path(ganaug.__file__).parents[1]
PUBLIC = ["ganaug", "ganaug.augmentation", "ganaug.metrics", "ganaug.models", "ganaug.reports", "ganaug.evaluation"]


@pytest.fixture(scope="module")
def figures():
    return measure(ROOT / "ganaug")


def test_docstrings_and_comments(figures):
    assert figures.docstrings >= 0.4
    assert 0.05 <= figures.comments <= 0.12


def test_files_and_functions_stay_small(figures):
    assert figures.median_file <= 170
    assert figures.largest_file <= 500
    assert figures.long_functions <= 5
    assert figures.many_parameters <= 12


def test_the_code_has_no_dialect(figures):
    assert figures.dialect < 0.005


@pytest.mark.parametrize("folder", ["benchmarks", "pipelines"])
def test_programs_have_no_dialect(folder):
    assert measure(ROOT / folder).dialect < 0.005


@pytest.mark.parametrize("name", ["README.md", "docs/guide.md", "docs/architecture.md", "docs/index.md"])
def test_pages_have_no_dialect(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    assert sum(bool(DIALECT.search(line)) for line in lines) <= max(1, len(lines) // 25)


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_function_and_class_has_an_example(module):
    package = importlib.import_module(module)
    missing = [
        name
        for name in package.__all__
        if (inspect.isfunction(item := getattr(package, name)) or inspect.isclass(item))
        and ">>>" not in (inspect.getdoc(item) or "")
    ]
    assert missing == []
