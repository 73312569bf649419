"""A stand-in for an ONNX Runtime with CUDA on a machine with a GPU.

It is the real module, whose CUDA provider is the CPU's under another name.

Sessions, bindings and buffers are ONNX Runtime's own, so what is placed "on the device" is really
bound and run.
"""

from __future__ import annotations

from typing import Any

import onnxruntime

from mapt.runtime.backends.ort_providers import CPU, CUDA
from tests.runtime.backends.device.cuda_api import STREAM

# As ONNX Runtime words it, though its signature is three times as long.
ILLEGAL = (
    "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:154 std::conditional_t<THRW,"
    " void, onnxruntime::common::Status> onnxruntime::CudaCall(ERRTYPE, const char*) [with ERRTYPE"
    " = cudaError] CUDA failure 700: an illegal memory access was encountered ; GPU=0 ;"
    " hostname=host ; expr=cudaMalloc();\nmore"
)


class Session:
    """A session of the real module on the CPU, which says that it runs on what it was given.

    Args:
        world: what happens there.
        real: the module's own session.
        wanted: the providers' names that it was given.
    """

    def __init__(self, world: Ort, real: Any, wanted: list[str]) -> None:
        self.world = world
        self.real = real
        self.wanted = wanted
        self.falls_back = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def disable_fallback(self) -> None:
        self.falls_back = False

    def get_providers(self) -> list[str]:
        return self.wanted

    def run(self, *arguments: Any) -> Any:
        self._fail()
        return self.real.run(*arguments)

    def io_binding(self) -> Binding:
        return Binding(self)

    def run_with_iobinding(self, binding: Binding, options: Any) -> None:
        self._fail()
        cuda = self.world.cuda if self.wanted[0] == CUDA else None
        start(self.real, dict(binding.bound), options, cuda)

    def _fail(self) -> None:
        """Fall back to another provider, as the real one does.

        It reports this on standard output, unless that was switched off.
        """
        if self.world.broken and self.wanted[0] == CUDA:
            if not self.falls_back:
                raise RuntimeError(ILLEGAL)
            print(f"EP Error: {ILLEGAL}\nFalling back")
            self.wanted = [CPU]


def start(session: Any, bound: dict[str, tuple[str, Any]], options: Any, cuda: Any) -> None:
    """Run a session on what is bound, at once or when the stream of `cuda` is waited for."""

    def run() -> None:
        binding = session.io_binding()
        for name, (how, arguments) in bound.items():
            getattr(binding, how)(name, *arguments)
        session.run_with_iobinding(binding)

    try:
        options.get_run_config_entry("disable_synchronize_execution_providers")
        waits = False
    except RuntimeError:  # it has no such entry
        waits = True
    assert waits == (cuda is None), "runs wait where there is no stream to wait for"
    if cuda is None:
        run()
    else:
        cuda.streams[STREAM].append(run)


class Binding:
    """Bindings of a session, whose addresses "on the GPU" are the host's."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.bound: dict[str, tuple[str, Any]] = {}

    def bind_input(self, name: str, device: str, *rest: Any) -> None:
        self._bind("bind_input", name, device, rest)

    def bind_output(self, name: str, device: str, *rest: Any) -> None:
        self._bind("bind_output", name, device, rest)

    def _bind(self, how: str, name: str, device: str, rest: Any) -> None:
        assert device == ("cuda" if self.session.wanted[0] == CUDA else "cpu")
        self.bound[name] = how, ("cpu", *rest)


class OrtValue:
    """Buffers "on the GPU" lie in the host's memory."""

    def __init__(self, world: Ort) -> None:
        self.world = world

    def ortvalue_from_shape_and_type(
        self, shape: list[int], dtype: Any, device: str, index: int
    ) -> Any:
        self.world.placed.append(device)
        value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, dtype, "cpu", index)
        return value


class Ort:
    """The module.

    Attributes:
        providers: that it is built with.
        loads: CUDA's provider comes up; without, sessions have the CPU alone and nothing is said.
        broken: CUDA has failed: no session comes up, runs raise.
        log: preloading and sessions, in order.
        settings: of CUDA's provider, of every session.
        placed: the device of every buffer.
        cuda: NVIDIA's bindings for Python; None: they are not installed.
        captures: sessions that capture CUDA graphs.
    """

    def __init__(self, *providers: str, cuda: Any = None) -> None:
        self.cuda = cuda
        self.providers = list(providers or (CUDA, CPU))
        self.loads = True
        self.broken = False
        self.log: list[str] = []
        self.settings: list[dict[str, str]] = []
        self.placed: list[str] = []
        self.captures = 0
        self.OrtValue = OrtValue(self)
        self.__file__ = "/nowhere/onnxruntime/__init__.py"

    def __getattr__(self, name: str) -> Any:
        return getattr(onnxruntime, name)

    def get_available_providers(self) -> list[str]:
        return self.providers

    def preload_dlls(self) -> None:
        self.log.append("preload")

    def InferenceSession(
        self, graph: Any, options: Any, *, providers: list[Any], enable_fallback: int = 1
    ) -> Session:
        wanted = [p if isinstance(p, str) else p[0] for p in providers]
        self.log.append(wanted[0])
        self.settings += [p[1] for p in providers if not isinstance(p, str) and p[0] == CUDA]
        if CUDA in wanted and self.broken:
            if not enable_fallback:
                raise RuntimeError(ILLEGAL)
            print("*************** EP Error ***************")
            wanted = [CPU]
        if CUDA in wanted and not self.loads:
            wanted = [CPU]
        if self.settings and CUDA in wanted and "enable_cuda_graph" in self.settings[-1]:
            if b"Loop" in graph:
                raise RuntimeError("the model has control flow nodes which can't be supported")
            self.captures += 1
        return Session(self, onnxruntime.InferenceSession(graph, options, providers=[CPU]), wanted)
