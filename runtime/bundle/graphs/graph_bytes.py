"""Looks into the bytes of an ONNX file before ONNX Runtime does, without the package onnx.

A bundle's graphs are lists of operators with their weights inside. ONNX allows more: weights in
other files, which no manifest names, and control flow and functions, which may run for ever or grow
without bound. None of that is loaded.
The one exception suppresses boxes: a Loop over plain operators, whose number of rounds is written
    in the graph.
"""

from __future__ import annotations

from collections.abc import Iterator

from mapt.errors import InputError
from mapt.runtime.bundle.graphs.protobuf import Fields, MalformedError, read_fields, walk

MOST_ROUNDS = 2**14  # of a Loop; suppression takes one for each candidate box, a few thousand
INT64 = 7  # TensorProto.DataType
# Numbers of fields in onnx.proto.
MODEL_GRAPH = 7
MODEL_TRAINING = 20
MODEL_FUNCTIONS = 25
GRAPH_NODE = 1
GRAPH_TENSOR = 5
GRAPH_SPARSE = 15
NODE_INPUT = 1
NODE_OUTPUT = 2
NODE_KIND = 4
NODE_ATTRIBUTE = 5
NODE_DOMAIN = 7
ATTRIBUTE_NAME = 1
ATTRIBUTE_INT = 3
ATTRIBUTE_TENSOR = 5
ATTRIBUTE_GRAPH = 6
ATTRIBUTE_TENSORS = 10
ATTRIBUTE_GRAPHS = 11
ATTRIBUTE_SPARSE = (22, 23)
SPARSE_TENSORS = (1, 2)
TENSOR_TYPE = 2
TENSOR_INT64 = 7
TENSOR_NAME = 8
TENSOR_RAW = 9
TENSOR_EXTERNAL = (13, 14)


class _RefusedError(ValueError):
    """The graph holds what no bundle has."""


def check_graph(user: object, content: bytes) -> None:
    """Refuse a graph that is more than a list of operators with their weights inside.

    Args:
        user: the file, for messages.
        content: its bytes.

    Raises:
        InputError: external data, control flow without a bound, a function, or bytes that are no
            ONNX file.
    """
    try:
        _check_model(read_fields(memoryview(content)))
    except MalformedError:
        raise InputError(f"{user}: is not an ONNX file; export the bundle again") from None
    except _RefusedError as error:
        raise InputError(
            f"{user}: holds {error}, which no bundle has; do not use this bundle"
        ) from None


def _check_model(model: Fields) -> None:
    if MODEL_TRAINING in model or MODEL_FUNCTIONS in model:
        raise _RefusedError("a function or a training graph")
    graph = _merged(model, MODEL_GRAPH)
    nodes = [read_fields(node) for node in _messages(graph, GRAPH_NODE)]
    _check_graph(graph, nodes, dict(_numbers(graph, nodes)))


def _check_graph(graph: Fields, nodes: list[Fields], rounds: dict[bytes, int] | None) -> None:
    """Check the tensors, attributes and loops of a graph.

    `rounds` holds the integer constants of the graph by name. It is None for a Loop's body.
    """
    _check_tensors(graph, (GRAPH_TENSOR,), (GRAPH_SPARSE,))
    for node in nodes:
        for attribute in map(read_fields, _messages(node, NODE_ATTRIBUTE)):
            _check_tensors(attribute, (ATTRIBUTE_TENSOR, ATTRIBUTE_TENSORS), ATTRIBUTE_SPARSE)
            if ATTRIBUTE_GRAPHS in attribute or ATTRIBUTE_GRAPH in attribute:
                _check_loop(node, attribute, rounds)


def _check_loop(node: Fields, attribute: Fields, rounds: dict[bytes, int] | None) -> None:
    kind = _text(node, NODE_KIND)
    domain = _text(node, NODE_DOMAIN)
    if rounds is None or (kind, domain) != (b"Loop", b"") or ATTRIBUTE_GRAPHS in attribute:
        raise _RefusedError("control flow other than a Loop over plain operators")
    count = next((bytes(name) for name in _messages(node, NODE_INPUT)), b"")
    if not 0 <= rounds.get(count, -1) <= MOST_ROUNDS:
        raise _RefusedError(
            f"a Loop that does not end after a written number of rounds, {MOST_ROUNDS} at most"
        )
    body = _merged(attribute, ATTRIBUTE_GRAPH)
    _check_graph(body, [read_fields(inner) for inner in _messages(body, GRAPH_NODE)], None)


def _numbers(graph: Fields, nodes: list[Fields]) -> Iterator[tuple[bytes, int]]:
    """Yield the scalar integer constants of a graph, by the names under which nodes read them."""
    for tensor in map(read_fields, _messages(graph, GRAPH_TENSOR)):
        yield _text(tensor, TENSOR_NAME), _number(tensor)
    for node in nodes:
        attributes = _messages(node, NODE_ATTRIBUTE)
        if _text(node, NODE_KIND) == b"Constant" and len(attributes) == 1:
            attribute = read_fields(attributes[0])
            if _text(attribute, ATTRIBUTE_NAME) == b"value_int":
                yield _text(node, NODE_OUTPUT), _last(attribute, ATTRIBUTE_INT)
            elif _text(attribute, ATTRIBUTE_NAME) == b"value":
                yield _text(node, NODE_OUTPUT), _number(_merged(attribute, ATTRIBUTE_TENSOR))


def _number(tensor: Fields) -> int:
    """The value of a tensor that is one int64 as it lies in memory; -1: it is another."""
    raw = _messages(tensor, TENSOR_RAW)
    single = _last(tensor, TENSOR_TYPE) == INT64 and len(raw) == 1 and len(raw[0]) == 8
    return (
        int.from_bytes(raw[0], "little", signed=True)
        if single and TENSOR_INT64 not in tensor
        else -1
    )


def _check_tensors(message: Fields, tensors: tuple[int, ...], sparse: tuple[int, ...]) -> None:
    """Check that all weights, also sparse ones, lie in the file itself."""
    found = [part for number in tensors for part in _messages(message, number)]
    for number in sparse:
        for both in map(read_fields, _messages(message, number)):
            found += [part for inner in SPARSE_TENSORS for part in _messages(both, inner)]
    for tensor in found:
        if any(number in TENSOR_EXTERNAL and value for number, value in walk(tensor)):
            raise _RefusedError("weights that lie in another file (external data)")


def _messages(fields: Fields, number: int) -> list[memoryview]:
    return [value for value in fields.get(number, ()) if isinstance(value, memoryview)]


def _merged(fields: Fields, number: int) -> Fields:
    """Return the fields of a message that occurs once.

    If it is written in several parts, they are joined, as protobuf does.
    """
    parts = _messages(fields, number)
    return read_fields(parts[0] if len(parts) == 1 else memoryview(b"".join(parts)))


def _text(fields: Fields, number: int) -> bytes:
    """Return a string field that occurs once; if it is repeated, the last one counts."""
    found = _messages(fields, number)
    return bytes(found[-1]) if found else b""


def _last(fields: Fields, number: int) -> int:
    """Return an integer field that occurs once.

    If it is repeated, the last one counts. A missing field is 0.
    """
    found = [value for value in fields.get(number, ()) if isinstance(value, int)]
    return found[-1] if found else 0
