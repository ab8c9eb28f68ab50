import contextlib
import csv
import itertools
import os

import pytest
from PIL import Image

from ganaug.errors import DataError, GanaugError, OutputError, RunError
from ganaug.io.folder import add_to_folder, check_output, inspect_folder, read_folder, undo, write_augmented_folder

COUNTS = {"cat": 6, "dog": 6}


def rows_of(root) -> dict[str, dict[str, str]]:
    with open(root / "metadata.csv", newline="") as file:
        return {row["file_name"]: row for row in csv.DictReader(file)}


def nested_photos(photos):
    """Seven images in nested folders, some of equal names, with labels and one more column in metadata.csv."""
    root = photos({"x/deep": 4, "y": 3}, suffix=".bmp")
    files = [f"x/deep/{i}.bmp" for i in range(4)] + [f"y/{i}.bmp" for i in range(3)]
    labels = ["cat", "cat", "cat", "dog", "cat", "dog", "dog"]
    lines = [f"{file},{label},{i:02d}\n" for i, (file, label) in enumerate(zip(files, labels, strict=True))]
    (root / "metadata.csv").write_text("file_name,label,attr_site\n" + "".join(lines))
    return root


def test_originals_are_copied_byte_for_byte_beside_synthetic_images(photos, synthetic, tmp_path, snapshot):
    root = photos()
    (root / "cat" / "bad.png").touch()
    before = snapshot(root)
    out = write_augmented_folder(inspect_folder(root), synthetic, tmp_path / "out")
    after = snapshot(out)
    assert snapshot(root) == before
    assert "cat/bad.png" not in after
    del before["cat/bad.png"]
    assert {name: after[name] for name in before} == before
    assert read_folder(out).counts == COUNTS
    rows = rows_of(out)
    assert rows.keys() == {name for name in after if name.endswith(".png")}
    assert {row["class_index"] for row in rows.values() if row["label"] == "dog"} == {"1"}


def test_a_file_that_changed_since_it_was_checked_is_not_copied(photos, synthetic, tmp_path):
    root = photos()
    inspection = inspect_folder(root)
    Image.new("L", (9, 9), 77).save(root / "cat" / "0.png")
    with pytest.raises(DataError, match=r"cat/0\.png: changed since it was checked"):
        write_augmented_folder(inspection, synthetic, tmp_path / "out")
    assert list(tmp_path.glob("*out*")) == []


def test_a_second_process_that_adds_to_a_folder_is_refused(photos, synthetic, snapshot):
    root = photos()
    before = snapshot(root)

    def add_and_undo(done, total):
        if done == 1:
            for change in (lambda: add_to_folder(inspect_folder(root), synthetic), lambda: undo(root)):
                with pytest.raises(RunError, match="another process"):
                    change()

    add_to_folder(inspect_folder(root), synthetic, progress=add_and_undo)
    undo(root)
    assert snapshot(root) == before


def test_a_folder_with_metadata_becomes_class_folders(photos, synthetic, tmp_path):
    root = nested_photos(photos)
    out = write_augmented_folder(inspect_folder(root), synthetic, tmp_path / "out")
    rows = rows_of(out)
    assert (out / "cat" / "0.bmp").read_bytes() == (root / "x" / "deep" / "0.bmp").read_bytes()
    assert (out / "cat" / "0-2.bmp").read_bytes() == (root / "y" / "0.bmp").read_bytes()
    assert rows["cat/0-2.bmp"]["attr_site"] == "04"
    assert read_folder(out).counts == COUNTS


def test_an_augmented_folder_can_be_augmented_again(photos, synthetic, tmp_path):
    once = write_augmented_folder(inspect_folder(photos()), synthetic, tmp_path / "once")
    inspection = inspect_folder(once)
    assert "5 images say that they are synthetic" in "\n".join(inspection.warnings)
    twice = write_augmented_folder(inspection, synthetic, tmp_path / "twice")
    again = read_folder(twice)
    assert again.counts == {"cat": 8, "dog": 9}
    assert again.metadata["is_synthetic"].sum() == 10
    assert sorted(again.metadata["seed"].dropna().tolist()) == sorted(2 * synthetic.metadata["seed"].tolist())


def test_synthetic_images_of_other_classes_are_refused(photos, synthetic, tmp_path):
    with pytest.raises(DataError, match=r"\['dog'\] do not belong"):
        write_augmented_folder(inspect_folder(photos({"cat": 3, "owl": 3})), synthetic, tmp_path / "out")


