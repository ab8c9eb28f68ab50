"""Names of classes on a terminal that shows ASCII only: escapes on the screen, UTF-8 in files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.sets import FILL

ASCII = {"PYTHONIOENCODING": "ascii", "LANG": "C", "PYTHONUTF8": "0", "LC_ALL": "", "LC_CTYPE": ""}
TINY = ("--steps", "1", "--param", "recipe.width=2", "--param", "filters=", "--device", "cpu")


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draws = np.random.default_rng(0)
    for name, count in (("Käse", 24), ("猫", 20)):
        folder = Path("photos", name)
        folder.mkdir(parents=True)
        for number in range(count):
            Image.fromarray(draws.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return Path("photos")


def ganaug(*arguments):
    command = [sys.executable, "-m", "ganaug", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, env={**os.environ, **ASCII}, check=False)
    assert b"Traceback" not in done.stderr
    return done.returncode, done.stdout.decode("ascii"), done.stderr.decode("ascii")


def test_check_and_dry_run_print_names_with_escapes(data):
    code, stdout, _ = ganaug("check", data)
    assert code == 0
    assert "K\\xe4se,24" in stdout
    assert "\\u732b,20" in stdout
    code, stdout, _ = ganaug(*FILL, data, "out", "--dry-run", *TINY)
    assert code == 0
    assert "\\u732b,20,0,4,24" in stdout


@pytest.mark.slow
def test_augment_and_report_print_escapes_and_write_utf_8(data):
    code, stdout, _ = ganaug(*FILL, data, "out", *TINY)
    assert code == 0
    assert "\\u732b,20,0,4,24" in stdout
    assert "猫" in Path("out/metadata.csv").read_text(encoding="utf-8")
    code, stdout, _ = ganaug("report", data, "out", "--out", "page.html", "--json", "page.json")
    assert code in (3, 4)
    assert "\\u732b" in stdout
    assert any("猫" in row["subject"] for row in json.loads(Path("page.json").read_text(encoding="utf-8"))["rows"])


def test_a_verb_that_fails_names_the_class_with_escapes(data):
    code, _, stderr = ganaug(*FILL, data, "out", "--strategy", "Kase=30", *TINY)
    assert code == 1
    assert "Known classes: K\\xe4se, \\u732b" in stderr
