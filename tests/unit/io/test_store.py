"""A store holds the images of its source, resumes after a kill, and trains as images in memory do."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from ganaug import read_folder, write_folder
from ganaug._runtime.stored_rows import StoredRows
from ganaug.errors import DataError, OutputError
from ganaug.images import LabeledImages, image_hashes, to_uint8
from ganaug.io import store_builder
from ganaug.io.paths import STORE
from ganaug.io.store import build_store, open_store, verify_store
from ganaug.io.store_format import HASHES, IMAGES, LABELS
from ganaug.training.batches import BalancedBatches
from ganaug.training.windows import BLOCK_SIZE, Windows, allocate_images
from tests.sets import augmenter, clothes, noise


def build_from(images, path, **options):
    return build_store(write_folder(images, path / "folder"), path / "store", **options)


def test_a_store_holds_the_images_of_its_folder(tmp_path):
    folder = write_folder(noise((9, 5, 7), shape=(1, 12, 10)), tmp_path / "folder")
    expected, stored = read_folder(folder), open_store(build_store(folder, tmp_path / "store"))
    assert torch.equal(stored.images[:], expected.images)
    assert torch.equal(stored.labels, expected.labels)
    assert stored.classes == expected.classes
    assert stored.fingerprint() == expected.fingerprint()
    assert torch.equal(image_hashes(stored.images), image_hashes(expected.images))
    assert read_folder(tmp_path / "store").fingerprint() == expected.fingerprint()
    verify_store(tmp_path / "store")


def test_rows_of_a_store_are_read_by_number_slice_mask_and_view(tmp_path):
    stored = open_store(build_from(noise((30, 20)), tmp_path))
    expected = read_folder(tmp_path / "folder")
    order = torch.tensor([7, 3, 44, 3])
    view = stored.images.take(order)
    assert isinstance(view, StoredRows)
    assert torch.equal(view[:], expected.images[order])
    assert torch.equal(view[2], expected.images[44])
    assert torch.equal(view[1:3, :, 2], expected.images[order][1:3, :, 2])
    assert view[2, 0, 1, 3] == expected.images[44, 0, 1, 3]
    assert torch.equal(view[torch.tensor([1, 2])], expected.images[[3, 44]])
    assert torch.equal(view.hashes, image_hashes(expected.images[order]))
    assert torch.equal(view.take(torch.tensor([2]))[:], expected.images[44:45])
    assert torch.equal(stored.images[stored.labels == 1], expected.images[expected.labels == 1])
    assert torch.equal(stored[3][0], expected.images[3])
    assert torch.equal(stored.take(order).images, expected.images[order])
    with pytest.raises(AttributeError, match="needs them in memory"):
        stored.images.mean()


def test_a_selection_of_a_large_store_stays_in_the_file(tmp_path, monkeypatch):
    stored = open_store(build_from(noise((30, 20)), tmp_path))
    expected = read_folder(tmp_path / "folder")
    monkeypatch.setattr("ganaug.images.MAX_BYTES_IN_MEMORY", 1000)
    part = stored.take(torch.arange(len(expected)) % 2 == 0)
    assert isinstance(part.images, StoredRows)
    assert part.fingerprint() == expected.take(torch.arange(len(expected)) % 2 == 0).fingerprint()


def test_training_on_a_store_of_one_window_equals_training_in_memory(tmp_path):
    options = {"n_steps": 6, "batch_size": 16, "check_every": 3, "random_state": 0, "device": "cpu"}
    store = build_from(clothes(20), tmp_path)
    in_memory = augmenter(**options).fit(read_folder(tmp_path / "folder"))
    from_store = augmenter(**options).fit(open_store(store))
    assert in_memory.data_ == from_store.data_
    assert in_memory.model_.hash() == from_store.model_.hash()
    assert torch.equal(in_memory.training_images_, from_store.training_images_)


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A store that is larger than its windows; two pixels of each image hold its number."""
    monkeypatch.setattr("ganaug.training.windows.MAX_POOL_BYTES", 600 * 64)
    counts = (2000, 700, 20)
    images = torch.zeros(sum(counts), 1, 8, 8, dtype=torch.uint8)
    number = torch.arange(len(images))
    images[:, 0, 0, 0], images[:, 0, 0, 1] = number % 256, number // 256
    labels = torch.arange(3).repeat_interleave(torch.tensor(counts))
    images.numpy().tofile(tmp_path / "images.bin")
    rows = StoredRows(tmp_path / "images.bin", images.shape, image_hashes(images))
    return LabeledImages(rows, labels, ("a", "b", "c"))


def numbers_of(pixels):
    return pixels[:, 0, 0, 0].long() + 256 * pixels[:, 0, 0, 1].long()


