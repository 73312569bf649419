"""Hands out the contract's tensors in memory of a device, and copies only what somebody reads.

Buffers are planned when a backend is opened, and used again as soon as nobody holds the tensor in
them. So what a tracker remembers of a frame stays as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mapt.contract import HOST_READS, SubgraphSpec, TensorSpec, list_specs
from mapt.runtime.backends.cuda import CudaMemory
from mapt.runtime.backends.device.foreign import ForeignTensor, foreign_tensor
from mapt.runtime.backends.device.memory import DeviceMemory
from mapt.runtime.backends.protocol import on_host

Key = tuple[str, tuple[int, ...]]
FEATURES = 3  # `s` of two frames, and one more while a frame fails or a thread saves the state


@dataclass
class Buffer:
    """A place on the device, and the array of the host that is copied to or from it, if any."""

    address: int
    staging: NDArray[Any] | None = None


class Placed(Protocol):
    """A tensor on the device, of the pool or of somebody else."""

    @property
    def address(self) -> int:
        """Where its values are."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's name of its type."""
        ...


class ResidentTensor:
    """A tensor on a device, see `mapt.runtime.backends.protocol.DeviceTensor`.

    Its buffer goes back to the pool with the last reference to it.

    Attributes:
        pool: that it belongs to.
        address: of its values on the device.
    """

    def __init__(self, pool: TensorPool, spec: TensorSpec, key: Key, buffer: Buffer) -> None:
        self.pool = pool
        self.address = buffer.address
        self.buffer = buffer
        self.ticket = 0  # of the copy to the host that was queued; 0: none was
        self._spec = spec
        self._key = key
        self._array: NDArray[Any] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return self._key[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's name of its type."""
        return np.dtype(self._spec.dtype)

    def numpy(self) -> NDArray[Any]:
        """Return its values, read-only; only the first call copies and waits."""
        with self.pool.lock:
            if self._array is None:
                self._array = self.pool.download(self)
            return self._array

    def planes(self, planes: NDArray[np.intp], rows: NDArray[np.intp]) -> NDArray[Any]:
        """See `mapt.runtime.backends.protocol.planes_on_host`."""
        with self.pool.lock:
            if self._array is None and self.pool.memory.copies_parts:
                return self.pool.download_planes(self, planes, rows)
            found: NDArray[Any] = self.numpy()[0][np.ix_(planes, rows)]
            return found

    def __del__(self) -> None:
        """Give the buffer back."""
        self.pool.free[self._key].append(self.buffer)


class TensorPool:
    """The tensors of one backend, and so of one tracker.

    Args:
        memory: of the device.
        sizes: the network's shape symbols.
        batch: images that the frame graphs take at a time.

    Attributes:
        lock: held while work is queued or waited for, so that any thread may read a tensor.
        free: buffers that nobody uses, by tensor.

    Raises:
        RuntimeError: there is not enough memory.
    """

    def __init__(self, memory: DeviceMemory, sizes: dict[str, int], batch: int = 1) -> None:
        self.memory = memory
        self.lock = threading.RLock()
        self.free: dict[Key, list[Buffer]] = {}
        self._sizes = sizes
        self._specs: dict[str, SubgraphSpec] = {spec.name: spec for spec in list_specs(batch)}
        self._queued = 0
        self._done = 0
        self._held: list[object] = []  # what the device may not have read yet
        for spec in self._specs.values():
            made = {tensor.name for other in self._specs.values() for tensor in other.outputs}
            for tensor in (*spec.inputs, *spec.outputs):
                uploaded = tensor.name not in made and tensor.name != "s_prev"
                read = tensor in spec.outputs and tensor.name in HOST_READS[spec.name]
                self._plan(tensor, staged=uploaded or read)

    def run(
        self,
        subgraph: str,
        inputs: Mapping[str, Any],
        launch: Callable[[Mapping[str, Placed]], object],
    ) -> dict[str, ResidentTensor]:
        """Run a subgraph between tensors on the device.

        What the host reads of its outputs in every frame is queued for it.

        Args:
            subgraph: its name.
            inputs: arrays, tensors of this pool, those of another backend, or contiguous ones in
                the memory of this GPU with `__cuda_array_interface__`. The device reads the last
                where they are, or copies them if their address is not aligned.
            launch: queues the work; it is given inputs and outputs by name.

        Raises:
            ValueError: an input has another shape or type than the contract says, or lies in
                memory that cannot be read here.
        """
        spec = self._specs[subgraph]
        with self.lock:
            streams: set[int] = set()  # of others, whose tensors are read
            given = {t.name: self._place(t, inputs[t.name], streams) for t in spec.inputs}
            made = {t.name: self._take(t) for t in spec.outputs}
            launch({**given, **made})
            for stream in streams:  # they may write these tensors again, but not too early
                assert isinstance(self.memory, CudaMemory)
                self.memory.lead(stream)
            for name in HOST_READS[subgraph]:
                self._expect(made[name])
        return made

    def rehearse(self, subgraph: str, launch: Callable[[Mapping[str, Placed]], object]) -> None:
        """Run a subgraph on zeros that nobody copies, and wait for it; the memory is CUDA's.

        Raises:
            RuntimeError: CUDA reports an error.
            Exception: whatever `launch` raises.
        """
        assert isinstance(self.memory, CudaMemory)
        spec = self._specs[subgraph]
        with self.lock:
            given = {t.name: self._take(t) for t in spec.inputs}
            for tensor in given.values():
                size = int(np.prod(tensor.shape)) * tensor.dtype.itemsize
                self.memory.clear(tensor.address, size)
            launch({**given, **{t.name: self._take(t) for t in spec.outputs}})
            self.wait()

    def download(self, tensor: ResidentTensor) -> NDArray[Any]:
        """Return a copy of a tensor's values; the caller holds the lock."""
        self._expect(tensor)
        if tensor.ticket > self._done:
            self.wait()
        assert tensor.buffer.staging is not None, "nothing was queued"
        array = tensor.buffer.staging.copy()
        array.setflags(write=False)
        return array

    def download_planes(
        self, tensor: ResidentTensor, planes: NDArray[np.intp], rows: NDArray[np.intp]
    ) -> NDArray[Any]:
        """Return some planes and rows of a tensor; the caller holds the lock.

        Rows that follow one another are copied at once.
        """
        staging = self._staging(tensor)
        runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
        for plane in planes.tolist():
            for run in runs:
                part = staging[0, plane, run[0] : run[-1] + 1]
                offset = part.ctypes.data - staging.ctypes.data
                self.memory.download(part, tensor.address + offset)
        self.wait()
        found: NDArray[Any] = staging[0][np.ix_(planes, rows)]
        return found

    def wait(self) -> None:
        """Wait for the device."""
        self.memory.wait()
        self._done = self._queued
        self._held.clear()

    def _expect(self, tensor: ResidentTensor) -> None:
        """Queue a tensor's copy to the host, once."""
        if tensor.ticket:
            return
        staging = self._staging(tensor)
        self.memory.download(staging, tensor.address)
        self._queued += 1
        tensor.ticket = self._queued

    def _place(self, spec: TensorSpec, value: Any, streams: set[int]) -> Placed:
        """An input on the device; an array is copied there."""
        key = self._key(spec)
        foreign = foreign_tensor(value)
        shape = foreign.shape if foreign else tuple(value.shape)
        dtype = foreign.dtype if foreign else value.dtype
        if shape != key[1] or dtype != np.dtype(spec.dtype):
            raise ValueError(f"{spec.name} is {dtype} {shape}, not {spec.dtype} {key[1]}")
        if isinstance(value, ResidentTensor) and value.pool is self:
            return value
        if foreign and isinstance(self.memory, CudaMemory):
            return self._borrow(spec, foreign, self.memory, streams)
        if foreign and not hasattr(value, "numpy"):
            raise ValueError(f"{spec.name} lies in a GPU's memory, which cannot be read here")
        tensor = self._take(spec)
        staging = self._staging(tensor)
        np.copyto(staging, on_host(value))
        self.memory.upload(tensor.address, staging)
        self._held.append(tensor)  # nothing else is written to its array before it was copied
        return tensor

    def _borrow(
        self, spec: TensorSpec, foreign: ForeignTensor, memory: CudaMemory, streams: set[int]
    ) -> Placed:
        """A tensor of somebody else on the same GPU, or a copy at an address that is aligned."""
        place = memory.place_of(foreign.address)
        here = memory.device()
        if place != here:
            where = "no GPU's memory" if place is None else f"the memory of GPU {place}"
            raise ValueError(f"{spec.name} lies in {where}, and the network on GPU {here}")
        if foreign.stream not in (None, memory.stream):
            memory.follow(foreign.stream)
            streams.add(foreign.stream)
        self._held.append(foreign)
        if foreign.aligned:
            return foreign
        tensor = self._take(spec)
        memory.duplicate(tensor.address, foreign.address, foreign.nbytes)
        return tensor

    def _take(self, spec: TensorSpec) -> ResidentTensor:
        key = self._key(spec)
        free = self.free[key]
        if not free:
            return ResidentTensor(self, spec, key, self._allocate(spec))
        # Always the lowest address, so that the same few places are used in every frame.
        buffer = min(free, key=lambda b: b.address)
        free.remove(buffer)
        return ResidentTensor(self, spec, key, buffer)

    def _plan(self, spec: TensorSpec, staged: bool) -> None:
        free = self.free.setdefault(self._key(spec), [])
        while len(free) < self._wanted(spec):
            free.append(self._allocate(spec))
        for buffer in free if staged else ():
            if buffer.staging is None:
                buffer.staging = self.memory.allocate_host(self._key(spec)[1], spec.dtype)

    def _wanted(self, spec: TensorSpec) -> int:
        """How many buffers a frame may need at once."""
        if self._key(spec)[0] == "s":
            return FEATURES
        calls = -(-self._sizes["D"] // self._sizes["N"])  # of the motion head, and of the next one
        if spec.name == "rows":
            return 2 * calls
        return calls if spec.shape[0] == "N" else 1

    def _allocate(self, spec: TensorSpec) -> Buffer:
        size = int(np.prod(self._key(spec)[1])) * np.dtype(spec.dtype).itemsize
        return Buffer(self.memory.allocate(size))

    def _staging(self, tensor: ResidentTensor) -> NDArray[Any]:
        buffer = tensor.buffer
        if buffer.staging is None:
            buffer.staging = self.memory.allocate_host(tensor.shape, tensor.dtype)
        return buffer.staging

    def _key(self, spec: TensorSpec) -> Key:
        # A frame's features are those of the frame before in the next one.
        return "s" if spec.name == "s_prev" else spec.name, spec.resolve(self._sizes)
