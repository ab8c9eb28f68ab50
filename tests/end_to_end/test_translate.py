"""`ganaug translate` on every supported folder layout."""

import shutil

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from ganaug import CycleGAN, read_folder
from ganaug._runtime.storage import read_json
from ganaug.cli.main import main
from ganaug.errors import DataError
from ganaug.io.provenance import is_marked
from ganaug.io.translation_folders import read_domain, read_domains
from tests.sets import FILL, hashes

QUICK = ["--steps", "3", "--param", "recipe.width=4", "--param", "batch_size=2", "--device", "cpu"]
COLORS = np.array([[0, 0, 0], [250, 60, 40], [50, 180, 220]], np.uint8)


def ganaug(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="ganaug")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def labels(count, size=(12, 18)):
    rng = np.random.default_rng(0)
    return rng.integers(0, 3, (count, *size), dtype=np.uint8)


@pytest.fixture
def pairs(tmp_path):
    """Twelve pairs of 12x18 pixels: palette images in mask/, JPEGs in photo/."""
    for number, mask in enumerate(labels(12)):
        picture = Image.fromarray(mask, "P")
        picture.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
        (tmp_path / "data" / "mask").mkdir(parents=True, exist_ok=True)
        picture.save(tmp_path / "data" / "mask" / f"{number}.png")
        save(tmp_path / "data" / "photo" / f"{number}.jpg", COLORS[mask])
    return tmp_path / "data"


def test_masks_are_translated_to_photos_and_written_with_them(pairs, tmp_path):
    done = ganaug("translate", "fit", pairs, "--paired", "--num-labels", 3, "--run", tmp_path / "run", *QUICK)
    assert done.exit_code == 0, done.output
    for name in ("config.json", "history.csv", "losses.png", "previews/00000003.png", "model/model.json"):
        assert (tmp_path / "run" / name).exists()
    out = tmp_path / "out"
    done = ganaug("translate", "apply", tmp_path / "run", pairs / "mask", out, "--draws", 2, "--device", "cpu")
    assert done.exit_code == 0, done.output
    photos, masks = (sorted(path.name for path in (out / name).iterdir()) for name in ("photo", "mask"))
    assert photos == masks
    assert len(photos) == 24
    for name in photos:
        number = int(name.split("-")[0])
        assert np.array_equal(np.asarray(Image.open(out / "mask" / name)), labels(12)[number])
        assert Image.open(out / "photo" / name).size == (18, 12)
        assert is_marked(out / "photo" / name)
        assert not is_marked(out / "mask" / name)
    table = pd.read_csv(out / "metadata.csv")
    rows = table[table["label"] == "photo"]
    assert rows["is_synthetic"].all()
    assert rows["seed"].is_unique
    assert set(rows["source"]) == {f"{number}.png" for number in range(12)}
    again = ganaug("translate", "apply", tmp_path / "run", pairs / "mask", out, "--device", "cpu")
    assert again.exit_code == 1
    assert "holds what ganaug wrote before" in again.output


def test_unpaired_folders_translate_in_both_directions_and_keep_class_folders(tmp_path):
    for name, count in (("trainA/cat", 5), ("trainA/dog", 4), ("trainB", 6)):
        for number in range(count):
            save(tmp_path / "data" / name / f"{number}.png", np.full((12, 12, 3), 20 * number, np.uint8))
    run = tmp_path / "run"
    assert ganaug("translate", "fit", tmp_path / "data", "--run", run, *QUICK).exit_code == 0
    assert (
        ganaug("translate", "apply", run, tmp_path / "data" / "trainA", tmp_path / "b", "--device", "cpu").exit_code
        == 0
    )
    assert read_folder(tmp_path / "b").counts == {"cat": 5, "dog": 4}
    errors = CycleGAN.load(run, "cpu").cycle_error(read_domain(tmp_path / "data" / "trainA").images)
    limit = float(np.sort(errors)[3]) + 1e-6
    done = ganaug(
        *("translate", "apply", run, tmp_path / "data" / "trainA", tmp_path / "c"),
        *("--max-cycle-error", limit, "--device", "cpu"),
    )
    assert done.exit_code == 0, done.stderr
    assert 4 <= len(pd.read_csv(tmp_path / "c" / "metadata.csv")) == (errors <= limit).sum() < len(errors)
    back = [tmp_path / "data" / "trainB", tmp_path / "a", "--direction", "y_to_x", "--device", "cpu"]
    assert ganaug("translate", "apply", run, *back).exit_code == 0
    assert len(list((tmp_path / "a" / "translated").iterdir())) == 6


