"""Fuzzing targets: functions of untrusted bytes. Each fails unless the bytes are used or refused with a named error."""

import atexit
import contextlib
import csv
import json
import shutil
import struct
import tempfile
from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image

from ganaug import LabeledImages, read_folder, write_folder
from ganaug._runtime.storage import read_tree
from ganaug.cli.options import _flat, _yaml, counts
from ganaug.errors import DataError, GanaugError, OutputError, RunError
from ganaug.estimators.augmenter import GANAugmenter
from ganaug.io.decoding import UnusableImage, decode_bytes, strict_pillow_warnings
from ganaug.io.listing import list_images
from ganaug.io.manifest import undo
from ganaug.io.names import is_formula
from ganaug.io.paths import MANIFEST
from ganaug.io.provenance import make_mark
from ganaug.io.records import open_records
from ganaug.io.store import build_store, open_store
from tests.end_to_end.test_cli import folder_of
from tests.sets import SMALL, augmenter, noise

SHARED_MEMORY = Path("/dev/shm")
FOLDER = Path(tempfile.mkdtemp(prefix="ganaug-fuzz-", dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
CPU = torch.device("cpu")
FOUR_IMAGES = torch.arange(4 * 64).to(torch.uint8).view(4, 1, 8, 8)


def image(content):
    with contextlib.suppress(UnusableImage), strict_pillow_warnings():
        pixels = decode_bytes(content, (8, 8)).pixels
        assert pixels.dtype == np.uint8
        assert pixels.shape[:2] == (8, 8)


def tree(content):
    path = FOLDER / "any.safetensors"
    path.write_bytes(content)
    with contextlib.suppress(RunError):
        assert isinstance(read_tree(path), dict)


def skeleton(content):
    """The JSON in the header of a valid file."""
    header = json.dumps({"__metadata__": {"tree": content.decode("latin-1")}}).encode()
    tree(struct.pack("<Q", len(header)) + header)


def model(content):
    """The description of a model with valid weights."""
    folder = FOLDER / "model"
    if not folder.exists():
        augmenter(n_steps=1, **SMALL).fit(noise()).save(folder)
        (FOLDER / "model.json").write_bytes((folder / "model.json").read_bytes())
    (folder / "model.json").write_bytes(content)
    with contextlib.suppress(RunError):
        GANAugmenter.load(folder, CPU)


def metadata(content):
    root = FOLDER / "photos"
    if not root.exists():
        folder_of(root, counts=(3, 3), size=(8, 8))
    (root / "metadata.csv").write_bytes(content)
    for candidate in list_images(root).candidates:
        assert (root / candidate.file).resolve().is_relative_to(root.resolve())


def config(content):
    """A configuration file, or a list of counts."""
    text = content.decode("utf-8", "replace")
    with contextlib.suppress(click.UsageError):
        parameters = _flat(_yaml(text, "file"))
        known = {name: value for name, value in parameters.items() if name in GANAugmenter().get_params()}
        with contextlib.suppress(ValueError, TypeError):
            GANAugmenter().set_params(**known)._check_params()
    with contextlib.suppress(click.UsageError):
        counts(text, "--counts")


def name(content):
    """A name of a class and a file: everything is written inside the folder, and the name is read back."""
    text = content.decode("utf-8", "replace")[:1000]
    root = FOLDER / "out" / "inner"
    shutil.rmtree(root.parent, ignore_errors=True)
    try:
        images = LabeledImages(FOUR_IMAGES, torch.tensor([0, 0, 1, 1]), (text, text + "'"))
        write_folder(images, root)
    except GanaugError:
        return
    assert [path.name for path in root.parent.iterdir()] == ["inner"]
    with open(root / "metadata.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all((root / row["file_name"]).is_file() for row in rows)
    assert not any(is_formula(cell) and cell[0] != "'" for row in rows for cell in row.values())
    if text.strip():
        assert set(read_folder(root).classes) == {text, text + "'"}
    make_mark(text, seed=1, model_hash="x")


def manifest(content):
    """A manifest, which says what undo removes."""
    root = FOLDER / "undo" / "data"
    root.mkdir(parents=True, exist_ok=True)
    (root.parent / "outside").write_text("mine")
    (root / "mine.png").write_text("mine")
    (root / MANIFEST).write_bytes(content)
    with contextlib.suppress(OutputError, RunError):
        undo(root)
    assert (root.parent / "outside").exists()
    assert (root / "mine.png").exists()


def store(content):
    folder = FOLDER / "store"
    if not folder.exists():
        build_store(folder_of(FOLDER / "stored", counts=(3, 3), size=(8, 8)), folder)
        (FOLDER / "store.json").write_bytes((folder / "store.json").read_bytes())
    (folder / "store.json").write_bytes(content)
    with contextlib.suppress(GanaugError):
        images = open_store(folder)
        assert len(images.images[:]) == len(images.labels)


def tar(content):
    path = FOLDER / "any.tar"
    path.write_bytes(content)
    with contextlib.suppress(DataError):
        for record in open_records(path).iterate_from(0):
            assert record.label is None or isinstance(record.label, str)


TARGETS = {
    target.__name__: target for target in (image, tree, skeleton, model, metadata, config, name, manifest, store, tar)
}


def seeds():
    """Valid inputs of each target, from which the search starts: {target: [bytes]}."""
    import io
    import tarfile

    model(b"{}")
    store(b"{}")
    rng, inputs = np.random.default_rng(0), {}
    picture = Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8))
    inputs["image"] = []
    for file_format, mode in [
        (f, m) for f in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM") for m in ("RGB", "L", "P")
    ]:
        with contextlib.suppress(OSError):
            buffer = io.BytesIO()
            picture.convert(mode).save(buffer, file_format)
            inputs["image"].append(buffer.getvalue())
    inputs["tree"] = [(FOLDER / "model" / "model.safetensors").read_bytes()]
    inputs["skeleton"] = [b'{"dict": {"a": {"value": 1}, "b": {"list": [{"value": "x"}, {"value": null}]}}}']
    inputs["model"] = [(FOLDER / "model.json").read_bytes()]
    inputs["metadata"] = [
        b"file_name,label,site\ndark/0.png,a,1\nbright/1.png,b,\n",
        b'\xef\xbb\xbflabel,file_name\n"a",x',
    ]
    inputs["config"] = [b"loss: hinge\nrecipe: {betas: [0.5, 0.9]}\nfilters: null\nn_steps: 1e3\n", b"cat=50,dog=20"]
    inputs["name"] = [
        b"T-shirt",
        b"../x",
        b"=cmd|' /C calc'!A0",
        b"<script>",
        "猫".encode(),
        b"con.png",
        b"a\x00\x1b[31m",
    ]
    digest = "0" * 64
    inputs["manifest"] = [
        json.dumps({"format": 1, "files": {file: digest}, "folders": [folder], "previous_metadata": None}).encode()
        for file, folder in (("mine.png", "."), ("../outside", ".."), ("a/b.png", "a"))
    ]
    inputs["store"] = [(FOLDER / "store.json").read_bytes()]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for suffix, content in (("png", inputs["image"][0]), ("cls", b"1"), ("json", b'{"label": "a"}')):
            member = tarfile.TarInfo(f"one.{suffix}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    inputs["tar"] = [buffer.getvalue()]
    return inputs
