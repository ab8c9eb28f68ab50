import pytest

from ganaug.io.paths import escapes_folder


@pytest.mark.parametrize(
    "name",
    ["../1.png", "cat/../../1.png", "/1.png", "a\0b.png", "..\\1.png", "cat\\..\\..\\1.png", "\\1.png", "C:1.png",
     "C:\\1.png", "C:/1.png", "\\\\server\\share\\1.png"],
)  # fmt: skip
def test_a_path_that_leads_out_of_its_folder_on_any_system_is_detected(name):
    assert escapes_folder(name)


@pytest.mark.parametrize("name", ["1.png", "cat/1.png", "cat\\1.png", "a..b/1.png", "./1.png", "...png", "día: 1.png"])
def test_a_path_inside_its_folder_is_accepted(name):
    assert not escapes_folder(name)
