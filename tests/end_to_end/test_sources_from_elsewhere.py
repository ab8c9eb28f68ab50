"""`ganaug export`, `augment --from` and `evaluate --from`, as people at two sites use them."""

import pandas as pd
import pytest
import torch

from ganaug import LabeledImages, write_folder
from tests.end_to_end.test_cli import in_this_process
from tests.sets import SMALL, augmenter, tones


@pytest.fixture(scope="module")
def other_site(tmp_path_factory):
    """Photos of another site, where class dark is called BLACK, and the run of a generator."""
    folder = tmp_path_factory.mktemp("other")
    images = tones(60)
    images = LabeledImages(images.images, images.labels, ("BLACK", "middle", "bright"))
    write_folder(images, folder / "photos")
    gan = augmenter(**SMALL, n_steps=60, check_every=60, generator_lr=2e-3, run_dir=folder / "run")
    gan.fit(folder / "photos")
    return folder


@pytest.fixture
def data(tmp_path):
    """Dark and bright photos of this site; four are bright."""
    images = tones(16, seed=1)
    rows = torch.cat([images.rows_of("dark"), images.rows_of("bright")[:4]])
    images = LabeledImages(images.images[rows], (images.labels[rows] > 0).long(), ("dark", "bright"))
    return write_folder(images, tmp_path / "data")


@pytest.fixture
def lent(other_site, tmp_path):
    exported = in_this_process("export", other_site / "run", tmp_path / "lent", "--min-class-size", "50")
    assert exported.exit_code == 0, exported.stderr
    return tmp_path / "lent"


FILL = ["--strategy", "full", "--synthetic-share", "0.5", "--no-report"]


def test_export_prints_the_classes_and_what_is_left_to_do(other_site, tmp_path):
    options = ["--data", other_site / "photos", "--description", "Squares."]
    exported = in_this_process("export", other_site / "run", tmp_path / "lent", "--min-class-size", "50", *options)
    assert exported.exit_code == 0, exported.stderr
    rows = exported.stdout.splitlines()
    assert rows[0] == "class,images,pass rate,near-copies,membership advantage,by chance,p"
    assert [row.split(",")[:2] for row in rows[1:4]] == [["BLACK", "60"], ["bright", "60"], ["middle", "60"]]
    assert rows[-1] == str(tmp_path / "lent")
    assert "Squares." in (tmp_path / "lent" / "README.md").read_text()


def test_a_folder_is_filled_up_from_a_lent_model(lent, data, tmp_path):
    result = in_this_process("augment", data, tmp_path / "out", "--from", lent, "--map", "dark=BLACK", *FILL)
    assert result.exit_code == 0, result.stderr
    rows = pd.read_csv(tmp_path / "out" / "metadata.csv")
    synthetic = rows[rows["origin"] == "synthetic"]
    assert (synthetic["label"] == "bright").all()
    assert len(synthetic) == 8
    assert (synthetic["source_class"] == "bright").all()
    assert f"dark: drawn from class 'BLACK' of {lent}." in result.stderr
    undone = in_this_process("augment", data, tmp_path / "out", "--undo")
    assert undone.exit_code == 0
    assert not list((tmp_path / "out").rglob("*_synthetic_*"))


def test_a_run_can_be_the_source_without_an_export(other_site, data, tmp_path):
    result = in_this_process("augment", data, tmp_path / "out", "--from", other_site / "run", *FILL)
    assert result.exit_code == 0, result.stderr
    assert "no source has learned dark" in result.stderr


def test_evaluate_measures_a_lent_model(lent, data, tmp_path):
    images = tones(12, seed=2)
    rows = torch.cat([images.rows_of("dark"), images.rows_of("bright")])
    test = LabeledImages(images.images[rows], (images.labels[rows] > 0).long(), ("dark", "bright"))
    write_folder(test, tmp_path / "test")
    options = ["--from", lent, "--map", "dark=BLACK", "--test", tmp_path / "test", "--seeds", "1", "--shares", "0.25"]
    result = in_this_process("evaluate", data, "--out", tmp_path / "report.html", "--time-budget", "20s", *options)
    assert result.exit_code in (0, 3, 4), result.stderr
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--map", "dark=BLACK"], "--map names classes of a run: it needs --from"),
        (["--from", "RUN", "--steps", "5"], "leave --method and --steps out"),
        (["--from", "RUN", "--method", "cyclegan"], "leave --method and --steps out"),
        (["--from", "RUN", "--map", "dark"], "write CLASS=THERE"),
        (["--from", "RUN", "--map", "dark=a", "--map", "dark=b"], "names a class twice"),
        (["--from", "RUN", "--balance", "attr_site"], "no --from"),
    ],
)
def test_options_that_contradict_each_other(options, message, data, tmp_path):
    result = in_this_process("augment", data, tmp_path / "out", *options)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert not (tmp_path / "out").exists()


def test_a_source_that_is_none_is_named(data, tmp_path):
    result = in_this_process("augment", data, tmp_path / "out", "--from", tmp_path / "nowhere", *FILL)
    assert result.exit_code == 1
    assert "nowhere" in result.stderr
