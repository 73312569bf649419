"""The network's own operators, which mean the same in every implementation."""

from mapt.ops.compiled import disabled, implementation
from mapt.ops.deform_conv import deform_conv2d
from mapt.ops.nms import greedy_nms, suppresses_on_gpu, top_k
from mapt.ops.propagate import propagate_masks, propagated_features
from mapt.ops.roi_align import multiscale_roi_align

__all__ = [
    "deform_conv2d",
    "disabled",
    "greedy_nms",
    "implementation",
    "multiscale_roi_align",
    "propagate_masks",
    "propagated_features",
    "suppresses_on_gpu",
    "top_k",
]
