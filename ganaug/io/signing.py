"""Sign synthetic pictures by C2PA (Content Credentials): who made them, that a generator did, and that no byte changed.

C2PA specification 2.2; the manifest's one action is c2pa.created with the IPTC source type trainedAlgorithmicMedia.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ganaug._version import __version__
from ganaug.errors import DataError
from ganaug.io.encoding import png
from ganaug.io.provenance import SOURCE_TYPE

ALGORITHMS = ("es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519")

Sign = Callable[[bytes], bytes]  # the bytes of a PNG -> those of the same PNG, signed

_MANIFEST = {
    "claim_generator_info": [{"name": "ganaug", "version": __version__}],
    "assertions": [
        {
            "label": "c2pa.actions",
            "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE}]},
        }
    ],
}
_SETTINGS = {  # a thumbnail would be larger than most pictures; verified once, when the signer is made
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"verify_after_sign": False, "remote_manifest_fetch": False, "ocsp_fetch": False},
}


class Signer:
    """Signs PNG files: `signer(png) -> png`, from any number of threads. No time stamp is asked for, so no network is.

    certificates: a PEM file with the signer's certificate first, then those above it. key: its private key, PKCS#8 PEM.
    algorithm: one of ALGORITHMS, as the key is. Raises DataError, before any picture is made, where c2pa-python is
    missing, a file cannot be read, or the two do not make a signature that the C2PA reader takes as valid.
    """

    def __init__(self, certificates: str | Path, key: str | Path, *, algorithm: str = "es256") -> None:
        c2pa = _c2pa()
        if algorithm not in ALGORITHMS:
            raise ValueError(f"algorithm must be one of {', '.join(ALGORITHMS)}; got {algorithm!r}.")
        chain, secret = _read(Path(certificates)), _read(Path(key))
        try:
            signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(algorithm.encode(), chain, secret, None))
            self._context = c2pa.Context(c2pa.Settings.from_dict(_SETTINGS), signer)
            signed = self(png(torch.zeros(1, 8, 8, dtype=torch.uint8)))
            with c2pa.Reader("image/png", io.BytesIO(signed)) as reader:
                state = reader.get_validation_state()
                codes = [one["code"] for one in reader.get_validation_results()["activeManifest"]["failure"]]
        except c2pa.C2paError as error:
            raise DataError(f"{certificates}, {key}: do not sign by {algorithm}: {error}. {_FIX}") from error
        if state not in ("Valid", "Trusted"):
            raise DataError(f"{certificates}, {key}: what they sign is not valid ({', '.join(codes) or state}). {_FIX}")

    def __call__(self, content: bytes) -> bytes:
        """The bytes of a PNG -> those of the same PNG with a signed manifest, which names the PNG's hash."""
        out = io.BytesIO()
        with _c2pa().Builder(_MANIFEST, self._context) as builder:
            builder.sign("image/png", io.BytesIO(content), out)
        return out.getvalue()


_FIX = (
    "The certificate must be in force, allow digital signatures (with the purpose emailProtection or documentSigning), "
    "belong to the key, and be followed by those above it; a self-signed one is not taken."
)


def _c2pa() -> Any:
    try:
        import c2pa  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise DataError('pictures are signed by c2pa-python: pip install "ganaug[c2pa]".') from error
    return c2pa


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from error
    if b"-----BEGIN " not in content or b"\0" in content:
        raise DataError(f"{path}: is no PEM file, which begins with -----BEGIN. Convert it, for example with openssl.")
    return content
