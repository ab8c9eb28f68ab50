"""A store holds what the source holds, survives being killed, and trains as the images in memory do."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from ganaug import read_folder, write_folder
from ganaug.errors import DataError, OutputError
from ganaug.images import LabeledImages, StoredRows, image_hashes, to_uint8
from ganaug.io import store as module
from ganaug.io.listing import STORE
from ganaug.io.store import HASHES, IMAGES, LABELS, build_store, open_store, verify_store
from ganaug.training.batches import BalancedBatches
from ganaug.training.windows import BLOCK, Windows, shared_out
from tests.sets import augmenter, clothes, noise


def built(images, path, **options):
    return build_store(write_folder(images, path / "folder"), path / "store", **options)


def test_a_store_holds_what_the_folder_holds(tmp_path):
    folder = write_folder(noise((9, 5, 7), shape=(1, 12, 10)), tmp_path / "folder")
    plain, stored = read_folder(folder), open_store(build_store(folder, tmp_path / "store"))
    assert torch.equal(stored.images[:], plain.images)
    assert torch.equal(stored.labels, plain.labels)
    assert stored.classes == plain.classes
    assert stored.fingerprint() == plain.fingerprint()
    assert torch.equal(image_hashes(stored.images), image_hashes(plain.images))
    assert read_folder(tmp_path / "store").fingerprint() == plain.fingerprint()
    verify_store(tmp_path / "store")


def test_rows_of_a_store_are_read_by_number_slice_mask_and_view(tmp_path):
    stored = open_store(built(noise((30, 20)), tmp_path))
    plain = read_folder(tmp_path / "folder")
    order = torch.tensor([7, 3, 44, 3])
    view = stored.images.take(order)
    assert isinstance(view, StoredRows)
    assert torch.equal(view[:], plain.images[order])
    assert torch.equal(view[2], plain.images[44])
    assert torch.equal(view[1:3, :, 2], plain.images[order][1:3, :, 2])
    assert view[2, 0, 1, 3] == plain.images[44, 0, 1, 3]
    assert torch.equal(view[torch.tensor([1, 2])], plain.images[[3, 44]])
    assert torch.equal(view.hashes, image_hashes(plain.images[order]))
    assert torch.equal(view.take(torch.tensor([2]))[:], plain.images[44:45])
    assert torch.equal(stored.images[stored.labels == 1], plain.images[plain.labels == 1])
    assert torch.equal(stored[3][0], plain.images[3])
    assert torch.equal(stored.take(order).images, plain.images[order])
    with pytest.raises(AttributeError, match="needs them in memory"):
        stored.images.mean()


def test_what_is_taken_of_a_large_store_stays_in_the_file(tmp_path, monkeypatch):
    stored = open_store(built(noise((30, 20)), tmp_path))
    plain = read_folder(tmp_path / "folder")
    monkeypatch.setattr("ganaug.images.MAX_BYTES_IN_MEMORY", 1000)
    part = stored.take(torch.arange(len(plain)) % 2 == 0)
    assert isinstance(part.images, StoredRows)
    assert part.fingerprint() == plain.take(torch.arange(len(plain)) % 2 == 0).fingerprint()


def test_training_on_a_store_that_fits_into_a_window_is_training_in_memory(tmp_path):
    options = {"n_steps": 6, "batch_size": 16, "check_every": 3, "random_state": 0, "device": "cpu"}
    store = built(clothes(20), tmp_path)
    one = augmenter(**options).fit(read_folder(tmp_path / "folder"))
    other = augmenter(**options).fit(open_store(store))
    assert one.data_ == other.data_
    assert one.model_.hash() == other.model_.hash()
    assert torch.equal(one.training_images_, other.training_images_)


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A store whose windows hold a part of it; a pixel names each image."""
    monkeypatch.setattr("ganaug.training.windows.POOL", 600 * 64)
    counts = (2000, 700, 20)
    images = torch.zeros(sum(counts), 1, 8, 8, dtype=torch.uint8)
    number = torch.arange(len(images))
    images[:, 0, 0, 0], images[:, 0, 0, 1] = number % 256, number // 256
    labels = torch.arange(3).repeat_interleave(torch.tensor(counts))
    images.numpy().tofile(tmp_path / "images.bin")
    rows = StoredRows(tmp_path / "images.bin", images.shape, image_hashes(images))
    return LabeledImages(rows, labels, ("a", "b", "c"))


def names(pixels):
    return pixels[:, 0, 0, 0].long() + 256 * pixels[:, 0, 0, 1].long()


def test_windows_hold_little_and_show_every_image_alike(large):
    batches = BalancedBatches(large, 50, seed=0, power=0.0)
    windows = batches.windows
    sizes, seen, shown = [], torch.zeros(len(large)), torch.zeros(len(large))
    for number in range(60):
        pool = windows(number * windows.span)
        sizes.append(len(pool.images))
        assert torch.equal(large.labels[names(pool.images)[pool.order]], torch.arange(3).repeat_interleave(pool.counts))
        assert int(pool.counts[2]) == 20  # the rare class is wholly there
        shown += torch.bincount(names(pool.images), minlength=len(large))
    assert max(sizes) <= 600 + BLOCK
    assert shown.min() > 0
    for label in range(3):  # as often as the others of its class, but for the epoch that is not over
        own = shown[large.labels == label]
        assert own.max() - own.min() <= 1
    for step in range(60):
        batch = batches(step)
        named = names(to_uint8(batch.images))
        assert torch.equal(large.labels[named], batch.labels)
        seen += torch.bincount(large.labels[named], minlength=3)[large.labels]
    assert (seen[large.labels == 2] / 3000).mean() == pytest.approx(1 / 3, abs=0.04)


