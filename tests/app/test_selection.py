import numpy as np
import pytest

from mapt.app.selection import Selection, Selector, select
from mapt.errors import InputError
from mapt.labels.class_sets import KITTI_STEP
from mapt.labels.step_png import VOID
from mapt.runtime import Decision, PanopticFrame, Track


def frame_of(car_score: float = 0.9) -> PanopticFrame:
    """Road, a car, a person, and the decisions about them and about a car that ended."""
    tracks = (
        Track(1, 13, car_score, (0.0, 0.0, 1.0, 1.0), 0, 0, "car"),
        Track(2, 11, 0.4, (1.0, 0.0, 2.0, 1.0), 0, 0, "person"),
    )
    decisions = tuple(Decision("birth", i, 0, 0.9, None, 0.4, 0.5) for i in (1, 2, 9))
    return PanopticFrame(
        np.array([[13, 11, 0, 13]], np.uint8), np.array([[1, 2, 0, 0]], np.int32),
        tracks, decisions, {}, 0, 0, classes=KITTI_STEP.classes,
    )  # fmt: skip


def test_without_a_choice_the_frame_is_the_same() -> None:
    frame = frame_of()
    assert Selector(Selection()).apply(frame) is frame


def test_other_classes_are_void_and_have_no_ids_or_decisions() -> None:
    chosen = Selector(select("car", 0.0, KITTI_STEP)).apply(frame_of())
    assert chosen.semantic.tolist() == [[13, VOID, VOID, 13]]
    assert chosen.instance.tolist() == [[1, 0, 0, 0]]
    assert [t.id for t in chosen.tracks] == [d.track for d in chosen.decisions] == [1]


def test_classes_without_objects_can_be_chosen() -> None:
    chosen = Selector(select("road, person", 0.0, KITTI_STEP)).apply(frame_of())
    assert chosen.semantic.tolist() == [[VOID, 11, 0, VOID]]
    assert [t.id for t in chosen.tracks] == [2]


def test_a_score_leaves_out_objects_and_no_other_pixels() -> None:
    chosen = Selector(Selection(score=0.5)).apply(frame_of())
    assert chosen.semantic.tolist() == [[13, VOID, 0, 13]]
    assert chosen.instance.tolist() == [[1, 0, 0, 0]] and len(chosen.tracks) == 1


def test_the_end_of_a_track_that_was_shown_is_told() -> None:
    selector = Selector(Selection(score=0.5))
    selector.apply(frame_of(0.9))
    later = selector.apply(frame_of(0.3))
    assert later.tracks == () and [d.track for d in later.decisions] == [1]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("Car", "--classes: this network has no class Car; did you mean 'car'?"),
        ("zebra", "no class zebra; choose one of road, sidewalk, .*, bicycle$"),
        (" , ", "names none; give names by comma, or leave it out"),
    ],
)
def test_unknown_classes_are_named(names: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        select(names, 0.0, KITTI_STEP)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -0.1])
def test_what_is_no_score_is_refused(score: float) -> None:
    with pytest.raises(InputError, match="is no score"):
        select(None, score, KITTI_STEP)
