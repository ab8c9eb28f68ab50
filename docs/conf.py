"""Sphinx configuration."""

import re

from ganaug import __version__

project = "ganaug"
author = "The ganaug founders"
copyright = "2026, The ganaug founders"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_prev_next": False}
exclude_patterns = ["_build"]
myst_heading_anchors = 3
autodoc_typehints = "description"
autodoc_member_order = "bysource"
suppress_warnings = ["myst.xref_missing"]


def as_list(app, what, name, obj, options, lines):  # noqa: ARG001  # Sphinx calls it so
    """Our docstrings say `name: meaning` a line each, with indented continuations; a list shows that well."""
    shown, listing = [], False
    for line in lines:
        item = None if line.startswith(":") else re.match(r"(\w+(?:, \w+)*): (.*)", line)
        if item or (listing and line and not line.startswith(" ")):
            shown.append("")
        shown.append(f"* ``{item[1]}``: {item[2]}" if item else line)
        listing = bool(item) or (listing and line.startswith(" "))
    lines[:] = shown


def setup(app):
    app.connect("autodoc-process-docstring", as_list)
