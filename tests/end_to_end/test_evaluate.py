"""`ganaug evaluate` as a person uses it."""

import json

import pytest
import torch

from ganaug import GANAugmenter, LabeledImages, write_folder
from tests.end_to_end.test_cli import QUICK, ganaug, in_this_process
from tests.planted.test_utility_verdict import digits

FEW = ("--seeds", "1", "--shares", "0.25", "--steps", "4", *QUICK)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of real, held-out and test images of the digits 0 to 2, and of all held-out ones wrongly named."""
    root = tmp_path_factory.mktemp("digits")
    train, validation, test = (
        LabeledImages(part.images[part.labels < 3], part.labels[part.labels < 3], ("0", "1", "2")) for part in digits(0)
    )
    wrong = LabeledImages(validation.images, (validation.labels + 1) % 3, validation.classes)
    few = train.take([8 * label + place for label in range(3) for place in range(2)])
    for name, part in {"train": train, "few": few, "more": validation, "test": test, "wrong": wrong}.items():
        write_folder(part, root / name)
    return root


def test_harm_is_told_by_page_json_and_exit_status(folders, tmp_path):
    done = ganaug(
        *("evaluate", folders / "train", "--synthetic", folders / "wrong", "--test", folders / "test"),
        *("--out", tmp_path / "page.html", "--json", tmp_path / "found.json", "--seeds", "2", "--shares", "0.25,0.5"),
    )
    assert done.returncode == 4, done.stderr
    assert "hurts" in done.stdout
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["verdict"], found["facts"]["share"]) == ("hurts", 0)
    page = (tmp_path / "page.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "Use none (share=0)" in page


@pytest.mark.parametrize(("source", "status", "verdict"), [("more", 0, "helps"), ("few", 3, "no evidence")])
def test_the_exit_status_is_the_verdict(folders, tmp_path, source, status, verdict):
    done = in_this_process(
        *("evaluate", folders / "few", "--synthetic", folders / source, "--test", folders / "test"),
        *("--out", tmp_path / "page.html", "--shares", "0.5"),
    )
    assert (done.exit_code, verdict in done.output) == (status, True), done.output


def test_translators_are_evaluated_too(folders, tmp_path):
    from ganaug import read_folder

    train = read_folder(folders / "train")
    uneven = [row for row, label in enumerate(train.labels.tolist()) if label == 0 or row % 2]
    write_folder(train.take(uneven), tmp_path / "data")
    small = ["--param", "recipe.width=4", "--param", "batch_size=2", "--param", "filters=null", "--param", "source='0'"]
    done = in_this_process(
        *("evaluate", tmp_path / "data", "--method", "cyclegan", "--out", tmp_path / "page.html", "--folds", "2"),
        *("--seeds", "1", "--shares", "0.25", "--steps", "4", "--device", "cpu", *small),
    )
    assert done.exit_code in (0, 3, 4), done.output
    assert (tmp_path / "page.html").exists()
    refused = in_this_process(
        *(
            "evaluate",
            tmp_path / "data",
            "--method",
            "cyclegan",
            "--run",
            tmp_path / "run",
            "--out",
            tmp_path / "p.html",
        )
    )
    assert refused.exit_code == 2
    assert "does not go with --run" in refused.output


def test_a_generator_is_fitted_in_each_fold(folders, tmp_path, monkeypatch):
    fitted, original = [], GANAugmenter.fit
    monkeypatch.setattr(
        GANAugmenter, "fit", lambda self, X, **given: (fitted.append(len(X)), original(self, X, **given))[1]
    )
    done = in_this_process("evaluate", folders / "train", "--out", tmp_path / "page.html", "--folds", "2", *FEW)
    assert done.exit_code in (0, 3, 4), done.output
    assert fitted == [12, 12]  # of 24 images, two folds
    assert (tmp_path / "page.html").exists()


def test_a_run_is_tested_on_images_apart_or_fitted_anew(folders, tmp_path):
    trained = in_this_process("fit", folders / "train", "--run", tmp_path / "run", "--steps", "4", *QUICK)
    assert trained.exit_code == 0, trained.output
    common = ("--run", tmp_path / "run", "--seeds", "1", "--shares", "0.25")
    apart = ("--test", folders / "test", "--out", tmp_path / "apart.html")
    assert in_this_process("evaluate", folders / "train", *common, *apart).exit_code in (0, 3, 4)
    anew = in_this_process("evaluate", folders / "train", *common, "--folds", "2", "--out", tmp_path / "anew.html")
    assert anew.exit_code in (0, 3, 4), anew.output
    assert "fitted anew" in anew.stderr
    seen = ("--test", folders / "train", "--out", tmp_path / "seen.html")
    refused = in_this_process("evaluate", folders / "test", *common, *seen)
    assert refused.exit_code == 1
    assert "trained on 24 of the 24 test images" in refused.stderr.replace("\n", " ")


def test_leaks_and_senseless_requests_are_refused_before_any_work(folders, tmp_path):
    page = ("--out", tmp_path / "page.html")
    leak = in_this_process(
        "evaluate", folders / "train", "--synthetic", folders / "test", "--test", folders / "test", *page
    )
    assert leak.exit_code == 1
    assert "pixel for pixel" in leak.stderr.replace("\n", " ")
    assert in_this_process("evaluate", folders / "train", "--synthetic", folders / "more", *page).exit_code == 2
    both = ("--synthetic", folders / "more", "--run", tmp_path)
    assert in_this_process("evaluate", folders / "train", *both, *page).exit_code == 2
    (tmp_path / "page.html").write_text("mine")
    there = in_this_process("evaluate", folders / "train", "--test", folders / "test", *page)
    assert there.exit_code == 1
    assert "is there already" in there.stderr
    assert (tmp_path / "page.html").read_text() == "mine"


def test_only_marked_images_of_a_mixed_folder_are_synthetic(folders, tmp_path):
    from ganaug.io.folder import read_folder
    from ganaug.io.origin import synthetic_part

    images = read_folder(folders / "more")
    assert len(synthetic_part(images)) == len(images)
    images.metadata["is_synthetic"] = torch.arange(len(images)).numpy() < 7
    assert len(synthetic_part(images)) == 7
