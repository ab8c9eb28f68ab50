"""The examples of the documentation run as they are printed, and print what their comments say."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
PRINTED = re.compile(r"^print\(.*\)  # (.*)$", re.MULTILINE)


@pytest.mark.parametrize("page", ["bring_your_data.md"])
def test_the_examples_of_a_page_run_and_print_what_they_say(page, tmp_path, capsys):
    names = {"folder": tmp_path}
    expected = []
    for block in BLOCK.findall((DOCS / page).read_text()):
        exec(compile(block, page, "exec"), names)  # our own page
        expected += PRINTED.findall(block)
    assert expected
    assert capsys.readouterr().out.splitlines() == expected