def test_side_by_side_images_are_split_in_the_middle(tmp_path):
    for number in range(4):
        left, right = np.full((10, 12, 3), 10, np.uint8), np.full((10, 12, 3), 240, np.uint8)
        save(tmp_path / "data" / f"{number}.png", np.concatenate([left, right], 1))
    x, y = read_domains(tmp_path / "data", None, paired=True, side_by_side=True)
    assert x.images.shape == y.images.shape == (4, 3, 10, 12)
    assert int(x.images.max()) == 10
    assert int(y.images.min()) == 240
    smaller = read_domains(tmp_path / "data", None, paired=True, side_by_side=True, swapped=True, image_size=(8, 9))
    assert [domain.images.shape[2:] for domain in smaller] == [(8, 9)] * 2
    assert [domain.images.unique().tolist() for domain in smaller] == [[240], [10]]
    done = ganaug("translate", "fit", tmp_path / "data", "--side-by-side", "--run", tmp_path / "run", *QUICK)
    assert done.exit_code == 0, done.output


def test_an_interrupted_fit_is_resumed(pairs, tmp_path):
    fit = ["translate", "fit", pairs, "--paired", "--num-labels", 3, "--run", tmp_path / "run", *QUICK]
    assert ganaug(*fit).exit_code == 0
    assert ganaug(*fit).exit_code == 1  # the folder holds a run
    assert ganaug(*fit, "--resume").exit_code == 0


def test_resized_label_images_keep_their_labels(pairs):
    masks = read_domain(pairs / "mask", num_labels=3, image_size=(24, 36))
    rows = [int(file.split(".")[0]) for file in masks.files]
    assert np.array_equal(masks.images[:, 0, ::2, ::2].numpy(), labels(12)[rows])


@pytest.mark.parametrize(
    ("spoil", "arguments", "message"),
    [
        (lambda root: (root / "photo" / "3.jpg").unlink(), ["--num-labels", 3], "no partner of the same name"),
        (lambda root: (root / "photo" / "3.jpg").write_bytes(b"x"), ["--num-labels", 3], "photo/3.jpg: its content"),
        (lambda root: None, ["--num-labels", 2], r"mask/0.png: has the label 2, outside 0..1"),
        (lambda root: save(root / "photo" / "3.jpg", np.zeros((9, 9, 3), np.uint8)), ["--num-labels", 3], "2 sizes"),
        (
            lambda root: save(root / "mask" / "3.png", np.zeros((12, 18, 3), np.uint8)),
            ["--num-labels", 3],
            "not the mode of a label image",
        ),
    ],
)
def test_files_that_cannot_be_paired_are_named_before_training(pairs, tmp_path, spoil, arguments, message):
    spoil(pairs)
    done = ganaug("translate", "fit", pairs, "--paired", *arguments, "--run", tmp_path / "run", *QUICK)
    assert done.exit_code == 1
    assert message in " ".join(done.output.split())
    assert not (tmp_path / "run").exists()


def test_skip_bad_leaves_out_bad_files_with_their_partners_and_lists_both(pairs, tmp_path):
    (pairs / "photo" / "3.jpg").write_bytes(b"no picture")
    fit = ["translate", "fit", pairs, "--paired", "--num-labels", 3, "--run", tmp_path / "run", "--skip-bad", *QUICK]
    assert ganaug(*fit).exit_code == 0
    causes = pd.read_csv(tmp_path / "run" / "skipped.csv").set_index("file_name")["cause"]
    assert set(causes.index) == {str(pairs / "photo" / "3.jpg"), str(pairs / "mask" / "3.png")}
    assert causes[str(pairs / "mask" / "3.png")] == "has no partner of the same name"


def test_two_files_that_differ_in_their_ending_only_are_refused(pairs):
    save(pairs / "photo" / "3.png", COLORS[labels(1)[0]])
    with pytest.raises(DataError, match=r"3\.jpg and 3\.png differ only in their suffix"):
        read_domains(pairs, None, paired=True, num_labels=3)


def test_num_labels_can_be_set_by_param(pairs, tmp_path):
    options = ["--paired", "--param", "num_labels=3", "--run", tmp_path / "run", *QUICK]
    assert ganaug("translate", "fit", pairs, *options).exit_code == 0
    assert read_json(tmp_path / "run" / "model" / "model.json")["domains"][0]["num_labels"] == 3


def test_apply_checks_channels_and_sizes_of_its_input(tmp_path):
    for number in range(4):
        save(tmp_path / "gray" / f"{number}.png", np.full((12, 18), 20 * number, np.uint8))
        save(tmp_path / "rgb" / f"{number}.png", np.full((12, 18, 3), [20 * number, 9, 9], np.uint8))
    save(tmp_path / "tiny" / "0.png", np.zeros((4, 6, 3), np.uint8))
    save(tmp_path / "mixed" / "0.png", np.full((24, 36, 3), [1, 2, 3], np.uint8))
    save(tmp_path / "mixed" / "1.png", np.full((20, 20, 3), [1, 2, 3], np.uint8))
    run = tmp_path / "run"
    assert ganaug("translate", "fit", tmp_path / "rgb", tmp_path / "gray", "--run", run, *QUICK).exit_code == 0

    def apply(source, out, *options):
        return ganaug("translate", "apply", run, tmp_path / source, tmp_path / out, "--device", "cpu", *options)

    assert apply("gray", "from-gray").exit_code == 0
    refused = apply("rgb", "back", "--direction", "y_to_x")
    assert refused.exit_code == 1
    assert "is RGB, and this translator takes gray images" in " ".join(refused.stderr.split())
    refused = apply("tiny", "small")
    assert refused.exit_code == 1
    assert "is 4x6 pixels; each side must have 8 to 512" in " ".join(refused.stderr.split())
    assert apply("mixed", "resized", "--image-size", "12x18").exit_code == 0
    assert Image.open(tmp_path / "resized" / "translated" / "0.png").size == (18, 12)


