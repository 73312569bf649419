"""TensorRT and CUDA as far as the backend uses them, on a machine without a GPU.

Device memory is a dictionary of bytes by address, and nothing that is queued happens before the
stream is waited for: a missing copy, a copy in the wrong order or a missing wait gives wrong
numbers. Engines compute what a scripted network says. Names and parameters are those of the real
bindings, which `test_tensorrt.py` checks.
"""

import ctypes
import enum
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mapt.contract import BY_NAME, TensorSpec
from mapt.runtime.backends.protocol import Backend


class Cuda:
    """Stands in for `cuda.bindings.runtime`."""

    cudaStreamNonBlocking = 1
    cudaHostAllocDefault = 0

    class cudaMemcpyKind(enum.IntEnum):
        cudaMemcpyHostToDevice = 1
        cudaMemcpyDeviceToHost = 2

    def __init__(self) -> None:
        self.log: list[str] = []
        self.device: dict[int, bytearray] = {}
        self.host: dict[int, Any] = {}
        self.queue: list[Callable[[], None]] = []
        self.fails: dict[str, int] = {}  # status by function

    def cudaMalloc(self, size: int) -> tuple[int, int]:
        self.log.append("cudaMalloc")
        address = 0x7000_0000 + 0x1000_0000 * len(self.device)
        self.device[address] = bytearray(b"\xee" * size)
        return self.fails.get("cudaMalloc", 0), address

    def cudaFree(self, devPtr: int) -> tuple[int]:
        del self.device[devPtr]
        return (0,)

    def cudaHostAlloc(self, size: int, flags: int) -> tuple[int, int]:
        self.log.append("cudaHostAlloc")
        memory = ctypes.create_string_buffer(size)
        self.host[ctypes.addressof(memory)] = memory
        return 0, ctypes.addressof(memory)

    def cudaFreeHost(self, ptr: int) -> tuple[int]:
        del self.host[ptr]
        return (0,)

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[int, int]:
        assert flags == self.cudaStreamNonBlocking
        return self.fails.get("cudaStreamCreateWithFlags", 0), 77

    def cudaStreamDestroy(self, stream: int) -> tuple[int]:
        assert stream == 77
        self.log.append("cudaStreamDestroy")
        return (0,)

    def cudaStreamSynchronize(self, stream: int) -> tuple[int]:
        assert stream == 77
        self.log.append("wait")
        for job in self.queue:
            job()
        self.queue.clear()
        return (0,)

    def cudaMemcpyAsync(
        self, dst: int, src: int, count: int, kind: cudaMemcpyKind, stream: int
    ) -> tuple[int]:
        assert stream == 77
        up = kind == self.cudaMemcpyKind.cudaMemcpyHostToDevice
        device, host = (dst, src) if up else (src, dst)
        base = max(address for address in self.device if address <= device)
        pinned = max(address for address in self.host if address <= host)
        at = device - base
        assert at + count <= len(self.device[base])
        assert host - pinned + count <= len(self.host[pinned])
        self.log.append(f"{'upload' if up else 'download'} {device:#x}")

        def copy() -> None:
            if up:
                self.device[base][at : at + count] = ctypes.string_at(host, count)
            else:
                ctypes.memmove(host, bytes(self.device[base][at : at + count]), count)

        self.queue.append(copy)
        return (self.fails.get("cudaMemcpyAsync", 0),)

    def cudaGetErrorString(self, error: int) -> tuple[int, bytes]:
        return 0, b"out of memory"


class TensorIOMode(enum.Enum):
    INPUT = 1
    OUTPUT = 2


class DataType(enum.Enum):
    FLOAT = 0
    HALF = 1
    INT32 = 3
    UINT8 = 5


class Logger:
    """See TensorRT."""

    ERROR = 1

    def __init__(self, min_severity: int) -> None:
        self.severity = min_severity


class ExecutionContext:
    """Computes what its network says from device memory into device memory."""

    def __init__(self, engine: "Engine") -> None:
        self.engine = engine
        self.addresses = dict[str, int]()

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self.engine.world.cuda.log.append(f"address {self.engine.subgraph}.{name}")
        self.addresses[name] = memory
        return memory in self.engine.world.cuda.device

    def execute_async_v3(self, stream_handle: int) -> bool:
        world = self.engine.world
        spec = BY_NAME[self.engine.subgraph]
        assert stream_handle == 77
        world.cuda.log.append(f"execute {spec.name}")
        addresses = dict(self.addresses)

        def compute() -> None:
            device = world.cuda.device
            sizes = world.network.info.sizes
            inputs = {
                t.name: (
                    np.frombuffer(bytes(device[addresses[t.name]]), t.dtype).reshape(
                        t.resolve(sizes)
                    )
                )
                for t in spec.inputs
            }
            for name, tensor in world.network.run(spec.name, inputs).items():
                device[addresses[name]][:] = tensor.tobytes()

        world.cuda.queue.append(compute)
        return spec.name not in world.refuses


class Engine:
    """An engine whose content is the name of its subgraph."""

    def __init__(self, world: "Trt", subgraph: str) -> None:
        self.world = world
        self.subgraph = subgraph
        spec = BY_NAME[subgraph]
        self.modes = {t.name: (TensorIOMode.INPUT, t) for t in spec.inputs}
        self.modes |= {t.name: (TensorIOMode.OUTPUT, t) for t in spec.outputs}

    @property
    def num_io_tensors(self) -> int:
        return len(self.modes)

    def get_tensor_name(self, index: int) -> str:
        return list(self.modes)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return self.modes[name][0]

    def get_tensor_dtype(self, name: str) -> DataType:
        names = {"float32": "FLOAT", "int32": "INT32", "uint8": "UINT8"}
        return DataType[self.world.types.get(name, names[self._spec(name).dtype])]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._spec(name).resolve(self.world.network.info.sizes)

    def create_execution_context(self) -> ExecutionContext:
        self.world.contexts += 1
        return ExecutionContext(self)

    def _spec(self, name: str) -> TensorSpec:
        return self.modes[name][1]


class Runtime:
    """See TensorRT."""

    world: ClassVar["Trt"]

    def __init__(self, logger: Logger) -> None:
        self.logger = logger

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> Engine | None:
        name = serialized_engine.decode()
        return Engine(self.world, name) if name in BY_NAME else None


class Trt:
    """Stands in for the module `tensorrt`."""

    __version__ = "10.14.1"
    Logger = Logger
    TensorIOMode = TensorIOMode
    DataType = DataType

    def __init__(self, network: Backend) -> None:
        self.network = network
        self.cuda = Cuda()
        self.contexts = 0
        self.types: dict[str, str] = {}  # tensors of another type than the contract's
        self.refuses: set[str] = set()  # subgraphs
        self.Runtime = type("Runtime", (Runtime,), {"world": self})


def write_engines(folder: Path, names: tuple[str, ...] = tuple(BY_NAME)) -> dict[str, Path]:
    """Files that the stand-in takes for engines."""
    for name in names:
        (folder / f"{name}.engine").write_text(name)
    return {name: folder / f"{name}.engine" for name in names}
