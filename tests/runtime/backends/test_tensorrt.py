"""The TensorRT backend on a stand-in.

The tests cover its buffers, its order of calls, the whole tracker, and what it refuses.
"""

import gc
import importlib.util
import inspect
import logging
import re
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mapt.contract import BY_NAME, HOST_READS, SUBGRAPHS
from mapt.errors import InputError
from mapt.runtime import (
    BackendError,
    PanopticFrame,
    PanopticTracker,
    StepError,
    TrackerGroup,
)
from mapt.runtime.backends import choice
from mapt.runtime.backends import tensorrt as backend_module
from mapt.runtime.backends.ort_providers import say_once
from mapt.runtime.backends.protocol import CopyCounts, Options, on_host
from mapt.runtime.backends.tensorrt import Machine, TensorrtBackend
from mapt.runtime.bundle.manifest import Bundle
from mapt.runtime.persistence.recording import digest
from tests.export.conftest import has_tensorrt
from tests.runtime.backends import tensorrt_standin as standin
from tests.runtime.backends.device.cuda_api import NOT_READY, Cuda
from tests.runtime.backends.tensorrt_standin import LIBRARY

Make = Callable[..., Any]
PERIOD = 100_000_000  # ns


def track(tracker: PanopticTracker, picture: Make) -> list[dict[str, int]]:
    return [digest(tracker.step(picture(n), n * PERIOD)) for n in range(8)]


def test_the_tracker_sees_what_the_network_says(
    engines: Bundle, machine: Machine, network: Any, picture: Make
) -> None:
    wanted = track(PanopticTracker(network), picture)
    assert track(PanopticTracker(TensorrtBackend(engines, machine)), picture) == wanted


def test_memory_is_planned_once_and_given_back(
    engines: Bundle, machine: Machine, world: standin.Trt, picture: Make
) -> None:
    backend = TensorrtBackend(engines, machine)
    cuda = world.cuda
    planned = len(cuda.device)
    names = [t.name for s in SUBGRAPHS for t in (*s.inputs, *s.outputs)]
    # Three frames' `s`, what two calls of the motion head read and give, and `rows` for both heads.
    twice = ("masks_prev", "propagated", "f_p", "embeddings")
    assert planned == len(set(names) - {"s", "s_prev", "rows"}) + len(twice) + 3 + 4
    assert world.contexts == len(SUBGRAPHS)
    tracker = PanopticTracker(backend)
    assert len(cuda.device) == planned + 2, "the input, and what the kernel tells of it"
    cuda.log.clear()
    track(tracker, picture)
    assert not [line for line in cuda.log if "Malloc" in line or "Alloc" in line]
    assert len(cuda.device) == planned + 2
    del tracker
    gc.collect()
    assert len(cuda.device) == planned
    del backend
    gc.collect()
    assert not cuda.device and not cuda.host and cuda.log[-1] == "cudaStreamDestroy"


def test_backends_share_engines_until_the_last_is_gone(
    engines: Bundle, machine: Machine, network: Any, picture: Make
) -> None:
    first = TensorrtBackend(engines, machine)
    second = TensorrtBackend(engines, machine)
    assert {name: shared.engine for name, shared in first._engines.items()} == {
        name: shared.engine for name, shared in second._engines.items()
    }
    assert not set(first._contexts.values()) & set(second._contexts.values())
    wanted = track(PanopticTracker(network), picture)
    trackers = PanopticTracker(first), PanopticTracker(second)
    for number in range(8):  # in turns, each with its own buffers
        found = [digest(t.step(picture(number), number * PERIOD)) for t in trackers]
        assert found == [wanted[number]] * 2
    engine = weakref.ref(first._engines["motion"])
    del first, trackers
    gc.collect()
    assert engine() is not None
    del second
    gc.collect()
    assert engine() is None


