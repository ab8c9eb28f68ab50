"""Disks that fill up at any write, folders without permission, files that vanish, and unusual paths."""

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
from ganaug._runtime.storage import is_temporary_file
from ganaug.io.preflight import FolderInspection
from tests.end_to_end.test_cli import QUICK, folder_of, in_this_process
from tests.processes import run_command
from tests.sets import MIX, hashes

ROOT = os.geteuid() == 0
needs_mount = pytest.mark.skipif(not ROOT, reason="mounting a small file system needs root")
FIT = ["--steps", "4", "--param", "recipe.check_every=2", *QUICK]


@contextmanager
def small_disk(folder, n_bytes):
    """Mount a file system of `n_bytes` at `folder`."""
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


def leftovers(folder):
    """Partial and temporary files and folders."""
    return [
        path
        for path in folder.rglob("*")
        if is_temporary_file(path) or "partial" in path.name or path.suffix == ".writing"
    ]


def disk_sizes(largest, times):
    """Sizes at which different writes fail: closer together where less is written."""
    return [int(largest * (number / times) ** 1.5) // 4096 * 4096 + 8192 for number in range(times)]


@needs_mount
@pytest.mark.parametrize("times", [6, pytest.param(60, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_a_fit_on_a_disk_that_fills_up_names_the_disk_and_resumes_with_more_space(data, tmp_path, times):
    complete = tmp_path / "complete"
    assert in_this_process("fit", data, "--run", complete, *FIT).exit_code == 0
    n_failed = 0
    for n_bytes in disk_sizes(1.6 * size_of(complete), times):
        with small_disk(tmp_path / "disk", n_bytes) as disk:
            result = in_this_process("fit", data, "--run", disk / "run", *FIT)
            assert leftovers(disk) == []
            if result.exit_code:
                n_failed += 1
                assert result.exit_code == 1
                assert str(disk) in result.stderr
                assert "Free space" in result.stderr or "needs up to" in result.stderr
            subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
            resumed = in_this_process("fit", data, "--run", disk / "run", "--resume", *FIT)
            assert resumed.exit_code == 0 or not (disk / "run").exists(), resumed.stderr
    assert n_failed >= times // 3


WRITERS = ("augment", "in place", "sample", "tar", "parquet", "store", "report")
IN_PARTS = ("store", "tar", "parquet", "report", "fit")  # these may leave some of their files, each complete


def command(verb, data, run, disk):
    """The command that writes to `disk`, with a finished `run` elsewhere."""
    shards = ["--per-class", 40, "--shards", 2]
    return {
        "augment": [*MIX, data, disk / "out", "--run", run, "--resume", "--no-report", *FIT],
        "in place": [*MIX, disk / "data", "--in-place", "--run", run, "--resume", "--no-report", *FIT],
        "sample": ["sample", run, disk / "out", "--per-class", 40],
        "tar": ["sample", run, disk / "out", *shards, "--as", "tar"],
        "parquet": ["sample", run, disk / "out", *shards, "--as", "parquet"],
        "store": ["store", data, disk / "out"],
        "report": ["report", data, data, "--out", disk / "out.html", "--json", disk / "out.json"],
        "fit": ["fit", data, "--run", disk / "run", *(["--resume"] if (disk / "run").exists() else []), *FIT],
    }[verb]


def prepare(verb, disk):
    """Create the folder `disk`, with a data folder for a command that works in place."""
    disk.mkdir(exist_ok=True)
    if verb == "in place":
        folder_of(disk / "data")


@needs_mount
@pytest.mark.parametrize("times", [6, pytest.param(40, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
@pytest.mark.parametrize("verb", WRITERS)
def test_outputs_on_a_full_disk_are_complete_or_absent(data, tmp_path, verb, times):
    run = tmp_path / "run"
    assert in_this_process("fit", data, "--run", run, *FIT).exit_code == 0
    with small_disk(tmp_path / "disk", 50_000_000) as disk:
        prepare(verb, disk)
        before = size_of(disk)
        result = in_this_process(*command(verb, data, run, disk))
        assert result.exit_code in (0, 3, 4), result.stderr
        written = size_of(disk) - before
    n_failed = 0
    for n_bytes in disk_sizes(1.2 * written, times):
        with small_disk(tmp_path / "disk", 50_000_000) as disk:
            prepare(verb, disk)
            files = hashes(disk)
            status = os.statvfs(disk)
            used = (status.f_blocks - status.f_bfree) * status.f_frsize
            subprocess.run(["mount", "-o", f"remount,size={used + n_bytes}", str(disk)], check=True)
            result = in_this_process(*command(verb, data, run, disk))
            if result.exit_code not in (0, 3, 4):
                n_failed += 1
                assert result.exit_code == 1
                assert str(disk) in result.stderr, result.stderr
                assert leftovers(disk) == []
                assert hashes(disk) == files or verb in IN_PARTS
                subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
                result = in_this_process(*command(verb, data, run, disk))
            assert result.exit_code in (0, 3, 4), result.stderr
            if verb in ("augment", "sample"):
                assert min(read_folder(disk / "out").counts.values()) >= 14
    assert n_failed >= 2


@contextmanager
def quota(folder, writes):
    """Let `writes` folders and parts of files be written below `folder`, then fail. Yields the list of all attempts."""
    attempts, original_open, original_mkdir = [], open, os.mkdir

    def count(path):
        if isinstance(path, str | os.PathLike) and Path(path).is_relative_to(folder):
            attempts.append(path)
            if len(attempts) > writes:
                raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    def counting_open(path, mode="r", *rest, **options):
        file = original_open(path, mode, *rest, **options)
        write = getattr(file, "write", None)
        file.write = lambda content: (count(path), write(content))[1]
        return file

    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((io, "open"), (builtins, "open")):
            patch.setattr(module, name, counting_open)
        patch.setattr(os, "mkdir", lambda path, *rest: (count(path), original_mkdir(path, *rest))[1])
        writer = pytest.importorskip("pyarrow.parquet").ParquetWriter
        write_table = writer.write_table
        patch.setattr(writer, "write_table", lambda self, *rest: (count(self.where), write_table(self, *rest))[1])
        yield attempts


@pytest.mark.parametrize("times", [6, pytest.param(60, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
@pytest.mark.parametrize("verb", [*WRITERS, "fit"])
def test_a_quota_that_is_exceeded_at_any_write_is_named_and_no_file_is_partial(data, tmp_path, verb, times):
    run = tmp_path / "run"
    assert in_this_process("fit", data, "--run", run, *FIT).exit_code == 0
    prepare(verb, tmp_path / "complete")
    with quota(tmp_path / "complete", 10**9) as attempts:
        result = in_this_process(*command(verb, data, run, tmp_path / "complete"))
    assert result.exit_code in (0, 3, 4), result.stderr
    for writes in sorted({int(len(attempts) * number / times) for number in range(times)}):
        disk = tmp_path / f"after {writes}"
        prepare(verb, disk)
        files = hashes(disk)
        with quota(disk, writes):
            result = in_this_process(*command(verb, data, run, disk))
        assert result.exit_code == 1, result.stderr
        assert str(disk) in result.stderr
        assert "quota" in result.stderr
        assert leftovers(disk) == []
        assert hashes(disk) == files or verb in IN_PARTS
        result = in_this_process(*command(verb, data, run, disk))
        assert result.exit_code in (0, 3, 4), result.stderr


@needs_mount
def test_a_read_only_folder_is_named_before_training(data, tmp_path):
    with small_disk(tmp_path / "disk", 10_000_000) as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for arguments in (
            ["fit", data, "--run", disk / "run", *FIT],
            [*MIX, data, disk / "out", "--run", tmp_path / "run", *FIT],
            [*MIX, data, tmp_path / "out", "--run", disk / "run", *FIT],
            ["store", data, disk / "store"],
        ):
            result = in_this_process(*arguments)
            assert result.exit_code == 1
            assert str(disk) in result.stderr
            assert "images/s" not in result.stderr
        assert not (tmp_path / "run").exists()


@needs_mount
def test_a_read_only_home_folder_is_no_problem(data, tmp_path, monkeypatch):
    """Only the cache and the fonts of plots would be written there."""
    with small_disk(tmp_path / "home", 10_000_000) as home:
        subprocess.run(["mount", "-o", "remount,ro", str(home)], check=True)
        monkeypatch.delenv("GANAUG_CACHE", raising=False)
        environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
        script = (
            "import os, sys\n"
            "from ganaug import read_folder, GANAugmenter, MixedDataset, TrainingRecipe\n"
            "from torch.utils.data import DataLoader\n"
            f"real = read_folder({str(data)!r})\n"
            "gan = GANAugmenter(n_steps=2, batch_size=8, filters=None, device='cpu').fit(real)\n"
            "from ganaug.metrics.features import efficientnet_features\n"
            "print(efficientnet_features(real.images[:2]).shape)\n"
            "print(sum(len(x) for x, y in DataLoader(MixedDataset(real, gan.sample(4), share=0.5), num_workers=2)))\n"
        )
        result = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert result.returncode == 0, result.stderr
        assert result.stdout.splitlines()[0] == "torch.Size([2, 1280])"


@needs_mount
def test_a_full_dev_shm_is_no_problem(data, tmp_path):
    """Only worker processes of torch need it; ganaug works in threads."""
    full = "mount -t tmpfs -o size=4k tmpfs /dev/shm && head -c 4096 /dev/zero > /dev/shm/full"
    augment = [sys.executable, "-m", "ganaug", *MIX, str(data), str(tmp_path / "out"), "--no-report", *FIT]
    result = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f'{full} && exec "$@"', "sh", *augment],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if "unshare failed" in result.stderr or "mount:" in result.stderr:
        pytest.skip("mounting is not allowed here")
    assert result.returncode == 0, result.stderr


def test_a_file_that_vanishes_between_checking_and_copying_is_named(data, tmp_path, monkeypatch):
    """The file was checked and trained on. OUT is not written."""
    vanished = data / "dark" / "3.png"
    read = FolderInspection.read_unchanged

    def remove_and_read(self, entry):
        if self.root / entry.file == vanished:
            vanished.unlink(missing_ok=True)
        return read(self, entry)

    monkeypatch.setattr(FolderInspection, "read_unchanged", remove_and_read)
    result = in_this_process(*MIX, data, tmp_path / "out", "--no-report", *FIT)
    assert result.exit_code == 1
    assert f"{vanished}: cannot be read any more" in result.stderr
    assert not (tmp_path / "out").exists()
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("jump", [-86_400, 86_400])
def test_a_clock_that_jumps_does_not_change_the_length_of_a_run(data, tmp_path, monkeypatch, jump):
    """Durations come from the monotonic clock; the time of day jumps by a day."""
    import time

    original_time, calls = time.time, iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: original_time() + (jump if next(calls) > 2 else 0))
    result = in_this_process("fit", data, "--run", tmp_path / "run", "--time-budget", "1h", *FIT)
    assert result.exit_code == 0, result.stderr
    assert "steps)" in result.stderr or "4 steps" in result.stderr


@pytest.mark.parametrize(
    "name", ["a b", "it's", 'quo"te', "naïve-猫", "$(touch x)", "x" * 250, "猫" * 83, "-dash", "new\nline"]
)
def test_paths_with_unusual_characters(tmp_path, name):
    root = tmp_path / name
    root.mkdir()
    data, out, run, log = folder_of(root / name), root / f"{name}o", root / f"{name}r", tmp_path / "log"
    status, output = run_command(*MIX, data, out, "--run", run, *FIT, log=log)
    assert status == 0, output
    assert read_folder(out).counts == {"bright": 14, "dark": 14}
    status, output = run_command("sample", run, root / "samples", "--per-class", 3, log=log)
    assert status == 0, output
    status, output = run_command(*MIX, data, out, "--undo", log=log)
    assert status == 0, output
    assert not out.exists()


NOT_UTF8 = os.fsdecode(b"\xff\x80")


def test_data_and_out_may_have_names_that_are_not_utf_8(tmp_path):
    data, out, run = folder_of(tmp_path / NOT_UTF8), tmp_path / f"out{NOT_UTF8}", tmp_path / "run"
    result = in_this_process(*MIX, data, out, "--run", run, *FIT)
    assert result.exit_code == 0, result.stderr
    assert "out\\xdcff\\xdc80" in result.stderr
    assert read_folder(out).counts == {"bright": 14, "dark": 14}
    for arguments in (["check", out, "--json"], [*MIX, data, out, "--undo"]):
        assert in_this_process(*arguments).exit_code == 0
    for arguments in (["sample", run, out, "--per-class", 3], ["store", data, tmp_path / f"store{NOT_UTF8}"]):
        result = in_this_process(*arguments)
        assert result.exit_code == 0, result.stderr
        # the exact bytes, so that the next command can use them
        assert result.stdout_bytes.rstrip().endswith(b"\xff\x80")
    assert read_folder(out).counts == {"bright": 3, "dark": 3}


def test_a_run_folder_that_is_not_utf_8_is_refused_before_training(data, tmp_path):
    for arguments in (["fit", data, "--run", tmp_path / NOT_UTF8], [*MIX, data, tmp_path / NOT_UTF8]):
        result = in_this_process(*arguments, *FIT)
        assert result.exit_code == 1
        assert "its name is not UTF-8" in result.stderr
        assert "Choose another folder" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("name", ["x" * 250, "猫" * 83], ids=["x", "cat"])
def test_names_of_classes_and_files_may_have_250_bytes(tmp_path, name):
    data, out = folder_of(tmp_path / "data"), tmp_path / "out"
    (data / "dark").rename(data / name)
    for number in range(14):
        (data / name / f"{number}.png").rename(data / name / f"{name[:-4]}{number:02d}.png")
    before = hashes(data)
    result = in_this_process(*MIX, data, out, *FIT)
    assert result.exit_code == 0, result.stderr
    assert read_folder(out).counts == {"bright": 14, name: 14}
    assert set(before.values()) <= set(hashes(out).values())
    result = in_this_process(*MIX, data, "--in-place", "--no-report", "--run", tmp_path / "run", *FIT)
    assert result.exit_code == 0, result.stderr
    assert read_folder(data).counts == {"bright": 14, name: 14}
    assert in_this_process(*MIX, data, "--in-place", "--undo").exit_code == 0
    assert hashes(data) == before


def test_a_name_that_is_too_long_for_the_disk_is_refused_before_training(data, tmp_path):
    """The name of OUT may have 255 bytes, but then the default run folder, OUT.run, is too long."""
    out = tmp_path / ("x" * 255)
    for arguments in (
        [*MIX, data, out],
        [*MIX, data, tmp_path / ("x" * 256)],
        ["fit", data, "--run", f"{out}x"],
    ):
        result = in_this_process(*arguments, *FIT)
        assert result.exit_code == 1
        assert "cannot be written: File name too long." in result.stderr
        assert "choose another folder" in result.stderr.lower()
        assert "images/s" not in result.stderr
    result = in_this_process(*MIX, data, out, "--run", tmp_path / "run", "--no-report", *FIT)
    assert result.exit_code == 0, result.stderr
    assert read_folder(out).counts == {"bright": 14, "dark": 14}
