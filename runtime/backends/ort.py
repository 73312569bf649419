"""ONNX Runtime on the CPU or a CUDA device."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mapt.contract import BY_NAME, SubgraphSpec, list_specs
from mapt.cores import check_threads, require_threads, usable_cores
from mapt.errors import InputError
from mapt.runtime.backends.cuda import CudaMemory, bindings
from mapt.runtime.backends.device.memory import DeviceMemory, OrtMemory
from mapt.runtime.backends.operators import library_for
from mapt.runtime.backends.ort_binding import BoundSessions
from mapt.runtime.backends.ort_providers import (
    CAPTURE,
    CUDA,
    GRAPHS,
    TF32,
    brief,
    choose_provider,
    cuda_options,
    open_session,
    say_once,
)
from mapt.runtime.backends.protocol import Backend, CopyCounts, Device, Options, all_on_host
from mapt.runtime.bundle.graphs.graph_bytes import check_graph
from mapt.runtime.bundle.manifest import Bundle
from mapt.runtime.bundle.requirements import check_requirements
from mapt.runtime.sharing.shared_networks import SharedNetworks


class Sessions(dict[str, Any]):
    """A session by subgraph. On a CPU any thread may run them at any time, for any tracker."""


_ON_CPU = SharedNetworks[Sessions]()


class OrtBackend:
    """One session per subgraph of a bundle.

    Args:
        bundle: what is run.
        threads: of the CPU for each subgraph, which run in turn; None: as many as cores that this
            process may use. Where the host has called `onnxruntime.set_global_thread_pool_sizes`,
            that pool runs all of them.
        device: "cpu", "cuda", or "auto": CUDA where this machine and installation have all it
            needs.
        tf32: let CUDA round the inputs of float32 products and convolutions to TF32; on a CPU it
            means nothing.
        bound: keep tensors in buffers that are planned here; None: on a CUDA device. On a CPU that
            only adds copies, as many as a GPU would need.
        capture: let CUDA replay what a session queues as one graph, where that is possible: not
            with control flow, nor with a node on the CPU.
        shared: on a CPU, run the sessions of another backend on the same graphs, if one is open in
            this process with `shared` and as many threads. Sessions on a GPU belong to a backend's
            stream and are its own.

    Attributes:
        concurrent: whether several threads may call `run` at a time.
        name: "ort".
        info: of the network.
        providers: which of ONNX Runtime's execution providers runs each subgraph, whether in TF32,
            and whether as a CUDA graph.
        traffic: what was copied between the host and the device.
        memory: of the GPU, in which it works; None: it takes arrays of the host.
        captured: the subgraphs that CUDA replays as a graph.

    Raises:
        InputError: no ONNX Runtime, a graph that it does not load or that is not the contract's, no
            such number of threads or none that the system gives, or CUDA was asked for and does not
            come up.
    """

    name = "ort"

    def __init__(
        self,
        bundle: Bundle,
        threads: int | None = None,
        device: Device = "auto",
        tf32: bool = False,
        bound: bool | None = None,
        capture: bool = True,
        shared: bool = False,
    ) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise InputError(
                "ONNX Runtime is not installed; install mapt[cpu], or mapt[gpu] for a CUDA device"
            ) from None
        check_requirements(bundle.requires, {"onnxruntime": onnxruntime.__version__}, bundle.folder)
        self.info = bundle.info
        specs = list_specs(bundle.batch)
        self._specs: dict[str, SubgraphSpec] = {spec.name: spec for spec in specs}
        self.threads = usable_cores() if threads is None else check_threads(threads)
        graphs = {path: bundle.contents.read(path) for path in bundle.graphs.values()}
        for path, graph in graphs.items():
            check_graph(path, graph)
        options = _options(onnxruntime, self.threads)
        operators = library_for(bundle.operators, bundle.folder)
        if operators:
            _register(options, operators)
        provider = choose_provider(onnxruntime, device, operators, graphs)
        # Sums in a fixed order. On a CPU they always are.
        options.use_deterministic_compute = provider == CUDA
        place = "cuda" if provider == CUDA else "cpu"
        memory = open_memory(onnxruntime, place)
        self.memory = memory if isinstance(memory, CudaMemory) else None
        settings = cuda_options(tf32, memory.stream) if provider == CUDA else {}
        opening = partial(open_session, onnxruntime, options, provider)
        self.captured: frozenset[str] = frozenset()

        def open_all() -> Sessions:
            return Sessions(
                (name, self._open(name, path, partial(opening, settings, graphs[path])))
                for name, path in bundle.graphs.items()
            )

        self.concurrent = provider != CUDA and not bound
        if shared and self.concurrent:
            digest = bundle.contents.digest
            graph_digests = (
                (name, digest(path, graphs[path])) for name, path in bundle.graphs.items()
            )
            self.sessions = _ON_CPU.get((self.threads, operators, *graph_digests), open_all)
        else:
            self.sessions = open_all()
        runs = f"{provider} {TF32}" if provider == CUDA and tf32 else provider
        self.providers = dict.fromkeys(self._specs, runs)
        self.traffic = CopyCounts()
        self._bound: BoundSessions | None = None
        if bound or (bound is None and provider == CUDA):
            try:
                self._bound = BoundSessions(
                    onnxruntime, self.sessions, self.info.sizes, memory, place, bundle.batch
                )
            except RuntimeError as error:
                raise InputError(
                    f"{bundle.folder}: no memory for its tensors on {provider} ({brief(error)}); "
                    "free some, or take device 'cpu'"
                ) from error
            if capture and memory.stream:
                settings = settings | CAPTURE
                for name, path in bundle.graphs.items():
                    self._capture(name, partial(opening, settings, graphs[path]))
            memory.traffic = self.traffic  # frames count, captures do not
        self.providers |= {name: f"{self.providers[name]} {GRAPHS}" for name in self.captured}

    @property
    def stream(self) -> int | None:
        """The handle of the CUDA stream on which it reads inputs; None: it reads the host's."""
        return self.memory.stream if self.memory and self._bound else None

    def run(self, subgraph: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """See `Backend.run`; on a CUDA device the results stay there.

        Raises:
            Exception: whatever ONNX Runtime raises; it never goes on with another provider.
        """
        if self._bound:
            return self._bound.run(subgraph, inputs)
        names = [t.name for t in BY_NAME[subgraph].outputs]
        given = all_on_host(inputs)
        return dict(zip(names, self.sessions[subgraph].run(names, given), strict=True))

    def _capture(self, name: str, opening: Callable[[], Any]) -> None:
        """Replace a session by one that captures what it queues, if that comes up and runs.

        ONNX Runtime tells only by trying.
        """
        assert self._bound, "only sessions between tensors on a device are captured"
        before = self.sessions[name]
        try:
            self._bound.replace(name, opening(), captured=True)
            for _ in range(2):  # the first run captures, the second replays
                self._bound.rehearse(name)
        except Exception as error:  # its errors have no common class
            logging.getLogger("mapt").debug("mapt: %s is not captured: %s", name, brief(error))
            self._bound.replace(name, before, captured=False)
        self.captured = self._bound.captured
        self.sessions[name] = self._bound.sessions[name]

    def _open(self, name: str, path: Path, opening: Callable[[], Any]) -> Any:
        """A session on a file, whose inputs and outputs must be those of the contract."""
        self._require_threads(path)  # where one is refused ONNX Runtime would hang
        try:
            session = opening()
        except InputError as error:
            raise InputError(f"{path}: {error}") from error.__cause__
        except Exception as error:
            raise InputError(f"{path}: ONNX Runtime cannot load it ({brief(error)})") from error
        spec = self._specs[name]
        for expected, found in (
            (spec.inputs, session.get_inputs()),
            (spec.outputs, session.get_outputs()),
        ):
            want = {t.name: list(t.resolve(self.info.sizes)) for t in expected}
            have = {t.name: list(t.shape) for t in found}
            if want != have:
                raise InputError(
                    f"{path}: its tensors {have} are not the contract's {want}; export the bundle"
                    " again"
                )
        return session

    def _require_threads(self, path: Path) -> None:
        try:
            require_threads(self.threads - 1)
        except RuntimeError as error:
            raise InputError(
                f"{path}: the system gives no more threads ({error}); take fewer, end other"
                " programs, or raise the limit: ulimit -u, or a container's limit of processes"
            ) from error


def open_memory(onnxruntime: Any, place: str) -> DeviceMemory:
    """Return memory of a device, with one stream for all sessions where CUDA's bindings are.

    Args:
        onnxruntime: the module; CUDA's libraries are loaded.
        place: "cuda" or "cpu".
    """
    if place == "cpu":
        return OrtMemory(onnxruntime, place)
    try:
        return CudaMemory(bindings())
    except (InputError, RuntimeError) as error:  # not installed, or too new for the driver
        say_once(logging.INFO, f"ONNX Runtime copies tensors one by one: {error}")
        return OrtMemory(onnxruntime, place)


def _options(onnxruntime: Any, threads: int) -> Any:
    """Return the options of every session."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Without work a pool's threads should sleep: the subgraphs alternate, and spinning ones slow
    # each other down.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry(
        "session.force_spinning_stop", "1"
    )  # the same of a pool of the whole process
    # ONNX Runtime would also take its own format, whose content nobody has looked at.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return options


def _register(options: Any, library: Path) -> None:
    try:
        options.register_custom_ops_library(str(library))
    except Exception as error:
        raise InputError(f"{library}: ONNX Runtime does not take it ({brief(error)})") from error


def open_bundle(bundle: Bundle, options: Options) -> Backend:
    """Open a bundle, see `OrtBackend`."""
    return OrtBackend(
        bundle,
        options.threads,
        options.device,
        options.tf32,
        capture=options.cuda_graphs,
        shared=True,
    )
