"""The page of a report in a browser: navigation, dark mode, a phone, print, and accessibility."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import sync_playwright

from ganaug import LabeledImages
from ganaug.reports import bias_report, diversity_report, joined
from tests.planted.test_bias import drawn as with_attributes
from tests.planted.test_diversity import copies, drawn

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "report.png"  # shown in the documentation

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: install Debian's package chromium")


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    real, other = drawn(0, 40)
    reports = [
        diversity_report(real, copies(real, other), features="pixels"),
        bias_report(with_attributes(60), with_attributes(60, dark=(50, 20), seed=1), features="pixels"),
    ]
    joined("synthetic", "Are the synthetic images as good as real ones?", reports).to_html(path)
    return path


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def open_page(browser, path, **options):
    context = browser.new_context(**options)
    context.set_offline(True)
    page = context.new_page()
    page.errors = []
    page.on("console", lambda message: page.errors.append(message.text))
    page.on("requestfailed", lambda request: page.errors.append(request.url))
    page.goto(path.as_uri())
    return page


def test_every_section_is_reached_by_a_link_and_no_image_is_broken(browser, page_file, tmp_path):
    page = open_page(browser, page_file, viewport={"width": 1100, "height": 900})
    links = page.locator("nav a")
    assert links.count() >= 5
    for number in range(links.count()):
        links.nth(number).click()
        target = page.evaluate("document.querySelector(location.hash).getBoundingClientRect().top")
        assert -5 < target < page.viewport_size["height"]
        page.evaluate("window.scrollTo(0, 0)")
    for details in page.locator("details").all():
        details.locator("summary").click()
        assert details.get_attribute("open") is not None
    broken = page.evaluate("[...document.images].filter(image => !image.complete || !image.naturalWidth).length")
    assert broken == 0
    assert page.locator("img").count() >= 3
    assert page.errors == []
    picture = PICTURE if os.environ.get("GANAUG_UPDATE_PICTURES") else tmp_path / "report.png"
    page.screenshot(path=picture, clip={"x": 0, "y": 0, "width": 1100, "height": 1500}, full_page=True)
    assert Image.open(picture).convert("L").getextrema()[0] < 60  # not a blank page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_has_no_accessibility_violations(browser, page_file, scheme):
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)  # the checker is a script
    page = context.new_page()
    page.goto(page_file.as_uri())
    for details in page.locator("details").all():
        details.locator("summary").click()
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_the_page_follows_the_color_scheme(browser, page_file):
    color = "getComputedStyle(document.body).backgroundColor"
    assert open_page(browser, page_file, color_scheme="light").evaluate(color) == "rgb(255, 255, 255)"
    assert open_page(browser, page_file, color_scheme="dark").evaluate(color) != "rgb(255, 255, 255)"


def test_a_phone_scrolls_vertically_only(browser, page_file):
    page = open_page(browser, page_file, viewport={"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('p')).fontSize)") >= 14


def test_the_page_prints_in_light_colors_without_navigation(browser, page_file, tmp_path):
    page = open_page(browser, page_file, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    paper = page.pdf(format="A4")
    assert paper.startswith(b"%PDF")


def test_ten_classes_fit_in_five_megabytes(tmp_path):
    names = tuple("abcdefghij")
    draws = torch.Generator().manual_seed(0)

    def noise():
        pixels = torch.randint(
            0, 256, (200, 3, 64, 64), dtype=torch.uint8, generator=draws
        )  # the worst case for compression
        return LabeledImages(pixels, torch.arange(200) % 10, names)

    report = diversity_report(noise(), noise(), features="pixels")
    assert len(report.to_html().encode()) < 5_000_000
