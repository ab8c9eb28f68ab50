"""Cells: their numbers, names and counts, and images with cells in place of classes."""

import json

import pandas as pd
import pytest
import torch

from ganaug.datasets.cells import MAX_CELLS, Cells
from ganaug.errors import DataError
from ganaug.images import LabeledImages


def images(labels, **columns):
    pixels = torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 8, 8)
    return LabeledImages(pixels, torch.tensor(labels), ("cat", "dog"), pd.DataFrame(columns))


SET = images([0, 0, 0, 1, 1, 1], attr_sex=["f", "m", "m", "m", None, "m"], attr_site=[1, 1, 2, 2, 2, 1.0])


@pytest.fixture
def cells():
    return Cells.of(SET, ["attr_sex", "attr_site"])


def test_every_combination_is_a_cell_and_missing_values_come_last(cells):
    assert cells.attributes == {"attr_sex": ("f", "m", None), "attr_site": ("1", "2")}
    assert len(cells) == len(cells.names) == len(set(cells.names)) == 2 * 3 * 2
    assert cells.names[0] == "cat, attr_sex=f, attr_site=1"
    assert cells.names[-1] == "dog, attr_sex=unknown, attr_site=2"


def test_images_are_counted_in_their_cells(cells):
    counts = dict(zip(cells.names, cells.counts, strict=True))
    assert {name: count for name, count in counts.items() if count} == {
        "cat, attr_sex=f, attr_site=1": 1,
        "cat, attr_sex=m, attr_site=1": 1,
        "cat, attr_sex=m, attr_site=2": 1,
        "dog, attr_sex=m, attr_site=1": 1,
        "dog, attr_sex=m, attr_site=2": 1,
        "dog, attr_sex=unknown, attr_site=2": 1,
    }


def test_classes_and_attributes_come_back(cells):
    back = cells.with_classes(cells.relabel(SET))
    assert torch.equal(back.labels, SET.labels)
    assert back.classes == SET.classes
    assert back.metadata["label"].tolist() == ["cat"] * 3 + ["dog"] * 3
    sexes = back.metadata["attr_sex"]
    assert sexes.isna().tolist() == [False] * 4 + [True, False]
    assert sexes.dropna().tolist() == ["f", "m", "m", "m", "m"]
    assert back.metadata["attr_site"].tolist() == ["1", "1", "2", "2", "2", "1"]


def test_index_finds_a_cell_by_equal_values(cells):
    assert cells.names[cells.index("dog", "m", 2.0)] == "dog, attr_sex=m, attr_site=2"
    assert cells.names[cells.index("dog", None, "1")] == "dog, attr_sex=unknown, attr_site=1"


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (("owl", "m", 1), "class 'owl' is unknown. Known: cat, dog"),
        (("cat", "x", 1), "attr_sex has no value 'x'. Known: f, m, unknown"),
        (("cat", "m"), "a cell is \\(class, attr_sex, attr_site\\); got 1 values"),
    ],
)
def test_unknown_cells_are_named(cells, cell, message):
    with pytest.raises(ValueError, match=message):
        cells.index(*cell)


def test_the_design_has_one_class_and_one_value_of_each_attribute_in_a_cell(cells):
    design = cells.design()
    assert design.shape == (12, 2 + 3 + 2)
    assert design.dtype == torch.float32
    assert torch.equal(design.sum(1), torch.full((12,), 3.0))
    assert design[cells.index("dog", "f", 2)].tolist() == [0, 1, 1, 0, 0, 0, 1]


def test_images_of_a_class_are_distributed_as_the_real_ones():
    cells = Cells(("cat", "dog"), {"attr_sex": ("f", "m", None)}, (10, 30, 0, 0, 5, 5))
    assert cells.split(0, 8) == {0: 2, 1: 6}
    assert cells.split(1, 3) == {4: 2, 5: 1}
    assert cells.split_all({0: 4, 1: 2}) == {0: 1, 1: 3, 4: 1, 5: 1}
    for count in range(30):
        assert sum(cells.split(0, count).values()) == count


def test_balancing_fills_cells_up_to_the_largest_of_their_class_and_none_with_missing_values():
    cells = Cells(("cat", "dog", "owl"), {"attr_sex": ("f", "m", None)}, (10, 30, 5, 4, 0, 1, 0, 0, 0))
    assert cells.missing_counts() == {0: 20, 4: 4}


def test_cells_survive_json(cells):
    assert Cells.from_json(json.loads(json.dumps(cells.to_json()))) == cells


@pytest.mark.parametrize(
    "change",
    [
        {"counts": [1]},
        {"counts": ["1"] * 12},
        {"classes": [1, 2]},
        {"attributes": {"a": ["x"] * 3000}},
        {"attributes": {"a": [["x"]]}},
    ],
)
def test_damaged_json_is_refused(cells, change):
    with pytest.raises((ValueError, TypeError)):
        Cells.from_json({**cells.to_json(), **change})


@pytest.mark.parametrize(
    ("columns", "names", "message"),
    [
        ({"attr_sex": ["f", "m"]}, ["attr_sx"], "no column 'attr_sx' .* Did you mean 'attr_sex'"),
        ({"attr_sex": ["f", "f"]}, ["attr_sex"], "'attr_sex' has 1 different values; at least 2"),
        ({"attr_sex": [None, None]}, ["attr_sex"], "'attr_sex' has 0 different values"),
        ({"attr_sex": [["f", "m"], "f"]}, ["attr_sex"], "'attr_sex': a cell is a list"),
    ],
)
def test_unsuitable_columns_are_named(columns, names, message):
    with pytest.raises(DataError, match=message):
        Cells.of(images([0, 1], **columns), names)


def test_images_without_metadata_are_refused():
    bare = LabeledImages(SET.images, SET.labels, SET.classes)
    with pytest.raises(DataError, match="no column 'attr_sex'"):
        Cells.of(bare, ["attr_sex"])


def test_too_many_cells_are_refused_with_the_numbers_of_values():
    n = MAX_CELLS
    many = images([k % 2 for k in range(n)], attr_id=[str(k) for k in range(n)])
    with pytest.raises(DataError, match="2 classes and attr_id: 2000 values make 4,000 combinations"):
        Cells.of(many, ["attr_id"])
