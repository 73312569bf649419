"""Wraps the network as five subgraphs, for the export and for the PyTorch reference.

There is one module for each entry of `mapt.contract.SUBGRAPHS`. It takes and returns the tensors of
the contract, in the order of the contract.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mapt.config import ModelConfig
from mapt.contract import ModelInfo
from mapt.model.fpn import STRIDES, Pyramid
from mapt.model.heads.appearance import pool_mask
from mapt.model.heads.instance import BOX_ROI, Candidates
from mapt.model.heads.zoom import Middle
from mapt.model.layers import upsample
from mapt.model.network import Network
from mapt.ops import multiscale_roi_align


def find_middle(config: ModelConfig) -> Middle | None:
    """Return the part of the input that a network sees enlarged, if it does."""
    return Middle(config.height, config.width, config.fpn_channels) if config.zoom else None


class BackboneGraph(nn.Module):
    """Computes p4, p8, p16, p32 and c16 from the image."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.backbone = network.backbone
        self.fpn = network.fpn
        self.middle = find_middle(network.config)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """See `mapt.contract`."""
        trunk = self.backbone(image)
        p = self.fpn(trunk)
        if self.middle:
            enlarged = self.fpn(self.backbone(self.middle.enlarge(image)))
            p = self.middle.pack(p, enlarged)
        return p.p4, p.p8, p.p16, p.p32, trunk.c16


class SemanticGraph(nn.Module):
    """Computes s, logits, margins and labels from c16, p4 and p8.

    The labels are the arg-max over stuff classes, at the resolution of the input.
    """

    stuff: Tensor
    things: Tensor

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.semantic = network.semantic
        self.middle = find_middle(network.config)
        things = network.instance.things  # on the network's device
        self.register_buffer(
            "stuff", torch.tensor(network.config.stuff, device=things.device), persistent=False
        )
        self.register_buffer("things", things, persistent=False)

    def forward(self, c16: Tensor, p4: Tensor, p8: Tensor) -> tuple[Tensor, ...]:
        """See `mapt.contract`."""
        if self.middle:
            p4 = p4[:, : self.middle.channels]
            p8 = p8[:, : self.middle.channels]
        out = self.semantic(c16, Pyramid(p4, p8, p8, p8))
        logits = out.logits.float()
        return out.s, logits, *judge_stuff(logits, self.stuff, self.things)


def judge_stuff(logits: Tensor, stuff: Tensor, things: Tensor) -> tuple[Tensor, Tensor]:
    """Compute what the runtime reads of class logits.

    Args:
        logits: (1,K,H/4,W/4) float32.
        stuff: train ids of the classes without instances, int64.
        things: train ids of the others, int64.

    Returns:
        `margins` (1,T,H/4,W/4), the things' logits minus the best stuff logit of the cell, and
        `labels` (1,H,W) uint8, the best stuff class of every pixel.
    """
    behind = logits.index_select(1, stuff)
    margins = logits.index_select(1, things) - behind.amax(1, keepdim=True)
    best = upsample(behind, 4).argmax(1)
    # This exports as Gather. Indexing would export as GatherND, which is slow in runtimes.
    labels = stuff.index_select(0, best.flatten()).reshape(best.shape).to(torch.uint8)
    return margins, labels


