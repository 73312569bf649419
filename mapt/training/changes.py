"""Applies `--set key=value` to the values of a configuration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mapt.errors import InputError
from mapt.io.toml import TOMLDecodeError, loads


def apply_changes(values: dict[str, Any], changes: Iterable[str]) -> None:
    """Set `key.path=value` in nested tables; values are TOML, and bare words are strings.

    Raises:
        InputError: a change without "=", or a key below a value that is no table.
    """
    for change in changes:
        key, separator, text = change.partition("=")
        if not separator:
            raise InputError(
                f"--set {change}: has no '='; write key=value, e.g. --set schedule.iterations=100"
            )
        _assign(values, key.strip().split("."), _value(text.strip()))


def _assign(values: dict[str, Any], keys: list[str], value: object) -> None:
    for key in keys[:-1]:
        inner = values.setdefault(key, {})
        if not isinstance(inner, dict):
            raise InputError(
                f"--set {'.'.join(keys)}: {key} is a value, not a table; name a key of the"
                " configuration"
            )
        values = inner
    values[keys[-1]] = value


def _value(text: str) -> object:
    try:
        return loads(f"x = {text}")["x"]
    except (TOMLDecodeError, ValueError, RecursionError):
        return text
