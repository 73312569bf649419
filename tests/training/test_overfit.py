"""Four pairs learned by heart: every head can learn, through the same steps as a run takes."""

from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import nn

from mapt.model.boxes import paste_masks, with_batch_index
from mapt.model.fpn import STRIDES
from mapt.model.heads.appearance import pool_mask
from mapt.model.heads.instance import BOX_ROI, MASK_ROI, MASK_SIZE, thing_index
from mapt.model.heads.motion import soft_iou
from mapt.model.network import Network
from mapt.model.targets import PairBatch
from mapt.ops import multiscale_roi_align
from mapt.training.config import TrainConfig
from mapt.training.state import start_state
from mapt.training.steps import step
from tests.model.conftest import moving_scenes

STEPS = 160
CHANGES = (
    "imagenet=true",
    "model.height=96",
    "model.width=192",
    "model.semantic_hard_share=1.0",
    "schedule.optimizer=adamw",
    f"schedule.iterations={STEPS}",
    "schedule.batch=4",
    "schedule.rate=0.001",
    "schedule.new_rate=2.0",
    "schedule.warmup=20",
    "threads=2",
)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_four_pairs_are_learned_by_heart(tiny: Callable[..., TrainConfig]) -> None:
    torch.manual_seed(0)
    config = tiny(*CHANGES)
    batch = moving_scenes(4, 96, 192)
    state = start_state(config, None)
    for _ in range(STEPS):
        batch.seeds = [seed + 4 for seed in batch.seeds]
        losses, _ = step(state, batch, config)
    found = measure(state.network.eval(), batch)
    assert losses["semantic"] < 0.1
    assert (
        found["pixels"] > 0.97
        and found["mask_iou"] > 0.9
        and found["embeddings"] > 0.95
        and found["motion_iou"] > 0.7
    )


@torch.no_grad()
def measure(network: Network, batch: PairBatch) -> dict[str, float]:
    """Measure how well a network has learned a batch.

    The results are the share of right pixels, the mean mask IoU, the share of objects whose nearest
    embedding at t - tau is their own, and the IoU of propagated masks.
    """
    images = torch.cat((batch.images_prev, batch.images))
    targets = [*batch.prev, *batch.now]
    pyramid, semantic = network.features(images)
    labels = nn.functional.interpolate(semantic.logits, scale_factor=4.0, mode="bilinear").argmax(1)
    right = torch.stack([t.semantic for t in targets]) == labels
    rois = with_batch_index([t.boxes for t in targets])
    things = thing_index(torch.cat([t.labels for t in targets]), network.instance.things)
    logits = network.instance.mask(
        multiscale_roi_align(pyramid.levels(), rois, MASK_ROI, STRIDES), things
    )
    goals = torch.cat([_cut(t.masks().float(), t.boxes) for t in targets])
    s_before = network.features(batch.images_before)[1].s
    half = len(batch.prev)
    offsets = network.motion.offset_fields(torch.cat((s_before, semantic.s[:half])), semantic.s)
    return {
        "pixels": float(right.float().mean()),
        "mask_iou": float(soft_iou((logits > 0).float()[:, None], goals[:, None]).mean()),
        "embeddings": _retrieval(network, pyramid.levels(), logits, offsets, batch),
        "motion_iou": _propagated(network, offsets[half:], batch),
    }


def _cut(masks: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Masks (n,H,W) inside their boxes (n,28,28), 0 or 1."""
    rois = torch.cat((torch.arange(len(boxes))[:, None].float(), boxes), 1)
    cut: torch.Tensor = torchvision.ops.roi_align(
        masks[:, None], rois, MASK_SIZE, 1.0, 2, aligned=True
    )[:, 0]
    return (cut > 0.5).float()


def _retrieval(
    network: Network,
    levels: list[torch.Tensor],
    logits: torch.Tensor,
    offsets: torch.Tensor,
    batch: PairBatch,
) -> float:
    """Over objects seen in both frames of a pair."""
    targets = [*batch.prev, *batch.now]
    half = len(batch.prev)
    embeddings = []
    start = 0
    height, width = batch.images.shape[1:3]
    for i, target in enumerate(targets):
        own = logits[start : start + len(target.boxes)]
        start += len(target.boxes)
        rois = nn.functional.pad(target.boxes, (1, 0), value=float(i))
        f_p = network.motion.features(
            paste_masks(own.sigmoid(), target.boxes, height, width), offsets[i], target.boxes
        )
        roi = multiscale_roi_align(levels, rois, BOX_ROI, STRIDES)
        embeddings.append(
            nn.functional.normalize(network.appearance(roi, pool_mask(own), f_p), dim=1)
        )
    hits = 0
    seen = 0
    previous = torch.cat(embeddings[:half])
    owners = [(i, int(k)) for i, t in enumerate(batch.prev) for k in t.track_ids]
    for i, target in enumerate(batch.now):
        for row, track in enumerate(target.track_ids.tolist()):
            if (i, track) in owners:
                nearest = owners[int((previous @ embeddings[half + i][row]).argmax())]
                hits = hits + (nearest == (i, track))
                seen = seen + 1
    return hits / seen


def _propagated(network: Network, offsets: torch.Tensor, batch: PairBatch) -> float:
    """Mean soft IoU of carried masks with those at t."""
    found = []
    for prev, now, field in zip(batch.prev, batch.now, offsets, strict=True):
        pairs = torch.nonzero(prev.track_ids[:, None] == now.track_ids[None])
        before, after = (
            nn.functional.avg_pool2d(t.masks()[pairs[:, k]][:, None].float(), 8)
            for k, t in enumerate((prev, now))
        )
        found.append(soft_iou(network.motion.propagate(before, field).sigmoid(), after))
    return float(torch.cat(found).mean())
