"""A folder that is filled up with altered copies and synthetic images."""

import csv
import io
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

from ganaug import GANAugmenter, augment_folder, read_folder
from ganaug.cli.main import main
from ganaug.datasets.alterations import repeat_alteration
from ganaug.errors import ClassNotLearnedError, DataError, RunError
from ganaug.io.folder import read_files, undo
from ganaug.io.provenance import is_marked
from tests.sets import augmenter, hashes


@pytest.fixture
def photos(tmp_path):
    """Eight and four color images of 16 x 16 pixels."""
    return write_photos(tmp_path / "photos", (16, 16))


def write_photos(root, size, mode="RGB", suffix="png"):
    draws = np.random.default_rng(0)
    for name, count in {"common": 8, "rare": 4}.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            shape = (*size, 3) if mode == "RGB" else size
            image = Image.fromarray(draws.integers(0, 256, shape, dtype=np.uint8))
            image.save(root / name / f"{number}.{suffix}")
    return root


def run(photos, out, **options):
    tiny = augmenter(n_steps=1, batch_size=4, width=2, latent_size=4, filters=None, device="cpu", random_state=0)
    options = {"sampling_strategy": "double", "synthetic_share": 0.25, "report": False, **options}
    return augment_folder(photos, out, method=tiny, **options)


def test_each_class_is_filled_with_the_share_that_was_asked_for(photos, tmp_path):
    result = run(photos, tmp_path / "out")
    assert result.counts.values.tolist() == [["common", 8, 4, 4, 16], ["rare", 4, 8, 4, 16]]
    table = pd.read_csv(tmp_path / "out" / "metadata.csv")
    assert table.groupby(["label", "origin"]).size().to_dict() == {
        ("common", "altered"): 4,
        ("common", "original"): 8,
        ("common", "synthetic"): 4,
        ("rare", "altered"): 8,
        ("rare", "original"): 4,
        ("rare", "synthetic"): 4,
    }
    assert (table["is_synthetic"] == (table["origin"] == "synthetic")).all()
    assert len(ImageFolder(tmp_path / "out")) == 32


@pytest.mark.parametrize(("size", "mode", "suffix"), [((16, 16), "RGB", "png"), ((40, 30), "L", "jpg")])
@pytest.mark.parametrize("originals", ["copy", "resize"])
def test_each_copy_can_be_made_again_from_its_row(size, mode, suffix, originals, tmp_path):
    photos = write_photos(tmp_path / "photos", size, mode, suffix)
    with pytest.warns(UserWarning, match="Resize|fewer than 20 images"):
        run(photos, tmp_path / "out", image_size=16, originals=originals)
    table = pd.read_csv(tmp_path / "out" / "metadata.csv")
    copies = table[table["origin"] == "altered"]
    assert len(copies)
    for row in copies.itertuples():
        with Image.open(tmp_path / "out" / row.file_name) as image:
            assert image.size == ((16, 16) if originals == "resize" else size[::-1])
            pixels = np.asarray(image)
        source = read_files([tmp_path / "out" / row.altered_from])[0]
        again = repeat_alteration(source, row.operations)
        assert np.array_equal(again.permute(1, 2, 0).squeeze().numpy(), pixels)


def test_copies_are_not_marked_as_generated(photos, tmp_path):
    run(photos, tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "metadata.csv")
    for row in table.itertuples():
        assert is_marked(tmp_path / "out" / row.file_name) == (row.origin == "synthetic")


def test_copies_have_the_metadata_of_their_sources(photos, tmp_path):
    rows = [(f"{path.parent.name}/{path.name}", path.parent.name, path.stem) for path in sorted(photos.glob("*/*"))]
    table = pd.DataFrame(rows, columns=["file_name", "label", "group_id"])
    table.to_csv(photos / "metadata.csv", index=False)
    run(photos, tmp_path / "out")
    written = pd.read_csv(tmp_path / "out" / "metadata.csv").set_index("file_name")
    copies = written[written["origin"] == "altered"]
    assert (copies["group_id"].to_numpy() == written.loc[copies["altered_from"], "group_id"].to_numpy()).all()


@pytest.mark.parametrize("in_place", [False, True])
def test_undo_leaves_what_was_there(in_place, photos, tmp_path):
    before = hashes(photos)
    out = None if in_place else tmp_path / "out"
    result = run(photos, out)
    assert len(hashes(result.out)) > len(before)
    undo(result.out)
    assert hashes(photos) == before
    assert in_place or not (tmp_path / "out").exists()


def test_images_that_are_marked_as_synthetic_are_not_copied(photos, tmp_path):
    run(photos, tmp_path / "first")
    for name in ("metadata.csv", ".ganaug-manifest.json"):
        (tmp_path / "first" / name).unlink(missing_ok=True)
    for path in (tmp_path / "first").glob(".ganaug*"):
        path.unlink()
    with pytest.warns(UserWarning, match="say that they are synthetic"):
        run(tmp_path / "first", tmp_path / "second", synthetic_share=0.0)
    table = pd.read_csv(tmp_path / "second" / "metadata.csv")
    sources = table[table["origin"] == "altered"]["altered_from"]
    assert len(sources)
    assert not any(is_marked(tmp_path / "second" / source) for source in sources)


