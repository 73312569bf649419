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
from mapt.model.heads.instance import BOX_ROI
from mapt.model.layers import upsample
from mapt.model.network import Network
from mapt.ops import multiscale_roi_align


class BackboneGraph(nn.Module):
    """Computes p4, p8, p16, p32 and c16 from the image."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.backbone = network.backbone
        self.fpn = network.fpn

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """See `mapt.contract`."""
        trunk = self.backbone(image)
        p = self.fpn(trunk)
        return p.p4, p.p8, p.p16, p.p32, trunk.c16


class SemanticGraph(nn.Module):
    """Computes s, logits and labels from c16, p4 and p8.

    The labels are the arg-max over stuff classes, at the resolution of the input.
    """

    stuff: Tensor

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.semantic = network.semantic
        device = network.instance.things.device  # the network's
        self.register_buffer(
            "stuff", torch.tensor(network.config.stuff, device=device), persistent=False
        )

    def forward(self, c16: Tensor, p4: Tensor, p8: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `mapt.contract`."""
        out = self.semantic(c16, Pyramid(p4, p8, p8, p8))
        full = upsample(out.logits.index_select(1, self.stuff), 4)
        best = full.argmax(1)
        # This exports as Gather. Indexing would export as GatherND, which is slow in runtimes.
        labels = self.stuff.index_select(0, best.flatten()).reshape(best.shape).to(torch.uint8)
        return out.s, out.logits, labels


class InstanceGraph(nn.Module):
    """Computes boxes, scores, classes, mask_logits, masks8 and count from p4..p32."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.rpn = network.rpn
        self.instance = network.instance

    def forward(
        self, p4: Tensor, p8: Tensor, p16: Tensor, p32: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """See `mapt.contract`."""
        height = p4.shape[2] * STRIDES[0]
        width = p4.shape[3] * STRIDES[0]
        pyramid = Pyramid(p4, p8, p16, p32)
        proposals, valid = self.rpn.propose(self.rpn(pyramid), height, width)
        d = self.instance.detect(pyramid, proposals, valid, height, width)
        return d.boxes, d.scores, d.classes, d.mask_logits, d.masks8, d.count


class MotionGraph(nn.Module):
    """Computes propagated and f_p from s_prev, s, masks_prev, masks and boxes."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.motion = network.motion

    def forward(
        self, s_prev: Tensor, s: Tensor, masks_prev: Tensor, masks: Tensor, boxes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `mapt.contract`."""
        offsets = self.motion.offset_fields(s_prev, s)[0]
        return self.motion.propagate(masks_prev, offsets), self.motion.features(
            masks, offsets, boxes
        )


class AppearanceGraph(nn.Module):
    """Computes embeddings from p4..p32, boxes, mask_logits and f_p."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.appearance = network.appearance

    def forward(
        self,
        p4: Tensor,
        p8: Tensor,
        p16: Tensor,
        p32: Tensor,
        boxes: Tensor,
        mask_logits: Tensor,
        f_p: Tensor,
    ) -> Tensor:
        """See `mapt.contract`."""
        rois = nn.functional.pad(boxes, (1, 0))
        roi = multiscale_roi_align([p4, p8, p16, p32], rois, BOX_ROI, STRIDES)
        embeddings: Tensor = self.appearance(roi, pool_mask(mask_logits), f_p)
        return embeddings


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
        "D": config.detections,
        "N": config.motion_batch,
        "F": config.fpn_channels,
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
