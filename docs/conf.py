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


def number_references(app, what, name, obj, options, lines):  # noqa: ARG001  # the signature of a Sphinx handler
    """Make the labels of references unique: every numpydoc docstring begins with [1], and a page shows several."""
    label = name.replace(".", "-").replace("_", "-")
    for index, line in enumerate(lines):
        lines[index] = re.sub(r"\[(\d+)\](?=_|\s)", rf"[#{label}-\1]", line) if "[" in line else line


def setup(app):
    # before napoleon's handler, which has priority 500
    app.connect("autodoc-process-docstring", number_references, priority=400)