def test_windows_are_small_and_show_all_images_of_a_class_equally_often(large):
    batches = BalancedBatches(large, 50, seed=0, power=0.0)
    windows = batches.windows
    sizes, draws, shown = [], torch.zeros(len(large)), torch.zeros(len(large))
    for number in range(60):
        pool = windows(number * windows.steps_per_pool)
        sizes.append(len(pool.images))
        labels = large.labels[numbers_of(pool.images)[pool.order]]
        assert torch.equal(labels, torch.arange(3).repeat_interleave(pool.counts))
        assert int(pool.counts[2]) == 20  # the rare class is complete
        shown += torch.bincount(numbers_of(pool.images), minlength=len(large))
    assert max(sizes) <= 600 + BLOCK_SIZE
    assert shown.min() > 0
    for label in range(3):  # equally often within a class, except for the current epoch
        counts = shown[large.labels == label]
        assert counts.max() - counts.min() <= 1
    for step in range(60):
        batch = batches(step)
        numbers = numbers_of(to_uint8(batch.images))
        assert torch.equal(large.labels[numbers], batch.labels)
        draws += torch.bincount(large.labels[numbers], minlength=3)[large.labels]
    assert (draws[large.labels == 2] / 3000).mean() == pytest.approx(1 / 3, abs=0.04)


def test_a_batch_of_a_store_depends_only_on_seed_and_step(large):
    first, second = (BalancedBatches(large, 50, seed=4, power=0.5) for _ in range(2))
    for step in (0, 40, 13, 41, 3):
        assert torch.equal(first(step).images, second(step).images)
    skipping = BalancedBatches(large, 50, seed=4, power=0.5)
    assert torch.equal(skipping(40).images, first(40).images)
    assert not torch.equal(BalancedBatches(large, 50, seed=5, power=0.5)(40).images, first(40).images)


def test_a_window_is_divided_by_class_probability_and_class_size():
    counts = torch.tensor([1000, 500, 5, 0])
    sizes = allocate_images(300, torch.tensor([0.4, 0.4, 0.2, 0.0]), counts)
    assert sizes[2] == 5
    assert sizes[3] == 0
    assert 300 <= int(sizes.sum()) <= 310
    assert abs(int(sizes[0]) - int(sizes[1])) <= 5
    assert torch.equal(allocate_images(10_000, torch.tensor([0.4, 0.4, 0.2, 0.0]), counts), counts)


def test_images_in_memory_have_one_window():
    images = noise((5, 5))
    assert Windows(images, torch.tensor([0.5, 0.5]), 4, seed=0, device="cpu")(10**6).images is images.images


def test_an_interrupted_build_is_resumed(tmp_path, monkeypatch):
    monkeypatch.setattr(store_builder, "BLOCK_IMAGES", 8)
    monkeypatch.setattr(store_builder, "BLOCKS_PER_SAVE", 1)
    folder = write_folder(noise((30, 20)), tmp_path / "folder")

    def stop(done, total):
        if done >= 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_store(folder, tmp_path / "store", progress=stop)
    with pytest.raises(DataError, match="not complete"):
        open_store(tmp_path / "store")
    names = []
    decode = store_builder._decode_record
    monkeypatch.setattr(
        store_builder,
        "_decode_record",
        lambda record, **options: (names.append(record.name), decode(record, **options))[1],
    )
    build_store(folder, tmp_path / "store")
    assert 0 < len(names) < 50
    assert open_store(tmp_path / "store").fingerprint() == read_folder(folder).fingerprint()
    before = len(names)
    build_store(folder, tmp_path / "store")  # is complete already
    assert len(names) == before


