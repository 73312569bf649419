"""A rehearsal of the checks on the bundle that all tests share."""

from mapt.bench.gpu.context import Context


class AtItsSize(Context):
    """A rehearsal at that bundle's size."""

    def size(self) -> tuple[int, int]:
        return 192, 640
