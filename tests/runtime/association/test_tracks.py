"""The track table on hand-made instances.

The tests check which identity a detection gets, and when a track ends.
"""

from collections.abc import Sequence

import numpy as np
import pytest

from mapt.contract import Thresholds
from mapt.runtime.association.associator import Association
from mapt.runtime.association.tracks import TrackTable
from mapt.runtime.frame import Decision
from mapt.runtime.perception.fusion import Detections, Fused

SECOND = 1_000_000_000  # ns
START = 1_700_000_000 * SECOND  # as a clock since 1970 has it
CAR = 2
PERSON = 3


def mask8(column: int) -> np.ndarray:
    """A 2x2 block at a column of the (4,12) grid."""
    out = np.zeros((1, 4, 12), np.float32)
    out[0, 1:3, column : column + 2] = 1
    return out


def unit(*values: float) -> np.ndarray:
    """An embedding in three dimensions."""
    out = np.zeros(3, np.float32)
    out[: len(values)] = values
    return out / np.float32(np.linalg.norm(out))


A = unit(1)
B = unit(0, 1)
C = unit(0, 0, 1)


class Sequencer:
    """Feeds a table with instances given as (column, embedding) or (column, embedding, label)."""

    def __init__(self, association: Association = "full", **thresholds: float) -> None:
        # The grid is twelve cells wide and an object two: what is not about the gate looks
        # everywhere.
        thresholds = {"reach": 9, **thresholds}
        self.table = TrackTable(Thresholds(**thresholds), association)  # type: ignore[arg-type]
        self.decisions: list[Decision] = []

    def step(
        self,
        seconds: float,
        instances: Sequence[tuple],  # type: ignore[type-arg]
        carried: Sequence[int] = (),
    ) -> list[int]:
        """Ids of the instances; `carried` are the columns of the live tracks' propagated masks."""
        count = len(instances)
        labels = np.array([i[2] if len(i) > 2 else CAR for i in instances], np.int32)
        masks = (
            np.stack([mask8(i[0]) for i in instances])
            if count
            else np.zeros((0, 1, 4, 12), np.float32)
        )
        embeddings = np.stack([i[1] for i in instances]) if count else np.zeros((0, 3), np.float32)
        boxes = np.array([(i[0], 1, i[0] + 2, 3) for i in instances], np.float32).reshape(-1, 4) * 8
        found = Detections(
            boxes,
            np.full(count, 0.9, np.float32),
            labels,
            np.zeros((count, 28, 28), np.float32),
            np.arange(count, dtype=np.int32),
        )
        propagated = (
            np.stack([mask8(c) for c in carried])
            if carried
            else np.zeros((0, 1, 4, 12), np.float32)
        )
        fused = Fused(found, np.zeros((32, 96), np.int32), masks, boxes)
        self.table, ids, self.decisions = self.table.update(
            fused, propagated, embeddings, START + round(seconds * SECOND)
        )
        return ids

    def stages(self) -> list[tuple[str, int]]:
        return [(decision.stage, decision.track) for decision in self.decisions]


def test_propagated_masks_carry_an_id_through_motion() -> None:
    seq = Sequencer()
    assert seq.step(0, [(0, A), (8, B)]) == [1, 2]
    assert seq.stages() == [("birth", 1), ("birth", 2)]
    # The look changed completely, the order too, and neither is where it was.
    assert seq.step(0.1, [(5, C), (3, C)], carried=[3, 5]) == [2, 1]
    assert seq.stages() == [("propagation", 1), ("propagation", 2)]
    assert [d.detection for d in seq.decisions] == [1, 0] and all(
        d.score == 1 for d in seq.decisions
    )


@pytest.mark.parametrize(
    ("association", "ids", "stage"),
    [
        ("full", [2, 1], "propagation"),
        ("motion", [2, 1], "propagation"),
        ("iou", [2, 1], "propagation"),
        ("appearance", [1, 2], "appearance"),
    ],
)
def test_each_mode_asks_its_own_cue_first(
    association: Association, ids: list[int], stage: str
) -> None:
    seq = Sequencer(association)
    seq.step(0, [(0, A), (8, B)])
    assert (
        seq.step(0.1, [(0, A), (8, B)], carried=[8, 0]) == ids
    )  # masks say swapped, looks say not
    assert {d.stage for d in seq.decisions} == {stage}