@pytest.mark.timeout(120)
def test_a_killed_build_is_resumed(tmp_path):
    folder = write_folder(noise((1500, 1500), shape=(1, 16, 16)), tmp_path / "folder")
    code = (
        "import time; from ganaug.io import store, store_builder as builder;"
        "builder.BLOCK_IMAGES = 64; builder.BLOCKS_PER_SAVE = 1;"
        f"store.build_store({str(folder)!r}, {str(tmp_path / 'store')!r}, progress=lambda *_: time.sleep(0.02))"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    about = tmp_path / "store" / STORE
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (about.exists() and json.loads(about.read_text())["n_images"] >= 256):
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not json.loads(about.read_text())["complete"]
    with open(tmp_path / "store" / IMAGES, "ab") as file:  # written after the state was last saved
        file.write(b"half an image")
    build_store(folder, tmp_path / "store")
    verify_store(tmp_path / "store")
    assert open_store(tmp_path / "store").fingerprint() == read_folder(folder).fingerprint()


def test_unusable_images_are_named_or_skipped(tmp_path):
    folder = write_folder(noise((6, 6)), tmp_path / "folder")
    bad = sorted(folder.glob("*/*.png"))[3]
    bad.write_bytes(b"no image")
    with pytest.raises(DataError, match=rf"{bad.name}.*(?s:.)*skip_bad"):
        build_store(folder, tmp_path / "store")
    stored = open_store(build_store(folder, tmp_path / "other", skip_bad=True))
    assert len(stored) == 11
    assert json.loads((tmp_path / "other" / STORE).read_text())["skipped"][0]["file"].endswith(bad.name)


def test_images_that_do_not_fit_are_named_with_the_fix(tmp_path):
    folder = write_folder(noise((4, 4), shape=(1, 12, 12)), tmp_path / "folder")
    files = sorted(folder.glob("*/*.png"))
    Image.new("L", (20, 16)).save(files[-1])
    with pytest.raises(DataError, match=rf"{files[-1].name}: is 16x20.*--image-size"):
        build_store(folder, tmp_path / "one")
    assert open_store(build_store(folder, tmp_path / "two", image_size=16)).shape == (1, 16, 16)
    Image.new("RGB", (12, 12)).save(files[-1])
    with pytest.raises(DataError, match=rf"{files[-1].name}: is in color.*--mode rgb"):
        build_store(folder, tmp_path / "three")
    assert open_store(build_store(folder, tmp_path / "four", mode="rgb")).shape == (3, 12, 12)


def test_a_damaged_store_is_refused(tmp_path):
    store = build_from(noise((6, 6)), tmp_path)
    pixels = np.fromfile(store / IMAGES, np.uint8)
    pixels[200] ^= 1
    pixels.tofile(store / IMAGES)
    open_store(store)  # does not read pixels
    with pytest.raises(DataError, match="image 3 is not what was written"):
        verify_store(store)
    labels = np.fromfile(store / LABELS, "<i8")
    labels[0] = 1 - labels[0]
    labels.tofile(store / LABELS)
    with pytest.raises(DataError, match="labels or hashes"):
        open_store(store)
    (store / HASHES).write_bytes(b"")
    with pytest.raises(DataError, match=r"hashes\.bin: has 0 bytes instead of 96"):
        open_store(store)


def test_a_folder_that_is_no_store_is_not_changed(tmp_path):
    folder = write_folder(noise((3, 3)), tmp_path / "folder")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(OutputError, match="neither empty nor a store"):
        build_store(folder, tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"
    store = build_from(noise((3, 3)), tmp_path / "a")
    other = write_folder(noise((4, 3)), tmp_path / "b")
    with pytest.raises(OutputError, match="something else"):
        build_store(other, store)


def test_a_store_of_an_older_format_is_refused_with_the_fix(tmp_path):
    folder, store = write_folder(noise((3, 3)), tmp_path / "folder"), tmp_path / "store"
    about = json.loads((build_store(folder, store) / STORE).read_text())
    (store / STORE).write_text(json.dumps(about | {"format": 1}))
    with pytest.raises(DataError, match=r"format 1; .* reads format 2\. Remove it and build it again"):
        open_store(store)
    with pytest.raises(OutputError, match=r"format 1; .* writes format 2\. Remove it and build it again"):
        build_store(folder, store)


def write_16_bit(folder, values):
    """Write gray images, 8-bit for None and else 16-bit images of one value, of two classes in turns."""
    for number, value in enumerate(values):
        path = folder / "ab"[number % 2] / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((8, 8), 7, np.uint8) if value is None else np.full((8, 8), value, np.uint16)
        Image.fromarray(pixels).save(path)
    return folder


@pytest.mark.parametrize("values", [[100, 4000, 3, 2000], [None] * 20 + [100, None, 4000, 3], [None, None, 4095, None]])
def test_16_bit_images_of_a_store_share_one_scale(tmp_path, monkeypatch, values):
    monkeypatch.setattr(store_builder, "BLOCK_IMAGES", 4)
    folder = write_16_bit(tmp_path / "folder", values)
    with pytest.warns(UserWarning, match="folder: 16-bit images use 12 bits, scaled by 4,095"):
        store = build_store(folder, tmp_path / "store")
    with pytest.warns(UserWarning, match="16-bit images use 12 bits"):
        assert open_store(store).fingerprint() == read_folder(folder).fingerprint()


def test_a_resumed_build_keeps_the_scale_of_16_bit_images(tmp_path, monkeypatch):
    monkeypatch.setattr(store_builder, "BLOCK_IMAGES", 4)
    monkeypatch.setattr(store_builder, "BLOCKS_PER_SAVE", 1)
    folder = write_16_bit(tmp_path / "folder", [4000, 100] * 8)

    def stop(done, total):
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_store(folder, tmp_path / "store", progress=stop)
    later = sorted(folder.glob("b/*.png"))[-1]
    Image.fromarray(np.full((8, 8), 5000, np.uint16)).save(later)  # of the same number of bytes
    with pytest.raises((DataError, OutputError), match=r"has the value 5,000; the other 16-bit images use 12|differs"):
        build_store(folder, tmp_path / "store")
    Image.fromarray(np.full((8, 8), 100, np.uint16)).save(later)
    with pytest.warns(UserWarning, match="use 12 bits"):
        store = build_store(folder, tmp_path / "store")
    assert sorted(set(open_store(store).images[:].flatten().tolist())) == [round(100 * 255 / 4095), 249]


def test_similar_class_names_of_a_store_are_reported(tmp_path):
    images = noise((5, 4))
    folder = write_folder(LabeledImages(images.images, images.labels, ("Cat", "cat ")), tmp_path / "folder")
    with pytest.warns(UserWarning, match="'Cat' = 'cat '"):
        build_store(folder, tmp_path / "store")
