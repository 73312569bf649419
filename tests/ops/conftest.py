"""Operators are tested as compiled and as torchvision computes them."""

from collections.abc import Iterator

import pytest

from mapt.ops import compiled


@pytest.fixture(params=["compiled", "torchvision"])
def implementation(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every operator test runs once per implementation."""
    if request.param == "torchvision":
        with compiled.disabled():
            yield request.param
        return
    if compiled.MISSING:
        pytest.skip(f"no compiled operators: {compiled.MISSING}")
    yield request.param


needs_compiled = pytest.mark.skipif(bool(compiled.MISSING), reason=f"no compiled operators: {compiled.MISSING}")