def test_an_original_that_was_removed_is_named(photos, synthetic, tmp_path):
    root = photos()
    inspection = inspect_folder(root)
    (root / "cat" / "2.png").unlink()
    with pytest.raises(DataError, match=r"cat/2\.png: cannot be read any more"):
        write_augmented_folder(inspection, synthetic, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("out", ["", "cat", "cat/new", "../photos/x", "link/x"])
def test_out_inside_data_is_refused(photos, out):
    root = photos()
    (root / "link").symlink_to(root / "cat")
    with pytest.raises(OutputError, match="lies inside"):
        check_output(root / out, root)


@pytest.mark.parametrize("form", ["folders", "metadata"])
def test_in_place_adds_and_undo_restores_every_byte(photos, synthetic, snapshot, form):
    root = photos() if form == "folders" else nested_photos(photos)
    before = snapshot(root)
    steps = []
    add_to_folder(inspect_folder(root), synthetic, progress=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (5, 5)
    assert read_folder(root).counts == COUNTS
    after = snapshot(root)
    assert {name: after[name] for name in before if name != "metadata.csv"} == {
        name: content for name, content in before.items() if name != "metadata.csv"
    }
    with pytest.raises(OutputError, match="Undo that first"):
        add_to_folder(inspect_folder(root), synthetic)
    result = undo(root)
    assert result.kept == {}
    assert result.restored == (form == "metadata")
    assert snapshot(root) == before
    with pytest.raises(OutputError, match="nothing to undo"):
        undo(root)


def test_undo_of_a_copy_removes_all_of_it(photos, synthetic, tmp_path):
    out = write_augmented_folder(inspect_folder(photos()), synthetic, tmp_path / "out")
    assert len(undo(out).removed) == 13
    assert not out.exists()
    (tmp_path / "empty").mkdir()
    undo(write_augmented_folder(inspect_folder(photos()), synthetic, tmp_path / "empty"))
    assert list((tmp_path / "empty").iterdir()) == []


def test_undo_keeps_what_users_changed_or_added(photos, synthetic, tmp_path):
    out = write_augmented_folder(inspect_folder(photos()), synthetic, tmp_path / "out")
    Image.new("RGB", (10, 12)).save(out / "cat" / "0.png")
    (out / "dog" / "mine.png").write_bytes(b"mine")
    result = undo(out)
    assert result.kept == {"cat/0.png": "changed since"}
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*")) == ["cat/0.png", "dog/mine.png"]


def test_undo_keeps_a_metadata_csv_that_changed(photos, synthetic):
    root = nested_photos(photos)
    add_to_folder(inspect_folder(root), synthetic)
    with open(root / "metadata.csv", "a") as file:
        file.write("mine\n")
    result = undo(root)
    assert list(result.kept) == ["metadata.csv"]
    assert (root / "metadata.csv").read_text().endswith("mine\n")


def kill_at(step, function):
    """Run a function in a child process that is killed before change number `step` to the disk; whether it was."""
    child = os.fork()
    if child == 0:
        changes = itertools.count()

        def killing(change):
            def change_or_exit(*args, **options):
                if next(changes) == step:
                    os._exit(9)
                return change(*args, **options)

            return change_or_exit

        for name in ("replace", "unlink", "rmdir"):
            setattr(os, name, killing(getattr(os, name)))
        try:
            function()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.parametrize("form", ["folders", "metadata"])
@pytest.mark.parametrize("step", range(8))
def test_undo_works_after_a_kill_at_any_step_of_adding_and_of_undoing(photos, synthetic, snapshot, form, step):
    root = photos() if form == "folders" else nested_photos(photos)
    before = snapshot(root)
    inspection = inspect_folder(root)
    # the manifest, five images and metadata.csv are renamed: seven changes
    assert kill_at(step, lambda: add_to_folder(inspection, synthetic)) == (step < 7)
    if step == 0:  # nothing was written, so there is nothing to undo, and adding can start again
        add_to_folder(inspection, synthetic)
    for later in (0, 3, 6, 9):
        kill_at(later, lambda: undo(root))
    with contextlib.suppress(OutputError):  # the last undo that was killed may have been complete
        undo(root)
    assert snapshot(root) == before


@pytest.mark.parametrize("moment", [0, 1, 4, 6])
def test_adding_that_fails_undoes_itself(photos, synthetic, snapshot, monkeypatch, moment):
    root = photos()
    before = snapshot(root)
    replacements = itertools.count()

    def fail(source, target):
        if next(replacements) == moment:
            raise OSError(28, "No space left on device")
        return original(source, target)

    original = os.replace
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OutputError, match="No space left on device"):
        add_to_folder(inspect_folder(root), synthetic)
    assert snapshot(root) == before


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        "[]",
        "{}",
        '{"format": 2, "files": {}, "folders": []}',
        '{"format": 1, "files": {"../victim.txt": "x"}, "folders": []}',
        '{"format": 1, "files": {}, "folders": ["/tmp"]}',
        '{"format": 1, "files": {"out/victim.txt": "x"}, "folders": []}',
    ],
)
def test_a_forged_or_damaged_manifest_removes_nothing(photos, tmp_path, snapshot, content):
    root = photos()
    (tmp_path / "victim.txt").write_text("")
    (root / "out").symlink_to(tmp_path)
    (root / ".ganaug.json").write_text(content)
    before = snapshot(root)
    with pytest.raises(GanaugError, match=r"\.ganaug\.json"):
        undo(root)
    assert snapshot(root) == before
