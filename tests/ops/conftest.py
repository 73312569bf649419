"""Operators are tested as compiled and as torchvision computes them."""

from collections.abc import Iterator

import pytest
import torch

from mapt.ops import compiled

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that take a `device`.

    `pytest -m device -k cuda` runs them on a GPU alone.
    """
    for item in items:
        if "device" in getattr(item, "fixturenames", ()):
            item.add_marker("device")


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    """The CPU, and a GPU where there is one."""
    name: str = request.param
    return name


@pytest.fixture(params=["compiled", "torchvision"])
def implementation(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every operator test runs once per implementation."""
    if request.param == "torchvision":
        with compiled.disabled():
            yield request.param
        return
    missing = compiled.MISSING
    if "device" in request.fixturenames and request.getfixturevalue("device") == "cuda":
        missing = compiled.MISSING_CUDA
    if missing:
        pytest.skip(f"no compiled operators: {missing}")
    yield request.param


needs_compiled = pytest.mark.skipif(
    bool(compiled.MISSING), reason=f"no compiled operators: {compiled.MISSING}"
)
