"""Options of the command line for folders as users have them: subfolders, links, odd names and paths."""

import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ganaug import read_folder
from tests.end_to_end.test_cli import UNJUDGED, folder_of, in_this_process
from tests.sets import FILL

FIT = ("--steps", 2, *UNJUDGED)


def nest(data):
    """Move the images of each class into folders of two patients."""
    for path in sorted(data.glob("*/*.png")):
        patient = path.parent / f"p{int(path.stem) % 2}"
        patient.mkdir(exist_ok=True)
        path.rename(patient / path.name)
    return data


def test_subfolders_become_groups(tmp_path):
    data, out = nest(folder_of(tmp_path / "data")), tmp_path / "out"
    result = in_this_process("check", data, "--subfolder-groups")
    assert result.exit_code == 0, result.stderr
    assert "have the class of the outer folder" in result.stderr
    result = in_this_process(*FILL, data, out, "--subfolder-groups", *FIT)
    assert result.exit_code == 0, result.stderr
    table = pd.read_csv(out / "metadata.csv")
    assert set(table.loc[~table["is_synthetic"], "group_id"]) == {"p0", "p1"}
    assert table.loc[table["is_synthetic"], "group_id"].isna().all()
    assert read_folder(out, subfolder_groups=True).counts == {"bright": 14, "dark": 14}
    result = in_this_process("check", folder_of(tmp_path / "flat"), "--subfolder-groups")
    assert result.exit_code == 1
    assert "no class folder has subfolders with images" in result.stderr


def test_links_are_followed_on_request(tmp_path):
    blobs, data = folder_of(tmp_path / "blobs"), tmp_path / "data"
    for path in blobs.glob("*/*.png"):
        (data / path.parent.name).mkdir(parents=True, exist_ok=True)
        (data / path.parent.name / path.name).symlink_to(path)
    commands = [
        ["check", data],
        ["store", data, tmp_path / "store"],
        [*FILL, data, tmp_path / "out", *FIT],
        ["fit", data, "--run", tmp_path / "run", *FIT[:-1]],
        ["sample", tmp_path / "run", tmp_path / "samples", "--balance", data],
        ["translate", "fit", data / "dark", data / "bright", "--run", tmp_path / "gan", "--steps", 1, "--device", "cpu",
         "--image-size", 16],
    ]  # fmt: skip
    for command in commands:
        refused = in_this_process(*command)
        assert refused.exit_code == 1, command
        assert "leads out of" in refused.stderr
        assert "--follow-links" in refused.stderr
        result = in_this_process(*command, "--follow-links")
        assert result.exit_code == 0, result.stderr
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))


def test_a_class_name_that_other_readers_cannot_read_is_refused_before_sampling(tmp_path):
    data, run = folder_of(tmp_path / "data"), tmp_path / "run"
    (data / "dark").rename(data / "NA")
    assert in_this_process(*FILL, data, tmp_path / "out", "--steps", 10**6).exit_code == 1
    result = in_this_process("fit", data, "--run", run, *FIT[:-1])
    assert result.exit_code == 0, result.stderr
    assert "warning: pandas and Hugging Face datasets read this class name as a missing label" in result.stderr
    result = in_this_process("sample", run, tmp_path / "out", "--per-class", 10**7)
    assert result.exit_code == 1
    assert "class 'NA': pandas and Hugging Face datasets" in result.stderr
    assert not (tmp_path / "out").exists()
    for arguments in (["--counts", "bright=2"], ["--per-class", 2, "--shards", 1, "--as", "tar"]):
        result = in_this_process("sample", run, tmp_path / f"out{len(arguments)}", *arguments)
        assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("name", ["photos[1]", "a*b?", "[bold]x[/bold]"])
def test_paths_with_brackets_and_asterisks(tmp_path, name):
    root = tmp_path / name
    data, run = folder_of(root / "data [1]"), root / "run"
    for command in (
        ["check", data],
        [*FILL, data, root / "out [2]", "--run", run, *FIT],
        ["sample", run, root / "shards [3]", "--per-class", 4, "--shards", 2, "--as", "parquet"],
        ["store", root / "shards [3]", root / "store [4]"],
        ["fit", root / "store [4]", "--run", root / "again", *FIT[:-1]],
        [*FILL, data, root / "out [2]", "--undo"],
    ):
        result = in_this_process(*command)
        assert result.exit_code == 0, result.stderr
    assert name in in_this_process("check", root / "absent").stderr


def test_16_bit_images_are_announced(tmp_path):
    data = folder_of(tmp_path / "data", counts=(8, 6))
    for path in data.glob("*/*.png"):
        pixels = np.asarray(Image.open(path)).astype(np.uint16) * 16
        Image.fromarray(pixels).save(path)
    for command in (["check", data], ["store", data, tmp_path / "store"], [*FILL, data, tmp_path / "out", *FIT]):
        result = in_this_process(*command)
        assert result.exit_code == 0, result.stderr
        assert "16-bit images use 12 bits, scaled by 4,095" in result.stderr


def test_images_without_a_label_are_dropped_on_request(tmp_path):
    from datasets import ClassLabel, Dataset, Features
    from datasets import Image as HubImage

    images = [Image.new("L", (8, 8), tone) for tone in range(4)]
    features = Features({"image": HubImage(), "label": ClassLabel(names=["cat", "dog"])})
    data = Dataset.from_dict({"image": images, "label": [0, -1, 1, None]}, features=features)
    data.to_parquet(tmp_path / "train.parquet")
    result = in_this_process("store", tmp_path / "train.parquet", tmp_path / "store")
    assert result.exit_code == 1
    assert "has no label in rows 1, 3" in result.stderr
    assert "--unlabeled drop" in result.stderr
    result = in_this_process("store", tmp_path / "train.parquet", tmp_path / "store", "--unlabeled", "drop")
    assert result.exit_code == 0, result.stderr
    assert "2 images of 2 classes" in result.stderr


def test_columns_of_a_spreadsheet_are_joined_to_a_report(tmp_path):
    real, synthetic = (folder_of(tmp_path / name, counts=(30, 30)) for name in ("real", "synthetic"))
    shutil.move(synthetic / "dark" / "0.png", synthetic / "dark" / "x.png")
    names = [path.relative_to(real).as_posix() for path in sorted(real.glob("*/*.png"))]
    lines = ["file_name;attr_site", *(f"{name};{'ab'[number % 2]}" for number, name in enumerate(names))]
    (tmp_path / "table.csv").write_bytes("\r\n".join(lines).encode("utf-16"))
    arguments = ("report", real, synthetic, "--metadata", tmp_path / "table.csv", "--out", tmp_path / "a.html")
    result = in_this_process(*arguments, "--features", "pixels")
    assert "59 shared names" in result.stderr  # the table was read
