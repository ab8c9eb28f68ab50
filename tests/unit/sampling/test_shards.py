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
from ganaug.io.writing import stream_contents
from ganaug.sampling.shards import Shard, write_shard
from tests.sets import noise

REQUEST = {"counts": {"a": 6, "b": 4}}


@given(st.integers(0, 10**7), st.integers(1, 500))
def test_parts_cover_all_images_once_and_have_similar_sizes(count, of):
    parts = [Shard(number, of).part(count) for number in range(of)]
    assert parts[0].start == 0
    assert parts[-1].stop == count
    assert all(left.stop == right.start for left, right in pairwise(parts))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("number", "of"), [(-1, 2), (2, 2), (0, 0)])
def test_a_shard_number_out_of_range_is_refused(number, of):
    with pytest.raises(ValueError, match="numbered from 0"):
        Shard(number, of)


def contents(images=None):
    images = noise() if images is None else images
    return lambda: stream_contents(iter([images]), images.counts, images.shape)


@pytest.mark.parametrize("form", ["folder", "tar", "parquet"])
def test_a_shard_is_written_once(tmp_path, form):
    shard, out = Shard(1, 3), tmp_path / "out"

    def fail():
        raise AssertionError("the shard was drawn again")

    assert write_shard(contents(), shard, out, REQUEST, form=form)
    assert not write_shard(fail, shard, out, REQUEST, form=form)
    ending = "" if form == "folder" else f".{form}"
    assert sorted(path.name for path in out.iterdir()) == sorted([f"{shard.name}{ending}", f"{shard.name}.json"])
    record = json.loads((out / f"{shard.name}.json").read_text())
    assert (record["shard"], record["shards"], record["n_images"]) == (1, 3, 10)


def test_files_of_a_killed_attempt_are_replaced(tmp_path):
    shard, out = Shard(0, 2), tmp_path / "out"
    write_shard(contents(), shard, out, REQUEST)
    (out / f"{shard.name}.json").unlink()  # killed before the record
    (out / f".{shard.name}.partial-0123").mkdir()  # and while files were written
    assert write_shard(contents(), shard, out, REQUEST)
    assert read_folder(out / shard.name).counts == noise().counts
    assert not list(out.glob(".*"))


def test_shards_of_another_request_and_other_files_are_refused(tmp_path):
    write_shard(contents(), Shard(0, 2), tmp_path, REQUEST)
    for request, of, form in (({"counts": {"a": 7}}, 2, "folder"), (REQUEST, 3, "folder"), (REQUEST, 2, "tar")):
        with pytest.raises(OutputError, match="of another request"):
            write_shard(contents(), Shard(1, of), tmp_path, request, form=form)
    (tmp_path / "notes.txt").write_text("of the user")
    with pytest.raises(OutputError, match=r"notes\.txt.*no shard"):
        write_shard(contents(), Shard(1, 2), tmp_path, REQUEST)


def test_a_shard_that_another_process_is_writing_is_refused(tmp_path):
    shard = Shard(0, 2)
    with locked(tmp_path, f".{shard.name}.lock"), pytest.raises(RunError, match="another run is writing"):
        write_shard(contents(), shard, tmp_path, REQUEST)
    assert write_shard(contents(), Shard(1, 2), tmp_path, REQUEST)


def test_a_tar_is_reproducible_and_holds_image_label_and_metadata(tmp_path):
    import pandas as pd

    images = noise()
    rows = pd.DataFrame({"is_synthetic": True, "seed": range(10), "model_hash": "0123456789", "ganaug_version": "1"})
    synthetic = LabeledImages(images.images, images.labels, ("a.b", "c d"), rows)
    for name in ("one", "two"):
        write_shard(contents(synthetic), Shard(0, 1), tmp_path / name, REQUEST, form="tar")
    paths = [tmp_path / name / "shard-00000-of-00001.tar" for name in ("one", "two")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with tarfile.open(paths[0]) as archive:
        names = archive.getnames()
        assert len(names) == len(set(names)) == 30
        keys = [name.split(".")[0] for name in names]
        assert keys == list(chain.from_iterable([key] * 3 for key in keys[::3]))  # the files of a sample are adjacent
        row = json.loads(archive.extractfile(names[2]).read())
        assert (row["label"], row["class_index"], row["seed"]) == ("a.b", 0, 0)
        assert archive.extractfile(names[-2]).read() == b"1"


def test_hugging_face_reads_the_tars(tmp_path):
    from datasets import load_dataset

    for number in range(2):
        write_shard(contents(noise(seed=number)), Shard(number, 2), tmp_path / "out", REQUEST, form="tar")
    files = str(tmp_path / "out" / "shard-*.tar")
    data = load_dataset("webdataset", data_files=files, cache_dir=str(tmp_path / "cache"))["train"]
    assert len(data) == 20
    assert sorted(data["cls"]) == [0] * 12 + [1] * 8
    assert all(image.size == (8, 8) for image in data["png"])


def test_images_are_drawn_while_files_are_written(tmp_path):
    drawn = []

    def blocks():
        for number in range(3):
            drawn.append(number)
            yield noise(seed=number)

    stream = stream_contents(blocks(), {"a": 18, "b": 12}, (1, 8, 8))
    assert not drawn
    assert write_shard(lambda: stream, Shard(0, 1), tmp_path / "out", REQUEST)
    pixels = read_folder(tmp_path / "out" / "shard-00000-of-00001").images
    assert {image.numpy().tobytes() for image in pixels} == {
        image.numpy().tobytes() for number in range(3) for image in noise(seed=number).images
    }
    assert torch.equal(torch.tensor(drawn), torch.arange(3))
