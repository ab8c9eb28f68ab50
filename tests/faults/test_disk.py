"""Disks that are full, at every size at which another write fails; folders that may not be written; what vanishes."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from ganaug import read_folder
from ganaug.storage import is_left
from tests.end_to_end.test_cli import QUICK, folder_of, in_this_process
from tests.faults.processes import ran
from tests.sets import hashes

ROOT = os.geteuid() == 0
mounts = pytest.mark.skipif(not ROOT, reason="mounts a small file system: root")
FIT = ["--steps", "4", "--param", "check_every=2", *QUICK]


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


@mounts
@pytest.mark.parametrize("times", [6, pytest.param(40, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
@pytest.mark.parametrize("verb", ["augment", "in place", "sample", "tar", "parquet", "store", "report"])
def test_what_is_written_to_a_full_disk_is_whole_or_absent(data, tmp_path, verb, times):
    run = tmp_path / "run"
    assert in_this_process("fit", data, "--run", run, *FIT).exit_code == 0

    def command(disk):
        shards = ["--per-class", 40, "--shards", 2]
        return {
            "augment": ["augment", data, disk / "out", "--run", run, "--resume", "--no-report", *FIT],
            "in place": ["augment", disk / "data", "--in-place", "--run", run, "--resume", "--no-report", *FIT],
            "sample": ["sample", run, disk / "out", "--per-class", 40],
            "tar": ["sample", run, disk / "out", *shards, "--as", "tar"],
            "parquet": ["sample", run, disk / "out", *shards, "--as", "parquet"],
            "store": ["store", data, disk / "out"],
            "report": ["report", data, data, "--out", disk / "out.html", "--json", disk / "out.json"],
        }[verb]

    def prepared(disk):
        if verb == "in place":
            folder_of(disk / "data")

    with small_disk(tmp_path / "disk", 50_000_000) as disk:
        prepared(disk)
        before = size_of(disk)
        done = in_this_process(*command(disk))
        assert done.exit_code in (0, 3, 4), done.stderr
        most = size_of(disk) - before
    failed = 0
    for n_bytes in sizes(1.2 * most, times):
        with small_disk(tmp_path / "disk", 50_000_000) as disk:
            prepared(disk)
            was = hashes(disk)
            used = os.statvfs(disk)
            full = (used.f_blocks - used.f_bfree) * used.f_frsize
            subprocess.run(["mount", "-o", f"remount,size={full + n_bytes}", str(disk)], check=True)
            done = in_this_process(*command(disk))
            if done.exit_code not in (0, 3, 4):
                failed += 1
                assert done.exit_code == 1
                assert str(disk) in done.stderr, done.stderr
                assert left(disk) == []
                assert hashes(disk) == was or verb in ("store", "tar", "parquet", "report")
                subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
                done = in_this_process(*command(disk))
            assert done.exit_code in (0, 3, 4), done.stderr
            if verb in ("augment", "sample"):
                assert min(read_folder(disk / "out").counts.values()) >= 14
    assert failed >= 2


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
            "gan = GANAugmenter(n_steps=2, batch_size=8, width=8, filters=None, device='cpu').fit(real)\n"
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


def test_a_file_that_vanishes_or_changes_between_checking_and_copying(data, tmp_path, monkeypatch):
    """Checked, trained on, and gone when the copy is made: named, and no OUT."""
    from ganaug.data import writing

    gone, changed = data / "dark" / "3.png", data / "dark" / "4.png"
    read = writing._read

    def late(path):
        if path == gone:
            path.unlink(missing_ok=True)
        return read(path)

    monkeypatch.setattr(writing, "_read", late)
    done = in_this_process("augment", data, tmp_path / "out", "--no-report", *FIT)
    assert done.exit_code == 1
    assert f"{gone}: cannot be read any more" in done.stderr
    assert not (tmp_path / "out").exists()
    assert left(tmp_path) == []
    assert changed.exists()


@pytest.mark.parametrize("jump", [-86_400, 86_400])
def test_a_clock_that_jumps_neither_ends_nor_prolongs_a_run(data, tmp_path, monkeypatch, jump):
    """Durations come from the steady clock; the time of day may jump by a day."""
    import time

    real, calls = time.time, iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: real() + (jump if next(calls) > 2 else 0))
    done = in_this_process("fit", data, "--run", tmp_path / "run", "--time-budget", "1h", *FIT)
    assert done.exit_code == 0, done.stderr
    assert "steps)" in done.stderr or "4 steps" in done.stderr


@pytest.mark.parametrize("name", ["a b", "it's", 'quo"te', "naïve-猫", "$(touch x)", "x" * 200, "-dash", "new\nline"])
def test_paths_with_anything_in_them(tmp_path, name):
    root = tmp_path / name
    root.mkdir()
    data, log = folder_of(root / "data"), tmp_path / "log"
    status, said = ran("augment", data, root / "out", "--no-report", *FIT, log=log)
    assert status == 0, said
    assert read_folder(root / "out").counts == {"bright": 14, "dark": 14}
    status, said = ran("augment", data, root / "out", "--undo", log=log)
    assert status == 0, said
    assert not Path(root / "out").exists()
