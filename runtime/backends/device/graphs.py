"""Captures what a subgraph queues on a GPU, and replays it as one CUDA graph."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from typing import Any

from mapt.runtime.backends.cuda import CudaMemory, call

MOST_GRAPHS = 16  # of a subgraph: each holds memory, and a few serve all frames

Addresses = tuple[int, ...]


class CudaGraphs:
    """The CUDA graphs of one backend, one for each set of addresses that a subgraph works on.

    Work is captured from a stream on which nothing else is queued, so other threads may go on using
    the memory's stream. A subgraph that cannot be captured is queued as it is, from then on.

    Args:
        memory: of the GPU, on whose stream graphs are replayed.

    Attributes:
        failed: why subgraphs cannot be captured, by name.

    Raises:
        RuntimeError: from any method, CUDA reports an error.
    """

    def __init__(self, memory: CudaMemory) -> None:
        self.failed: dict[str, str] = {}
        self._memory = memory
        self._stream = call(
            memory.api, "cudaStreamCreateWithFlags", memory.api.cudaStreamNonBlocking
        )
        self._graphs: dict[str, dict[Addresses, Any]] = {}
        self._all: list[Any] = []
        weakref.finalize(self, _free, memory, self._stream, self._all)

    def launch(self, name: str, addresses: Addresses, queue: Callable[[int], None]) -> None:
        """Replay a subgraph on these addresses; the first time, capture it.

        Args:
            name: of the subgraph.
            addresses: of all its tensors, in an order of its own.
            queue: queues its work on the stream that it is given. Whatever it raises comes through,
                unless it raises only while it is captured.
        """
        graphs = self._graphs.setdefault(name, {})
        if name not in self.failed and addresses not in graphs and len(graphs) < MOST_GRAPHS:
            try:
                graphs[addresses] = self._capture(queue)
            except RuntimeError as error:
                self.failed[name] = str(error)
                logging.getLogger("mapt").warning(
                    "mapt: %s runs without a CUDA graph: %s", name, error
                )
        if addresses in graphs:
            call(self._memory.api, "cudaGraphLaunch", graphs[addresses], self._memory.stream)
        else:
            queue(self._memory.stream)

    def _capture(self, queue: Callable[[int], None]) -> Any:
        api = self._memory.api
        mode = api.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        call(api, "cudaStreamBeginCapture", self._stream, mode)
        try:
            queue(int(self._stream))
        except BaseException:
            api.cudaStreamEndCapture(self._stream)  # the error that matters is already there
            raise
        graph = call(api, "cudaStreamEndCapture", self._stream)
        try:
            self._all.append(call(api, "cudaGraphInstantiate", graph, 0))
        finally:
            api.cudaGraphDestroy(graph)
        return self._all[-1]


def _free(memory: CudaMemory, stream: Any, graphs: list[Any]) -> None:
    # Nobody is left to be told of an error here.
    memory.api.cudaStreamSynchronize(memory.stream)
    for graph in graphs:
        memory.api.cudaGraphExecDestroy(graph)
    memory.api.cudaStreamDestroy(stream)
