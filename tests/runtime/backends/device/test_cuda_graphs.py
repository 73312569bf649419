"""TensorRT's subgraphs as CUDA graphs: what is captured when, replayed, and left alone."""

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mapt.contract import BY_NAME
from mapt.errors import InputError
from mapt.runtime import PanopticTracker
from mapt.runtime.backends.device.graphs import MOST_GRAPHS
from mapt.runtime.backends.tensorrt import Machine, TensorrtBackend
from mapt.runtime.bundle.manifest import Bundle
from mapt.runtime.persistence.recording import digest
from tests.runtime.backends.device.cuda_api import OnGpu
from tests.runtime.backends.tensorrt_standin import LIBRARY, Trt

PERIOD = 100_000_000  # ns
WITH = f"{LIBRARY} on sm86 with CUDA graphs"
FRAMES = 12


def track(backend: Any, picture: Callable[..., Any]) -> list[dict[str, int]]:
    tracker = PanopticTracker(backend)
    return [digest(tracker.step(picture(n), n * PERIOD)) for n in range(FRAMES)]


def queued(world: Trt) -> list[str]:
    """What was captured, run and replayed, in order."""
    kinds = ("capture", "execute", "replay")
    return [line for line in world.cuda.log if line.split()[0] in kinds]


def test_every_subgraph_runs_once_as_it_is_and_is_captured_when_it_is_loaded(
    engines: Bundle, machine: Machine, world: Trt
) -> None:
    backend = TensorrtBackend(engines, machine)
    names = list(BY_NAME)
    captures = []
    for name in names:
        captures += ["capture", f"execute {name}", f"replay {name}"]
    assert queued(world) == [f"execute {name}" for name in names] + captures
    assert backend.providers == dict.fromkeys(names, WITH)
    assert PanopticTracker(backend).health().providers == backend.providers
    assert backend.traffic.up == backend.traffic.down == backend.traffic.waits == 0


def test_frames_are_replayed_once_their_addresses_are_known(
    engines: Bundle, machine: Machine, world: Trt, network: Any, picture: Callable[..., Any]
) -> None:
    backend = TensorrtBackend(engines, machine)
    wanted = track(network, picture)
    tracker = PanopticTracker(backend)
    for number in range(FRAMES):
        world.cuda.log.clear()
        assert digest(tracker.step(picture(number), number * PERIOD)) == wanted[number]
        log = queued(world)
        replays = [line for line in log if line.startswith("replay")]
        assert replays[:3] == ["replay backbone", "replay semantic", "replay instance"]
        # What is not replayed is captured; nothing runs beside a capture.
        assert log.count("capture") == sum(line.startswith("execute") for line in log)
        assert number < 5 or log == replays, "the same few places are used again"


def test_without_graphs_nothing_is_captured(
    engines: Bundle, machine: Machine, world: Trt, network: Any, picture: Callable[..., Any]
) -> None:
    backend = TensorrtBackend(engines, machine, cuda_graphs=False)
    assert set(backend.providers.values()) == {f"{LIBRARY} on sm86"}
    assert track(backend, picture) == track(network, picture)
    assert {line.split()[0] for line in queued(world)} == {"execute"}


def test_a_subgraph_that_cannot_be_captured_runs_as_it_is(
    engines: Bundle,
    machine: Machine,
    world: Trt,
    network: Any,
    picture: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    world.refuses_capture.add("instance")
    backend = TensorrtBackend(engines, machine)
    said = "without CUDA graphs (TensorRT refuses to run instance)"
    assert backend.providers["instance"] == f"{LIBRARY} on sm86 {said}"
    assert backend.providers["motion"] == WITH
    world.cuda.log.clear()
    assert track(backend, picture) == track(network, picture)
    log = queued(world)
    assert log.count("execute instance") == FRAMES and "replay instance" not in log
    assert [r.getMessage() for r in caplog.records if "CUDA graph" in r.getMessage()] == [
        "mapt: instance runs without a CUDA graph: TensorRT refuses to run instance"
    ]


@pytest.mark.parametrize(
    "function", ["cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphInstantiate"]
)
def test_where_cuda_captures_nothing_everything_runs_as_it_is(
    engines: Bundle,
    machine: Machine,
    world: Trt,
    network: Any,
    picture: Callable[..., Any],
    function: str,
) -> None:
    world.cuda.fails[function] = 2
    backend = TensorrtBackend(engines, machine)
    said = f"without CUDA graphs ({function}: out of memory)"
    assert set(backend.providers.values()) == {f"{LIBRARY} on sm86 {said}"}
    assert track(backend, picture) == track(network, picture)
    assert not [line for line in queued(world) if line.startswith("replay")]


def test_an_engine_that_does_not_run_is_refused_when_it_is_loaded(
    engines: Bundle, machine: Machine, world: Trt
) -> None:
    world.refuses.add("motion")
    with pytest.raises(InputError, match=r"the engines do not run on this GPU \(TensorRT refuses"):
        TensorrtBackend(engines, machine)


def test_ever_new_addresses_do_not_take_ever_more_memory(
    engines: Bundle, machine: Machine, world: Trt
) -> None:
    backend = TensorrtBackend(engines, machine)
    known = len(world.cuda.replays)
    shape = (1, engines.info.height, engines.info.width, 3)
    tensors = [OnGpu(world.cuda, np.full(shape, n, np.uint8)) for n in range(MOST_GRAPHS + 5)]
    for value, tensor in enumerate(tensors):
        assert backend.run("backbone", {"image": tensor})["p4"].numpy().flat[0] == value
    assert len(world.cuda.replays) - known == MOST_GRAPHS - 1
    world.cuda.log.clear()
    assert backend.run("backbone", {"image": tensors[0]})["p4"].numpy().flat[0] == 0
    assert queued(world) == ["replay backbone"]


def test_graphs_and_their_stream_go_with_the_backend(
    engines: Bundle, machine: Machine, world: Trt
) -> None:
    backend = TensorrtBackend(engines, machine)
    assert world.cuda.replays and len(world.cuda.alive) == 2
    del backend
    gc.collect()
    assert not world.cuda.replays and not world.cuda.alive and not world.cuda.device
