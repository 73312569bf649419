"""NVIDIA's CUDA runtime API on a machine without a GPU.

Device memory is the host's, and nothing that is queued happens before its stream is waited for: a
missing copy, a copy in the wrong order or a missing wait gives wrong numbers. Names and parameters
are those of the real bindings, which `test_tensorrt.py` checks.
"""

import ctypes
import enum
from collections import defaultdict
from collections.abc import Callable
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

STREAM = 77  # that the API makes
NOT_READY = 600


class Cuda:
    """Stands in for `cuda.bindings.runtime`, on a machine with one GPU, number 0.

    Attributes:
        log: what was called.
        device: allocated memory of the device, by address.
        host: page-locked memory of the host, by address.
        streams: what is queued, by stream.
        foreign: arrays on the GPU that others made, by address.
        unknown: number of the GPU on which all other addresses lie; None: they are the host's.
        fails: status by function.
    """

    cudaStreamNonBlocking = 1
    cudaHostAllocDefault = 0
    cudaEventDisableTiming = 2

    class cudaMemcpyKind(enum.IntEnum):
        cudaMemcpyHostToDevice = 1
        cudaMemcpyDeviceToHost = 2
        cudaMemcpyDeviceToDevice = 3

    class cudaStreamCaptureMode(enum.IntEnum):
        cudaStreamCaptureModeThreadLocal = 1

    class cudaMemoryType(enum.IntEnum):
        cudaMemoryTypeHost = 1
        cudaMemoryTypeDevice = 2
        cudaMemoryTypeManaged = 3

    def __init__(self) -> None:
        self.log: list[str] = []
        self.device: dict[int, Any] = {}
        self.host: dict[int, Any] = {}
        self.streams: dict[int, list[Callable[[], object]]] = defaultdict(list)
        self.foreign: dict[int, NDArray[Any]] = {}
        self.unknown: int | None = None
        self.fails: dict[str, int] = {}
        self._events: dict[int, tuple[int, int]] = {}  # stream, and jobs of it when recorded
        self._made = 0  # events and graphs
        self._names: dict[int, str] = {}  # of graphs: what was captured last
        self._over: dict[int, int] = defaultdict(int)  # jobs that are done, by stream
        self.alive: set[int] = set()  # streams
        self.capturing: int | None = None  # a stream whose work is not done, but kept
        self.graphs: dict[int, list[Callable[[], object]]] = {}
        self.replays: dict[int, list[Callable[[], object]]] = {}

    def cudaMalloc(self, size: int) -> tuple[int, int]:
        self.log.append("cudaMalloc")
        memory = (ctypes.c_uint8 * (size + 256))()
        ctypes.memset(memory, 0xEE, size + 256)
        address = -(-ctypes.addressof(memory) // 256) * 256  # as CUDA aligns it
        self.device[address] = (memory, size)
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
        stream = next(number for number in count(STREAM) if number not in self.alive)
        self.alive.add(stream)
        return self.fails.get("cudaStreamCreateWithFlags", 0), stream

    def cudaStreamDestroy(self, stream: int) -> tuple[int]:
        self.alive.remove(stream)
        self.log.append("cudaStreamDestroy")
        return (0,)

    def cudaStreamSynchronize(self, stream: int) -> tuple[int]:
        assert stream in self.alive and stream != self.capturing
        self.log.append("wait")
        self.run(stream)
        return (self.fails.get("cudaStreamSynchronize", 0),)

    def cudaMemcpyAsync(
        self, dst: int, src: int, count: int, kind: cudaMemcpyKind, stream: int
    ) -> tuple[int]:
        assert stream in self.alive and stream != self.capturing
        kinds = self.cudaMemcpyKind
        names = {
            kinds.cudaMemcpyHostToDevice: f"upload {dst:#x}",
            kinds.cudaMemcpyDeviceToHost: f"download {src:#x}",
            kinds.cudaMemcpyDeviceToDevice: f"duplicate {src:#x}",
        }
        self.log.append(names[kind])
        down = kind == kinds.cudaMemcpyDeviceToHost
        assert down or self.holds(dst, count)
        up = kind == kinds.cudaMemcpyHostToDevice
        assert self._pinned(src, count) if up else self.holds(src, count)
        self.streams[stream].append(lambda: ctypes.memmove(dst, src, count))
        if down and not self._pinned(dst, count):
            self.run(stream)  # CUDA waits itself where memory is not page-locked
        return (self.fails.get("cudaMemcpyAsync", 0),)

    def cudaMemsetAsync(self, devPtr: int, value: int, count: int, stream: int) -> tuple[int]:
        assert stream in self.alive and self.holds(devPtr, count)
        self.streams[stream].append(lambda: ctypes.memset(devPtr, value, count))
        return (0,)

    def cudaStreamBeginCapture(self, stream: int, mode: cudaStreamCaptureMode) -> tuple[int]:
        assert self.capturing is None and not self.streams[stream]
        status = self.fails.get("cudaStreamBeginCapture", 0)
        if not status:
            self.log.append("capture")
            self.capturing = stream
        return (status,)

    def cudaStreamEndCapture(self, stream: int) -> tuple[int, int]:
        assert stream == self.capturing
        self.capturing = None
        self._made += 1
        self.graphs[self._made] = self.streams.pop(stream, [])
        self._names[self._made] = self.log[-1].removeprefix("execute ")
        return self.fails.get("cudaStreamEndCapture", 0), self._made

    def cudaGraphInstantiate(self, graph: int, flags: int) -> tuple[int, int]:
        assert flags == 0
        self._made += 1
        self.replays[self._made] = self.graphs[graph]
        self._names[self._made] = self._names[graph]
        return self.fails.get("cudaGraphInstantiate", 0), self._made

    def cudaGraphLaunch(self, graphExec: int, stream: int) -> tuple[int]:
        assert stream in self.alive and stream != self.capturing
        self.log.append(f"replay {self._names[graphExec]}")
        self.streams[stream] += self.replays[graphExec]
        return (self.fails.get("cudaGraphLaunch", 0),)

    def cudaGraphDestroy(self, graph: int) -> tuple[int]:
        self.graphs[graph] = []
        return (0,)

    def cudaGraphExecDestroy(self, graphExec: int) -> tuple[int]:
        del self.replays[graphExec]
        return (0,)

    def cudaEventCreateWithFlags(self, flags: int) -> tuple[int, int]:
        assert flags == self.cudaEventDisableTiming
        self._made += 1
        self._events[self._made] = 0, 0
        return 0, self._made

    def cudaEventRecord(self, event: int, stream: int) -> tuple[int]:
        self._events[event] = stream, self._over[stream] + len(self.streams[stream])
        return (0,)

    def cudaEventQuery(self, event: int) -> tuple[int]:
        stream, jobs = self._events[event]
        status = NOT_READY if self._over[stream] < jobs else 0
        return (self.fails.get("cudaEventQuery", status),)

    def cudaEventSynchronize(self, event: int) -> tuple[int]:
        stream, jobs = self._events[event]
        self.log.append("wait")
        self.run(stream, jobs)
        return (self.fails.get("cudaEventSynchronize", 0),)

    def cudaStreamWaitEvent(self, stream: int, event: int, flags: int) -> tuple[int]:
        other, jobs = self._events[event]
        self.log.append(f"{stream} follows {other}")
        self.streams[stream].append(lambda: self.run(other, jobs))
        return (0,)

    def cudaEventDestroy(self, event: int) -> tuple[int]:
        del self._events[event]
        return (0,)

    def cudaGetDevice(self) -> tuple[int, int]:
        return 0, 0

    def cudaPointerGetAttributes(self, ptr: int) -> tuple[int, Any]:
        kinds = self.cudaMemoryType
        if self.holds(ptr):
            return 0, SimpleNamespace(type=kinds.cudaMemoryTypeDevice, device=0)
        if self.unknown is not None:
            return 0, SimpleNamespace(type=kinds.cudaMemoryTypeDevice, device=self.unknown)
        return 0, SimpleNamespace(type=0, device=-2)

    def cudaGetErrorString(self, error: int) -> tuple[int, bytes]:
        return 0, b"out of memory"

    def run(self, stream: int, until: int | None = None) -> None:
        """Do what is queued on a stream, up to so many jobs since its beginning."""
        jobs = self.streams[stream]
        while jobs and (until is None or self._over[stream] < until):
            job = jobs.pop(0)
            self._over[stream] += 1
            job()

    def kinds(self) -> list[str]:
        """What was called, without addresses."""
        return [line.split()[0] for line in self.log]

    def holds(self, address: int, size: int = 1) -> bool:
        """Tell whether bytes lie on the device."""
        places = [(start, room) for start, (_, room) in self.device.items()]
        places += [(start, array.nbytes) for start, array in self.foreign.items()]
        return any(start <= address and address + size <= start + n for start, n in places)

    def _pinned(self, address: int, size: int) -> bool:
        places = [(start, len(memory)) for start, memory in self.host.items()]
        return any(start <= address and address + size <= start + n for start, n in places)

    def read(self, address: int, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """A copy of a tensor on the device."""
        array = np.empty(shape, dtype)
        assert self.holds(address, array.nbytes)
        ctypes.memmove(array.ctypes.data, address, array.nbytes)
        return array

    def write(self, address: int, array: NDArray[Any]) -> None:
        """Set a tensor on the device."""
        assert self.holds(address, array.nbytes)
        array = np.ascontiguousarray(array)
        ctypes.memmove(address, array.ctypes.data, array.nbytes)


class OnGpu:
    """A tensor on the GPU that somebody else made, with `__cuda_array_interface__` alone.

    Args:
        cuda: of the GPU; None: an address that is none's.
        array: its content.
        stream: on which its owner writes it.
        offset: bytes behind an aligned address.
    """

    def __init__(
        self, cuda: Cuda | None, array: NDArray[Any], stream: int | None = None, offset: int = 0
    ) -> None:
        room = np.zeros(array.nbytes + 512, np.uint8)
        start = -room.ctypes.data % 256 + offset
        self.array = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
        self.array[...] = array
        self.address = self.array.ctypes.data
        if cuda is not None:
            cuda.foreign[self.address] = self.array
        self.__cuda_array_interface__: dict[str, Any] = {
            "version": 3,
            "shape": array.shape,
            "strides": None,
            "typestr": array.dtype.str,
            "data": (self.address, False),
            "stream": stream,
        }
