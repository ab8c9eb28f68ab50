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
    environment.filters["inline"] = lambda svg: "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
    return environment.from_string((files("ganaug.reports") / "page.html").read_text(encoding="utf-8"))


def page(report: "Report") -> str:
    """The whole page, with a policy that allows no script and no request."""
    return _template().render(report=report, version=__version__, whole=True)


def fragment(report: "Report") -> str:
    """The page's content alone, for a notebook."""
    return _template().render(report=report, version=__version__, whole=False)