@pytest.mark.parametrize(
    ("association", "ids"), [("full", [1]), ("appearance", [1]), ("motion", [2]), ("iou", [2])]
)
def test_each_mode_on_a_jump_that_masks_do_not_explain(
    association: Association, ids: list[int]
) -> None:
    seq = Sequencer(association)
    seq.step(0, [(0, A)])
    assert seq.step(0.1, [(8, A)], carried=[0]) == ids


def test_a_track_comes_back_by_its_look_after_an_occlusion() -> None:
    seq = Sequencer()
    seq.step(0, [(0, A), (8, B)])
    assert seq.step(0.1, [(8, B)], carried=[0, 8]) == [2]
    assert ("lost", 1) in seq.stages()
    assert seq.step(0.2, [(8, B)], carried=[8]) == [2]
    assert [(t.id, t.frames_since_seen, t.age) for t in seq.table.tracks] == [(1, 2, 2), (2, 0, 2)]
    assert seq.step(0.3, [(4, A), (8, B)], carried=[8]) == [1, 2]
    assert ("appearance", 1) in seq.stages() and seq.table.tracks[0].frames_since_seen == 0


def test_a_birth_is_as_narrow_as_the_nearest_pair_that_was_refused() -> None:
    """With another threshold, or a little more likeness, it would have been a continuation."""
    seq = Sequencer(similarity=0.94, score=0.4)
    seq.step(0, [(0, A)])
    assert [d.margin for d in seq.decisions] == pytest.approx(
        [0.5]
    )  # nothing was there to continue
    seq.step(0.1, [(8, unit(0.93, np.sqrt(1 - 0.93**2)))], carried=[4])
    assert seq.stages()[0] == ("birth", 2) and seq.decisions[0].margin == pytest.approx(
        0.01, abs=1e-6
    )
    seq.step(0.2, [(9, C)], carried=[8])  # half of the mask: IoU 1/3 where 0.3 is enough
    assert seq.stages()[0] == ("propagation", 2)


@pytest.mark.parametrize("between", [[], [0.5, 1.0], [1.4]])
@pytest.mark.parametrize(("back", "identity"), [(1.5, 1), (1.51, 2), (30.0, 2)])
def test_a_lost_track_is_found_within_max_lost_whatever_the_frame_rate(
    between: list[float], back: float, identity: int
) -> None:
    seq = Sequencer(max_lost=1.5)
    seq.step(0, [(0, A)])
    for seconds in between:
        seq.step(seconds, [])
    assert seq.step(back, [(0, A)]) == [identity]
    assert [track.id for track in seq.table.tracks] == [identity]
    assert (("removed", 1) in seq.stages()) == (identity == 2)


def test_max_lost_counts_from_the_last_sighting() -> None:
    seq = Sequencer(max_lost=1.5)
    seq.step(0, [(0, A)])
    assert seq.step(1.0, [(0, A)]) == [1]
    seq.step(2.4, [])
    assert seq.step(2.5, [(0, A)]) == [1]
    seq.step(4.0, [])
    assert [track.id for track in seq.table.tracks] == [1]
    seq.step(4.1, [])
    assert seq.table.tracks == () and seq.stages() == [("removed", 1)]


def test_a_weak_detection_begins_no_track_but_continues_one() -> None:
    seq = Sequencer(birth=0.9)  # float32's 0.9 of the detections is just below
    assert seq.step(0, [(0, A), (8, B)]) == [0, 0]
    assert seq.stages() == [] and seq.table.tracks == () and seq.table.next_id == 1
    strong = Sequencer(birth=0.89)
    strong.step(0, [(0, A)])
    seq.table = TrackTable(seq.table.thresholds, "full", tracks=strong.table.tracks, next_id=2)
    assert seq.step(0.1, [(1, A), (8, B)], carried=[1]) == [1, 0]
    assert seq.stages() == [("propagation", 1)] and len(seq.table.tracks) == 1


