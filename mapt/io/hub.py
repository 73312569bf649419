"""Fetches bundles from the Hugging Face Hub, by a commit that cannot change."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mapt.errors import InputError, shown

PREFIX = "hf:"
COMMIT = re.compile(r"[0-9a-f]{40}")
NAME = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}", re.ASCII)
# The files of a bundle, by fnmatch's rules, in which * matches / too.
FILES = (
    "manifest.json",
    "manifest.sig",
    "*.onnx",
    "*.npz",
    "*.bin",
    "*.safetensors",
    "*precision.json",
    "*.engine",
)


@dataclass(frozen=True)
class HubModel:
    """A repository of the Hub, at one commit.

    Attributes:
        name: "owner/name".
        commit: 40 hexadecimal digits.
    """

    name: str
    commit: str


def parse_hub(text: str) -> HubModel:
    """Read `hf:owner/name@revision`.

    Raises:
        InputError: it is not of this form, or the revision is a branch or a tag, which can move.
    """
    name, at, commit = text.removeprefix(PREFIX).partition("@")
    if not NAME.fullmatch(name):
        raise InputError(f"{text:.120}: is not hf:OWNER/NAME@COMMIT; write e.g. hf:mapt/nano@...")
    if not at or not commit:
        raise InputError(
            f"{text:.120}: names no revision; add @COMMIT, 40 digits from the repository's history"
        )
    if not COMMIT.fullmatch(commit):
        raise InputError(
            f"{text:.120}: the revision {shown(commit)} can move; give the commit's 40 digits from"
            " the repository's history"
        )
    return HubModel(name, commit)


def fetch_bundle(text: str) -> Path:
    """Return the folder of a bundle on the Hub, which is downloaded once and kept in its cache.

    The Hub's own settings hold: HF_ENDPOINT, HF_HOME, HF_HUB_OFFLINE, HF_TOKEN. What is in the
    folder is checked when the bundle is read.

    Args:
        text: `hf:owner/name@commit`.

    Raises:
        InputError: not of this form, huggingface-hub is not installed, no such repository or
            commit, no bundle in it, or the Hub does not answer.
    """
    model = parse_hub(text)
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise InputError(
            f"{text}: needs the package huggingface-hub; pip install 'mapt[hub]'"
        ) from None
    try:
        folder = snapshot_download(model.name, revision=model.commit, allow_patterns=list(FILES))
    except Exception as error:  # of its own, of its HTTP library and of the system
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{text}: cannot be fetched ({reason:.200}); check the name, the commit and the"
            " network, or download the bundle and give its folder"
        ) from None
    if not Path(folder, "manifest.json").is_file():
        raise InputError(
            f"{text}: holds no bundle (no manifest.json); give a repository with what `mapt export`"
            " wrote"
        )
    return Path(folder)
