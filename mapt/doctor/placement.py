"""Tells which nodes of a bundle ONNX Runtime would not compute on a GPU, without having one.

A node without a CUDA kernel for its type runs on the CPU, with copies and a wait on both sides. So
does what decides there how often something is repeated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from mapt.doctor.finding import Finding, attempt
from mapt.errors import InputError
from mapt.runtime.bundle.manifest import Bundle, read_bundle

FLOATS = ("float", "double", "float16")
NUMBERS = (*FLOATS, "int32", "int64")
ANY = (*NUMBERS, "bool", "uint8", "int8", "uint16", "int16", "uint32", "uint64")
# Kernels of ONNX Runtime's CUDA provider for opset 20, by the type of what they compute with: as
# far as a bundle may use them, from `docs/OperatorKernels.md` of ONNX Runtime. DeformConv is
# younger than that list.
KERNELS = {
    **dict.fromkeys(
        ("Cast", "Concat", "Constant", "Expand", "Flatten", "Gather", "GatherElements", "Identity",
         "Loop", "Reshape", "Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze", "Where"),
        ANY,
    ),
    **dict.fromkeys(
        ("Abs", "Add", "Div", "Max", "Min", "Mod", "Mul", "Neg", "ReduceMax", "ReduceSum", "Sub"),
        NUMBERS,
    ),
    **dict.fromkeys(
        ("AveragePool", "Conv", "ConvTranspose", "Exp", "Floor", "Gemm", "GlobalAveragePool",
         "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "MatMul", "MaxPool", "ReduceMean", "Relu",
         "Sigmoid", "Softmax", "Sqrt", "Tanh"),
        FLOATS,
    ),
    **dict.fromkeys(("Greater", "GreaterOrEqual", "Less", "LessOrEqual"), NUMBERS),
    **dict.fromkeys(("And", "Not", "Or"), ("bool",)),
    **dict.fromkeys(("DeformConv", "GridSample"), ("float",)),
    "ArgMax": FLOATS, "Clip": (*FLOATS, "int64", "int8", "uint8"), "Equal": (*NUMBERS, "bool"),
    "GatherND": (*FLOATS, "bool", "int64"), "Pad": (*FLOATS, "bool"),
    "Resize": (*FLOATS, "int32", "uint8"), "RoiAlign": ("float", "double"), "TopK": NUMBERS,
    "Trilu": (*NUMBERS, "bool"), "CumSum": NUMBERS, "QuantizeLinear": ("float", "float16"),
    "DequantizeLinear": ("int8", "uint8"),
}  # fmt: skip
SECOND = ("Where",)  # computes with its second input


def check_default_placement() -> Finding:
    """Look at the graphs of the default network."""
    from mapt.io.pretrained import shipped_bundle

    return check_placement("graphs on a GPU", lambda: read_bundle(shipped_bundle()))


def check_placement(what: str, read: Callable[[], Bundle]) -> Finding:
    """Tell in a line what of a bundle ONNX Runtime would not leave on a GPU.

    Args:
        what: the name of the line.
        read: gives the bundle.
    """
    advice = "not needed on a CPU; pip install 'mapt[export]' looks at graphs"
    return attempt(what, lambda: describe(read()), advice)


def describe(bundle: Bundle) -> str:
    """List the nodes that would run on the CPU beside CUDA, and where the host decides."""
    lines = []
    loops = []
    for name in bundle.graphs:
        nodes = off_the_gpu(bundle, name)
        if nodes:
            lines.append(f"{name}: {', '.join(f'{n} {kind}' for kind, n in nodes.items())}")
        if waits := count_loops(bundle, name):
            loops.append(f"{waits} in {name}")
    told = f"on the CPU {'; '.join(lines)}" if lines else "every node has a CUDA kernel"
    return f"{told}; the host ends a Loop after each round: {', '.join(loops) or 'none'}"


def off_the_gpu(bundle: Bundle, subgraph: str) -> Counter[str]:
    """Return the kinds of nodes without a CUDA kernel, and how many of each there are.

    Nodes that read constants alone are no such nodes, because ONNX Runtime computes them once.
    MAPT's own operators count as there: whether they are is the library's to say.

    Raises:
        InputError: onnx is not installed.
    """
    found: Counter[str] = Counter()
    for kind, dtype in _nodes(_load(bundle, subgraph)):
        if dtype not in KERNELS.get(kind, ()):
            found[f"{kind} of {dtype}"] += 1
    return found


def count_loops(bundle: Bundle, subgraph: str) -> int:
    """Return the number of loops whose condition the host looks at."""
    return sum(node.op_type == "Loop" for node in _load(bundle, subgraph).graph.node)


def _load(bundle: Bundle, subgraph: str) -> Any:
    try:
        import onnx
    except ImportError:
        raise InputError("onnx is not installed, which reads the graphs") from None
    model = onnx.load_from_string(bundle.contents.read(bundle.graphs[subgraph]))
    return onnx.shape_inference.infer_shapes(model)


def _nodes(model: Any) -> Iterator[tuple[str, str]]:
    """The kind of every ONNX node that each run computes, and the type that it computes with."""
    import onnx

    graph = model.graph
    values = (*graph.value_info, *graph.input, *graph.output)
    types = {v.name: v.type.tensor_type.elem_type for v in values}
    types |= {t.name: t.data_type for t in graph.initializer}
    constant = {t.name for t in graph.initializer}
    for node in graph.node:
        if all(name in constant or not name for name in node.input):
            constant.update(node.output)
        elif not node.domain:
            name = node.input[1 if node.op_type in SECOND else 0]
            number = types.get(name, onnx.TensorProto.UNDEFINED)
            yield node.op_type, onnx.TensorProto.DataType.Name(number).lower()