def test_cameras_of_a_group_share_a_backend_and_get_what_they_get_alone(
    engines: Bundle, machine: Machine, network: Any, picture: Make
) -> None:
    backend = TensorrtBackend(engines, machine)
    group = TrackerGroup({"a": PanopticTracker(backend), "b": PanopticTracker(backend)}, backend)
    wanted = track(PanopticTracker(network), picture)
    for number in range(8):
        late = max(number - 1, 0)
        images = [picture(number), picture(late) if number else None]
        first, second = group.step(images, [number * PERIOD, late * PERIOD])
        assert isinstance(first, PanopticFrame) and digest(first) == wanted[number]
        if number:
            assert isinstance(second, PanopticFrame) and digest(second) == wanted[late]


def told(world: standin.Trt) -> list[str]:
    """What was queued and waited for, in order."""
    calls: list[str] = []
    captured = False
    for line in world.cuda.log:
        words = line.split()
        if words[0] in ("execute", "replay") and not captured:
            calls.append(words[1])
        elif words[0] not in ("address", "capture", "execute", "replay"):
            calls.append(words[0])
        captured = words[0] == "capture"
    return calls


def test_only_what_the_host_reads_leaves_the_device(
    engines: Bundle, machine: Machine, world: standin.Trt, picture: Make
) -> None:
    backend = TensorrtBackend(engines, machine)
    tracker = PanopticTracker(backend)
    tracker.step(picture(0), 0)
    world.cuda.log.clear()
    before = replace(backend.traffic)
    tracker.step(picture(1), PERIOD)
    moves = ["upload"] * 2 + ["motion", "download"]  # masks_prev and rows; propagated
    looks = ["upload", "appearance", "download"]
    assert told(world) == (
        ["upload", "backbone", "semantic"]
        + ["download"] * 2
        + ["instance"]
        + ["download"] * 5
        + ["wait"]
        + moves * 2
        + ["wait"]
        + looks * 2
        + ["wait"]
    )
    sizes = engines.info.sizes
    moved = {"up": 0, "down": 0}
    for name, calls in {
        "backbone": 1,
        "semantic": 1,
        "instance": 1,
        "motion": 2,
        "appearance": 2,
    }.items():
        spec = BY_NAME[name]
        read = [t for t in spec.outputs if t.name in HOST_READS[name]]
        sent = [t for t in spec.inputs if t.name in ("image", "masks_prev", "rows")]
        for way, tensors in (("up", sent), ("down", read)):
            moved[way] += calls * sum(_bytes(t.resolve(sizes), t.dtype) for t in tensors)
    assert backend.traffic.since(before) == CopyCounts(**moved, waits=3)


def _bytes(shape: tuple[int, ...], dtype: str) -> int:
    return int(np.prod(shape)) * np.dtype(dtype).itemsize


def test_what_was_handed_out_stays_as_it_is_and_other_arrays_are_sent(
    engines: Bundle, machine: Machine, network: Any
) -> None:
    backend = TensorrtBackend(engines, machine)
    image = np.zeros((1, 64, 96, 3), np.uint8)
    first = backend.run("backbone", {"image": image})
    image[:] = 7  # the caller's own array may change
    second = backend.run("backbone", {"image": image})
    third = backend.run("backbone", {"image": image + 1})
    for tensors, value in ((third, 8), (first, 0), (second, 7)):
        assert tensors["p4"].numpy().flat[0] == value
        with pytest.raises(ValueError, match="read-only"):
            tensors["p4"].numpy()[:] = 1
    pyramid = ("p4", "p8", "p16", "p32")
    for given in (first, second, {n: second[n].numpy().copy() for n in pyramid}):
        wanted = network.run("instance", {n: on_host(given[n]) for n in pyramid})
        found = backend.run("instance", {n: given[n] for n in pyramid})
        assert all(np.array_equal(found[n].numpy(), wanted[n]) for n in wanted)


def test_the_state_stays_while_frames_go_on(
    engines: Bundle, machine: Machine, network: Any, picture: Make
) -> None:
    tracker = PanopticTracker(TensorrtBackend(engines, machine))
    plain = PanopticTracker(network, model=tracker.model)
    states = []
    for number in range(5):
        tracker.step(picture(number), number * PERIOD)
        plain.step(picture(number), number * PERIOD)
        states.append((tracker._state, plain.save_state()))
    for state, saved in states:
        tracker._state = state
        assert tracker.save_state() == saved
    other = PanopticTracker(TensorrtBackend(engines, machine))
    other.restore_state(states[-1][1])
    for number in (5, 6):
        assert digest(other.step(picture(number), number * PERIOD)) == digest(
            plain.step(picture(number), number * PERIOD)
        )


