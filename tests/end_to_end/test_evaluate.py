"""`ganaug evaluate` from the command line."""

import json

import pytest
import torch

from ganaug import GANAugmenter, LabeledImages, write_folder
from ganaug.evaluation import CLASSIFIERS, CNN
from tests.end_to_end.test_cli import QUICK, in_this_process
from tests.planted.test_utility_verdict import digits
from tests.processes import ganaug

ONE_TRAINING = ("--seeds", "1", "--shares", "0.25", "--steps", "4", "--time-budget", "6s", *QUICK)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of real, held-out and test images of the digits 0 to 2, and of held-out images with wrong labels."""
    root = tmp_path_factory.mktemp("digits")
    train, validation, test = (
        LabeledImages(part.images[part.labels < 3], part.labels[part.labels < 3], ("0", "1", "2")) for part in digits(0)
    )
    wrong = LabeledImages(validation.images, (validation.labels + 1) % 3, validation.classes)
    few = train.take([8 * label + row for label in range(3) for row in range(2)])
    for name, images in {"train": train, "few": few, "more": validation, "test": test, "wrong": wrong}.items():
        write_folder(images, root / name)
    return root


@pytest.fixture(autouse=True)
def small_classifier(monkeypatch):
    """Trainings in this process are short."""
    monkeypatch.setitem(CLASSIFIERS, "cnn", CNN(steps=30, width=8))


def test_harm_is_in_the_report_the_json_and_the_exit_status(folders, tmp_path):
    process = ganaug(
        *("evaluate", folders / "train", "--synthetic", folders / "wrong", "--test", folders / "test"),
        *("--out", tmp_path / "page.html", "--json", tmp_path / "report.json", "--seeds", "2", "--shares", "0.25,0.5"),
        *("--time-budget", "1s"),
    )
    assert process.returncode == 4, process.stderr
    assert "hurts" in process.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["verdict"], report["facts"]["share"]) == ("hurts", 0)
    page = (tmp_path / "page.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "Do not use synthetic images (share=0)" in page
    # the last lines are the best training without them, which runs
    assert report["recipe"]["code"] in process.stdout
    assert "GANAugmenter" not in report["recipe"]["code"]
    assert "Best method found" in page


@pytest.mark.parametrize(("source", "status", "verdict"), [("more", 0, "helps"), ("few", 3, "no evidence")])
def test_the_exit_status_is_the_verdict(folders, tmp_path, source, status, verdict):
    result = in_this_process(
        *("evaluate", folders / "few", "--synthetic", folders / source, "--test", folders / "test"),
        *("--out", tmp_path / "page.html", "--shares", "0.5"),
    )
    assert (result.exit_code, verdict in result.output) == (status, True), result.output


def test_translators_can_be_evaluated(folders, tmp_path):
    from ganaug import read_folder

    train = read_folder(folders / "train")
    uneven = [row for row, label in enumerate(train.labels.tolist()) if label == 0 or row % 2]
    write_folder(train.take(uneven), tmp_path / "data")
    small = ["--param", "recipe.width=4", "--param", "batch_size=2", "--param", "filters=null", "--param", "source='0'"]
    result = in_this_process(
        *("evaluate", tmp_path / "data", "--method", "cyclegan", "--out", tmp_path / "page.html", "--folds", "2"),
        *("--seeds", "1", "--shares", "0.25", "--steps", "4", "--time-budget", "6s", "--device", "cpu", *small),
    )
    assert result.exit_code in (0, 3, 4), result.output
    assert (tmp_path / "page.html").exists()
    refused = in_this_process(
        *("evaluate", tmp_path / "data", "--method", "cyclegan", "--run", tmp_path / "run"),
        *("--out", tmp_path / "second.html"),
    )
    assert refused.exit_code == 2
    assert "does not go with --run" in refused.output


def test_a_generator_is_fitted_in_each_fold(folders, tmp_path, monkeypatch):
    sizes, original = [], GANAugmenter.fit
    monkeypatch.setattr(
        GANAugmenter, "fit", lambda self, X, **options: (sizes.append(len(X)), original(self, X, **options))[1]
    )
    result = in_this_process(
        "evaluate", folders / "train", "--out", tmp_path / "page.html", "--folds", "2", *ONE_TRAINING
    )
    assert result.exit_code in (0, 3, 4), result.output
    assert sizes == [12, 12]  # of 24 images, two folds
    assert (tmp_path / "page.html").exists()


def test_a_run_is_tested_on_separate_images_or_refitted_in_each_fold(folders, tmp_path):
    trained = in_this_process("fit", folders / "train", "--run", tmp_path / "run", "--steps", "4", *QUICK)
    assert trained.exit_code == 0, trained.output
    common = ("--run", tmp_path / "run", "--seeds", "1", "--shares", "0.25", "--time-budget", "6s")
    separate = ("--test", folders / "test", "--out", tmp_path / "separate.html")
    assert in_this_process("evaluate", folders / "train", *common, *separate).exit_code in (0, 3, 4)
    folds = ("--folds", "2", "--out", tmp_path / "folds.html")
    refitted = in_this_process("evaluate", folders / "train", *common, *folds)
    assert refitted.exit_code in (0, 3, 4), refitted.output
    assert "fitted in each of 2 folds" in refitted.stderr.replace("\n", " ")
    leaked = ("--test", folders / "train", "--out", tmp_path / "leaked.html")
    refused = in_this_process("evaluate", folders / "test", *common, *leaked)
    assert refused.exit_code == 1
    assert "trained on 24 of the 24 test images" in refused.stderr.replace("\n", " ")


def test_leaks_and_contradictory_options_are_refused_before_any_work(folders, tmp_path):
    page = ("--out", tmp_path / "page.html")
    leak = in_this_process(
        "evaluate", folders / "train", "--synthetic", folders / "test", "--test", folders / "test", *page
    )
    assert leak.exit_code == 1
    assert "pixel for pixel" in leak.stderr.replace("\n", " ")
    assert in_this_process("evaluate", folders / "train", "--synthetic", folders / "more", *page).exit_code == 2
    both = ("--synthetic", folders / "more", "--run", tmp_path)
    assert in_this_process("evaluate", folders / "train", *both, *page).exit_code == 2
    (tmp_path / "page.html").write_text("the user's")
    exists = in_this_process("evaluate", folders / "train", "--test", folders / "test", *page)
    assert exists.exit_code == 1
    assert "exists. Choose" in exists.stderr
    assert (tmp_path / "page.html").read_text() == "the user's"


def test_only_marked_images_of_a_mixed_folder_are_synthetic(folders, tmp_path):
    from ganaug.io.folder import read_folder
    from ganaug.io.synthetic import select_synthetic

    images = read_folder(folders / "more")
    assert len(select_synthetic(images)) == len(images)
    images.metadata["is_synthetic"] = torch.arange(len(images)).numpy() < 7
    assert len(select_synthetic(images)) == 7
