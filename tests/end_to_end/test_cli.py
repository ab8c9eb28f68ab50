"""The command line as users run it: real processes, real files, real signals."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image
from torchvision.datasets import ImageFolder

from ganaug import GANAugmenter, LabeledImages, read_folder, write_folder
from ganaug.cli.main import main
from ganaug.datasets.embedded import fashion_mnist_lt
from ganaug.io.provenance import is_marked
from tests.processes import ganaug
from tests.sets import FILL, hashes, tones

QUICK = (
    *("--param", "recipe.width=8", "--param", "batch_size=16", "--param", "recipe.latent_size=8"),
    *("--param", "filters=null", "--device", "cpu"),
)

UNJUDGED = (*QUICK, "--no-report")


def in_this_process(*arguments):
    """Run `ganaug` inside the test process: faster, for the many commands that are refused."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="ganaug")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def folder_of(root, counts=(14, 6), size=(12, 10)):
    """Write class folders dark/ and bright/ of gray PNGs; return their parent."""
    images = tones(max(counts), (1, *size))
    for name, count in zip(("dark", "bright"), counts, strict=True):
        (root / name).mkdir(parents=True)
        for index, image in enumerate(images.of_class(name)[:count]):
            Image.fromarray(image[0].numpy()).save(root / name / f"{index}.png")
    return root


@pytest.fixture
def data(tmp_path):
    return folder_of(tmp_path / "data")


def test_check_prints_counts_and_names_the_broken_file(data):
    good = ganaug("check", data)
    assert good.returncode == 0
    assert good.stdout == "class,images\nbright,6\ndark,14\n"
    (data / "dark" / "0.png").write_bytes((data / "dark" / "0.png").read_bytes()[:60])
    bad = ganaug("check", data, "--json")
    assert bad.returncode == 1
    (problem,) = json.loads(bad.stdout)["problems"]
    assert problem["file"] == "dark/0.png"
    assert problem["cause"]
    assert problem["fix"]


def test_check_names_synthetic_images_that_were_copied_or_converted_to_jpeg(data):
    synthetic = tones(1, (1, 12, 10))
    metadata = pd.DataFrame({"is_synthetic": [True] * 3, "model_hash": "0123456789"})
    marked = LabeledImages(synthetic.images, synthetic.labels, synthetic.classes, metadata)
    folder = write_folder(marked, data / "synthetic")
    shutil.copy(next((folder / "dark").iterdir()), data / "dark" / "copied.png")
    with Image.open(next((folder / "bright").iterdir())) as image:
        image.save(data / "bright" / "converted.jpg")
    shutil.rmtree(folder)
    checked = in_this_process("check", data)
    assert checked.exit_code == 0
    assert "2 images say that they are synthetic" in checked.stderr
    assert "bright/converted.jpg, dark/copied.png" in checked.stderr


def test_sampling_twice_from_a_fitted_model_writes_the_same_files(data, tmp_path):
    run = tmp_path / "run"
    fit = ganaug("fit", data, "--run", run, "--steps", 6, "--param", "loss=wgan-gp", *QUICK)
    assert fit.returncode == 0, fit.stderr
    assert fit.stdout == f"{run / 'model'}\n"
    assert "images/s" in fit.stderr
    assert json.loads((run / "config.json").read_text())["params"]["loss"] == "wgan-gp"
    for out, options in (("one", ["--counts", "dark=3, bright=2"]), ("two", ["--counts", "dark=3,bright=2"])):
        done = ganaug("sample", run, tmp_path / out, *options)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{tmp_path / out}\n"
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")
    table = pd.read_csv(tmp_path / "one" / "metadata.csv")
    assert list(table.columns[:8]) == [
        "file_name", "label", "is_synthetic", "origin", "class_index", "seed", "model_hash", "ganaug_version",
    ]  # fmt: skip
    assert Counter(table["label"]) == {"dark": 3, "bright": 2}
    model = GANAugmenter.load(run, "cpu")
    assert set(table["model_hash"]) == {model.model_.hash()}
    assert ganaug("sample", run, tmp_path / "three", "--per-class", 4).returncode == 0
    assert read_folder(tmp_path / "three").counts == {"bright": 4, "dark": 4}
    balanced = ganaug("sample", run, tmp_path / "four", "--balance", data)
    assert balanced.returncode == 0, balanced.stderr
    assert Counter(pd.read_csv(tmp_path / "four" / "metadata.csv")["label"]) == {"bright": 8}