def test_a_batch_of_a_store_depends_on_seed_and_step_alone(large):
    one, two = (BalancedBatches(large, 50, seed=4, power=0.5) for _ in range(2))
    for step in (0, 40, 13, 41, 3):
        assert torch.equal(one(step).images, two(step).images)
    ahead = BalancedBatches(large, 50, seed=4, power=0.5)
    assert torch.equal(ahead(40).images, one(40).images)
    assert not torch.equal(BalancedBatches(large, 50, seed=5, power=0.5)(40).images, one(40).images)


def test_pools_are_shared_out_by_chance_and_by_what_there_is():
    counts = torch.tensor([1000, 500, 5, 0])
    found = shared_out(300, torch.tensor([0.4, 0.4, 0.2, 0.0]), counts)
    assert found[2] == 5
    assert found[3] == 0
    assert 300 <= int(found.sum()) <= 310
    assert abs(int(found[0]) - int(found[1])) <= 5
    assert torch.equal(shared_out(10_000, torch.tensor([0.4, 0.4, 0.2, 0.0]), counts), counts)


def test_sets_in_memory_have_one_window():
    images = noise((5, 5))
    assert Windows(images, torch.tensor([0.5, 0.5]), 4, seed=0, device="cpu")(10**6).images is images.images


def test_a_build_that_was_cut_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TOGETHER", 8)
    monkeypatch.setattr(module, "SAVED", 1)
    folder = write_folder(noise((30, 20)), tmp_path / "folder")

    def stop(done, total):
        if done >= 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_store(folder, tmp_path / "store", progress=stop)
    with pytest.raises(DataError, match="not complete"):
        open_store(tmp_path / "store")
    tried = []
    decode = module._tried
    monkeypatch.setattr(module, "_tried", lambda record, size: (tried.append(record.name), decode(record, size))[1])
    build_store(folder, tmp_path / "store")
    assert 0 < len(tried) < 50
    assert open_store(tmp_path / "store").fingerprint() == read_folder(folder).fingerprint()
    before = len(tried)
    build_store(folder, tmp_path / "store")  # is there
    assert len(tried) == before


@pytest.mark.timeout(120)
def test_a_build_that_is_killed_goes_on(tmp_path):
    folder = write_folder(noise((1500, 1500), shape=(1, 16, 16)), tmp_path / "folder")
    code = (
        "import ganaug.io.store as s; s.TOGETHER = 64; s.SAVED = 1; import time;"
        f"s.build_store({str(folder)!r}, {str(tmp_path / 'store')!r}, progress=lambda done, total: time.sleep(0.02))"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    about = tmp_path / "store" / STORE
    until = time.monotonic() + 60
    while time.monotonic() < until and not (about.exists() and json.loads(about.read_text())["n_images"] >= 256):
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not json.loads(about.read_text())["complete"]
    with open(tmp_path / "store" / IMAGES, "ab") as file:  # what was not yet accounted for
        file.write(b"half an image")
    build_store(folder, tmp_path / "store")
    verify_store(tmp_path / "store")
    assert open_store(tmp_path / "store").fingerprint() == read_folder(folder).fingerprint()


def test_unusable_images_are_named_or_left_out(tmp_path):
    folder = write_folder(noise((6, 6)), tmp_path / "folder")
    bad = sorted(folder.glob("*/*.png"))[3]
    bad.write_bytes(b"no picture")
    with pytest.raises(DataError, match=rf"{bad.name}.*(?s:.)*skip_bad"):
        build_store(folder, tmp_path / "store")
    stored = open_store(build_store(folder, tmp_path / "other", skip_bad=True))
    assert len(stored) == 11
    assert json.loads((tmp_path / "other" / STORE).read_text())["bad"][0]["file"].endswith(bad.name)


def test_images_that_do_not_fit_are_named_with_the_mend(tmp_path):
    folder = write_folder(noise((4, 4), shape=(1, 12, 12)), tmp_path / "folder")
    from PIL import Image

    first = sorted(folder.glob("*/*.png"))
    Image.new("L", (20, 16)).save(first[-1])
    with pytest.raises(DataError, match=rf"{first[-1].name}: is 16x20.*--image-size"):
        build_store(folder, tmp_path / "one")
    assert open_store(build_store(folder, tmp_path / "two", image_size=16)).shape == (1, 16, 16)
    Image.new("RGB", (12, 12)).save(first[-1])
    with pytest.raises(DataError, match=rf"{first[-1].name}: is in color.*--mode rgb"):
        build_store(folder, tmp_path / "three")
    assert open_store(build_store(folder, tmp_path / "four", mode="rgb")).shape == (3, 12, 12)


def test_a_damaged_store_is_refused(tmp_path):
    store = built(noise((6, 6)), tmp_path)
    pixels = np.fromfile(store / IMAGES, np.uint8)
    pixels[200] ^= 1
    pixels.tofile(store / IMAGES)
    open_store(store)  # which reads no pixel
    with pytest.raises(DataError, match="image 3 is not what was written"):
        verify_store(store)
    labels = np.fromfile(store / LABELS, "<i8")
    labels[0] = 1 - labels[0]
    labels.tofile(store / LABELS)
    with pytest.raises(DataError, match="labels or hashes"):
        open_store(store)
    (store / HASHES).write_bytes(b"")
    with pytest.raises(DataError, match=r"hashes\.bin: has 0 bytes in place of 96"):
        open_store(store)


def test_a_folder_that_holds_anything_else_is_left_alone(tmp_path):
    folder = write_folder(noise((3, 3)), tmp_path / "folder")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(OutputError, match="no store"):
        build_store(folder, tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"
    store = built(noise((3, 3)), tmp_path / "a")
    other = write_folder(noise((4, 3)), tmp_path / "b")
    with pytest.raises(OutputError, match="something else"):
        build_store(other, store)
