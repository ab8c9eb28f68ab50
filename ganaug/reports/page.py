"""A report as one HTML page: everything inside, nothing that runs, every text escaped."""

import base64
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, Template

from ganaug import __version__

if TYPE_CHECKING:
    from ganaug.reports.report import Report


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["inline"] = _inline
    return environment.from_string((files("ganaug.reports") / "page.html").read_text(encoding="utf-8"))


def _inline(file: str | bytes) -> str:
    """A data URL of an SVG's text or a PNG's bytes."""
    kind, content = ("svg+xml", file.encode()) if isinstance(file, str) else ("png", file)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def page(report: "Report") -> str:
    """The whole page, with a policy that allows no script and no request."""
    return _template().render(report=report, version=__version__, whole=True)


def fragment(report: "Report") -> str:
    """The page's content alone, for a notebook."""
    return _template().render(report=report, version=__version__, whole=False)
