import json

import pytest
import torch

from ganaug._runtime.locks import locked
from ganaug._runtime.storage import atomic_write, read_json, read_tree, trees_equal, write_bytes, write_json, write_tree
from ganaug.errors import OutputError, RunError

TREE = {
    "weights": {"a.b": torch.arange(6).view(2, 3), "c": torch.tensor(0.5)},
    "groups": [{"lr": 0.1, "betas": [0.5, 0.9], "fused": True, "name": None}],
    "empty": {},
    "text": "näme/with/slashes",
}


def test_a_tree_is_read_as_it_was_written_bit_for_bit(tmp_path):
    write_tree(tmp_path / "t.safetensors", TREE)
    assert trees_equal(read_tree(tmp_path / "t.safetensors"), TREE)


def test_trees_that_differ_in_one_bit_are_not_the_same():
    changed = {**TREE, "weights": {"a.b": torch.arange(6).view(2, 3), "c": torch.tensor(0.5 + 2**-24)}}
    assert not trees_equal(TREE, changed)


def test_a_function_is_not_stored(tmp_path):
    with pytest.raises(TypeError, match="cannot be stored"):
        write_tree(tmp_path / "t.safetensors", {"f": print})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path):
    target = tmp_path / "x.json"
    write_json(target, {"old": 1})
    with pytest.raises(RuntimeError), atomic_write(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert json.loads(target.read_text()) == {"old": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_the_error_for_a_full_disk_names_the_file_and_its_size(tmp_path, monkeypatch):
    def raise_full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", raise_full)
    with pytest.raises(OutputError, match=r"x\.bin: cannot be written \(1,234 bytes\): No space left on device\. Free"):
        write_bytes(tmp_path / "x.bin", b"x" * 1234)
    assert list(tmp_path.iterdir()) == []


def test_the_error_for_a_folder_that_cannot_be_written_names_it(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_bytes(tmp_path / "file" / "below.bin", b"1")


def test_a_folder_is_locked_by_one_writer_at_a_time(tmp_path):
    with (
        locked(tmp_path / "run"),
        pytest.raises(RunError, match="another run is writing here"),
        locked(tmp_path / "run"),
    ):
        pass
    with locked(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"), locked(tmp_path / "file"):
        pass


@pytest.mark.parametrize("cut", [0, 4, 20, 100, -1])
def test_the_error_for_a_damaged_tree_names_the_file(tmp_path, cut):
    path = tmp_path / "t.safetensors"
    write_tree(path, TREE)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(RunError, match=r"t\.safetensors: damaged"):
        read_tree(path)


def test_the_error_for_missing_or_damaged_json_names_the_file(tmp_path):
    with pytest.raises(RunError, match=r"no\.json: not found"):
        read_json(tmp_path / "no.json")
    (tmp_path / "bad.json").write_text("[1")
    with pytest.raises(RunError, match=r"bad\.json"):
        read_json(tmp_path / "bad.json")
