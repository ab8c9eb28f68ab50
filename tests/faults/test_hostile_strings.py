"""A hundred malicious names of classes, attributes and files: in reports, in CSV, in the terminal and in images."""

import csv
import json
import re
from html import unescape
from itertools import pairwise

import pandas as pd
import pytest
import torch
from playwright.sync_api import sync_playwright

from ganaug import LabeledImages, read_folder, write_folder
from ganaug.cli.console import print_message, show
from ganaug.io.names import escape_cell, is_formula, safe_name, unescape_cell
from ganaug.io.provenance import is_marked, read_mark
from ganaug.reports.bias import bias_report
from ganaug.reports.diversity import diversity_report
from ganaug.reports.report import joined
from tests.end_to_end.test_cli import folder_of, in_this_process
from tests.end_to_end.test_page import CHROMIUM
from tests.faults.test_disk import FIT
from tests.sets import MIX, hashes

TAGS = ["script", "img", "svg", "iframe", "object", "embed", "body", "input", "video", "audio", "details", "math"]
HANDLERS = ["onerror", "onload", "onclick", "onfocus", "onmouseover", "ontoggle", "onanimationstart", "onpointerenter"]
HTML = [
    *[f"<{tag} src=x onerror=alert(1)>" for tag in TAGS],
    *[f"<{tag}>alert(1)</{tag}>" for tag in TAGS],
    *[f'" {handler}="alert(1)' for handler in HANDLERS],
    *[f"' {handler}='alert(1)" for handler in HANDLERS],
    *[f"`{handler}=alert(1)`" for handler in HANDLERS[:4]],
    "</script><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "<!--<script>alert(1)//-->",
    "]]><script>alert(1)</script>",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "<a href=javascript:alert(1)>x</a>",
    "<meta http-equiv=refresh content='0;url=http://example.invalid/'>",
    "<link rel=stylesheet href=http://example.invalid/x.css>",
    "<style>@import 'http://example.invalid/x.css';</style>",
    "<base href=http://example.invalid/>",
    "<form action=http://example.invalid/><input autofocus onfocus=this.form.submit()>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "\\u003cscript\\u003ealert(1)",
    "{{7*7}}{% for x in y %}",
    "${7*7}#{7*7}",
    "{% raw %}<script>alert(1)</script>{% endraw %}",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<img src='data:image/svg+xml,<svg onload=alert(1)>'>",
]
TERMINAL = [
    "\x1b[2J\x1b[H", "\x1b]0;title\x07", "\x1b]8;;http://example.invalid\x07x\x1b]8;;\x07", "\x9b31m", "\x07" * 9,
    "a\rb", "a\x08b", "\x1bc", "\x1b[6n", "\u202egnp.exe", "\u2066x\u2069", "\x00null",
    "[red]markup[/]", "[link=http://example.invalid]x[/link]", "[/]", "\\[bold]",
]  # fmt: skip
FORMULAS = [
    "=cmd|' /C calc'!A0", "+cmd|' /C calc'!A0", "-cmd|' /C calc'!A0", "@SUM(1+1)*cmd|' /C calc'!A0",
    '=HYPERLINK("http://example.invalid","x")', "=1+1", "\t=1+1", "\r=1+1", "'=1+1", '"=1+1', "=IMPORTXML(1,2)", "+1-1",
]  # fmt: skip
NAMES = [
    "../../x",
    "/etc/passwd",
    "..\\..\\x",
    "C:\\x",
    "con",
    "nul.txt",
    ".hidden",
    "__x",
    " ",
    "a" * 300,
    "\u0301",
    "ﬁ",
]
PAYLOADS = [*HTML, *TERMINAL, *FORMULAS, *NAMES]
FILES = [f"{name}.png" for name in PAYLOADS if not set("/\0") & set(name) and name[0] != "." and len(name) < 250]
CONTROL_CHARACTERS = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"


