"""Disks that are full, at every size at which another write fails; folders that may not be written; what vanishes."""

import builtins
import errno
import io
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from ganaug import read_folder
from ganaug._runtime.storage import is_left
from tests.end_to_end.test_cli import QUICK, folder_of, in_this_process
from tests.faults.processes import ran
from tests.sets import hashes

ROOT = os.geteuid() == 0
mounts = pytest.mark.skipif(not ROOT, reason="mounts a small file system: root")
FIT = ["--steps", "4", "--param", "recipe.check_every=2", *QUICK]


@contextmanager
def small_disk(folder, n_bytes):
    folder.mkdir(exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={n_bytes}", "tmpfs", str(folder)]
    if subprocess.run(["mount", *options], check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def data(tmp_path):
    return folder_of(tmp_path / "data")


def size_of(folder):
    return sum(max(4096, path.stat().st_size) + 4096 for path in folder.rglob("*"))


def left(folder):
    """What nobody asked for: half-written files and folders."""
    return [path for path in folder.rglob("*") if is_left(path) or "partial" in path.name or path.suffix == ".writing"]


def sizes(most, times):
    """Every size at which something else fails, about: closer where less is written."""
    return [int(most * (number / times) ** 1.5) // 4096 * 4096 + 8192 for number in range(times)]


@mounts
@pytest.mark.parametrize("times", [6, pytest.param(60, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_a_run_on_a_disk_that_fills_up_ends_by_name_and_goes_on_with_room(data, tmp_path, times):
    whole = tmp_path / "whole"
    assert in_this_process("fit", data, "--run", whole, *FIT).exit_code == 0
    failed = 0
    for n_bytes in sizes(1.6 * size_of(whole), times):
        with small_disk(tmp_path / "disk", n_bytes) as disk:
            done = in_this_process("fit", data, "--run", disk / "run", *FIT)
            assert left(disk) == []
            if done.exit_code:
                failed += 1
                assert done.exit_code == 1
                assert str(disk) in done.stderr
                assert "Free space" in done.stderr or "needs up to" in done.stderr
            subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
            again = in_this_process("fit", data, "--run", disk / "run", "--resume", *FIT)
            assert again.exit_code == 0 or not (disk / "run").exists(), again.stderr
    assert failed >= times // 3


WRITERS = ("augment", "in place", "sample", "tar", "parquet", "store", "report")
IN_PARTS = ("store", "tar", "parquet", "report", "fit")  # of which some may be there, each part of it whole


def command(verb, data, run, disk):
    """What writes to `disk`, of a `run` elsewhere."""
    shards = ["--per-class", 40, "--shards", 2]
    return {
        "augment": ["augment", data, disk / "out", "--run", run, "--resume", "--no-report", *FIT],
        "in place": ["augment", disk / "data", "--in-place", "--run", run, "--resume", "--no-report", *FIT],
        "sample": ["sample", run, disk / "out", "--per-class", 40],
        "tar": ["sample", run, disk / "out", *shards, "--as", "tar"],
        "parquet": ["sample", run, disk / "out", *shards, "--as", "parquet"],
        "store": ["store", data, disk / "out"],
        "report": ["report", data, data, "--out", disk / "out.html", "--json", disk / "out.json"],
        "fit": ["fit", data, "--run", disk / "run", *(["--resume"] if (disk / "run").exists() else []), *FIT],
    }[verb]


def prepared(verb, disk):
    disk.mkdir(exist_ok=True)
    if verb == "in place":
        folder_of(disk / "data")


@mounts
@pytest.mark.parametrize("times", [6, pytest.param(40, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
@pytest.mark.parametrize("verb", WRITERS)
def test_what_is_written_to_a_full_disk_is_whole_or_absent(data, tmp_path, verb, times):
    run = tmp_path / "run"
    assert in_this_process("fit", data, "--run", run, *FIT).exit_code == 0
    with small_disk(tmp_path / "disk", 50_000_000) as disk:
        prepared(verb, disk)
        before = size_of(disk)
        done = in_this_process(*command(verb, data, run, disk))
        assert done.exit_code in (0, 3, 4), done.stderr
        most = size_of(disk) - before
    failed = 0
    for n_bytes in sizes(1.2 * most, times):
        with small_disk(tmp_path / "disk", 50_000_000) as disk:
            prepared(verb, disk)
            was = hashes(disk)
            used = os.statvfs(disk)
            full = (used.f_blocks - used.f_bfree) * used.f_frsize
            subprocess.run(["mount", "-o", f"remount,size={full + n_bytes}", str(disk)], check=True)
            done = in_this_process(*command(verb, data, run, disk))
            if done.exit_code not in (0, 3, 4):
                failed += 1
                assert done.exit_code == 1
                assert str(disk) in done.stderr, done.stderr
                assert left(disk) == []
                assert hashes(disk) == was or verb in IN_PARTS
                subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
                done = in_this_process(*command(verb, data, run, disk))
            assert done.exit_code in (0, 3, 4), done.stderr
            if verb in ("augment", "sample"):
                assert min(read_folder(disk / "out").counts.values()) >= 14
    assert failed >= 2


@contextmanager
def quota(folder, writes):
    """So many folders, files and parts of files can be made below `folder`; yields how often it was tried."""
    tried, opened, made = [], open, os.mkdir

    def spend(path):
        if isinstance(path, str | os.PathLike) and Path(path).is_relative_to(folder):
            tried.append(path)
            if len(tried) > writes:
                raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    def opening(path, mode="r", *rest, **options):
        file = opened(path, mode, *rest, **options)
        write = getattr(file, "write", None)
        file.write = lambda content: (spend(path), write(content))[1]
        return file

    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((io, "open"), (builtins, "open")):
            patch.setattr(module, name, opening)
        patch.setattr(os, "mkdir", lambda path, *rest: (spend(path), made(path, *rest))[1])
        parquet = pytest.importorskip("pyarrow.parquet").ParquetWriter
        written = parquet.write_table
        patch.setattr(parquet, "write_table", lambda self, *rest: (spend(self.where), written(self, *rest))[1])
        yield tried


@pytest.mark.parametrize("times", [6, pytest.param(60, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
@pytest.mark.parametrize("verb", [*WRITERS, "fit"])
def test_a_quota_that_is_used_up_at_any_write_is_named_and_nothing_is_half_written(data, tmp_path, verb, times):
    run = tmp_path / "run"
    assert in_this_process("fit", data, "--run", run, *FIT).exit_code == 0
    prepared(verb, tmp_path / "whole")
    with quota(tmp_path / "whole", 10**9) as tried:
        done = in_this_process(*command(verb, data, run, tmp_path / "whole"))
    assert done.exit_code in (0, 3, 4), done.stderr
    for writes in sorted({int(len(tried) * number / times) for number in range(times)}):
        disk = tmp_path / f"after {writes}"
        prepared(verb, disk)
        was = hashes(disk)
        with quota(disk, writes):
            done = in_this_process(*command(verb, data, run, disk))
        assert done.exit_code == 1, done.stderr
        assert str(disk) in done.stderr
        assert "quota" in done.stderr
        assert left(disk) == []
        assert hashes(disk) == was or verb in IN_PARTS
        done = in_this_process(*command(verb, data, run, disk))
        assert done.exit_code in (0, 3, 4), done.stderr


@mounts
def test_a_folder_that_may_not_be_written_is_named_before_training(data, tmp_path):
    with small_disk(tmp_path / "disk", 10_000_000) as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for verb in (
            ["fit", data, "--run", disk / "run", *FIT],
            ["augment", data, disk / "out", "--run", tmp_path / "run", *FIT],
            ["augment", data, tmp_path / "out", "--run", disk / "run", *FIT],
            ["store", data, disk / "store"],
        ):
            done = in_this_process(*verb)
            assert done.exit_code == 1
            assert str(disk) in done.stderr
            assert "images/s" not in done.stderr
        assert not (tmp_path / "run").exists()


@mounts
def test_a_read_only_home_does_not_matter(data, tmp_path, monkeypatch):
    """Only the cache and the fonts of the curves would be written there."""
    with small_disk(tmp_path / "home", 10_000_000) as home:
        subprocess.run(["mount", "-o", "remount,ro", str(home)], check=True)
        monkeypatch.delenv("GANAUG_CACHE", raising=False)
        environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
        script = (
            "import os, sys\n"
            "from ganaug import read_folder, GANAugmenter, MixedDataset, utility_report\n"
            "from torch.utils.data import DataLoader\n"
            f"real = read_folder({str(data)!r})\n"
            "gan = augmenter(n_steps=2, batch_size=8, width=8, filters=None, device='cpu').fit(real)\n"
            "from ganaug.metrics.features import efficientnet_features\n"
            "print(efficientnet_features(real.images[:2]).shape)\n"
            "print(sum(len(x) for x, y in DataLoader(MixedDataset(real, gan.sample(4), share=0.5), num_workers=2)))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[0] == "torch.Size([2, 1280])"


@mounts
def test_a_full_dev_shm_does_not_matter(data, tmp_path):
    """Only torch's worker processes need it; what ganaug does side by side, threads do."""
    full = "mount -t tmpfs -o size=4k tmpfs /dev/shm && head -c 4096 /dev/zero > /dev/shm/full"
    verb = [sys.executable, "-m", "ganaug", "augment", str(data), str(tmp_path / "out"), "--no-report", *FIT]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f'{full} && exec "$@"', "sh", *verb],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if "unshare failed" in done.stderr or "mount:" in done.stderr:
        pytest.skip("mounting is not allowed here")
    assert done.returncode == 0, done.stderr


def test_a_file_that_vanishes_between_checking_and_copying(data, tmp_path, monkeypatch):
    """Checked, trained on, and gone when the copy is made: named, and no OUT."""
    from ganaug.io import writing

    gone = data / "dark" / "3.png"
    read = writing._read

    def late(path, *expected):
        if path == gone:
            path.unlink(missing_ok=True)
        return read(path, *expected)

    monkeypatch.setattr(writing, "_read", late)
    done = in_this_process("augment", data, tmp_path / "out", "--no-report", *FIT)
    assert done.exit_code == 1
    assert f"{gone}: cannot be read any more" in done.stderr
    assert not (tmp_path / "out").exists()
    assert left(tmp_path) == []


@pytest.mark.parametrize("jump", [-86_400, 86_400])
def test_a_clock_that_jumps_neither_ends_nor_prolongs_a_run(data, tmp_path, monkeypatch, jump):
    """Durations come from the steady clock; the time of day may jump by a day."""
    import time

    real, calls = time.time, iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: real() + (jump if next(calls) > 2 else 0))
    done = in_this_process("fit", data, "--run", tmp_path / "run", "--time-budget", "1h", *FIT)
    assert done.exit_code == 0, done.stderr
    assert "steps)" in done.stderr or "4 steps" in done.stderr


@pytest.mark.parametrize(
    "name", ["a b", "it's", 'quo"te', "naïve-猫", "$(touch x)", "x" * 250, "猫" * 83, "-dash", "new\nline"]
)
def test_paths_with_anything_in_them(tmp_path, name):
    root = tmp_path / name
    root.mkdir()
    data, out, run, log = folder_of(root / name), root / f"{name}o", root / f"{name}r", tmp_path / "log"
    status, said = ran("augment", data, out, "--run", run, *FIT, log=log)
    assert status == 0, said
    assert read_folder(out).counts == {"bright": 14, "dark": 14}
    status, said = ran("sample", run, root / "samples", "--per-class", 3, log=log)
    assert status == 0, said
    status, said = ran("augment", data, out, "--undo", log=log)
    assert status == 0, said
    assert not out.exists()


NO_TEXT = os.fsdecode(b"\xff\x80")


def test_data_and_out_whose_names_are_no_utf_8(tmp_path):
    data, out, run = folder_of(tmp_path / NO_TEXT), tmp_path / f"out{NO_TEXT}", tmp_path / "run"
    done = in_this_process("augment", data, out, "--run", run, *FIT)
    assert done.exit_code == 0, done.stderr
    assert "out\\xdcff\\xdc80" in done.stderr
    assert read_folder(out).counts == {"bright": 14, "dark": 14}
    for verb in (["check", out, "--json"], ["augment", data, out, "--undo"]):
        assert in_this_process(*verb).exit_code == 0
    for verb in (["sample", run, out, "--per-class", 3], ["store", data, tmp_path / f"store{NO_TEXT}"]):
        done = in_this_process(*verb)
        assert done.exit_code == 0, done.stderr
        assert done.stdout_bytes.rstrip().endswith(b"\xff\x80")  # byte for byte, for the next command
    assert read_folder(out).counts == {"bright": 3, "dark": 3}


def test_a_run_whose_name_is_no_utf_8_is_refused_before_training(data, tmp_path):
    for verb in (["fit", data, "--run", tmp_path / NO_TEXT], ["augment", data, tmp_path / NO_TEXT]):
        done = in_this_process(*verb, *FIT)
        assert done.exit_code == 1
        assert "its name is not UTF-8" in done.stderr
        assert "Choose another folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("name", ["x" * 250, "猫" * 83], ids=["x", "cat"])
def test_classes_and_files_of_250_bytes(tmp_path, name):
    data, out = folder_of(tmp_path / "data"), tmp_path / "out"
    (data / "dark").rename(data / name)
    for number in range(14):
        (data / name / f"{number}.png").rename(data / name / f"{name[:-4]}{number:02d}.png")
    before = hashes(data)
    done = in_this_process("augment", data, out, *FIT)
    assert done.exit_code == 0, done.stderr
    assert read_folder(out).counts == {"bright": 14, name: 14}
    assert set(before.values()) <= set(hashes(out).values())
    done = in_this_process("augment", data, "--in-place", "--no-report", "--run", tmp_path / "run", *FIT)
    assert done.exit_code == 0, done.stderr
    assert read_folder(data).counts == {"bright": 14, name: 14}
    assert in_this_process("augment", data, "--in-place", "--undo").exit_code == 0
    assert hashes(data) == before


def test_a_name_that_is_too_long_for_the_disk_is_named_before_training(data, tmp_path):
    """OUT may have 255 bytes; what is put beside it, as OUT.run, may not."""
    out = tmp_path / ("x" * 255)
    for verb in (["augment", data, out], ["augment", data, tmp_path / ("x" * 256)], ["fit", data, "--run", f"{out}x"]):
        done = in_this_process(*verb, *FIT)
        assert done.exit_code == 1
        assert "cannot be written: File name too long." in done.stderr
        assert "choose another folder" in done.stderr.lower()
        assert "images/s" not in done.stderr
    done = in_this_process("augment", data, out, "--run", tmp_path / "run", "--no-report", *FIT)
    assert done.exit_code == 0, done.stderr
    assert read_folder(out).counts == {"bright": 14, "dark": 14}