def test_a_store_is_built_verified_and_trained_on(data, tmp_path):
    done = ganaug("store", data, tmp_path / "store", "--verify")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'store'}\n"), done.stderr
    assert "20 images of 2 classes, 12x10, gray; every pixel verified." in done.stderr
    models = []
    for name in (tmp_path / "store", data):
        run = tmp_path / f"run-{name.name}"
        assert ganaug("fit", name, "--run", run, "--steps", 4, *QUICK).returncode == 0
        models.append(GANAugmenter.load(run, "cpu").model_.hash())
    assert models[0] == models[1]
    for verb in (("check",), ("augment", "--steps", 2), ("evaluate", "--out", tmp_path / "page.html")):
        refused = ganaug(verb[0], tmp_path / "store", *([tmp_path / "out"] if verb[0] == "augment" else []), *verb[1:])
        assert refused.returncode == 1
        assert "is a store, which only `fit` reads" in refused.stderr + refused.stdout


def test_augment_balances_the_classes_keeps_the_originals_and_can_be_undone(data, tmp_path):
    before, out = hashes(data), tmp_path / "out"
    done = ganaug(*FILL, data, out, "--steps", 6, *QUICK)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "class,original,altered,synthetic,total\nbright,6,0,8,14\ndark,14,0,0,14\n"
    assert hashes(data) == before
    after = hashes(out)
    assert before.items() <= after.items()
    added = sorted(set(after) - set(before) - {"metadata.csv", ".ganaug.json"})
    assert len(added) == 8
    assert all(name.startswith("bright/") and is_marked(out / name) for name in added)
    table = pd.read_csv(out / "metadata.csv")
    assert len(table) == 28
    assert Counter(table["is_synthetic"]) == {False: 20, True: 8}
    assert (tmp_path / "out.run" / "model" / "model.json").exists()
    report = json.loads((tmp_path / "out.run" / "report.json").read_text())
    page = tmp_path / "out.run" / "report.html"
    assert report["verdict"] in page.read_text()
    messages = done.stderr.splitlines()
    first = next(number for number, line in enumerate(messages) if line.startswith("Report on the synthetic images: "))
    assert str(page) in messages[first]
    assert report["verdict"] in messages[first]
    assert messages[first + 1 :] == [f"- {sentence}" for sentence in report["summary"][:3]]
    undone = ganaug(*FILL, data, out, "--undo")
    assert undone.returncode == 0, undone.stderr
    assert not out.exists() or not hashes(out)
    assert hashes(data) == before


def test_augmenting_in_place_and_undoing_leaves_the_folder_as_it_was(data):
    before = hashes(data)
    done = ganaug(*FILL, data, "--in-place", "--steps", 4, "--strategy", "bright=9", *UNJUDGED)
    assert done.returncode == 0, done.stderr
    assert read_folder(data).counts == {"bright": 9, "dark": 14}
    assert before.items() <= hashes(data).items()
    (data / "bright" / "mine.png").write_bytes((data / "dark" / "3.png").read_bytes())
    assert ganaug(*FILL, data, "--in-place", "--undo").returncode == 0
    (data / "bright" / "mine.png").unlink()
    assert hashes(data) == before


def test_a_balanced_folder_is_copied_without_training(tmp_path):
    data = folder_of(tmp_path / "data", counts=(6, 6))
    done = in_this_process(*FILL, data, tmp_path / "out", *QUICK)
    assert done.exit_code == 3, done.stderr
    assert done.stderr.rstrip().endswith("Nothing was added. To fill up, choose how far, for example --strategy full.")
    assert "No generator is trained" in done.stderr
    assert hashes(data).items() <= hashes(tmp_path / "out").items()
    assert not (tmp_path / "out.run").exists()


