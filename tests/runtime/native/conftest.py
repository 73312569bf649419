"""The native core, built by CMake, in place of one that setup.py built or did not build."""

import ctypes
from collections.abc import Iterator
from pathlib import Path

import pytest

from mapt.runtime.native import choice, tracker
from mapt.runtime.native.interface import declare
from tests.tools.native_build import native_build
from tests.tools.once import exported


@pytest.fixture(scope="session")
def library() -> ctypes.CDLL:
    """libmapt.so."""
    return declare(ctypes.CDLL(str(native_build() / "libmapt.so")))


@pytest.fixture
def native_core(library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Trackers load this library."""
    for module in (choice, tracker):
        monkeypatch.setattr(module, "load_library", lambda: library)
    yield


@pytest.fixture(scope="session")
def probe() -> ctypes.CDLL:
    """What the library does not export, for comparisons part by part."""
    found = ctypes.CDLL(str(native_build() / "libmapt_probe.so"))
    found.probe_open.restype = ctypes.c_void_p
    for name in ("error", "perceive", "motion", "appearance", "features", "sha256"):
        getattr(found, f"probe_{name}").restype = ctypes.c_char_p
    return found


@pytest.fixture(scope="session")
def small_bundle() -> Path:
    """The smallest size of the network that comes with the package."""
    from mapt.io.pretrained import shipped_bundle

    return shipped_bundle() / "192x352"


@pytest.fixture(scope="session")
def custom_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network with MAPT's own operators."""
    return exported(tmp_path_factory, "custom", (192, 352))
