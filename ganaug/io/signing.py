"""Sign synthetic images with C2PA (Content Credentials): who signed, that a generator created it, that no byte changed.

References
----------
C2PA Technical Specification 2.2, https://c2pa.org/specifications/. The only action in the manifest is ``c2pa.created``
with the IPTC source type ``trainedAlgorithmicMedia``.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ganaug._runtime.user_paths import expand_user
from ganaug._version import __version__
from ganaug.errors import DataError
from ganaug.io.encoding import png
from ganaug.io.provenance import SOURCE_TYPE

ALGORITHMS = ("es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519")

Sign = Callable[[bytes], bytes]  # the bytes of a PNG -> the bytes of the same PNG, signed

_MANIFEST = {
    "claim_generator_info": [{"name": "ganaug", "version": __version__}],
    "assertions": [
        {
            "label": "c2pa.actions",
            "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE}]},
        }
    ],
}
# A thumbnail would be larger than most images. The constructor verifies one signature, so later ones need no check.
_SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"verify_after_sign": False, "remote_manifest_fetch": False, "ocsp_fetch": False},
}
_REQUIREMENTS = (
    "The certificate must be in force, allow digital signatures (with the purpose emailProtection or documentSigning), "
    "belong to the key, and be followed by its issuers' certificates; a self-signed one is not accepted."
)


class Signer:
    """Sign PNG files with a certificate and its private key.

    An instance is callable, ``signer(png) -> png``, from any number of threads. It requests no time stamp, so it needs
    no network.

    Parameters
    ----------
    certificates : path
        PEM file with the signer's certificate first, followed by the certificates of its issuers.
    key : path
        PEM file with the private key, PKCS#8.
    algorithm : str, default="es256"
        One of `ALGORITHMS`; it must match the key.

    Raises
    ------
    DataError
        If c2pa-python is not installed, if a file cannot be read, or if the C2PA reader does not accept a trial
        signature as valid.
    ValueError
        If the algorithm is unknown.
    """

    def __init__(self, certificates: str | Path, key: str | Path, *, algorithm: str = "es256") -> None:
        c2pa = _import_c2pa()
        if algorithm not in ALGORITHMS:
            raise ValueError(f"algorithm must be one of {', '.join(ALGORITHMS)}; got {algorithm!r}.")
        chain, private_key = _read_pem(expand_user(certificates)), _read_pem(expand_user(key))
        try:
            signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(algorithm.encode(), chain, private_key, None))
            self._context = c2pa.Context(c2pa.Settings.from_dict(_SETTINGS), signer)
            signed = self(png(torch.zeros(1, 8, 8, dtype=torch.uint8)))
            with c2pa.Reader("image/png", io.BytesIO(signed)) as reader:
                state = reader.get_validation_state()
                codes = [failure["code"] for failure in reader.get_validation_results()["activeManifest"]["failure"]]
        except c2pa.C2paError as error:
            raise DataError(f"{certificates}, {key}: cannot sign with {algorithm}: {error}. {_REQUIREMENTS}") from error
        if state not in ("Valid", "Trusted"):
            raise DataError(
                f"{certificates}, {key}: their signature is not valid ({', '.join(codes) or state}). {_REQUIREMENTS}"
            )

    def __call__(self, content: bytes) -> bytes:
        """Return the PNG with a signed manifest, which holds the hash of the PNG."""
        signed = io.BytesIO()
        with _import_c2pa().Builder(_MANIFEST, self._context) as builder:
            builder.sign("image/png", io.BytesIO(content), signed)
        return signed.getvalue()


def _import_c2pa() -> Any:
    """Import c2pa-python. Raises DataError with the install command if it is not installed."""
    try:
        import c2pa  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise DataError('signing images needs c2pa-python: pip install "ganaug[c2pa]".') from error
    return c2pa


def _read_pem(path: Path) -> bytes:
    """Read a PEM file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from error
    if b"-----BEGIN " not in content or b"\0" in content:
        raise DataError(
            f"{path}: is not a PEM file, which begins with -----BEGIN. Convert it, for example with openssl."
        )
    return content