def test_unusual_names_relative_paths_and_links_work(tmp_path):
    data = folder_of(tmp_path / "data")
    (data / "dark").rename(data / 'dârk "ones", it\'s')
    (data / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to(data)
    done = ganaug(*FILL, "../link/", "../out/", "--steps", 2, *UNJUDGED, cwd=data)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == ["bright,6,0,8,14", '"dârk ""ones"", it\'s",14,0,0,14']
    done = ganaug(*FILL, ".", "--in-place", "--steps", 2, *UNJUDGED, cwd=data)
    assert done.returncode == 0, done.stderr
    assert ganaug(*FILL, ".", "--in-place", "--steps", 2, *UNJUDGED, cwd=data).returncode == 1
    assert ganaug(*FILL, ".", "--in-place", "--undo", cwd=data).returncode == 0


def test_class_indices_equal_those_of_image_folder(tmp_path):
    write_folder(fashion_mnist_lt().take(range(0, 1401, 50)), tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "metadata.csv").set_index("file_name")
    for path, index in ImageFolder(tmp_path / "out").samples:
        assert table.loc[Path(path).relative_to(tmp_path / "out").as_posix(), "class_index"] == index


def test_a_dry_run_prints_counts_time_and_memory_and_writes_nothing(data, tmp_path):
    done = ganaug(*FILL, data, tmp_path / "out", "--dry-run", "--steps", 1000, *QUICK)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "class,original,altered,synthetic,total\nbright,6,0,8,14\ndark,14,0,0,14\n"
    assert "min of training (1,000 steps" in done.stderr
    assert "MiB of memory" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_a_folder_with_metadata_keeps_the_columns_of_the_user(tmp_path):
    source = folder_of(tmp_path / "source")
    data = tmp_path / "data"
    (data / "pictures").mkdir(parents=True)
    rows = []
    for path in sorted(source.rglob("*.png")):
        name = f"pictures/{path.parent.name}-{path.name}"
        (data / name).write_bytes(path.read_bytes())
        rows.append({"file_name": name, "label": path.parent.name, "attr_site": "007", "note": 'a "b", c'})
    pd.DataFrame(rows).to_csv(data / "metadata.csv", index=False)
    done = ganaug(*FILL, data, tmp_path / "out", "--steps", 3, *UNJUDGED)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "out" / "metadata.csv", dtype=str)
    originals = table[table["is_synthetic"].str.lower() == "false"]
    assert set(originals["attr_site"]) == {"007"}
    assert set(originals["note"]) == {'a "b", c'}
    assert table["attr_site"].isna().sum() == 8
    assert Counter(read_folder(tmp_path / "out").metadata["label"]) == {"bright": 14, "dark": 14}


