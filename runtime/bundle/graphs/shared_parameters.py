"""Puts the parameters that several graphs of a bundle share back into a graph.

A bundle of several input sizes stores them once, in one file. The file of a graph refers to them as
ONNX's external data: name, offset and length. Here the reference is replaced by the bytes, which
gives exactly the file that a bundle of one size has. So ONNX Runtime, or any other backend, gets a
graph with its weights inside, and the manifest states the SHA-256 of that graph.
"""

from __future__ import annotations

from collections.abc import Callable

from mapt.errors import InputError
from mapt.runtime.bundle.format import PARAMETERS
from mapt.runtime.bundle.graphs.graph_bytes import (
    GRAPH_TENSOR,
    MODEL_GRAPH,
    TENSOR_EXTERNAL,
    TENSOR_RAW,
)
from mapt.runtime.bundle.graphs.protobuf import (
    MalformedError,
    ProtobufField,
    encode_bytes,
    read_fields,
    walk_fields,
)

ENTRIES = 13  # TensorProto.external_data
KEY = 1  # StringStringEntryProto
VALUE = 2
DIGITS = 18  # of an offset


class _Parameters:
    """The content of `parameters.bin`, of which a graph takes as much again at most twice over.

    Otherwise a small file could refer to the same megabytes a million times.
    """

    def __init__(self, content: bytes) -> None:
        self._content = memoryview(content)
        self._left = 2 * len(content)

    def take(self, offset: int, length: int) -> memoryview:
        self._left -= length
        if self._left < 0 or offset + length > len(self._content):
            raise MalformedError
        return self._content[offset : offset + length]


def restore_parameters(user: object, graph: bytes, parameters: bytes) -> bytes:
    """Return a graph with its parameters inside.

    Args:
        user: the graph's file, for messages.
        graph: an ONNX file whose initializers refer to `parameters.bin`.
        parameters: the content of that file.

    Raises:
        InputError: no ONNX file, or a reference to another file or beyond the end.
    """
    content = _Parameters(parameters)

    def restore_tensor(tensor: memoryview) -> bytes | memoryview:
        return _restore_tensor(tensor, content)

    def restore_graph(inner: memoryview) -> bytes:
        return _replaced(inner, GRAPH_TENSOR, restore_tensor)

    try:
        return _replaced(memoryview(graph), MODEL_GRAPH, restore_graph)
    except MalformedError:
        raise InputError(
            f"{user}: is not an ONNX file with parameters in {PARAMETERS}; export the bundle again"
        ) from None


def _replaced(
    message: memoryview, number: int, restore: Callable[[memoryview], bytes | memoryview]
) -> bytes:
    """Rewrite the fields of one number, and copy all others as they are."""
    parts = list[bytes | memoryview]()
    for field in walk_fields(message):
        if field.number == number and isinstance(field.value, memoryview):
            content = restore(field.value)
            parts += [encode_bytes(number, len(content)), content]
        else:
            parts.append(field.encoded)
    return b"".join(parts)


def _restore_tensor(tensor: memoryview, parameters: _Parameters) -> bytes | memoryview:
    fields = list(walk_fields(tensor))
    entries = dict(_entry(field) for field in fields if field.number == ENTRIES)
    if not entries:
        return tensor
    content = _referred(entries, parameters)
    kept = [field for field in fields if field.number not in TENSOR_EXTERNAL]
    before = [field.encoded for field in kept if field.number < TENSOR_RAW]
    after = [field.encoded for field in kept if field.number > TENSOR_RAW]
    return b"".join([*before, encode_bytes(TENSOR_RAW, len(content)), content, *after])


def _referred(entries: dict[bytes, bytes], parameters: _Parameters) -> memoryview:
    """Return the bytes that a tensor's external data names."""
    if entries.get(b"location") != PARAMETERS.encode():
        raise MalformedError
    numbers = [entries.get(key, b"") for key in (b"offset", b"length")]
    if not all(number.isdigit() and len(number) <= DIGITS for number in numbers):
        raise MalformedError
    return parameters.take(*map(int, numbers))


def _entry(field: ProtobufField) -> tuple[bytes, bytes]:
    """Return key and value of one entry of a tensor's external data."""
    if not isinstance(field.value, memoryview):
        raise MalformedError
    fields = read_fields(field.value)
    key, value = (fields.get(number, [b""])[-1] for number in (KEY, VALUE))
    if isinstance(key, int) or isinstance(value, int):
        raise MalformedError
    return bytes(key), bytes(value)