def test_sample_refuses_the_run_of_a_translator(pairs, tmp_path):
    assert ganaug("translate", "fit", pairs, "--paired", "--run", tmp_path / "run", *QUICK).exit_code == 0
    done = ganaug("sample", tmp_path / "run", tmp_path / "out", "--per-class", 1)
    assert done.exit_code == 1
    assert "holds a model of kind 'pix2pix'" in done.output


def test_a_folder_without_two_domains_is_refused(tmp_path):
    save(tmp_path / "data" / "0.png", np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(DataError, match="neither trainA and trainB nor"):
        read_domains(tmp_path / "data", None, paired=False)
    with pytest.raises(DataError, match="an odd number"):
        read_domains(tmp_path / "data", None, paired=True, side_by_side=True)


@pytest.fixture
def rare(tmp_path):
    """A folder of two classes: one has three times as many images as the other."""
    for name, tint, count in (("common", (200, 200, 200), 24), ("rare", (200, 120, 20), 8)):
        for number, shape in enumerate(labels(count, (16, 16))):
            save(tmp_path / "rare" / name / f"{number}.png", (shape[..., None] / 2 * np.array(tint)).astype(np.uint8))
    return tmp_path / "rare"


def test_augment_fills_up_a_rare_class_by_translation_and_resumes(rare, tmp_path):
    options = ["--method", "cyclegan", "--steps", 3, "--param", "recipe.width=4", "--param", "batch_size=2"]
    done = ganaug(*FILL, rare, tmp_path / "out", *options, "--param", "augmentation=null")
    assert done.exit_code == 3, done.stderr  # not learned in so few steps
    assert "rare from common: mean cycle error" in done.stderr
    assert read_folder(tmp_path / "out").counts == {"common": 24, "rare": 24}
    assert (tmp_path / "out.run" / "rare" / "model").is_dir()
    other = ganaug(
        *FILL, rare, tmp_path / "other", "--run", tmp_path / "out.run", "--resume", "--param", "augmentation=color"
    )
    assert other.exit_code == 1
    assert "augmentation" in other.stderr
    # options that are not given are those of the run
    again = ganaug(*FILL, rare, tmp_path / "again", "--run", tmp_path / "out.run", "--resume")
    assert again.exit_code == 3, again.stderr
    assert hashes(tmp_path / "again") == hashes(tmp_path / "out")


def test_method_auto_uses_the_method_with_images_nearer_to_real_ones(rare, tmp_path):
    done = ganaug(*FILL, rare, tmp_path / "out", "--method", "auto", "--steps", 2, "--no-report")
    assert done.exit_code == 3, done.stderr  # not learned in so few steps
    assert done.stderr.count("distance from real images") == 2
    assert "is used. `ganaug evaluate` tells whether" in done.stderr
    shutil.rmtree(tmp_path / "out.run" / "conditional")  # as if interrupted before this method began
    options = ["--method", "auto", "--steps", 2, "--no-report", "--resume", "--run", tmp_path / "out.run"]
    again = ganaug(*FILL, rare, tmp_path / "again", *options)
    assert again.exit_code == 3, again.stderr
    assert hashes(tmp_path / "again") == hashes(tmp_path / "out")
    refused = ganaug(*FILL, rare, tmp_path / "more", "--method", "auto", "--param", "recipe.width=4")
    assert refused.exit_code == 2
    assert "need one method" in refused.stderr


def test_fit_warns_if_the_pairing_is_wrong(tmp_path):
    for number, mask in enumerate(labels(30)):
        save(tmp_path / "a" / f"{number}.png", COLORS[mask])
        save(tmp_path / "right" / f"{number}.png", 255 - COLORS[mask])
        save(tmp_path / "wrong" / f"{(number + 11) % 30}.png", 255 - COLORS[mask])
    for folder, is_warned in (("right", False), ("wrong", True)):
        run = tmp_path / f"{folder}.run"
        done = ganaug("translate", "fit", tmp_path / "a", tmp_path / folder, "--run", run, "--paired", *QUICK)
        assert done.exit_code == 0, done.stderr
        assert ("do not look like pairs" in done.stderr) is is_warned
        assert read_json(run / "summary.json")["pairs"] == ("do not look like pairs" if is_warned else "yes")