def test_there_are_a_hundred_different_payloads():
    assert len(PAYLOADS) >= 100
    assert len(set(PAYLOADS)) == len(PAYLOADS)


def labeled(names, each=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(len(names)).repeat_interleave(each)
    pixels = torch.randint(0, 256, (len(labels), 1, 8, 8), dtype=torch.uint8, generator=generator)
    values = [names[(k + 1) % len(names)] for k in labels.tolist()]
    metadata = {"site": values, **dict.fromkeys(PAYLOADS, values)}
    return LabeledImages(pixels, labels, tuple(names), pd.DataFrame(metadata))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: install Debian's package chromium")
def test_a_report_runs_no_script_and_makes_no_request(tmp_path, monkeypatch):
    """Every payload is a class, and a value and the name of an attribute; the page is opened in a real browser."""
    monkeypatch.setattr("ganaug.reports.bias.N_RESAMPLES", 20)  # the names matter here, not the figures
    monkeypatch.setattr("ganaug.reports.bias.ALARM", 1)
    real, other = labeled(PAYLOADS), labeled(PAYLOADS, seed=1)
    reports = [diversity_report(real, other, features="pixels")]
    for start in range(0, len(PAYLOADS), 20):
        part = PAYLOADS[start : start + 20]
        pair = [labeled(("a", "b"), each=40, seed=seed) for seed in range(2)]
        for images in pair:
            for name, value in pairwise([*part, part[0]]):
                images.metadata[name] = [name, value] * 40
        reports.append(bias_report(*pair, attributes=part, features="pixels"))
    path = tmp_path / "report.html"
    joined("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", reports).to_html(path)
    events = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("dialog", lambda dialog: (events.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: events.append(request.url) if request.url != path.as_uri() else None)
        page.on("console", lambda message: events.append(message.text))
        page.on("pageerror", lambda error: events.append(str(error)))
        page.goto(path.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        page.mouse.move(300, 300)
        page.wait_for_timeout(500)
        elements = page.evaluate("[...new Set([...document.querySelectorAll('*')].map(each => each.tagName))]")
        links = page.evaluate("[...document.querySelectorAll('[href]')].map(each => each.getAttribute('href'))")
        names = page.evaluate("[...document.querySelectorAll('*')].flatMap(each => each.getAttributeNames())")
        text = page.evaluate("document.body.textContent")
        assert page.url.split("#")[0] == path.as_uri()
        browser.close()
    assert [event for event in events if not event.startswith("data:")] == []
    assert not [name for name in names if name.startswith("on")]
    assert not {"SCRIPT", "IFRAME", "OBJECT", "EMBED", "FORM", "BASE", "LINK", "VIDEO", "INPUT"} & set(elements)
    assert links
    assert all(link.startswith("#") for link in links)
    for payload in HTML:
        assert payload in text or unescape(payload) in text  # shown as text


def test_metadata_is_read_back_and_no_cell_is_a_formula(tmp_path):
    images = labeled(PAYLOADS, each=2)
    write_folder(images, tmp_path / "out")
    with open(tmp_path / "out" / "metadata.csv", encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            assert not any(cell[0] in "=+-@\t\r" for cell in row if cell)
    named = [name for name in PAYLOADS if name.strip()]
    write_folder(
        images.take(torch.isin(images.labels, torch.tensor([PAYLOADS.index(name) for name in named]))), tmp_path / "in"
    )
    read = read_folder(tmp_path / "in")
    assert set(read.classes) == set(named)
    for column in ("site", *PAYLOADS):
        assert set(read.metadata[column]) <= set(PAYLOADS)


@pytest.mark.parametrize("text", ["", "1", "-1", "+2.5e3", "-.5", "a=b", "'", "'x", "''=", "'-1", *FORMULAS])
def test_escaping_a_cell_can_be_reversed(text):
    assert unescape_cell(escape_cell(text)) == text
    assert not escape_cell(text).startswith(("=", "@", "\t", "\r"))
    assert (escape_cell(text) == text) == (not is_formula(text))


def test_a_terminal_gets_no_escape_sequence(tmp_path, capfd):
    for payload in PAYLOADS:
        print_message(f"class {payload}")
    show(diversity_report(labeled(PAYLOADS[-30:]), labeled(PAYLOADS[-30:], seed=1), features="pixels"))
    show(diversity_report(labeled(TERMINAL), labeled(TERMINAL, seed=1), features="pixels"))
    write_folder(labeled(TERMINAL, each=2), tmp_path / "data")
    (tmp_path / "data" / "bad\x1b[2J.png").write_bytes(b"\x1b]0;x\x07")
    captured = capfd.readouterr()
    for arguments in (["check", tmp_path / "data"], [*MIX, tmp_path / "data", tmp_path / "out", "--dry-run"]):
        result = in_this_process(*arguments)
        for text in (result.stdout, result.stderr, captured.out, captured.err):
            assert not re.search(CONTROL_CHARACTERS, text)


def test_file_names_are_shown_and_copied_unchanged(tmp_path):
    """Each is the name of an image and of an unusable file: in the terminal, in JSON and in both CSV files."""
    data, out = folder_of(tmp_path / "data", counts=(len(FILES), len(FILES))), tmp_path / "out"
    for number, name in enumerate(FILES):
        (data / "dark" / f"{number}.png").rename(data / "dark" / name)
        (data / "bright" / name).write_bytes(b"\x1b]0;x\x07")
    check = in_this_process("check", data)
    as_json = in_this_process("check", data, "--json")
    result = in_this_process(*MIX, data, out, "--skip-bad", "--strategy", f"dark={len(FILES) + 3}", *FIT)
    assert result.exit_code == 0, result.stderr
    for command in (check, as_json, result):
        assert not re.search(CONTROL_CHARACTERS, command.stdout + command.stderr)
    assert {problem["file"] for problem in json.loads(as_json.stdout)["problems"]} == {
        f"bright/{name}" for name in FILES
    }
    for path in (out / "metadata.csv", tmp_path / "out.run" / "skipped.csv"):
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        assert len(rows) > len(FILES)
        assert not any(cell[0] in "=+-@\t\r" for row in rows for cell in row if cell)
    copied = hashes(out)
    assert all((out / file).resolve().is_relative_to(out) for file in copied)
    assert set(hashes(data / "dark").values()) <= set(copied.values())
    assert read_folder(out).counts == {"bright": len(FILES), "dark": len(FILES) + 3}
    assert len(pd.read_csv(out / "metadata.csv")) == 2 * len(FILES) + 3


def test_marks_inside_images_hold_any_class_name_with_any_attribute_and_file_name(tmp_path):
    images = labeled(PAYLOADS, each=1)
    rows = images.metadata.assign(
        is_synthetic=True, seed=range(len(PAYLOADS)), model_hash="<x>&\"'", label=PAYLOADS, file_name=PAYLOADS
    )
    write_folder(LabeledImages(images.images, images.labels, images.classes, rows), tmp_path / "out")
    files = list((tmp_path / "out").glob("*/*.png"))
    assert len(files) == len(PAYLOADS)
    assert all(is_marked(path) for path in files)
    assert {read_mark(path)["label"] for path in files} == set(PAYLOADS)


def test_no_name_leaves_its_folder_or_looks_like_an_option():
    for payload in PAYLOADS:
        name = safe_name(payload)
        assert "/" not in name
        assert "\\" not in name
        assert name not in ("", ".", "..")
        assert not name.startswith(("-", "=", "+", "@", ".")) or name.lstrip("+-").replace(".", "").isdigit()
        assert len(name.encode()) <= 200
        assert not any(ord(c) < 32 or ord(c) == 127 for c in name)
    assert len({safe_name(payload) for payload in PAYLOADS}) == len(PAYLOADS)