def test_options_override_the_config_file(data, tmp_path):
    (tmp_path / "config.yaml").write_text("loss: lsgan\nbatch_size: 8\nrecipe: {width: 8, latent_size: 4}\n")
    run = tmp_path / "run"
    options = ("--config", tmp_path / "config.yaml", "--param", "batch_size=4", "--steps", 2, "--seed", 5)
    done = ganaug("fit", data, "--run", run, *options, "--time-budget", "5m", "--image-size", "16x8", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    config = json.loads((run / "config.json").read_text())
    assert config["params"]["loss"] == "lsgan"
    assert config["params"]["batch_size"] == 4
    assert config["params"]["time_budget"] == 300
    assert config["seed"] == 5
    assert config["data"]["shape"] == [1, 16, 8]


def test_a_time_budget_ends_training(data, tmp_path):
    start = time.monotonic()
    done = ganaug("fit", data, "--run", tmp_path / "run", "--time-budget", "2s", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "time budget" in done.stderr
    assert time.monotonic() - start < 60


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_an_interrupted_fit_is_saved_and_resumes_to_the_same_model(data, tmp_path, number, status):
    run, options = tmp_path / "run", ("--param", "recipe.check_every=1000", *QUICK)
    command = [sys.executable, "-m", "ganaug", "fit", data, "--run", run, "--steps", "1000000", *options]
    process = subprocess.Popen([str(part) for part in command], stderr=subprocess.PIPE, text=True)
    wait_for(run / "checkpoints" / "00000000.safetensors")
    time.sleep(1.5)
    process.send_signal(number)
    assert process.wait(60) == status
    assert "--resume" in process.stderr.read()
    step = max(int(path.stem) for path in (run / "checkpoints").glob("*.safetensors"))
    assert step > 0
    resumed = ganaug("fit", data, "--run", run, "--resume", "--steps", step + 20, *options)
    assert resumed.returncode == 0, resumed.stderr
    uninterrupted = ganaug("fit", data, "--run", tmp_path / "uninterrupted", "--steps", step + 20, *options)
    assert uninterrupted.returncode == 0, uninterrupted.stderr
    assert model_hash(run) == model_hash(tmp_path / "uninterrupted")


def test_a_killed_augment_resumes(data, tmp_path):
    out, options = tmp_path / "out", ("--param", "recipe.check_every=10", *UNJUDGED)
    command = [sys.executable, "-m", "ganaug", *FILL, data, out, "--steps", "1000000", *options]
    process = subprocess.Popen([str(part) for part in command], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_for(tmp_path / "out.run" / "checkpoints" / "00000020.safetensors")
    process.kill()
    process.wait(60)
    assert not out.exists()
    step = max(int(path.stem) for path in (tmp_path / "out.run" / "checkpoints").glob("*.safetensors"))
    resumed = ganaug(*FILL, data, out, "--resume", "--steps", step + 5, *options)
    assert resumed.returncode == 0, resumed.stderr
    assert read_folder(out).counts == {"bright": 14, "dark": 14}


@pytest.mark.parametrize("shard_format", ["folder", pytest.param("tar", marks=pytest.mark.slow)])
def test_a_shard_killed_while_it_is_written_is_rewritten_to_the_same_bytes(data, tmp_path, shard_format):
    run, options = tmp_path / "run", ("--per-class", 3000, "--shards", 2, "--as", shard_format)
    assert ganaug("fit", data, "--run", run, "--steps", 4, *QUICK).returncode == 0
    uninterrupted = ganaug("sample", run, tmp_path / "uninterrupted", *options)
    assert uninterrupted.returncode == 0, uninterrupted.stderr
    out = tmp_path / "out"
    command = [sys.executable, "-m", "ganaug", "sample", run, out, *options, "--shard", "1"]
    process = subprocess.Popen([str(part) for part in command], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_for(lambda: any(out.glob(".shard-00001-of-00002*.partial-*")))
    process.kill()
    process.wait(60)
    assert not list(out.glob("[!.]*"))
    for shard, message in ((1, "written"), (0, "written"), (1, "exists already")):
        done = ganaug("sample", run, out, *options, "--shard", shard)
        assert done.returncode == 0, done.stderr
        assert message in done.stderr
    assert hashes(out) == hashes(tmp_path / "uninterrupted")
    if shard_format == "folder":
        parts = [read_folder(out / f"shard-0000{number}-of-00002") for number in range(2)]
        assert [part.counts for part in parts] == [{"bright": 1500, "dark": 1500}] * 2
        assert not pd.concat([part.metadata for part in parts]).duplicated(["label", "seed"]).any()


def wait_for(path, seconds=60):
    """Wait until `path` exists, or until it returns true if it is a function."""
    end = time.monotonic() + seconds
    while not (path() if callable(path) else path.exists()):
        assert time.monotonic() < end, f"{path} did not appear in {seconds} s"
        time.sleep(0.05)


def model_hash(run):
    return json.loads((run / "model" / "model.json").read_text())["model_hash"]


def spoil(data, fault):
    """Turn a good data set into one with the given fault; return the folder to pass to ganaug."""
    first = data / "dark" / "0.png"
    match fault:
        case "missing":
            return data / "nowhere"
        case "empty":
            (data.parent / "empty").mkdir()
            return data.parent / "empty"
        case "one class":
            shutil.rmtree(data / "bright")
        case "empty class":
            (data / "none").mkdir()
        case "single image":
            (data / "lonely").mkdir()
            first.rename(data / "lonely" / "0.png")
        case "mixed sizes":
            Image.new("L", (20, 20)).save(first)
        case "corrupt":
            first.write_bytes(first.read_bytes()[:50])
        case "zero bytes":
            first.write_bytes(b"")
        case "splits":
            folder_of(data.parent / "splits" / "train")
            folder_of(data.parent / "splits" / "test")
            return data.parent / "splits"
    return data


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("missing", "nowhere"),
        ("empty", "empty"),
        ("one class", "one class only"),
        ("empty class", "none"),
        ("single image", "lonely"),
        ("mixed sizes", "--image-size"),
        ("corrupt", "0.png"),
        ("zero bytes", "0.png"),
        ("splits", "train"),
    ],
)
@pytest.mark.parametrize("verb", ["fit", "augment"])
def test_bad_data_gets_one_message_and_nothing_is_written(data, tmp_path, fault, message, verb):
    source = spoil(data, fault)
    run = tmp_path / "run"
    paths = ["--run", run] if verb == "fit" else [tmp_path / "out", "--run", run]
    done = in_this_process(verb, source, *paths, *QUICK)
    assert done.exit_code == 1
    assert message in done.stderr
    assert done.stdout == ""
    assert not run.exists()
    assert not (tmp_path / "out").exists()


def test_skip_bad_leaves_bad_files_out_and_lists_them(data, tmp_path):
    (data / "dark" / "0.png").write_bytes(b"")
    done = ganaug(*FILL, data, tmp_path / "out", "--skip-bad", "--steps", 3, *UNJUDGED)
    assert done.returncode == 0, done.stderr
    assert read_folder(tmp_path / "out").counts == {"bright": 13, "dark": 13}
    assert pd.read_csv(tmp_path / "out.run" / "skipped.csv")["file_name"].tolist() == ["dark/0.png"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["fit", "{data}", "--run", "{tmp}/run", "--param", "los=hinge"], 2, "Unknown parameter 'los'. Known: "),
        (["fit", "{data}", "--run", "{tmp}/run", "--param", "loss"], 2, "NAME=VALUE"),
        (["fit", "{data}", "--run", "{tmp}/run", "--param", "loss=hing"], 1, "Did you mean 'hinge'?"),
        (["fit", "{data}", "--run", "{tmp}/run", "--param", "batch_size=none"], 1, "batch_size"),
        (["fit", "{data}", "--run", "{tmp}/run", "--time-budget", "soon"], 2, "10m"),
        (["fit", "{data}", "--run", "{tmp}/run", "--image-size", "big"], 2, "48x64"),
        (["fit", "{data}", "--run", "{tmp}/run", "--resume"], 1, "there is no run to resume"),
        (["fit", "{data}"], 2, "--run"),
        (["fit", "{data}", "--run", "{data}/run"], 1, "read as a class"),
        (["fit", "{data}", "--run", "{tmp}/full/thesis.txt"], 1, "thesis.txt"),
        (["fit", "{data}", "--run", "{tmp}/full", "--skip-bad"], 1, "not empty"),
        (["fit", "{data}", "--run", "{tmp}/run", "--param", "run_dir=x"], 2, "use --run"),
        (["fit", "{data}", "--run", "{tmp}/run", "--param", "recipe.betas=5"], 1, "betas must be"),
        (["fit", "{data}", "--run", "{tmp}/run", "--config", "{data}/dark/0.png"], 2, "cannot be read as text"),
        ([*FILL, "{data}", "{tmp}/full/thesis.txt/out"], 1, "is a file"),
        ([*FILL, "{data}", "{tmp}/out", "--run", "{data}/run"], 1, "read as a class"),
        ([*FILL, "{data}", "{tmp}/out", "--strategy", "dark=20,dark=30"], 2, "twice"),
        ([*FILL, "{data}", "{data}/dark/out"], 1, "lies inside"),
        ([*FILL, "{data}", "{data}"], 1, "inside"),
        ([*FILL, "{data}", "{tmp}/out", "--run", "{tmp}/out/run"], 1, "read as a class"),
        ([*FILL, "{data}", "{tmp}/full"], 1, "not empty"),
        ([*FILL, "{data}"], 2, "--in-place"),
        ([*FILL, "{data}", "{tmp}/out", "--strategy", "drak=20"], 1, "drak"),
        ([*FILL, "{data}", "{tmp}/out", "--strategy", "dark=2"], 1, "greater or equal to the original"),
        ([*FILL, "{data}", "{tmp}/out", "--strategy", "bird=30"], 1, "Known classes: bright, dark"),
        ([*FILL, "{data}", "{tmp}/out", "--strategy", "mojority"], 1, "Unknown sampling_strategy 'mojority'"),
        ([*FILL, "{data}", "{data}", "--undo"], 1, "nothing to undo"),
        (["sample", "{tmp}/no-run", "{tmp}/out", "--per-class", "2"], 1, "does not exist"),
        (["sample", "{data}", "{tmp}/out"], 2, "--counts"),
        (["sample", "{data}", "{tmp}/out", "--per-class", "2", "--shard", "0"], 2, "--shards"),
        (["sample", "{data}", "{tmp}/out", "--per-class", "2", "--as", "tar"], 2, "--shards"),
        (
            ["sample", "{data}", "{tmp}/out", "--per-class", "2", "--shards", "2", "--shard", "2"],
            2,
            "from 0 to 1",
        ),
        (["sample", "{data}", "{tmp}/out", "--counts", "dark"], 2, "class=number"),
    ],
)
def test_mistakes_get_one_message_and_the_right_exit_status(data, tmp_path, arguments, status, message):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    before = hashes(tmp_path)
    done = in_this_process(*(part.format(data=data, tmp=tmp_path) for part in arguments))
    assert done.exit_code == status, done.stderr
    assert message in done.stderr
    assert hashes(tmp_path) == before


