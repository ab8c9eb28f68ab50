"""`ganaug augment --balance COLUMN`: every combination of class and value is filled up, and can be removed again."""

import re

import pandas as pd
import pytest
from PIL import Image

from ganaug import read_folder, write_folder
from tests.end_to_end.test_cli import QUICK, in_this_process
from tests.sets import hashes, sites

BALANCE = ["--balance", "attr_site", "--steps", "4", *QUICK]


@pytest.fixture
def data(tmp_path):
    return write_folder(sites(), tmp_path / "data")


def cells_of(folder):
    """(label, site, origin) -> number of images."""
    rows = pd.read_csv(folder / "metadata.csv")
    return rows.groupby(["label", "attr_site", "origin"]).size().to_dict()


def test_every_cell_becomes_as_large_as_the_largest_of_its_class(data, tmp_path):
    result = in_this_process("augment", data, tmp_path / "out", "--no-report", *BALANCE)
    assert result.exit_code == 0, result.stderr
    expected = {(name, "n", "original"): 18 for name in ("bright", "dark", "middle")}
    for name in ("dark", "middle"):
        expected |= {(name, "s", "original"): 6, (name, "s", "altered"): 3, (name, "s", "synthetic"): 9}
    # no bright image of s is there that could be copied
    assert cells_of(tmp_path / "out") == {**expected, ("bright", "s", "synthetic"): 18}
    assert '"dark, attr_site=s",6,3,9,18' in result.stdout.splitlines()
    assert read_folder(tmp_path / "out").counts == {"bright": 36, "dark": 36, "middle": 36}


def test_altered_copies_are_of_images_of_their_cell(data, tmp_path):
    in_this_process("augment", data, tmp_path / "out", "--no-report", *BALANCE)
    rows = pd.read_csv(tmp_path / "out" / "metadata.csv").set_index("file_name")
    copies = rows[rows["origin"] == "altered"]
    sources = rows.loc[copies["altered_from"]]
    assert len(copies) == 6
    assert copies["attr_site"].tolist() == sources["attr_site"].tolist()
    assert copies["label"].tolist() == sources["label"].tolist()


def test_the_share_can_be_chosen(data, tmp_path):
    result = in_this_process("augment", data, tmp_path / "out", "--no-report", "--synthetic-share", "0", *BALANCE)
    assert result.exit_code == 0, result.stderr
    counts = cells_of(tmp_path / "out")
    assert counts[("dark", "s", "altered")] == 12
    assert ("dark", "s", "synthetic") not in counts


def test_undo_removes_what_was_added(tmp_path):
    data = tmp_path / "photos"
    for name, tone in (("cat", 40), ("dog", 200)):
        write_photos(data / name, tone)
    pd.DataFrame(
        {
            "file_name": [f"{name}/{number:02}.png" for name in ("cat", "dog") for number in range(12)],
            "label": ["cat"] * 12 + ["dog"] * 12,
            "attr_site": (["n"] * 9 + ["s"] * 3) * 2,
        }
    ).to_csv(data / "metadata.csv", index=False)
    before = hashes(data)
    result = in_this_process("augment", data, "--in-place", "--no-report", *BALANCE)
    assert result.exit_code == 0, result.stderr
    assert read_folder(data).counts == {"cat": 18, "dog": 18}
    assert in_this_process("augment", data, "--in-place", "--undo").exit_code == 0
    assert hashes(data) == before


def write_photos(folder, tone):

    folder.mkdir(parents=True)
    for number in range(12):
        Image.new("L", (12, 10), tone + number).save(folder / f"{number:02}.png")


def test_the_forecast_counts_cells(data, tmp_path):
    result = in_this_process("augment", data, tmp_path / "out", "--dry-run", *BALANCE)
    assert result.exit_code == 0, result.stderr
    assert '"bright, attr_site=s",0,0,18,18' in result.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--balance", "attr_sit"], 1, "no column 'attr_sit' in their metadata. .*Did you mean 'attr_site'"),
        (["--balance", "attr_site", "--strategy", "full"], 2, "--balance fills up combinations and --strategy classes"),
        (["--balance", ","], 2, "name columns of metadata.csv"),
        (["--balance", "attr_site", "--method", "auto"], 2, "--balance needs --method conditional"),
    ],
)
def test_a_wrong_request_is_refused_before_training(data, tmp_path, options, status, message):

    settings = [] if "auto" in options else QUICK
    result = in_this_process("augment", data, tmp_path / "out", *options, "--steps", "4", *settings)
    assert result.exit_code == status
    assert re.search(message, result.stderr.replace("\n", " "))
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