class InstanceGraph(nn.Module):
    """Computes boxes, scores, classes, mask_logits, masks8 and count from p4..p32."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.rpn = network.rpn
        self.instance = network.instance
        self.middle = find_middle(network.config)

    def forward(
        self, p4: Tensor, p8: Tensor, p16: Tensor, p32: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """See `mapt.contract`."""
        height = p4.shape[2] * STRIDES[0]
        width = p4.shape[3] * STRIDES[0]
        pyramid = Pyramid(p4, p8, p16, p32)
        if self.middle:
            whole, middle = self.middle.unpack(pyramid)
            found = self.middle.merge(
                self.instance,
                self._find(whole, height, width),
                self._find(middle, *self.middle.size),
            )
            roi = self.middle.pool(self.instance, whole, middle, found.boxes)
        else:
            found = self._find(pyramid, height, width)
            roi = self.instance.pool(pyramid, found.boxes)
        masks = self.instance.mask(roi, found.things)
        d = self.instance.segment(found, masks, height, width)
        return d.boxes, d.scores, d.classes, d.mask_logits, d.masks8, d.count

    def _find(self, pyramid: Pyramid, height: int, width: int) -> Candidates:
        """Find the objects of an image of a size, of which the pyramid holds the features."""
        proposals, valid = self.rpn.propose(self.rpn(pyramid), height, width)
        return self.instance.find(pyramid, proposals, valid, height, width)


class MotionGraph(nn.Module):
    """Computes propagated and f_p from s_prev, s, masks_prev, masks8, boxes and rows."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.motion = network.motion

    def forward(
        self,
        s_prev: Tensor,
        s: Tensor,
        masks_prev: Tensor,
        masks8: Tensor,
        boxes: Tensor,
        rows: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """See `mapt.contract`."""
        offsets = self.motion.offset_fields(s_prev, s)[0]
        masks = take_rows(masks8, rows)
        return self.motion.propagate(masks_prev, offsets), self.motion.features(
            masks, offsets, take_rows(boxes, rows)
        )


class AppearanceGraph(nn.Module):
    """Computes embeddings from p4..p32, boxes, mask_logits, rows and f_p."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.appearance = network.appearance
        self.middle = find_middle(network.config)

    def forward(
        self,
        p4: Tensor,
        p8: Tensor,
        p16: Tensor,
        p32: Tensor,
        boxes: Tensor,
        mask_logits: Tensor,
        rows: Tensor,
        f_p: Tensor,
    ) -> Tensor:
        """See `mapt.contract`."""
        rois = nn.functional.pad(take_rows(boxes, rows), (1, 0))
        roi = multiscale_roi_align([p4, p8, p16, p32], rois, BOX_ROI, STRIDES)
        if self.middle:  # whose channels are left out here, where they are fewest
            roi = roi[:, : self.middle.channels]
        masks = pool_mask(take_rows(mask_logits, rows))
        embeddings: Tensor = self.appearance(roi, masks, f_p)
        return embeddings


def take_rows(slots: Tensor, rows: Tensor) -> Tensor:
    """Gather detections from their slots.

    Args:
        slots: (D,...) float, of every slot.
        rows: (N,) int32 slots; below 0 stands for none.

    Returns:
        (N,...); zeros where there is none.
    """
    # `clamp` of int32 would be a Clip, which ONNX Runtime has for no GPU.
    taken = slots.index_select(0, torch.maximum(rows, torch.zeros_like(rows)))
    given = (rows >= 0).view(-1, *[1] * (slots.dim() - 1))
    return torch.where(given, taken, torch.zeros((), dtype=slots.dtype, device=slots.device))


def build_subgraphs(network: Network) -> dict[str, nn.Module]:
    """Build every subgraph of a network, by its name in the contract.

    The network is put into evaluation mode. The subgraphs share its parameters.
    """
    network.eval()
    return {
        "backbone": BackboneGraph(network),
        "semantic": SemanticGraph(network),
        "instance": InstanceGraph(network),
        "motion": MotionGraph(network),
        "appearance": AppearanceGraph(network),
    }


def model_info(config: ModelConfig, c16_channels: int) -> ModelInfo:
    """Describe a network for the runtime.

    Args:
        config: the network's configuration.
        c16_channels: channels of the trunk at stride 16, which the configuration does not state.
    """
    sizes = {
        "H": config.height,
        "W": config.width,
        "K": config.classes,
        "T": len(config.things),
        "D": config.detections,
        "N": config.motion_batch,
        "F": config.fpn_channels * (2 if config.zoom else 1),
        "S": config.semantic_channels,
        "C": c16_channels,
        "M": 4 * config.motion_filters,
        "E": config.embedding,
    }
    return ModelInfo(
        config.preset,
        config.height,
        config.width,
        config.class_names,
        config.things,
        sizes,
        config.thresholds,
    )
