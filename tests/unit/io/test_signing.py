"""The reader of the C2PA project, c2pa-python, verifies signed images."""

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
from ganaug.io.provenance import SOURCE_TYPE, is_marked, make_mark, read_mark
from ganaug.io.signing import Signer
from ganaug.io.writing import add_to_folder, write_augmented_folder
from tests.sets import augmenter, tones

NOW = dt.datetime.now(dt.UTC)


def certificate(name, key, issuer, issuer_key, days=30):
    """An X.509 certificate of `key`, signed with `issuer_key`; a certificate authority if it is its own issuer."""
    is_authority = name == issuer
    names = [
        x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "a test"), x509.NameAttribute(NameOID.COMMON_NAME, n)])
        for n in (name, issuer)
    ]
    usage = x509.KeyUsage(not is_authority, False, False, False, False, is_authority, is_authority, False, False)
    builder = (
        x509.CertificateBuilder(names[1], names[0], key.public_key(), x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=60))
        .not_valid_after(NOW + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(usage, critical=True)
    )
    if not is_authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    digest = None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(issuer_key, digest).public_bytes(serialization.Encoding.PEM)


def credentials(folder, *, days=30, curve=ec.SECP256R1, key_type="ec"):
    """Paths of a certificate chain and its key."""

    def generate_key():
        return ed25519.Ed25519PrivateKey.generate() if key_type == "ed25519" else ec.generate_private_key(curve())

    root_key, key = generate_key(), generate_key()
    chain = certificate("signer", key, "root", root_key, days) + certificate("root", root_key, "root", root_key)
    no_encryption = serialization.NoEncryption()
    (folder / "chain.pem").write_bytes(chain)
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_encryption)
    )
    return folder / "chain.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def credential_files(tmp_path_factory):
    return credentials(tmp_path_factory.mktemp("credentials"))


@pytest.fixture(scope="module")
def signer(credential_files):
    return Signer(*credential_files)


def validation_state(content):
    with c2pa.Reader("image/png", io.BytesIO(content)) as reader:
        return reader.get_validation_state()


def image_content(seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (1, 28, 28), dtype=np.uint8)
    return png(torch.from_numpy(pixels), make_mark("shirt", seed=seed, model_hash="ab"))


def test_the_reference_reader_accepts_the_signature_and_reads_the_source_type(signer):
    signed = signer(image_content())
    assert validation_state(signed) == "Valid"
    with c2pa.Reader("image/png", io.BytesIO(signed)) as reader:
        (assertion,) = reader.get_active_manifest()["assertions"]
    (action,) = assertion["data"]["actions"]
    assert (action["action"], action["digitalSourceType"]) == ("c2pa.created", SOURCE_TYPE)


def test_signing_keeps_pixels_and_marks_and_the_file_stays_small(signer, tmp_path):
    before, signed = image_content(), signer(image_content())
    (tmp_path / "signed.png").write_bytes(signed)
    assert read_mark(tmp_path / "signed.png")["seed"] == 0
    assert is_marked(tmp_path / "signed.png")
    assert np.array_equal(Image.open(io.BytesIO(before)), Image.open(io.BytesIO(signed)))
    assert len(signed) - len(before) < 8192


def test_one_changed_byte_of_pixels_or_marks_is_detected(signer):
    for word in (b"IDAT", b"model_hash"):
        changed = bytearray(signer(image_content()))
        changed[changed.rindex(word) + 14] ^= 1
        assert validation_state(bytes(changed)) == "Invalid"


@pytest.mark.parametrize(
    ("key_type", "curve", "algorithm"), [("ec", ec.SECP384R1, "es384"), ("ed25519", None, "ed25519")]
)
def test_other_keys(tmp_path, key_type, curve, algorithm):
    assert (
        validation_state(
            Signer(*credentials(tmp_path, key_type=key_type, curve=curve), algorithm=algorithm)(image_content())
        )
        == "Valid"
    )


def test_eight_threads_share_a_signer(signer):
    with ThreadPoolExecutor(8) as pool:
        signed = list(pool.map(signer, [image_content(seed) for seed in range(64)]))
    assert {validation_state(content) for content in signed} == {"Valid"}


def test_credentials_that_cannot_sign_are_refused_before_any_image(tmp_path, credential_files):
    chain, key = credential_files
    with pytest.raises(DataError, match="must be in force"):
        Signer(*credentials(tmp_path, days=-1))
    with pytest.raises(DataError, match="belong to the key"):
        Signer(chain, tmp_path / "key.pem")
    with pytest.raises(DataError, match="cannot sign with es384"):
        Signer(chain, key, algorithm="es384")
    with pytest.raises(DataError, match=r"none\.pem: cannot be read"):
        Signer(tmp_path / "none.pem", key)
    (tmp_path / "text.pem").write_text("my key")
    with pytest.raises(DataError, match=r"text\.pem: is not a PEM file"):
        Signer(chain, tmp_path / "text.pem")
    with pytest.raises(ValueError, match="algorithm must be one of"):
        Signer(chain, key, algorithm="rot13")


def test_a_missing_extra_is_named(credential_files, monkeypatch):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(DataError, match=r"ganaug\[c2pa\]"):
        Signer(*credential_files)


def test_all_synthetic_images_of_a_folder_are_signed_and_no_others(photos, synthetic, signer, tmp_path):
    data = inspect_folder(photos())
    outs = [
        write_folder(synthetic, tmp_path / "alone", sign=signer),
        write_augmented_folder(data, synthetic, tmp_path / "augmented", sign=signer),
        add_to_folder(data, synthetic, sign=signer),
    ]
    for out in outs:
        synthetic_files = [path for path in out.rglob("*.png") if is_marked(path)]
        assert len(synthetic_files) == len(synthetic)
        assert {validation_state(path.read_bytes()) for path in synthetic_files} == {"Valid"}
        assert not any(b"caBX" in path.read_bytes() for path in out.rglob("*.png") if path not in synthetic_files)


def test_the_command_line_signs_and_refuses_a_key_without_a_certificate(tmp_path, credential_files):
    augmenter(n_steps=2, width=8, batch_size=8, filters=None, device="cpu").fit(tones(20, (1, 12, 12))).save(
        tmp_path / "model"
    )
    command = ["sample", str(tmp_path / "model"), str(tmp_path / "out"), "--per-class", "2"]
    incomplete = CliRunner().invoke(main, [*command, "--sign-key", str(credential_files[1])])
    assert incomplete.exit_code == 2
    assert "belong together" in incomplete.output
    swapped = CliRunner().invoke(
        main, [*command, "--sign-certificate", str(credential_files[1]), "--sign-key", str(credential_files[0])]
    )
    assert swapped.exit_code == 1
    assert not (tmp_path / "out").exists()
    result = CliRunner().invoke(
        main, [*command, "--sign-certificate", str(credential_files[0]), "--sign-key", str(credential_files[1])]
    )
    assert result.exit_code == 0, result.output
    paths = list((tmp_path / "out").rglob("*.png"))
    assert len(paths) == 6
    assert {validation_state(path.read_bytes()) for path in paths} == {"Valid"}
