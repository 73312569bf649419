"""The inputs of the association.

They are the active tracks' masks, propagated into this frame, and the instances' embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mapt.runtime.association.associator import Association
from mapt.runtime.backends.protocol import Backend
from mapt.runtime.monitoring.deadline import Estimates, Head
from mapt.runtime.perception.fusion import Fused
from mapt.runtime.perception.pipeline import Clock, Perception, embed, propagate_masks
from mapt.runtime.perception.workspace import Workspace
from mapt.runtime.persistence.state import TrackerState

Float = NDArray[np.float32]


@dataclass(frozen=True)
class AssociationInputs:
    """The inputs of the association.

    Attributes:
        propagated: (L,1,H/8,W/8) in [0,1], the live tracks' masks in this frame, in the workspace;
            empty where it follows no other.
        embeddings: (n,E) unit, of the instances; zeros where the head did not run.
        degraded: heads left out for the deadline.
        calls: how often each head ran.
    """

    propagated: Float
    embeddings: Float
    degraded: tuple[Head, ...]
    calls: dict[Head, int]


def compute_association_inputs(
    backend: Backend,
    association: Association,
    seen: Perception,
    fused: Fused,
    before: TrackerState | None,
    clock: Clock,
    estimates: Estimates,
    workspace: Workspace,
) -> AssociationInputs:
    """Run the motion and the appearance head, as far as association and deadline allow.

    Args:
        backend: runs them.
        association: "iou" needs neither head, "motion" no appearance.
        seen: this frame's features.
        fused: its instances.
        before: the state after the previous frame; None where this frame follows none.
        clock: takes the times and knows how much is left.
        estimates: what the heads cost lately.
        workspace: memory that is used again.

    Without motion the previous masks stay where they were; without appearance no look is compared
    or remembered.
    """
    sizes = backend.info.sizes
    count = len(fused.detections)
    active = before.table.active() if before else []
    masks: Float = workspace.take("live", (len(active), *fused.masks8.shape[1:]))
    for row, track in enumerate(active):
        masks[row] = track.mask8
    calls: dict[Head, int] = {
        "motion": 0 if association == "iou" else -(-max(len(active), count) // sizes["N"]),
        "appearance": 0 if association in ("iou", "motion") else -(-count // sizes["N"]),
    }
    degraded = estimates.left_out(calls, clock.left_ms())
    calls = {head: 0 if head in degraded else number for head, number in calls.items()}
    embeddings = np.zeros((count, sizes["E"]), np.float32)
    if calls["motion"]:
        s_prev = before.s if before and before.s is not None else seen.s
        rows = fused.detections.rows
        with clock.stage("motion"):
            masks, features = propagate_masks(backend, s_prev, seen, masks, rows, workspace)
        if calls["appearance"]:
            embeddings = embed(backend, seen, rows, features, clock)
    return AssociationInputs(masks, embeddings, degraded, calls)
