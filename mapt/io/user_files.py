"""Reads the files that a user names, and refuses what is no such file in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mapt.errors import InputError
from mapt.regular_files import open_regular


def read_file(path: Path, advice: str = "check the path and its permissions") -> bytes:
    """Read a user's whole file.

    A pipe is not opened, because it might never end.

    Raises:
        InputError: missing, unreadable, or no regular file; `advice` ends the message.
    """
    try:
        with open_regular(path) as file:
            return file.read()
    except (OSError, ValueError) as error:  # a name with a null byte
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path}: cannot be read ({reason}); {advice}") from None


def read_text(path: Path, advice: str = "check the path and its permissions") -> str:
    """Read a user's text file in UTF-8, with or without a byte-order mark.

    Raises:
        InputError: as `read_file`, or it is no such text.
    """
    try:
        return read_file(path, advice).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not text in UTF-8; {advice}") from None


def read_json(path: Path, advice: str = "check the path and its permissions") -> Any:
    """Read a user's JSON file.

    Raises:
        InputError: as `read_text`, or it is no JSON.
    """
    try:
        return json.loads(read_text(path, advice))
    except (ValueError, RecursionError) as error:
        place = (
            f"line {error.lineno}"
            if isinstance(error, json.JSONDecodeError)
            else "nested too deep, or a long number"
        )
        raise InputError(f"{path}: is not JSON ({place}); {advice}") from None
