"""Ed25519 signatures of a bundle's manifest, which names the hash of every other file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mapt.errors import InputError
from mapt.regular_files import open_regular

INSTALL = "signatures need the package cryptography; pip install 'mapt[sign]'"


def sign_file(path: Path, key: Path, signature: Path) -> None:
    """Write the signature (64 bytes) of a file by a private Ed25519 key (PEM, not encrypted).

    Raises:
        InputError: not such a key, or cryptography is not installed.
    """
    signature.write_bytes(load_private_key(key).sign(path.read_bytes()))


def load_private_key(key: Path) -> Any:
    """The private key of a PEM file.

    Raises:
        InputError: not such a key, or cryptography is not installed.
    """
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        raise InputError(f"{key}: {INSTALL}") from None
    content = _read_key(key, "private")
    try:
        loaded = load_pem_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(
            f"{key}: is not a private key ({error}); make one: {HOW_TO_MAKE}"
        ) from None
    if not isinstance(loaded, Ed25519PrivateKey):
        raise InputError(f"{key}: is not an Ed25519 key; make one: {HOW_TO_MAKE}")
    return loaded


def _read_key(key: Path, kind: str) -> bytes:
    try:
        with open_regular(key) as file:
            return file.read()
    except OSError as error:
        raise InputError(
            f"{key}: cannot be read ({error.strerror}); give a {kind} key: {HOW_TO_MAKE}"
        ) from None


HOW_TO_MAKE = (
    "openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem -pubout -out"
    " trusted.pem"
)


def load_public_key(key: Path | str) -> Any:
    """The public key of a PEM file.

    Raises:
        InputError: an empty path, a file that is not such a key, or cryptography is not installed.
    """
    if not Path(key).name:  # an unset variable of a script: never "no key is asked for"
        raise InputError(
            "the trusted key is an empty path; name a public key's file, or ask for no signature"
        )
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError:
        raise InputError(f"{key}: {INSTALL}") from None
    content = _read_key(Path(key), "public")
    try:
        loaded = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{key}: is not a public key ({reason}); make one: {HOW_TO_MAKE}"
        ) from None
    if not isinstance(loaded, Ed25519PublicKey):
        raise InputError(f"{key}: is not an Ed25519 key; make one: {HOW_TO_MAKE}")
    return loaded


def check_signature(content: bytes, path: Path, trust: Path | str, signature: Path) -> None:
    """Check that the owner of a public Ed25519 key (PEM) signed a file.

    The bytes of the file are given as `content`.

    Raises:
        InputError: no signature, another's or a damaged one, not a key, or cryptography is not
            installed.
    """
    key = load_public_key(trust)
    from cryptography.exceptions import InvalidSignature  # it is there: the key was read by it

    try:
        if not signature.is_file():
            raise InputError(
                f"{signature}: is missing, the bundle is not signed; export it with --sign, or"
                " leave out --trust"
            )
        key.verify(signature.read_bytes(), content)
    except OSError as error:
        raise InputError(
            f"{signature}: cannot be read ({error.strerror}); check its permissions"
        ) from None
    except InvalidSignature:
        raise InputError(
            f"{path}: was not signed by the owner of {trust}, or was changed since; do not use this"
            " bundle"
        ) from None