def test_two_trackers_do_not_disturb_each_other(
    engines: Bundle, machine: Machine, network: Any, picture: Make
) -> None:
    wanted = track(PanopticTracker(network), picture)
    one, two = (PanopticTracker(TensorrtBackend(engines, machine)) for _ in range(2))
    for number in range(8):
        frames = [
            t.step(picture(number + shift), number * PERIOD) for t, shift in ((one, 0), (two, 0))
        ]
        assert digest(frames[0]) == digest(frames[1]) == wanted[number]
    assert machine.trt.contexts == 2 * len(SUBGRAPHS)


def test_a_failure_in_a_frame_drops_the_frame(
    engines: Bundle, machine: Machine, world: standin.Trt, network: Any, picture: Make
) -> None:
    tracker = PanopticTracker(TensorrtBackend(engines, machine, cuda_graphs=False))
    untouched = PanopticTracker(network)
    for number in range(6):
        if number == 2:
            world.refuses.add("motion")
            with pytest.raises(
                BackendError, match="motion: RuntimeError: TensorRT refuses to run motion"
            ):
                tracker.step(picture(50), number * PERIOD - 2)
            world.refuses.clear()
            world.cuda.fails["cudaMemcpyAsync"] = 2
            with pytest.raises(StepError, match="cudaMemcpyAsync: out of memory"):
                tracker.step(picture(51), number * PERIOD - 1)
            world.cuda.fails.clear()
        assert digest(tracker.step(picture(number), number * PERIOD)) == digest(
            untouched.step(picture(number), number * PERIOD)
        )


def test_engines_that_cannot_run_here_say_what_to_do(
    engines: Bundle, machine: Machine, world: standin.Trt
) -> None:
    def refused(bundle: Bundle, machine: Machine) -> str:
        with pytest.raises(InputError) as error:
            TensorrtBackend(bundle, machine)
        assert "\n" not in str(error.value)
        return str(error.value)

    rebuild = (
        f"mapt export {engines.folder / 'weights.safetensors'} --out NEW_BUNDLE --trt --targets"
    )
    text = refused(engines, replace(machine, library="tensorrt_rtx 1.7.1.116"))
    assert LIBRARY in text and "tensorrt_rtx 1.7.1.116" in text and f"{rebuild} sm86" in text
    text = refused(engines, replace(machine, target="sm90"))
    assert "for this GPU, sm90, but for: sm86" in text and f"{rebuild} sm90" in text
    own = {n: e for n, e in engines.engines["sm86"].items() if n != "motion"}
    assert "no engine of motion for sm86" in refused(
        replace(engines, engines={"sm86": own}), machine
    )
    world.types["p8"] = "HALF"
    assert "its tensor p8 is" in refused(engines, machine)
    world.types.clear()
    world.cuda.fails["cudaStreamCreateWithFlags"] = 35
    assert "CUDA cannot be used (cudaStreamCreateWithFlags: out of memory)" in refused(
        engines, machine
    )
    world.cuda.fails.clear()
    (engines.folder / "semantic.engine").write_text("rubbish")
    assert "semantic.engine: tensorrt 10.14.1 cannot load it" in refused(engines, machine)


