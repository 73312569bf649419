"""Sessions between tensors on a device give the same bits as sessions that are given arrays."""

import math
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mapt.contract import BY_NAME, HOST_READS
from mapt.runtime import PanopticTracker
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.ort_providers import CUDA
from mapt.runtime.backends.protocol import CopyCounts
from mapt.runtime.bundle.manifest import Bundle
from mapt.runtime.persistence.recording import digest
from tests.runtime.backends import cuda_standin
from tests.runtime.backends.ort_bundles import PERIOD, images, inputs_of


@pytest.fixture(params=["host", "one by one", "streamed"])
def bound(request: pytest.FixtureRequest, checked: Bundle) -> OrtBackend:
    """A backend on memory of the host, of a GPU, and of a GPU with a stream."""
    if request.param == "host":
        return OrtBackend(checked, 1, "cpu", bound=True)
    request.getfixturevalue("ort" if request.param == "one by one" else "streamed_ort")
    return OrtBackend(checked, 1, "cuda")


def test_every_subgraph_gives_the_same_bits(checked: Bundle, bound: OrtBackend) -> None:
    plain = OrtBackend(checked, 1, "cpu")
    for name, given in inputs_of(checked).items():
        want = plain.run(name, given)
        got = bound.run(name, given)
        bound.run(name, {k: np.zeros_like(v) for k, v in given.items()})
        assert [t.name for t in BY_NAME[name].outputs] == list(got)
        for tensor, value in got.items():
            assert (value.shape, value.dtype) == (want[tensor].shape, want[tensor].dtype)
            assert np.array_equal(value.numpy(), want[tensor]), (name, tensor)
            with pytest.raises(ValueError, match="read-only"):
                value.numpy()[...] = 0


def test_a_tracker_sees_the_same_and_copies_only_what_the_host_reads(
    checked: Bundle, bound: OrtBackend
) -> None:
    plain, placed = (PanopticTracker(b) for b in (OrtBackend(checked, 1, "cpu"), bound))
    frames = images(4)
    for number, image in enumerate(frames):
        before = replace(bound.traffic)
        found = placed.step(image, number * PERIOD)
        assert digest(found) == digest(plain.step(image, number * PERIOD))
        moved = bound.traffic.since(before)
        assert placed.save_state() == plain.save_state()
    sizes = checked.info.sizes
    least = sum(_bytes(t, sizes) for n in ("semantic", "instance") for t in _read(n))
    image_bytes = _bytes(BY_NAME["backbone"].inputs[0], sizes)
    assert moved.up >= image_bytes and moved.down >= least
    pyramid = sum(_bytes(t, sizes) for t in BY_NAME["backbone"].outputs)
    assert moved.up + moved.down < pyramid + image_bytes


def _read(name: str) -> list[Any]:
    return [t for t in BY_NAME[name].outputs if t.name in HOST_READS[name]]


def _bytes(tensor: Any, sizes: dict[str, int]) -> int:
    size: int = math.prod(tensor.resolve(sizes)) * np.dtype(tensor.dtype).itemsize
    return size


def test_what_lies_on_the_device_is_not_sent_again(checked: Bundle, bound: OrtBackend) -> None:
    plain = OrtBackend(checked, 1, "cpu")
    image = inputs_of(checked)["backbone"]
    trunk = bound.run("backbone", image)
    assert bound.traffic == CopyCounts(up=image["image"].nbytes)
    pyramid = {n: trunk[n] for n in ("p4", "p8", "p16", "p32")}
    first = bound.run("instance", pyramid)
    assert bound.traffic.up == image["image"].nbytes, "the pyramid is there"
    other = {n: v.numpy() * np.float32(0.5) for n, v in pyramid.items()}
    want = plain.run("instance", other)
    got = bound.run("instance", other)
    assert bound.traffic.up > image["image"].nbytes
    assert all(np.array_equal(want[n], got[n].numpy()) for n in want)
    foreign = OrtBackend(checked, 1, "cpu", bound=True).run("backbone", image)
    again = bound.run("instance", {n: foreign[n] for n in pyramid})
    assert all(np.array_equal(first[n].numpy(), again[n].numpy()) for n in first)


def test_what_is_not_the_contracts_is_refused(checked: Bundle, bound: OrtBackend) -> None:
    given = inputs_of(checked)["backbone"]
    with pytest.raises(ValueError, match=r"^image is float32 \(1, \d+, \d+, 3\), not uint8"):
        bound.run("backbone", {"image": given["image"].astype(np.float32)})
    with pytest.raises(ValueError, match=r"image is uint8 .*, not uint8"):
        bound.run("backbone", {"image": given["image"][:, 1:]})


def test_one_stream_runs_all_sessions_and_the_host_waits_three_times_a_frame(
    checked: Bundle, streamed_ort: cuda_standin.Ort
) -> None:
    backend = OrtBackend(checked, 1, "cuda")
    assert {s.get("user_compute_stream") for s in streamed_ort.settings[1:]} == {"77"}
    assert backend.captured == set(BY_NAME) - {"instance"}, "its suppression is a Loop"
    assert streamed_ort.captures == len(backend.captured)
    graphs = {name: f"{CUDA} with CUDA graphs" for name in backend.captured}
    assert backend.providers == {**graphs, "instance": CUDA}
    assert OrtBackend(checked, 1, "cuda", capture=False).captured == frozenset()
    tracker = PanopticTracker(backend)
    for number, image in enumerate(images(3)):
        before = replace(backend.traffic)
        tracker.step(image, number * PERIOD)
        assert backend.traffic.since(before).waits <= 4  # one for the logits, in some frames
        allocated = streamed_ort.cuda.log.count("cudaMalloc")
        streamed_ort.cuda.log.clear()
        assert number == 0 or not allocated


def test_a_state_is_saved_while_frames_go_on(checked: Bundle, bound: OrtBackend) -> None:
    tracker = PanopticTracker(bound)
    plain = PanopticTracker(OrtBackend(checked, 1, "cpu"), model=tracker.model)
    known = set()
    for number, image in enumerate(images(4)):
        plain.step(image, number * PERIOD)
        known.add(plain.save_state())
    saved: list[bytes] = []
    over = threading.Event()

    def save() -> None:
        while not over.is_set():
            saved.append(tracker.save_state())

    tracker.step(images(1)[0], 0)
    saver = threading.Thread(target=save)
    saver.start()
    for number, image in enumerate(images(4)[1:], 1):
        tracker.step(image, number * PERIOD)
    over.set()
    saver.join()
    assert saved and set(saved) <= known
    other = PanopticTracker(bound, model=tracker.model)
    other.restore_state(saved[-1])
    assert other.save_state() == saved[-1]
