"""TensorRT as far as the backend uses it, on a machine without a GPU.

Engines compute what a scripted network says, in memory of `cuda_api.Cuda`. Names and parameters
are those of the real bindings, which `test_tensorrt.py` checks.
"""

import enum
from pathlib import Path
from typing import ClassVar

from mapt.contract import BY_NAME, TensorSpec
from mapt.runtime.backends.protocol import Backend
from tests.runtime.backends.device.cuda_api import Cuda

LIBRARY = "tensorrt 10.14.1"


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
        return self.engine.world.cuda.holds(memory)

    def execute_async_v3(self, stream_handle: int) -> bool:
        world = self.engine.world
        spec = BY_NAME[self.engine.subgraph]
        world.cuda.log.append(f"execute {spec.name}")
        addresses = dict(self.addresses)

        def compute() -> None:
            sizes = world.network.info.sizes
            inputs = {
                t.name: world.cuda.read(addresses[t.name], t.resolve(sizes), t.dtype)
                for t in spec.inputs
            }
            for name, tensor in world.network.run(spec.name, inputs).items():
                world.cuda.write(addresses[name], tensor)

        world.cuda.streams[stream_handle].append(compute)
        captured = stream_handle == world.cuda.capturing
        return spec.name not in (world.refuses_capture if captured else world.refuses)


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
        self.refuses: set[str] = set()  # subgraphs, when they are run
        self.refuses_capture: set[str] = set()  # subgraphs, when they are captured
        self.Runtime = type("Runtime", (Runtime,), {"world": self})


def write_engines(folder: Path, names: tuple[str, ...] = tuple(BY_NAME)) -> dict[str, Path]:
    """Files that the stand-in takes for engines."""
    for name in names:
        (folder / f"{name}.engine").write_text(name)
    return {name: folder / f"{name}.engine" for name in names}
