"""The whole MAPT network: a shared backbone and pyramid, four heads, and their losses."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from mapt.config import ModelConfig
from mapt.model.backbone import build_backbone
from mapt.model.batch import count_true, image_generators
from mapt.model.boxes import paste_masks, with_batch_index
from mapt.model.fpn import STRIDES, Pyramid, TwoWayPyramid
from mapt.model.heads.appearance import AppearanceHead, appearance_loss, pool_mask
from mapt.model.heads.instance import BOX_ROI, MASK_ROI, InstanceHead, thing_index
from mapt.model.heads.instance_losses import (
    RoiSamples,
    box_losses,
    mask_loss,
    positive_rois,
    positive_rows,
    sample_boxes,
)
from mapt.model.heads.motion import MotionHead, motion_loss
from mapt.model.heads.optical_flow import pack_grey
from mapt.model.heads.rpn import RegionProposals, rpn_losses
from mapt.model.heads.semantic import Semantic, SemanticHead, semantic_loss
from mapt.model.targets import FrameTargets, PairBatch
from mapt.ops import multiscale_roi_align

PROPOSALS = 300  # per image in training
Head = Literal["semantic", "instance", "motion", "appearance"]
HEADS: tuple[Head, ...] = get_args(Head)
OWNERS: dict[str, Head] = {
    "semantic": "semantic",
    "rpn": "instance",
    "instance": "instance",
    "motion": "motion",
    "appearance": "appearance",
}


def owner(name: str) -> Head | None:
    """Return the head of a parameter or module.

    Args:
        name: its name in the network.

    Returns:
        The head, or None for the trunk and the pyramid.
    """
    return (
        "motion"
        if name.startswith("semantic.backbone_features.")
        else OWNERS.get(name.partition(".")[0])
    )


class Network(nn.Module):
    """Motion and appearance-aware panoptic tracking (paper III)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = build_backbone(config)
        self.fpn = TwoWayPyramid(self.backbone.channels, config)
        self.semantic = SemanticHead(self.backbone.channels[2], config)
        self.rpn = RegionProposals(config)
        self.instance = InstanceHead(config)
        self.motion = MotionHead(config)
        self.appearance = AppearanceHead(config)
        self.learn()

    def learn(
        self, heads: Collection[Head] = HEADS, shared: bool = True, frozen_norm: bool = False
    ) -> None:
        """Choose the parts that learn.

        The other parts keep their weights and norm statistics, and the losses of other heads are
        not computed. Only motion and appearance compare frames. Without them, `losses` reads the
        last frame of each sample alone.

        Args:
            heads: the heads that learn.
            shared: whether trunk and pyramid learn.
            frozen_norm: whether every norm keeps its statistics.
        """
        self.heads = frozenset(heads)

        def learns(name: str) -> bool:
            head = owner(name)
            return shared if head is None else head in self.heads

        for name, parameter in self.named_parameters():
            if not learns(name):
                parameter.requires_grad_(False)
        norms = [
            name
            for name, module in self.named_modules()
            if isinstance(module, nn.modules.batchnorm._BatchNorm)
        ]
        # Names are kept, because synchronised norms replace the modules on several GPUs.
        self.frozen_norms = [
            name
            for name in norms
            if frozen_norm or name.startswith("backbone.") or not learns(name)
        ]

    def train(self, mode: bool = True) -> Network:
        """Set training mode, in which some norms keep their statistics.

        They are the norms of the backbone, because batches are small, and of parts that do not
        learn.
        """
        super().train(mode)
        for name in self.frozen_norms:
            self.get_submodule(name).eval()
        return self

    def features(self, images: Tensor) -> tuple[Pyramid, Semantic]:
        """Compute the pyramid and the semantic outputs of images (B,H,W,3) uint8 RGB."""
        trunk = self.backbone(images)
        pyramid = self.fpn(trunk)
        semantic = self.semantic(trunk.c16, pyramid)
        if self.config.motion_input == "flow":
            semantic = replace(semantic, s=pack_grey(images, self.config.semantic_channels))
        return pyramid, semantic

    def forward(self, batch: PairBatch) -> dict[str, Tensor]:
        """Call `losses`, because PyTorch's wrappers for several processes call `forward`."""
        return self.losses(batch)

    def images(self, batch: PairBatch) -> Tensor:
        """Return the images of a batch whose features the losses need, (n,H,W,3) uint8 RGB.

        They are both frames of each pair for motion and appearance, and else the last ones.
        """
        pairs = bool(self.heads & {"motion", "appearance"})
        return torch.cat((batch.images_prev, batch.images)) if pairs else batch.images

    def losses(
        self, batch: PairBatch, features: tuple[Pyramid, Semantic] | None = None
    ) -> dict[str, Tensor]:
        """Compute the losses of Eq. 1-7 for the heads that learn.

        Args:
            batch: pairs of frames with targets.
            features: those of `images(batch)`, if they are computed already.

        Returns:
            Scalars by name. The training loss is their sum.
        """
        pyramid, semantic = features or self.features(self.images(batch))
        targets = [*batch.prev, *batch.now][-len(semantic.logits) :]
        draws = image_generators(batch)[-len(targets) :]
        losses = {}
        if "semantic" in self.heads:
            losses["semantic"] = self._semantic_loss(semantic.logits, targets)
        moves = "motion" in self.heads or (self.appearance.moving and "appearance" in self.heads)
        offsets = self._offsets(batch, semantic) if moves else None
        if self.heads & {"instance", "appearance"}:
            losses |= self._object_losses(batch, pyramid, targets, draws, offsets)
        if "motion" in self.heads:
            assert offsets is not None
            losses["motion"] = self._motion_loss(batch, offsets[len(batch.prev) :])
        if "appearance" in losses:  # last, as in Eq. 1-7
            losses["appearance"] = losses.pop("appearance")
        return losses

    def _semantic_loss(self, logits: Tensor, targets: list[FrameTargets]) -> Tensor:
        """Compute Eq. 2-3 from logits (2B,K,H/4,W/4)."""
        config = self.config
        labels = torch.stack([t.semantic for t in targets])
        return semantic_loss(
            logits,
            labels,
            config.semantic_loss_stride,
            config.semantic_hard_share,
            config.semantic_balance,
            config.semantic_jaccard,
        )

    def _offsets(self, batch: PairBatch, semantic: Semantic) -> Tensor:
        """Compute the offset fields (2B,4,18,h,w) into frames t - tau and t.

        Frame t - 2 tau has no loss. Only its semantic features are needed.
        """
        with torch.no_grad():
            s_before = self.features(batch.images_before)[1].s
        s_prev = torch.cat((s_before, semantic.s[: len(batch.prev)]))
        fields: Tensor = self.motion.offset_fields(s_prev, semantic.s)
        return fields

    def _object_losses(
        self,
        batch: PairBatch,
        pyramid: Pyramid,
        targets: list[FrameTargets],
        draws: list[torch.Generator],
        offsets: Tensor | None,
    ) -> dict[str, Tensor]:
        """Compute the losses of Eq. 1 and Eq. 6-7.

        `offsets` are needed only for Eq. 6-7 with motion-enhanced features.
        """
        height, width = batch.images.shape[1:3]
        output = self.rpn(pyramid)
        losses = dict[str, Tensor]()
        if "instance" in self.heads:
            losses["rpn_score"], losses["rpn_box"] = rpn_losses(output, targets, draws)
        proposals = self.rpn.sample_proposals(output, height, width, PROPOSALS)
        samples = sample_boxes(proposals, targets, self.config.roi_samples, draws)
        roi = multiscale_roi_align(
            pyramid.levels(), with_batch_index([s.boxes for s in samples]), BOX_ROI, STRIDES
        )  # (R,F,7,7), shared by the box and appearance branches
        mask_logits = self._mask_logits(pyramid, samples, targets)
        if "instance" in self.heads:
            class_logits, deltas = self.instance.box(roi)
            losses["class"], losses["box"] = box_losses(
                class_logits, deltas, samples, targets, self.instance.things
            )
            losses["mask"] = mask_loss(mask_logits, samples, targets)
        if "appearance" in self.heads:
            embeddings = self._embeddings(roi, mask_logits, samples, offsets, height, width)
            losses["appearance"] = self._appearance_loss(embeddings, samples, batch)
        return losses

    def _mask_logits(
        self, pyramid: Pyramid, samples: list[RoiSamples], targets: list[FrameTargets]
    ) -> Tensor:
        """Compute the mask logits (n,28,28) of the n positives of all images."""
        roi = multiscale_roi_align(pyramid.levels(), positive_rois(samples), MASK_ROI, STRIDES)
        labels = torch.cat(
            [t.labels[s.rows[: s.positives]] for s, t in zip(samples, targets, strict=True)]
        )
        logits: Tensor = self.instance.mask(roi, thing_index(labels, self.instance.things))
        return logits

    def _embeddings(
        self,
        roi: Tensor,
        mask_logits: Tensor,
        samples: list[RoiSamples],
        offsets: Tensor | None,
        height: int,
        width: int,
    ) -> Tensor:
        """Compute the embeddings (R,E) of all sampled boxes.

        Only positives have masks and propagated features. The appearance loss does not train the
        motion head, because its gradients through the offsets are a hundred times those of Eq. 4.
        They would undo what the motion head learns.
        """
        masks, f_p = self._mask_pooling(roi, mask_logits, samples, offsets, height, width)
        embeddings: Tensor = self.appearance(roi, masks, f_p)
        return embeddings

    @torch.no_grad()
    def _mask_pooling(
        self,
        roi: Tensor,
        mask_logits: Tensor,
        samples: list[RoiSamples],
        offsets: Tensor | None,
        height: int,
        width: int,
    ) -> tuple[Tensor, Tensor]:
        """Compute pooling weights (R,7,7) and propagated features (R,4*C_m,7,7).

        The weights of negatives are ones, and their features zeros.
        """
        masks = roi.new_ones(len(roi), BOX_ROI, BOX_ROI)
        f_p = roi.new_zeros(len(roi), len(self.motion.projection), BOX_ROI, BOX_ROI)
        start = first = 0
        for i, sample in enumerate(samples):
            count = sample.positives
            boxes = sample.boxes[: sample.positives]
            if count:
                logits = mask_logits[first : first + count]
                masks[start : start + count] = pool_mask(logits)
                if offsets is not None:
                    own = paste_masks(logits.sigmoid(), boxes, height, width)
                    f_p[start : start + count] = self.motion.features(own, offsets[i], boxes).to(
                        f_p.dtype
                    )
            start = start + len(sample.boxes)
            first = first + count
        return masks, f_p

    def _motion_loss(self, batch: PairBatch, offsets: Tensor) -> Tensor:
        """Compute Eq. 4 over the instances that both frames of a pair show, divided by B.

        `offsets` are (B,4,18,h,w).
        """
        propagated = []
        goals = []
        same = [
            p.track_ids[:, None] == n.track_ids[None]
            for p, n in zip(batch.prev, batch.now, strict=True)
        ]
        counts = count_true(same)
        for i, (prev, now, field) in enumerate(zip(batch.prev, batch.now, offsets, strict=True)):
            pairs = torch.nonzero_static(same[i], size=counts[i])
            if len(pairs):
                propagated.append(self.motion.propagate(_coarse(prev.masks()[pairs[:, 0]]), field))
                goals.append(_coarse(now.masks()[pairs[:, 1]]))
        if not goals:  # every parameter needs a gradient, because other processes may have pairs
            return sum((p.sum() * 0 for p in self.motion.parameters()), offsets.sum() * 0)
        return motion_loss(torch.cat(propagated), torch.cat(goals)) / len(offsets)

    def _appearance_loss(
        self, embeddings: Tensor, samples: list[RoiSamples], batch: PairBatch
    ) -> Tensor:
        """Compute Eq. 6-7: positives at t are compared with all sampled boxes at t - tau."""
        half = len(batch.seeds)
        ids = []
        for i, (sample, target) in enumerate(zip(samples, [*batch.prev, *batch.now], strict=True)):
            key = embeddings.new_full((len(sample.boxes),), -1, dtype=torch.long)
            # Track ids have 24 bits; the number of the pair makes them unique over the batch.
            pair = batch.seeds[i % half] % (1 << 32) << 24
            key[: sample.positives] = target.track_ids[sample.rows[: sample.positives]] + pair
            ids.append(key)
        previous = sum(len(s.boxes) for s in samples[:half])
        return appearance_loss(
            positive_rows(embeddings[previous:], samples[half:]),
            positive_rows(torch.cat(ids[half:]), samples[half:]),
            embeddings[:previous],
            torch.cat(ids[:half]),
            self.appearance.log_scale,
        )


def _coarse(masks: Tensor) -> Tensor:
    """Average masks (n,H,W) bool over areas, to (n,1,H/8,W/8) in [0,1]."""
    return nn.functional.avg_pool2d(masks[:, None].float(), 8)
