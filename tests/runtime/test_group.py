"""Several cameras on one network: each gets the frames that it would get alone."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mapt.contract import BY_NAME, FRAME_GRAPHS
from mapt.errors import InputError
from mapt.runtime import (
    BackendError,
    BusyError,
    OutputError,
    PanopticFrame,
    PanopticTracker,
    StampError,
    StateError,
    Status,
    TrackerGroup,
)
from mapt.runtime.backends.protocol import Backend, Tensors
from mapt.runtime.batches.batch import one_camera, part
from tests.runtime.conftest import Actor, SceneBackend, picture

SECOND = 1_000_000_000
STEP = SECOND // 10
Scenes = Callable[..., SceneBackend]
Image = NDArray[np.uint8]


class BatchedScene:
    """The fake network for several images at a time: each place is an answer of its own."""

    name = "scene"

    def __init__(self, scene: SceneBackend, batch: int) -> None:
        self.scene = scene
        self.info = scene.info
        self.providers = scene.providers
        self.batch = batch
        self.calls: list[str] = []
        self.spoil: dict[int, Callable[[str, Tensors], object]] = {}  # by place

    def run(self, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        """Answer for every place."""
        self.calls.append(subgraph)
        if subgraph not in FRAME_GRAPHS:
            return self.scene.run(subgraph, inputs)
        assert all(len(value) == self.batch for value in inputs.values())
        each = []
        for place in range(self.batch):
            own = {name: value[place : place + 1] for name, value in inputs.items()}
            each.append(self.scene.run(subgraph, own))
            if place in self.spoil:
                self.spoil[place](subgraph, each[-1])
        joined = {}
        for tensor in BY_NAME[subgraph].outputs:
            found = [outputs[tensor.name] for outputs in each]
            joined[tensor.name] = np.concatenate(found) if tensor.shape[0] == 1 else np.stack(found)
        return joined


def actors() -> tuple[Actor, ...]:
    return (
        Actor(8, 8, dx=2, look=0),
        Actor(60, 30, dx=-3, label=3, look=1, hidden=(4, 5)),
        Actor(30, 40, dx=1, look=2, score=0.8),
    )


def make_group(scene: SceneBackend, cameras: int, batch: int, threads: int = 1) -> TrackerGroup:
    backend: Backend = scene if batch == 1 else BatchedScene(scene, batch)
    alone = one_camera(backend, batch)
    trackers = {f"camera {i}": PanopticTracker(alone) for i in range(cameras)}
    return TrackerGroup(trackers, backend, batch, threads)


def batched(group: TrackerGroup) -> BatchedScene:
    assert isinstance(group._backend, BatchedScene)
    return group._backend


def view(camera: int, number: int) -> Image:
    """The frame of a camera: they see different times, and have different sizes."""
    return picture(number + camera, 64 + 16 * camera, 96 + 8 * camera)


def assert_equal(found: object, want: PanopticFrame) -> None:
    assert isinstance(found, PanopticFrame)
    assert np.array_equal(found.semantic, want.semantic)
    assert np.array_equal(found.instance, want.instance)
    assert (found.tracks, found.decisions) == (want.tracks, want.decisions)
    assert (found.stamp_ns, found.alarms, found.overflow) == (
        want.stamp_ns,
        want.alarms,
        want.overflow,
    )


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("cameras", "batch"), [(1, 1), (3, 1), (3, 3), (3, 4), (5, 2)])
def test_every_camera_gets_the_frames_that_it_gets_alone(
    scene: Scenes, cameras: int, batch: int, threads: int
) -> None:
    network = scene(*actors())
    network.concurrent = True  # type: ignore[attr-defined]
    group = make_group(network, cameras, batch, threads)
    alone = [PanopticTracker(scene(*actors())) for _ in range(cameras)]
    for number in range(8):
        absent = {number % 3} if number > 2 else set()
        images = [None if c in absent else view(c, number) for c in range(cameras)]
        stamps = [number * STEP + c for c in range(cameras)]
        found = group.step(images, stamps)
        for camera, image in enumerate(images):
            if image is None:
                assert found[camera] is None
            else:
                assert_equal(found[camera], alone[camera].step(image, stamps[camera]))
    for camera, tracker in enumerate(alone):
        assert group[camera].save_state() == tracker.save_state()
        assert group[camera].next_id == tracker.next_id > 1


def test_absent_cameras_take_no_place_in_a_batch(scene: Scenes) -> None:
    group = make_group(scene(*actors()), 5, 2)
    group.step([view(c, 0) if c in (0, 3) else None for c in range(5)], [1] * 5)
    assert batched(group).calls.count("backbone") == 1
    batched(group).calls.clear()
    assert group.step([None] * 5, [None] * 5) == [None] * 5
    assert batched(group).calls == []
    group.step([view(c, 1) for c in range(5)], [STEP] * 5)
    assert batched(group).calls.count("backbone") == 3


@pytest.mark.parametrize("batch", [1, 2])
def test_an_error_is_its_cameras_own(scene: Scenes, batch: int) -> None:
    group = make_group(scene(*actors()), 3, batch)
    alone = PanopticTracker(scene(*actors()))
    group.step([view(c, 0) for c in range(3)], [STEP] * 3)
    alone.step(view(0, 0), STEP)
    before = [group[c].save_state() for c in range(3)]
    bad = np.zeros((3, 3), np.uint8)
    good, refused, late = group.step([view(0, 1), bad, view(2, 1)], [2 * STEP, 2 * STEP, STEP])
    assert_equal(good, alone.step(view(0, 1), 2 * STEP))
    assert isinstance(refused, InputError) and "uint8 (3, 3)" in str(refused)
    assert isinstance(late, StampError)
    assert [group[c].save_state() == before[c] for c in range(3)] == [False, True, True]
    health = group.health()
    assert [health[name].refused for name in group] == [0, 1, 1]
    assert [health[name].status for name in group] == [
        Status.OK,
        Status.NO_INPUT,
        Status.NO_INPUT,
    ]
    missing = group.step([view(0, 2)] * 3, [3 * STEP, None, 3 * STEP])[1]
    assert isinstance(missing, StampError)


def test_a_batch_that_fails_fails_for_each_of_its_cameras_and_no_other(scene: Scenes) -> None:
    network = scene(*actors())
    group = make_group(network, 3, 2)
    network.raises["semantic"] = RuntimeError("out of luck")
    first, second, third = group.step([view(c, 0) for c in range(3)], [STEP] * 3)
    assert all(isinstance(error, BackendError) for error in (first, second, third))
    assert first is not second
    assert "semantic: RuntimeError: out of luck" in str(second)
    assert {health.status for health in group.health().values()} == {Status.FAULT}
    network.raises.clear()
    alone = PanopticTracker(scene(*actors()))
    assert_equal(group.step([view(1, 0)] * 3, [STEP] * 3)[1], alone.step(view(1, 0), STEP))


def test_an_output_that_breaks_the_contract_is_one_cameras(scene: Scenes) -> None:
    group = make_group(scene(*actors()), 2, 2)

    def spoil(subgraph: str, outputs: Tensors) -> None:
        if subgraph == "semantic":
            outputs["margins"][0, 0, 0, 0] = np.nan

    batched(group).spoil[1] = spoil
    good, bad = group.step([view(c, 0) for c in range(2)], [STEP] * 2)
    assert isinstance(good, PanopticFrame)
    assert isinstance(bad, OutputError) and "margins" in str(bad)
    assert [health.status for health in group.health().values()] == [Status.OK, Status.INVALID]


@pytest.mark.parametrize("batch", [1, 3])
def test_a_camera_is_reset_and_restored_alone(scene: Scenes, batch: int) -> None:
    group = make_group(scene(*actors()), 2, batch)
    alone = [PanopticTracker(scene(*actors())) for _ in range(2)]
    for number in range(3):
        stamps = [number * STEP] * 2
        group.step([view(c, number) for c in range(2)], stamps)
        for camera, tracker in enumerate(alone):
            tracker.step(view(camera, number), stamps[camera])
    kept = group["camera 1"].save_state()
    group["camera 0"].reset()
    alone[0].reset()
    found = group.step([view(c, 3) for c in range(2)], [3 * STEP] * 2)
    for camera, tracker in enumerate(alone):
        assert_equal(found[camera], tracker.step(view(camera, 3), 3 * STEP))
    group["camera 1"].restore_state(kept)
    again = group.step([None, view(1, 3)], [None, 3 * STEP])[1]
    assert isinstance(found[1], PanopticFrame)
    assert_equal(again, found[1])
    with pytest.raises(StateError):
        group["camera 1"].restore_state(kept[:-1])


@pytest.mark.parametrize("batch", [1, 2])
def test_each_camera_has_its_deadline(scene: Scenes, batch: int) -> None:
    group = make_group(scene(*actors()), 2, batch)
    group.step([view(c, 0) for c in range(2)], [0, 0])
    hurried, calm = group.step([view(c, 1) for c in range(2)], [STEP] * 2, [1e-6, None])
    assert isinstance(hurried, PanopticFrame) and isinstance(calm, PanopticFrame)
    assert (hurried.degraded, calm.degraded) == (("appearance", "motion"), ())
    assert [health.status for health in group.health().values()] == [Status.LATE, Status.OK]
    both = group.step([view(c, 2) for c in range(2)], [2 * STEP] * 2, 1e-6)
    assert all(isinstance(frame, PanopticFrame) and frame.degraded for frame in both)
    wrong = group.step([view(c, 3) for c in range(2)], [3 * STEP] * 2, [-1, None])
    assert isinstance(wrong[0], InputError) and isinstance(wrong[1], PanopticFrame)


def test_a_deadline_counts_from_the_call_also_for_cameras_whose_turn_comes_later(
    scene: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = make_group(scene(*actors()), 2, 1)
    group.step([view(c, 0) for c in range(2)], [0, 0])
    real = group[0].begin_step
    pause = threading.Event()

    def slow(*arguments: Any) -> Any:
        stepping = real(*arguments)
        pause.wait(0.2)
        return stepping

    monkeypatch.setattr(group[0], "begin_step", slow)
    group.step([view(c, 1) for c in range(2)], [STEP] * 2, [1e6, 100])
    assert [health.status for health in group.health().values()] == [Status.OK, Status.LATE]


def test_steps_of_several_cameras_run_at_the_same_time_where_the_backend_allows_it(
    scene: Scenes,
) -> None:
    network = scene(*actors())
    meeting = threading.Barrier(2)
    network.spoil["backbone"] = lambda _: meeting.wait(timeout=60)
    network.concurrent = True  # type: ignore[attr-defined]
    group = make_group(network, 2, 1, threads=2)
    frames = group.step([view(c, 0) for c in range(2)], [0, 0])
    assert all(isinstance(frame, PanopticFrame) for frame in frames)


def test_an_interrupted_step_leaves_no_camera_waiting(scene: Scenes) -> None:
    network = scene(*actors())
    group = make_group(network, 2, 2)
    network.raises["instance"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        group.step([view(c, 0) for c in range(2)], [0, 0])
    network.raises.clear()
    frames = group.step([view(c, 0) for c in range(2)], [0, 0])
    assert all(isinstance(frame, PanopticFrame) for frame in frames)


def test_a_second_thread_is_refused(scene: Scenes) -> None:
    network = scene(*actors())
    group = make_group(network, 2, 2)
    errors = list[BaseException]()

    def meddle(_: object) -> None:
        for act in (lambda: group.step([None] * 2, [None] * 2), group[0].reset):
            try:
                act()
            except BusyError as error:
                errors.append(error)

    network.spoil["instance"] = meddle
    group.step([view(0, 0), None], [0, None])
    assert len(errors) == 4  # the batch has two places


@pytest.mark.parametrize(
    ("images", "stamps", "deadline", "says"),
    [
        ([None], [None, None], None, "images: give one for each of 2 cameras, not 1"),
        ([None, None], [None], None, "stamps: give one for each of 2 cameras, not 1"),
        ([None, None], 7, None, "stamps: give one for each of 2 cameras, not 7"),
        ([None, None], [None, None], [1.0], "deadline_ms: give one for each of 2 cameras"),
    ],
)
def test_what_lacks_a_camera_is_refused(
    scene: Scenes, images: Any, stamps: Any, deadline: Any, says: str
) -> None:
    group = make_group(scene(*actors()), 2, 1)
    with pytest.raises(InputError, match=says):
        group.step(images, stamps, deadline)


def test_an_unknown_camera_is_refused(scene: Scenes) -> None:
    group = make_group(scene(*actors()), 2, 1)
    assert tuple(group) == group.cameras == ("camera 0", "camera 1") and len(group) == 2
    for camera in ("front", 2, -1, True):
        with pytest.raises(InputError, match="is none of camera 0, camera 1"):
            group[camera]


def test_a_tracker_of_a_batched_group_steps_alone_too(scene: Scenes) -> None:
    group = make_group(scene(*actors()), 3, 3)
    alone = PanopticTracker(scene(*actors()))
    for number in range(3):
        found = group[2].step(view(2, number), number * STEP)
        assert_equal(found, alone.step(view(2, number), number * STEP))


def test_parts_of_a_batch_have_the_contracts_shapes(scene: Scenes) -> None:
    network = BatchedScene(scene(*actors()), 3)
    info = replace(network.info)
    images = np.concatenate([picture(i, info.height, info.width)[None] for i in range(3)])
    trunk = network.run("backbone", {"image": images})
    slots = network.run("instance", {name: trunk[name] for name in ("p4", "p8", "p16", "p32")})
    for subgraph, outputs in (("backbone", trunk), ("instance", slots)):
        own = part(subgraph, outputs, 1, info.sizes)
        for tensor in BY_NAME[subgraph].outputs:
            assert own[tensor.name].shape == tensor.resolve(info.sizes)
