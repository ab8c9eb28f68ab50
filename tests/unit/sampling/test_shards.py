import json
import tarfile
from itertools import chain, pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganaug import LabeledImages, read_folder
from ganaug._runtime.locks import locked
from ganaug.errors import OutputError, RunError
from ganaug.io.writing import streamed
from ganaug.sampling.shards import Shard, write_shard
from tests.sets import noise

ABOUT = {"counts": {"a": 6, "b": 4}}


@given(st.integers(0, 10**7), st.integers(1, 500))
def test_parts_are_the_whole_and_alike(count, of):
    parts = [Shard(number, of).part(count) for number in range(of)]
    assert parts[0].start == 0
    assert parts[-1].stop == count
    assert all(one.stop == other.start for one, other in pairwise(parts))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("number", "of"), [(-1, 2), (2, 2), (0, 0)])
def test_a_part_that_does_not_exist_is_refused(number, of):
    with pytest.raises(ValueError, match="numbered from 0"):
        Shard(number, of)


def contents(images=None):
    images = noise() if images is None else images
    return lambda: streamed(iter([images]), images.counts, images.shape)


@pytest.mark.parametrize("form", ["folder", "tar", "parquet"])
def test_a_shard_is_written_once(tmp_path, form):
    shard, out = Shard(1, 3), tmp_path / "out"

    def never():
        raise AssertionError("was made again")

    assert write_shard(contents(), shard, out, ABOUT, form=form)
    assert not write_shard(never, shard, out, ABOUT, form=form)
    ending = "" if form == "folder" else f".{form}"
    assert sorted(path.name for path in out.iterdir()) == sorted([f"{shard.name}{ending}", f"{shard.name}.json"])
    about = json.loads((out / f"{shard.name}.json").read_text())
    assert (about["shard"], about["shards"], about["n_images"]) == (1, 3, 10)


def test_what_a_killed_attempt_left_is_taken_away(tmp_path):
    shard, out = Shard(0, 2), tmp_path / "out"
    write_shard(contents(), shard, out, ABOUT)
    (out / f"{shard.name}.json").unlink()  # killed before the record
    (out / f".{shard.name}.partial-0123").mkdir()  # and while files were written
    assert write_shard(contents(), shard, out, ABOUT)
    assert read_folder(out / shard.name).counts == noise().counts
    assert not list(out.glob(".*"))


def test_another_request_or_other_files_are_refused(tmp_path):
    write_shard(contents(), Shard(0, 2), tmp_path, ABOUT)
    for about, of, form in (({"counts": {"a": 7}}, 2, "folder"), (ABOUT, 3, "folder"), (ABOUT, 2, "tar")):
        with pytest.raises(OutputError, match="of another request"):
            write_shard(contents(), Shard(1, of), tmp_path, about, form=form)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"notes\.txt.*no shard"):
        write_shard(contents(), Shard(1, 2), tmp_path, ABOUT)


def test_a_shard_that_another_process_writes_is_left_to_it(tmp_path):
    shard = Shard(0, 2)
    with locked(tmp_path, f".{shard.name}.lock"), pytest.raises(RunError, match="another run is writing"):
        write_shard(contents(), shard, tmp_path, ABOUT)
    assert write_shard(contents(), Shard(1, 2), tmp_path, ABOUT)


def test_a_tar_has_the_same_bytes_each_time_and_holds_image_label_and_row(tmp_path):
    import pandas as pd

    made = noise()
    rows = pd.DataFrame({"is_synthetic": True, "seed": range(10), "model_hash": "0123456789", "ganaug_version": "1"})
    synthetic = LabeledImages(made.images, made.labels, ("a.b", "c d"), rows)
    for name in ("one", "two"):
        write_shard(contents(synthetic), Shard(0, 1), tmp_path / name, ABOUT, form="tar")
    paths = [tmp_path / name / "shard-00000-of-00001.tar" for name in ("one", "two")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with tarfile.open(paths[0]) as archive:
        names = archive.getnames()
        assert len(names) == len(set(names)) == 30
        keys = [name.split(".")[0] for name in names]
        assert keys == list(chain.from_iterable([key] * 3 for key in keys[::3]))  # a sample's parts lie together
        row = json.loads(archive.extractfile(names[2]).read())
        assert (row["label"], row["class_index"], row["seed"]) == ("a.b", 0, 0)
        assert archive.extractfile(names[-2]).read() == b"1"


def test_hugging_face_reads_the_tars(tmp_path):
    from datasets import load_dataset

    for number in range(2):
        own = noise(seed=number)
        write_shard(contents(own), Shard(number, 2), tmp_path / "out", ABOUT, form="tar")
    files = str(tmp_path / "out" / "shard-*.tar")
    data = load_dataset("webdataset", data_files=files, cache_dir=str(tmp_path / "cache"))["train"]
    assert len(data) == 20
    assert sorted(data["cls"]) == [0] * 12 + [1] * 8
    assert all(image.size == (8, 8) for image in data["png"])


def test_files_are_made_as_they_are_asked_for(tmp_path):
    drawn = []

    def blocks():
        for number in range(3):
            drawn.append(number)
            yield noise(seed=number)

    made = streamed(blocks(), {"a": 18, "b": 12}, (1, 8, 8))
    assert not drawn
    assert write_shard(lambda: made, Shard(0, 1), tmp_path / "out", ABOUT)
    pixels = read_folder(tmp_path / "out" / "shard-00000-of-00001").images
    assert {image.numpy().tobytes() for image in pixels} == {
        image.numpy().tobytes() for number in range(3) for image in noise(seed=number).images
    }
    assert torch.equal(torch.tensor(drawn), torch.arange(3))