def test_auto_takes_what_there_is_and_says_so_once(
    engines: Bundle,
    machine: Machine,
    network: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    say_once.cache_clear()
    monkeypatch.setattr("mapt.runtime.backends.ort.OrtBackend", lambda *_, **__: network)
    monkeypatch.setattr(backend_module, "find_machine", lambda: machine)
    caplog.set_level(logging.INFO, "mapt")
    assert [choice.open_backend(engines, "auto", Options(1)).name for _ in range(3)] == [
        "tensorrt"
    ] * 3
    said = "mapt: tensorrt 10.14.1 on sm86 with CUDA graphs runs the network"
    assert caplog.messages == [said]
    caplog.clear()
    monkeypatch.setattr(backend_module, "find_machine", lambda: replace(machine, target="sm75"))
    assert [choice.open_backend(engines, "auto", Options(1)) for _ in range(3)] == [network] * 3
    assert len(caplog.messages) == 1 and "for this GPU, sm75" in caplog.messages[0]
    with pytest.raises(InputError, match="for this GPU, sm75"):
        choice.open_backend(engines, "tensorrt", Options(1))
    caplog.clear()
    assert choice.open_backend(engines, "ort", Options(1)) is network
    assert not caplog.messages
    for _ in range(2):
        assert choice.open_backend(replace(engines, engines={}), "auto", Options(1)) is network
    assert caplog.messages == ["mapt: ONNX Runtime runs the network; the bundle has no engines"]


def test_without_a_gpu_it_is_said(engines: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise ValueError("finds no GPU")

    monkeypatch.setattr(backend_module, "device_target", none)
    with pytest.raises(InputError, match="TensorRT finds no GPU; use backend='ort'"):
        TensorrtBackend(engines)


def _public(thing: type) -> list[str]:
    names = [n for n in vars(thing) if not n.startswith("_") and n not in ("world",)]
    return [
        n for n in names if callable(getattr(thing, n)) or isinstance(getattr(thing, n), property)
    ]


def _parameters(signature: str) -> list[str]:
    """Names of a signature in a docstring, with or without types, before or behind the name."""
    inner = re.sub(r"<[^<>]*>", "", signature[signature.index("(") + 1 : signature.rindex(")")])
    inner = re.sub(r"\[[^\]]*\]", "", inner)
    names = [
        part.split("=")[0].split(":")[0].split()[-1] for part in inner.split(",") if part.strip()
    ]
    return [name for name in names if name != "self"]


@pytest.mark.skipif(not has_tensorrt(), reason="needs TensorRT-RTX: pip install 'mapt[trt-rtx]'")
def test_the_stand_in_has_the_methods_of_the_real_tensorrt() -> None:
    from mapt.runtime.backends.tensorrt_library import load_library

    trt, _ = load_library()
    pairs = {
        "Runtime": standin.Runtime,
        "ICudaEngine": standin.Engine,
        "IExecutionContext": standin.ExecutionContext,
    }
    compared = 0
    for name, ours in pairs.items():
        for method in _public(ours):
            real = getattr(getattr(trt, name), method)
            if isinstance(getattr(ours, method), property):
                assert isinstance(real, property), method
                continue
            signatures = [
                line for line in (real.__doc__ or "").splitlines() if f"{method}(self" in line
            ]
            own = [p for p in inspect.signature(getattr(ours, method)).parameters if p != "self"]
            assert any(_parameters(line)[: len(own)] == own for line in signatures), (
                method,
                signatures,
            )
            compared += 1
    assert compared >= 8
    assert {m.name for m in standin.TensorIOMode} <= set(trt.TensorIOMode.__members__)
    assert {m.name for m in standin.DataType} <= set(trt.DataType.__members__)
    assert set(backend_module.DTYPES) <= set(trt.DataType.__members__)
    trt.Runtime, trt.Logger(trt.Logger.ERROR)


@pytest.mark.skipif(
    importlib.util.find_spec("cuda") is None, reason="needs cuda-bindings: pip install 'mapt[trt]'"
)
def test_the_stand_in_has_the_functions_of_the_real_cuda_bindings() -> None:
    from mapt.runtime.backends.cuda import bindings

    real = bindings()
    compared = 0
    for name, ours in vars(Cuda).items():
        theirs = getattr(real, name, None)
        if not name.startswith("cuda"):
            continue
        compared += 1
        if isinstance(ours, type):
            members: Any = ours
            assert all(int(getattr(theirs, m.name)) == m for m in members), name
        elif callable(ours):
            own = [p for p in inspect.signature(ours).parameters if p != "self"]
            assert _parameters((theirs.__doc__ or "").splitlines()[0]) == own, name
        else:
            assert theirs == ours, name
    assert compared > 15 and int(real.cudaError_t.cudaErrorNotReady) == NOT_READY
