from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganaug.io.names import folder_names, safe_name, unique_name


@pytest.mark.parametrize("name", ["cat", "T-shirt", "Ankle boot", "猫", "1", "-1", "a.b", "naïve (2)"])
def test_ordinary_names_are_unchanged(name):
    assert safe_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        ".",
        "..",
        "../x",
        "/etc",
        "a/b",
        "a\\b",
        "C:x",
        "con",
        "NUL.png",
        ".git",
        "__x",
        "a\nb",
        "a\0",
        "é" * 101,
        "\ud800",
        "what?",
        'a"b',
        "a|b",
        "<a>",
        "a*",
        "cat.",
        "cat ",
        "com¹",
        "con .txt",
        "Metadata.CSV",
        "store.json",
    ],
)
def test_dangerous_names_become_slugs(name):
    slug = safe_name(name)
    assert slug != name
    assert safe_name(slug) == slug


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_name_leaves_its_folder_and_different_names_stay_different(first, second):
    root = Path("/data/out")
    for name in (first, second):
        assert (root / safe_name(name)).resolve().parent == root
        assert 0 < len(safe_name(name).encode()) <= 255
    assert first == second or safe_name(first) != safe_name(second)


def test_a_slug_keeps_the_suffix_of_a_file():
    assert safe_name("é" * 200 + ".jpeg").endswith(".jpeg")


def test_a_name_in_use_gets_a_number_before_its_suffix():
    used_names = {"a.png"}
    assert [unique_name("a.png", used_names) for _ in range(2)] == ["a-2.png", "a-3.png"]
    assert unique_name("b.png", used_names) == "b.png"


def test_folders_of_a_set_are_distinct_and_existing_ones_keep_their_names():
    names = ["CAT", "Cat", "cat", "dog"]
    folders = folder_names(names)
    assert (folders["CAT"], folders["dog"]) == ("CAT", "dog")
    assert len({folder.casefold() for folder in folders.values()}) == 4
    assert folder_names(names, existing=names) == {name: name for name in names}
    assert folder_names(["Cat"], existing=["cat"])["Cat"].casefold() != "cat"
    assert folder_names(["what?"], existing=["what?"]) == {"what?": "what?"}


def test_names_that_differ_only_in_case_count_as_equal():
    used_names = set()
    assert [unique_name(name, used_names) for name in ("A.png", "a.PNG")] == ["A.png", "a-2.PNG"]