def test_the_message_for_an_unknown_class_lists_the_known_ones(data, tmp_path):
    assert ganaug("fit", data, "--run", tmp_path / "run", "--steps", 2, *QUICK).returncode == 0
    done = ganaug("sample", tmp_path / "run", tmp_path / "out", "--counts", "drak=1")
    assert done.returncode == 1
    assert "Unknown class 'drak'. Known: bright, dark. Did you mean 'dark'?" in done.stderr
    other = folder_of(tmp_path / "other", counts=(9, 9))
    resumed = ganaug("fit", other, "--run", tmp_path / "run", "--resume", "--steps", 4, *QUICK)
    assert resumed.returncode == 1
    assert "started with other data" in resumed.stderr


@pytest.mark.skipif(
    not Path("/dev/full").exists() or os.geteuid() != 0, reason="mounts a small file system: Linux root"
)
def test_a_full_disk_is_named_and_leaves_no_incomplete_files(data, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", small], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        done = ganaug("fit", data, "--run", small / "run", "--steps", 3, "--device", "cpu")
        assert done.returncode == 1
        assert "small/run" in done.stderr
        assert "Traceback" not in done.stderr
        assert not list(small.rglob("*.tmp"))
    finally:
        subprocess.run(["umount", small], check=True)


def test_the_demo_runs(tmp_path):
    done = ganaug("demo", tmp_path / "demo", "--steps", 4, "--no-evaluate", *QUICK)
    assert done.returncode == 0, done.stderr
    assert set(read_folder(tmp_path / "demo" / "augmented").counts.values()) == {1000}
    again = ganaug("demo", tmp_path / "demo", "--steps", 4, *QUICK)
    assert again.returncode == 1
    assert "not empty" in again.stderr


def test_a_class_that_is_not_learned_is_filled_with_altered_copies_and_named(data, tmp_path):
    """After one step all classes look alike, so at most one of two passes the filters."""
    quick = [part for part in QUICK if part != "filters=null"]
    del quick[quick.index("--device") - 1]
    strategy = ("--strategy", "dark=20,bright=20")
    done = in_this_process(*FILL, data, tmp_path / "out", "--steps", "1", "--no-report", *quick, *strategy)
    assert done.exit_code == 3  # synthetic images were requested
    unlearned = [name for name in ("dark", "bright") if f"class '{name}' was not learned" in done.stderr]
    assert unlearned
    assert f"without the synthetic images that were requested: {', '.join(unlearned)}" in done.stderr.splitlines()[-1]
    images = read_folder(tmp_path / "out")
    assert images.counts == {"bright": 20, "dark": 20}
    added = images.metadata[images.metadata["origin"] != "original"].groupby("label")["origin"].unique()
    assert {name: list(origins) for name, origins in added.items()} == {
        name: ["altered" if name in unlearned else "synthetic"] for name in ("bright", "dark")
    }
    counts = ("--counts", f"{unlearned[0]}=3")
    refused = ganaug("sample", tmp_path / "out.run", tmp_path / "filtered", *counts)
    assert refused.returncode == 1
    assert f"class '{unlearned[0]}' is not learned" in refused.stderr
    unfiltered = ganaug("sample", tmp_path / "out.run", tmp_path / "unfiltered", *counts, "--no-filters")
    assert unfiltered.returncode == 0
