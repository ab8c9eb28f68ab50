"""Signed pictures are read back by the C2PA project's own reader, c2pa-python."""

import datetime as dt
import io
import sys
from concurrent.futures import ThreadPoolExecutor

import c2pa
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

from ganaug import write_folder
from ganaug.cli.main import main
from ganaug.errors import DataError
from ganaug.io.encoding import png
from ganaug.io.preflight import inspect_folder
from ganaug.io.provenance import SOURCE_TYPE, is_marked, mark, read_mark
from ganaug.io.signing import Signer
from ganaug.io.writing import augment_folder, augment_in_place
from tests.sets import augmenter, tones

NOW = dt.datetime.now(dt.UTC)


def certificate(name, key, issuer, issuer_key, days=30):
    """An X.509 certificate of `key`, by `issuer_key`; without an issuer of another name, one that may sign others."""
    authority = name == issuer
    names = [
        x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "a test"), x509.NameAttribute(NameOID.COMMON_NAME, n)])
        for n in (name, issuer)
    ]
    usage = x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False)
    made = (
        x509.CertificateBuilder(names[1], names[0], key.public_key(), x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=60))
        .not_valid_after(NOW + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(usage, critical=True)
    )
    if not authority:
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    digest = None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return made.sign(issuer_key, digest).public_bytes(serialization.Encoding.PEM)


def credentials(folder, *, days=30, curve=ec.SECP256R1, kind="ec"):
    """Paths of a certificate chain and its key."""
    new = (
        (lambda: ed25519.Ed25519PrivateKey.generate())
        if kind == "ed25519"
        else (lambda: ec.generate_private_key(curve()))
    )
    root_key, key = new(), new()
    chain = certificate("signer", key, "root", root_key, days) + certificate("root", root_key, "root", root_key)
    plain = serialization.NoEncryption()
    (folder / "chain.pem").write_bytes(chain)
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    return folder / "chain.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return credentials(tmp_path_factory.mktemp("credentials"))


@pytest.fixture(scope="module")
def signer(files):
    return Signer(*files)


def verdict(content):
    with c2pa.Reader("image/png", io.BytesIO(content)) as reader:
        return reader.get_validation_state()


def picture(seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (1, 28, 28), dtype=np.uint8)
    return png(torch.from_numpy(pixels), mark("shirt", seed=seed, model_hash="ab"))


def test_the_reference_reader_takes_the_signature_and_names_a_generator(signer):
    signed = signer(picture())
    assert verdict(signed) == "Valid"
    with c2pa.Reader("image/png", io.BytesIO(signed)) as reader:
        (assertion,) = reader.get_active_manifest()["assertions"]
    (action,) = assertion["data"]["actions"]
    assert (action["action"], action["digitalSourceType"]) == ("c2pa.created", SOURCE_TYPE)


def test_the_pixels_and_the_marks_stay_and_the_file_stays_small(signer, tmp_path):
    before, signed = picture(), signer(picture())
    (tmp_path / "signed.png").write_bytes(signed)
    assert read_mark(tmp_path / "signed.png")["seed"] == 0
    assert is_marked(tmp_path / "signed.png")
    assert np.array_equal(Image.open(io.BytesIO(before)), Image.open(io.BytesIO(signed)))
    assert len(signed) - len(before) < 8192


def test_one_changed_byte_of_the_pixels_or_marks_is_told(signer):
    for word in (b"IDAT", b"model_hash"):
        changed = bytearray(signer(picture()))
        changed[changed.rindex(word) + 14] ^= 1
        assert verdict(bytes(changed)) == "Invalid"


@pytest.mark.parametrize(("kind", "curve", "algorithm"), [("ec", ec.SECP384R1, "es384"), ("ed25519", None, "ed25519")])
def test_other_keys(tmp_path, kind, curve, algorithm):
    assert verdict(Signer(*credentials(tmp_path, kind=kind, curve=curve), algorithm=algorithm)(picture())) == "Valid"


def test_eight_threads_share_a_signer(signer):
    with ThreadPoolExecutor(8) as pool:
        signed = list(pool.map(signer, [picture(seed) for seed in range(64)]))
    assert {verdict(content) for content in signed} == {"Valid"}


def test_credentials_that_do_not_sign_are_refused_before_any_picture(tmp_path, files):
    chain, key = files
    with pytest.raises(DataError, match="must be in force"):
        Signer(*credentials(tmp_path, days=-1))
    with pytest.raises(DataError, match="belong to the key"):
        Signer(chain, tmp_path / "key.pem")
    with pytest.raises(DataError, match="do not sign by es384"):
        Signer(chain, key, algorithm="es384")
    with pytest.raises(DataError, match=r"none\.pem: cannot be read"):
        Signer(tmp_path / "none.pem", key)
    (tmp_path / "text.pem").write_text("my key")
    with pytest.raises(DataError, match=r"text\.pem: is no PEM file"):
        Signer(chain, tmp_path / "text.pem")
    with pytest.raises(ValueError, match="algorithm must be one of"):
        Signer(chain, key, algorithm="rot13")


def test_without_the_extra_its_name_is_told(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(DataError, match=r"ganaug\[c2pa\]"):
        Signer(*files)


def test_every_synthetic_picture_of_a_folder_is_signed_and_no_other(photos, synthetic, signer, tmp_path):
    data = inspect_folder(photos())
    outs = [
        write_folder(synthetic, tmp_path / "alone", sign=signer),
        augment_folder(data, synthetic, tmp_path / "augmented", sign=signer),
        augment_in_place(data, synthetic, sign=signer),
    ]
    for out in outs:
        made = [path for path in out.rglob("*.png") if is_marked(path)]
        assert len(made) == len(synthetic)
        assert {verdict(path.read_bytes()) for path in made} == {"Valid"}
        assert not any(b"caBX" in path.read_bytes() for path in out.rglob("*.png") if path not in made)


def test_the_command_line_signs_and_refuses_half_a_pair(tmp_path, files):
    augmenter(n_steps=2, width=8, batch_size=8, filters=None, device="cpu").fit(tones(20, (1, 12, 12))).save(
        tmp_path / "model"
    )
    ask = ["sample", str(tmp_path / "model"), str(tmp_path / "out"), "--per-class", "2"]
    half = CliRunner().invoke(main, [*ask, "--sign-key", str(files[1])])
    assert half.exit_code == 2
    assert "belong together" in half.output
    wrong = CliRunner().invoke(main, [*ask, "--sign-certificate", str(files[1]), "--sign-key", str(files[0])])
    assert wrong.exit_code == 1
    assert not (tmp_path / "out").exists()
    done = CliRunner().invoke(main, [*ask, "--sign-certificate", str(files[0]), "--sign-key", str(files[1])])
    assert done.exit_code == 0, done.output
    made = list((tmp_path / "out").rglob("*.png"))
    assert len(made) == 6
    assert {verdict(path.read_bytes()) for path in made} == {"Valid"}
