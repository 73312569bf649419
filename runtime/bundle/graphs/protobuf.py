"""Reads protobuf messages field by field, without the package protobuf."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

VARINT = 0  # wire types; ONNX has none of the others
FIXED64 = 1
BYTES = 2
FIXED32 = 5

Value = int | memoryview
Fields = dict[int, list[Value]]


class MalformedError(ValueError):
    """The bytes are no protobuf message."""


@dataclass(frozen=True)
class ProtobufField:
    """One field of a message.

    Attributes:
        number: as in the message's definition.
        value: a whole number, or the bytes of anything else.
        encoded: all bytes of the field, with number and length.
    """

    number: int
    value: Value
    encoded: memoryview


def read_fields(message: memoryview) -> Fields:
    """Return the values of every field of a message, by number.

    Raises:
        MalformedError: it is none.
    """
    found: Fields = {}
    for number, value in walk(message):
        found.setdefault(number, []).append(value)
    return found


def walk(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Yield number and value of each field of a message.

    Raises:
        MalformedError: it is none.
    """
    for field in walk_fields(message):
        yield field.number, field.value


def walk_fields(message: memoryview) -> Iterator[ProtobufField]:
    """Yield each field of a message.

    Raises:
        MalformedError: it is none.
    """
    at = 0
    while at < len(message):
        start = at
        tag, at = _varint(message, at)
        number = tag >> 3
        wire = tag & 7
        if not 0 < number < 2**29 or wire not in (VARINT, FIXED64, BYTES, FIXED32):
            raise MalformedError
        if wire == VARINT:
            value, at = _varint(message, at)
            yield ProtobufField(number, value, message[start:at])
            continue
        size = 8 if wire == FIXED64 else 4
        if wire == BYTES:
            size, at = _varint(message, at)
        if size > len(message) - at:
            raise MalformedError
        yield ProtobufField(number, message[at : at + size], message[start : at + size])
        at += size


def encode_bytes(number: int, size: int) -> bytes:
    """Return what stands in front of a field's bytes: its number, and how many there are."""
    return _encode_varint(number << 3 | BYTES) + _encode_varint(size)


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Read a varint of at most ten bytes; also return where the next field starts."""
    value = 0
    for place, byte in enumerate(message[at : at + 10]):
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, at + place + 1
    raise MalformedError


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