def test_a_birth_is_as_narrow_as_the_higher_of_both_limits() -> None:
    for birth, limit in ((0.0, 0.4), (0.7, 0.7)):
        seq = Sequencer(birth=birth)
        seq.step(0, [(0, A)])
        assert seq.decisions[0].threshold == limit
        assert seq.decisions[0].margin == pytest.approx(0.9 - limit, abs=1e-6)


def test_ids_are_never_used_again() -> None:
    seq = Sequencer(max_lost=0.1)
    seen: set[int] = set()
    for frame in range(5):
        ids = seq.step(frame, [(0, A), (8, B)])
        assert not seen & set(ids)
        seen |= set(ids)
    assert seen == set(range(1, 11))


def test_classes_never_mix_in_either_stage() -> None:
    seq = Sequencer()
    seq.step(0, [(0, A, CAR)])
    assert seq.step(0.1, [(0, A, PERSON)], carried=[0]) == [2]
    assert seq.step(0.2, [(0, A, CAR)], carried=[0]) == [1]
    assert {t.id: t.label for t in seq.table.tracks} == {1: CAR, 2: PERSON}


def test_look_alikes_are_told_apart_by_motion() -> None:
    near = unit(1, 0.05)
    nearer = unit(1, 0.04)
    seq = Sequencer()
    seq.step(0, [(0, near), (4, nearer)])
    for frame in range(1, 4):  # they swap embeddings from frame to frame
        looks = (nearer, near) if frame % 2 else (near, nearer)
        assert seq.step(
            0.1 * frame, [(frame, looks[0]), (4 + frame, looks[1])], carried=[frame, 4 + frame]
        ) == [1, 2]


def test_a_lost_look_alike_does_not_take_over_a_visible_track() -> None:
    seq = Sequencer()
    seq.step(0, [(0, A), (8, unit(1, 0.3))])
    seq.step(0.1, [(8, unit(1, 0.3))], carried=[0, 8])  # 1 is hidden
    assert seq.step(0.2, [(8, A)], carried=[8]) == [2]  # 2 now looks exactly like 1


def test_thresholds_of_both_stages() -> None:
    seq = Sequencer(propagation_iou=0.34)
    seq.step(0, [(0, A)])
    assert seq.step(0.1, [(1, B)], carried=[0]) == [2]  # IoU 1/3, cosine 0
    seq = Sequencer(propagation_iou=0.33, similarity=0.8)
    seq.step(0, [(0, A)])
    assert seq.step(0.1, [(1, B)], carried=[0]) == [1]
    for cosine, same in ((0.81, True), (0.79, False)):
        seq = Sequencer(similarity=0.8)
        seq.step(0, [(0, A)])
        assert (
            seq.step(0.1, [(6, unit(cosine, (1 - cosine**2) ** 0.5))], carried=[0]) == [1]
        ) == same


def test_embeddings_are_averaged_and_stay_unit() -> None:
    seq = Sequencer(embedding_momentum=0.75)
    seq.step(0, [(0, A)])
    seq.step(0.1, [(0, B)], carried=[0])
    np.testing.assert_allclose(seq.table.tracks[0].embedding, unit(0.75, 0.25), atol=1e-6)


def test_decisions_carry_the_margin() -> None:
    seq = Sequencer(similarity=0.5)
    seq.step(0, [(0, A), (4, B)])
    seq.step(0.1, [(8, unit(0.8, 0.6))])
    chosen, lost = seq.decisions
    assert (chosen.stage, chosen.track, chosen.detection, chosen.threshold) == (
        "appearance",
        1,
        0,
        0.5,
    )
    assert chosen.runner_up == pytest.approx(0.6) and chosen.margin == pytest.approx(0.2)
    assert (lost.stage, lost.track, lost.detection, lost.runner_up) == ("lost", 2, -1, None)
    assert lost.score == pytest.approx(0.1) and lost.margin == pytest.approx(1.4)


