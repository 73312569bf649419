"""The native network gives the bits of Python's ONNX Runtime backend, stage by stage."""

import ctypes
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mapt.contract import BY_NAME
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.bundle.manifest import read_bundle
from mapt.runtime.native.library import find_onnxruntime
from mapt.runtime.perception.preprocess import fit, to_input
from mapt.synthetic import render_sequence

Array = NDArray[Any]
SEEN = ("margins", "labels", "boxes", "scores", "classes", "mask_logits", "masks8", "logits")


def address(array: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


class NativeNetwork:
    """The stages of a native network, by the names of the contract."""

    def __init__(self, probe: ctypes.CDLL, bundle: Path, backend: OrtBackend) -> None:
        self.probe = probe
        self.sizes = backend.info.sizes
        opened = probe.probe_open(bytes(bundle), bytes(find_onnxruntime()), 1, 1)
        self.handle = ctypes.c_void_p(opened)
        assert probe.probe_error(self.handle) is None, probe.probe_error(self.handle)

    def perceive(self, image: Array, slot: int) -> dict[str, Array]:
        info = self.sizes
        pixels = np.empty((1, info["H"], info["W"], 3), np.uint8)
        height, width, _ = image.shape
        said = self.probe.probe_perceive(
            self.handle, address(image), height, width, slot, address(pixels)
        )
        assert said is None, said
        places = (ctypes.c_void_p * len(SEEN))()
        self.probe.probe_seen(self.handle, places)
        specs = {t.name: t for name in ("semantic", "instance") for t in BY_NAME[name].outputs}
        found = {n: self.read(places[i], specs[n]) for i, n in enumerate(SEEN)}
        s = np.empty(specs["s"].resolve(self.sizes), np.float32)
        assert self.probe.probe_features(self.handle, slot, address(s)) is None
        return found | {"image": pixels, "s": s}

    def read(self, place: Any, spec: Any) -> Array:
        kind = ctypes.POINTER(np.ctypeslib.as_ctypes_type(spec.dtype))
        return np.ctypeslib.as_array(ctypes.cast(place, kind), spec.resolve(self.sizes)).copy()

    def motion(self, before: int, now: int, masks: Array, rows: Array) -> Array:
        out = ctypes.POINTER(ctypes.c_float)()
        count = int((rows >= 0).sum())
        said = self.probe.probe_motion(
            self.handle, before, now, address(masks), len(masks), address(rows), count,
            ctypes.byref(out),
        )  # fmt: skip
        assert said is None, said
        return self.read(out, BY_NAME["motion"].outputs[0])

    def appearance(self, rows: Array) -> Array:
        out = ctypes.POINTER(ctypes.c_float)()
        count = int((rows >= 0).sum())
        said = self.probe.probe_appearance(self.handle, address(rows), count, ctypes.byref(out))
        assert said is None, said
        return self.read(out, BY_NAME["appearance"].outputs[0])


@pytest.fixture(params=["standard", "custom"])
def bundle(request: pytest.FixtureRequest, small_bundle: Path) -> Path:
    if request.param == "standard":
        return small_bundle
    custom: Path = request.getfixturevalue("custom_bundle")
    return custom


@pytest.fixture
def backend(bundle: Path) -> Iterator[OrtBackend]:
    yield OrtBackend(read_bundle(bundle), 1, "cpu")


def test_every_stage_gives_the_same_bits(
    probe: ctypes.CDLL, bundle: Path, backend: OrtBackend
) -> None:
    native = NativeNetwork(probe, bundle, backend)
    sizes = backend.info.sizes
    rng = np.random.default_rng(0)
    before = None
    for number, frame in enumerate(render_sequence(5, 0, 3, (200, 500))):
        image = np.ascontiguousarray(frame.image)
        letterbox = fit(image.shape[0], image.shape[1], sizes["H"], sizes["W"])
        known: dict[str, Any] = {"image": to_input(image, letterbox, sizes["H"], sizes["W"])}
        for name in ("backbone", "semantic", "instance"):
            known |= backend.run(name, {t.name: known[t.name] for t in BY_NAME[name].inputs})
        found = native.perceive(image, number % 3)
        for name, values in found.items():
            assert np.array_equal(values, known[name]), name
        count = min(int(known["count"][0]), sizes["N"])
        known["rows"] = np.full(sizes["N"], -1, np.int32)
        known["rows"][:count] = rng.permutation(count)
        known["s_prev"] = known["s"] if before is None else before
        masks = rng.random((sizes["N"], 1, sizes["H"] // 8, sizes["W"] // 8), dtype=np.float32)
        known["masks_prev"] = masks
        for name in ("motion", "appearance"):
            known |= backend.run(name, {t.name: known[t.name] for t in BY_NAME[name].inputs})
        slot = max(number - 1, 0) % 3
        propagated = native.motion(slot, number % 3, masks, known["rows"])
        assert np.array_equal(propagated, known["propagated"])
        assert np.array_equal(native.appearance(known["rows"]), known["embeddings"])
        before = known["s"]
    assert count > 1


side = st.integers(1, 90)


@settings(max_examples=300, deadline=None)
@given(side, side, side, side, st.integers(0, 2**32 - 1))
def test_images_are_resized_as_opencv_does(
    probe: ctypes.CDLL, height: int, width: int, rows: int, columns: int, seed: int
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    out = np.empty((rows, columns, 3), np.uint8)
    probe.probe_resize(address(image), height, width, address(out), rows, columns)
    size = (columns, rows)
    assert np.array_equal(out, cv2.resize(image, size, interpolation=cv2.INTER_LINEAR_EXACT))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_digests_are_those_of_hashlib(probe: ctypes.CDLL, data: bytes) -> None:
    wanted = hashlib.sha256(data).hexdigest().encode()
    for portable in (0, 1):
        assert probe.probe_sha256(data, ctypes.c_size_t(len(data)), portable) == wanted
