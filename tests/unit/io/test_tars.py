"""Tar members are readable by any program, and byte for byte what `tarfile` writes."""

import io
import shutil
import subprocess
import sys
import tarfile

import pytest

from ganaug.io.tars import END, member

NAMES = ["cat/one.png", "é" * 50, "é" * 51, "猫" * 80 + ".png", "x" * 100, "x" * 101, "a b'\"\\.json"]
FILES = {
    name: bytes([number]) * size
    for number, (name, size) in enumerate(zip(NAMES, [0, 1, 511, 512, 513, 5000, 7], strict=True))
}


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "all.tar"
    path.write_bytes(b"".join(member(name, content) for name, content in FILES.items()) + END)
    return path


def test_tarfile_reads_what_was_written(archive):
    with tarfile.open(archive) as read:
        assert {entry.name: read.extractfile(entry).read() for entry in read} == FILES


@pytest.mark.skipif(shutil.which("tar") is None or sys.platform == "win32", reason="needs tar and POSIX file names")
def test_the_tar_command_reads_what_was_written(archive, tmp_path):
    subprocess.run(["tar", "xf", archive, "-C", tmp_path], check=True)
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == FILES


def test_the_bytes_are_those_that_tarfile_writes(archive):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as other:
        for name, content in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            other.addfile(info, io.BytesIO(content))
    assert buffer.getvalue().rstrip(b"\0") == archive.read_bytes().rstrip(b"\0")