def test_a_look_alike_across_the_picture_is_another_object() -> None:
    seq = Sequencer(reach=1.0, similarity=0.9)
    seq.step(0, [(0, A)])
    assert seq.step(0.1, [(8, A)], carried=[0]) == [2]  # four sizes away
    birth = seq.decisions[0]
    assert birth.stage == "birth" and birth.gate == pytest.approx(4.0)
    seq = Sequencer(reach=4.5, similarity=0.9)
    seq.step(0, [(0, A)])
    assert seq.step(0.1, [(8, A)], carried=[0]) == [1]
    match = seq.decisions[0]
    assert match.stage == "appearance" and match.gate == pytest.approx(8 / 9)
    assert match.margin == pytest.approx(0.1)  # of the cosine, narrower than the gate's


def test_the_gate_is_part_of_how_narrow_a_decision_was() -> None:
    for reach, narrow in ((4.2, 1 - 4 / 4.2), (3.9, 4 / 3.9 - 1)):
        seq = Sequencer(reach=reach, similarity=0.5)
        seq.step(0, [(0, A)])
        seq.step(0.1, [(8, A)], carried=[0])
        assert seq.decisions[0].margin == pytest.approx(narrow)


def test_a_track_is_looked_for_where_its_motion_leads() -> None:
    """A hidden track is found ahead, where its motion leads, and not at its old place.

    It moves two sizes a second to the right, and is then hidden for half a second.
    """
    for column, ids in ((4, [1]), (0, [2])):
        seq = Sequencer(reach=0.75, velocity_momentum=0.0, foresight=1.0)
        seq.step(0, [(0, A)])
        seq.step(0.5, [(2, A)], carried=[2])
        np.testing.assert_allclose(seq.table.tracks[0].velocity, [32, 0])
        seq.step(0.6, [])
        assert seq.step(1.0, [(column, A)]) == ids


def test_motion_goes_on_for_so_long_as_foresight_says() -> None:
    for foresight, gate in ((0.0, 2.0), (0.25, 1.5), (0.5, 1.0), (2.0, 0.0)):
        seq = Sequencer(reach=1.0, velocity_momentum=0.0, foresight=foresight)
        seq.step(0, [(0, A)])
        seq.step(0.5, [(2, A)], carried=[2])  # two sizes a second
        seq.step(1.5, [(6, A)])
        assert (seq.decisions[0].gate or 0) == pytest.approx(
            max(gate, 1 / 3)
        )  # equal sizes take a third of `resize`


def test_velocities_are_averaged_over_sightings_from_rest() -> None:
    seq = Sequencer(velocity_momentum=0.75)
    seq.step(0, [(0, A)])
    assert not seq.table.tracks[0].velocity.any()
    seq.step(0.5, [(2, A)], carried=[2])
    np.testing.assert_allclose(seq.table.tracks[0].velocity, [8, 0])
    seq.step(0.75, [(2, A)], carried=[2])
    np.testing.assert_allclose(seq.table.tracks[0].velocity, [6, 0])


def test_a_better_look_far_away_does_not_stand_in_the_way_of_the_near_one() -> None:
    seq = Sequencer(reach=1.5, similarity=0.8)
    seq.step(0, [(0, A)])
    assert seq.step(0.1, [(9, A), (2, unit(1, 0.3))], carried=[6]) == [2, 1]
    chosen = next(d for d in seq.decisions if d.stage == "appearance")
    assert chosen.runner_up is None  # what is too far is no rival


def test_only_what_looks_alike_is_refused_by_the_gate() -> None:
    seq = Sequencer(reach=1.0, similarity=0.8)
    seq.step(0, [(0, A), (4, B)])
    seq.step(0.1, [(10, A)], carried=[0, 4])
    assert seq.decisions[0].gate == pytest.approx(
        5.0
    )  # of track 1; track 2 is nearer and looks otherwise
    seq.step(0.2, [(10, C)], carried=[0])
    assert seq.decisions[0].stage == "birth" and seq.decisions[0].gate is None
