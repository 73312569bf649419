"""Runs a bundle's engines on a GPU, with TensorRT or TensorRT-RTX.

Not yet verified: no GPU has run it, and the tests use a stand-in.

Backends of one process share engines, and so the weights. Every backend, and so every tracker, has
its own contexts, stream and buffers, planned when it is loaded
(`mapt.runtime.backends.device.tensors`). Only what the host reads
leaves the device, into page-locked memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from mapt.contract import SUBGRAPHS, SubgraphSpec, list_specs
from mapt.errors import InputError
from mapt.runtime.backends.cuda import CudaMemory, bindings
from mapt.runtime.backends.device.graphs import CudaGraphs
from mapt.runtime.backends.device.tensors import Placed, TensorPool
from mapt.runtime.backends.ort_providers import GRAPHS
from mapt.runtime.backends.protocol import Backend, CopyCounts, Options
from mapt.runtime.backends.tensorrt_library import (
    device_target,
    load_library,
    require_support,
    versioned,
)
from mapt.runtime.bundle.manifest import Bundle, EngineFile
from mapt.runtime.sharing.shared_networks import SharedNetworks

DTYPES = {
    "FLOAT": "float32",
    "INT32": "int32",
    "UINT8": "uint8",
}  # TensorRT's names of the contract's types


@dataclass(frozen=True)
class Machine:
    """The libraries and the GPU that run engines.

    Attributes:
        trt: TensorRT's module.
        library: its name and version.
        cuda: NVIDIA's CUDA runtime API.
        target: the GPU, "sm86".
    """

    trt: Any
    library: str
    cuda: Any
    target: str


def find_machine() -> Machine:
    """Find the GPU, TensorRT and the CUDA bindings of this machine.

    Raises:
        InputError: no GPU, no TensorRT, or no CUDA bindings.
    """
    try:
        target = device_target()
        trt, name = load_library()
        require_support(name, target)
    except ValueError as error:
        raise InputError(f"TensorRT {error}; use backend='ort'") from None
    except ImportError as error:
        raise InputError(f"TensorRT is not installed ({error}); install mapt[trt]") from None
    return Machine(trt, versioned(trt, name), bindings(), target)


def choose_engines(bundle: Bundle, machine: Machine) -> dict[str, EngineFile]:
    """The bundle's engines for this GPU.

    Raises:
        InputError: there are none, or another TensorRT built them.
    """
    engines = bundle.engines.get(machine.target)
    target = machine.target
    folder = bundle.folder
    again = f"mapt export {bundle.weights} --out NEW_BUNDLE --trt --targets {target}"
    if not engines:
        have = ", ".join(sorted(bundle.engines)) or "none"
        raise InputError(
            f"{folder}: has no engines for this GPU, {target}, but for: {have}; build them: {again}"
        )
    missing = next((spec.name for spec in SUBGRAPHS if spec.name not in engines), None)
    if missing:
        raise InputError(
            f"{folder}: has no engine of {missing} for {target}; build them again: {again}"
        )
    foreign = next(
        (engine for engine in engines.values() if engine.library != machine.library), None
    )
    if foreign:
        raise InputError(
            f"{foreign.path}: was built by {foreign.library}, here is {machine.library}, which"
            f" cannot load it; install the former, or build it again here: {again}"
        )
    return engines


class SharedEngine:
    """An engine with the runtime that it belongs to; any thread may make contexts of it.

    Args:
        trt: TensorRT's module.
        content: the engine's file.

    Attributes:
        engine: None if TensorRT does not load it.
    """

    def __init__(self, trt: Any, content: bytes) -> None:
        self._runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
        self.engine = self._runtime.deserialize_cuda_engine(content)


_ENGINES = SharedNetworks[SharedEngine]()


class TensorrtBackend:
    """One engine and one execution context per subgraph of a bundle.

    Args:
        bundle: with engines for this GPU.
        machine: what to run them with; None: look for it.
        cuda_graphs: replay each subgraph as one CUDA graph, where that can be captured.

    Attributes:
        name: "tensorrt".
        info: of the network.
        providers: the library that runs every subgraph, with its version, and the GPU; and whether
            with CUDA graphs.
        traffic: what was copied between the host and the GPU.
        memory: of the GPU, in which it works.

    Raises:
        InputError: see `find_machine` and `choose_engines`; or an engine does not load or is not
            the contract's.
    """

    name = "tensorrt"

    def __init__(
        self, bundle: Bundle, machine: Machine | None = None, cuda_graphs: bool = True
    ) -> None:
        self.info = bundle.info
        self.machine = machine or find_machine()
        runs = f"{self.machine.library} on {self.machine.target}"
        self.providers: dict[str, str] = {spec.name: runs for spec in SUBGRAPHS}
        engines = choose_engines(bundle, self.machine)
        trt = self.machine.trt
        self.memory = self._open_memory()
        self.traffic = self.memory.traffic
        self._pool = self._plan(bundle)
        self._engines: dict[str, SharedEngine] = {}
        self._contexts: dict[str, Any] = {}
        self._addresses: dict[tuple[str, str], int] = {}  # by subgraph and tensor
        for spec in list_specs(bundle.batch):
            path = engines[spec.name].path
            content = bundle.contents.read(path)
            key = trt, bundle.contents.digest(path, content)
            shared = _ENGINES.get(key, partial(SharedEngine, trt, content))
            if shared.engine is None:
                raise InputError(
                    f"{engines[spec.name].path}: {self.machine.library} cannot load it on this GPU"
                )
            self._check(shared.engine, spec, engines[spec.name])
            self._engines[spec.name] = shared
            self._contexts[spec.name] = self._prepare(shared.engine, engines[spec.name])
        self._graphs: CudaGraphs | None = None
        if cuda_graphs:
            self._capture()

    @property
    def stream(self) -> int:
        """The handle of the CUDA stream on which it reads inputs."""
        return self.memory.stream

    def run(self, subgraph: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """See `Backend.run`; the results stay on the GPU.

        Raises:
            RuntimeError: CUDA or TensorRT fails.
        """
        return self._pool.run(subgraph, inputs, partial(self._launch, subgraph))

    def _launch(self, subgraph: str, tensors: Mapping[str, Placed]) -> None:
        context = self._contexts[subgraph]
        for name, tensor in tensors.items():
            if self._addresses.get((subgraph, name)) == tensor.address:
                continue
            if not context.set_tensor_address(name, tensor.address):
                raise RuntimeError(f"TensorRT refuses {subgraph}.{name}'s address")
            self._addresses[subgraph, name] = tensor.address

        def queue(stream: int) -> None:
            if not context.execute_async_v3(stream):
                raise RuntimeError(f"TensorRT refuses to run {subgraph}")

        if self._graphs:
            addresses = tuple(tensor.address for tensor in tensors.values())
            self._graphs.launch(subgraph, addresses, queue)
        else:
            queue(self.stream)

    def _capture(self) -> None:
        """Run every subgraph once as it is, as TensorRT demands, and then as a CUDA graph.

        Raises:
            InputError: one does not run at all.
        """
        try:
            for name in self._contexts:
                self._pool.rehearse(name, partial(self._launch, name))
            self._graphs = CudaGraphs(self.memory)
            for name in self._contexts:
                self._pool.rehearse(name, partial(self._launch, name))
                why = self._graphs.failed.get(name)
                said = f"without CUDA graphs ({why})" if why else GRAPHS
                self.providers[name] += f" {said}"
        except RuntimeError as error:
            raise InputError(
                f"the engines do not run on this GPU ({error}); free memory on it, or use"
                " backend='ort'"
            ) from None
        self.traffic = self.memory.traffic = CopyCounts()  # frames count, this does not

    def _open_memory(self) -> CudaMemory:
        """A stream, with no memory yet."""
        try:
            return CudaMemory(self.machine.cuda)
        except RuntimeError as error:
            raise InputError(
                f"CUDA cannot be used ({error}); repair NVIDIA's driver, or use backend='ort'"
            ) from None

    def _plan(self, bundle: Bundle) -> TensorPool:
        """Memory for every tensor."""
        try:
            return TensorPool(self.memory, self.info.sizes, bundle.batch)
        except RuntimeError as error:
            raise InputError(
                f"{bundle.folder}: no memory for its tensors on the GPU ({error}); free some, or"
                " use backend='ort'"
            ) from None

    def _prepare(self, engine: Any, file: EngineFile) -> Any:
        """An execution context."""
        context = engine.create_execution_context()
        if context is None:
            raise InputError(
                f"{file.path}: TensorRT gives it no execution context; is the GPU's memory full?"
            )
        return context

    def _check(self, engine: Any, spec: SubgraphSpec, file: EngineFile) -> None:
        """Check that the engine's tensors are those of the contract."""
        modes = self.machine.trt.TensorIOMode
        want = {t.name: (modes.INPUT, t.dtype, t.resolve(self.info.sizes)) for t in spec.inputs}
        want |= {t.name: (modes.OUTPUT, t.dtype, t.resolve(self.info.sizes)) for t in spec.outputs}
        have = {}
        for name in (engine.get_tensor_name(i) for i in range(engine.num_io_tensors)):
            dtype = engine.get_tensor_dtype(name).name
            shape = tuple(engine.get_tensor_shape(name))
            have[name] = engine.get_tensor_mode(name), DTYPES.get(dtype, dtype), shape
        wrong = next((n for n in (*want, *have) if want.get(n) != have.get(n)), None)
        if wrong:
            raise InputError(
                f"{file.path}: its tensor {wrong} is {have.get(wrong)}, the contract's"
                f" {want.get(wrong)}; export the bundle again"
            )


def open_bundle(bundle: Bundle, options: Options) -> Backend:
    """Open a bundle, see `TensorrtBackend`; engines are as they were built, whatever `tf32` says.

    Raises:
        InputError: as there, or a CPU is asked for.
    """
    if options.device == "cpu":
        raise InputError(
            "backend 'tensorrt': runs on a GPU, not on device 'cpu'; take backend 'ort'"
        )
    return TensorrtBackend(bundle, cuda_graphs=options.cuda_graphs)