def test_without_synthetic_images_no_generator_is_trained(photos, tmp_path):
    result = run(photos, tmp_path / "out", synthetic_share=0)
    assert result.sampler is None
    assert result.counts["synthetic"].tolist() == [0, 0]
    assert result.counts["altered"].tolist() == [8, 12]
    assert not (tmp_path / "out.run").exists()


def test_as_is_adds_nothing(photos, tmp_path):
    result = run(photos, tmp_path / "out", sampling_strategy="as-is")
    assert result.counts["total"].tolist() == [8, 4]


def test_photos_are_copied_at_most_512_pixels_large(tmp_path):
    photos = write_photos(tmp_path / "photos", (600, 1024), suffix="jpg")
    with pytest.warns(UserWarning, match="larger"):
        run(photos, tmp_path / "out", image_size=16, sampling_strategy="full", synthetic_share=0.25)
    sizes = {Image.open(path).size for path in (tmp_path / "out" / "rare").glob("*altered*")}
    assert sizes == {(512, 300)}


def test_a_column_origin_of_the_user_is_refused_before_training(photos, tmp_path):
    rows = [(f"{path.parent.name}/{path.name}", path.parent.name, "lab A") for path in sorted(photos.glob("*/*"))]
    pd.DataFrame(rows, columns=["file_name", "label", "origin"]).to_csv(photos / "metadata.csv", index=False)
    with pytest.raises(DataError, match=r"column 'origin' with 'lab A'.*Rename your column"):
        run(photos, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("share", [-0.1, 1.5, "much", True])
def test_a_share_out_of_range_is_refused(share, photos, tmp_path):
    with pytest.raises(ValueError, match="synthetic_share must be 'auto' or a number from 0 to 1"):
        run(photos, tmp_path / "out", synthetic_share=share)


def test_the_command_line_takes_the_same_options(photos, tmp_path, capsys):
    arguments = ["augment", str(photos), str(tmp_path / "out"), "--strategy", "full", "--synthetic-share", "0.5"]
    small = ["--steps", "1", "--no-report", *("--param", "batch_size=4"), *("--param", "recipe.width=2")]
    with pytest.raises(SystemExit) as status:
        main([*arguments, *small, "--param", "filters=null"])
    assert status.value.code == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows == [
        ["class", "original", "altered", "synthetic", "total"],
        ["common", "8", "0", "0", "8"],
        ["rare", "4", "0", "4", "8"],
    ]


def test_copies_are_left_out_where_real_images_are_needed(photos, tmp_path):
    from ganaug.evaluation.matching import drop_synthetic

    run(photos, tmp_path / "out")
    images = read_folder(tmp_path / "out")
    real, _ = drop_synthetic(images)
    assert len(real) == 12
    assert set(real.metadata["origin"]) == {"original"}
    assert torch.equal(real.images.sort(0).values, read_folder(photos).images.sort(0).values)


def test_a_run_folder_in_use_is_refused_before_anything_is_measured(photos, tmp_path):
    run(photos, tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(RunError, match="is not empty"):
        augment_folder(photos, tmp_path / "out", synthetic_share=0.0)
    (tmp_path / "new.run" / "evaluation").mkdir(parents=True)
    (tmp_path / "new.run" / "evaluation" / "selection.json").write_text("{}")
    with pytest.raises(RunError, match="is not empty"):
        augment_folder(photos, tmp_path / "new", synthetic_share=0.0)


def test_without_a_seed_a_resumed_run_makes_the_same_copies(photos, tmp_path):
    options = {"sampling_strategy": "double", "synthetic_share": 0.0, "run_dir": tmp_path / "run", "random_state": None}
    for out, resume in (("first", False), ("again", True), ("other", False)):
        if not resume:
            shutil.rmtree(tmp_path / "run", ignore_errors=True)
        augment_folder(photos, tmp_path / out, resume=resume, **options)
    first, again, other = (read_folder(tmp_path / out).fingerprint() for out in ("first", "again", "other"))
    assert first == again != other


def test_a_class_that_runs_out_of_samples_is_filled_with_copies(photos, tmp_path, monkeypatch):
    """It passed the trial, but hardly any sample passes the filters."""
    sample = GANAugmenter.sample

    def failing(self, counts, **options):
        if isinstance(counts, dict) and "rare" in counts:
            raise ClassNotLearnedError("class 'rare' is not learned.")
        return sample(self, counts, **options)

    monkeypatch.setattr(GANAugmenter, "sample", failing)
    result = run(photos, tmp_path / "out")
    assert result.counts.values.tolist() == [["common", 8, 4, 4, 16], ["rare", 4, 12, 0, 16]]
    assert result.unlearned == ["rare"]
