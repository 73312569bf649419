"""The shared backbone: RegNetY (paper III-A), or EfficientNet-Lite for `nano` and `micro`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn

from mapt.config import ModelConfig


@dataclass(frozen=True)
class Trunk:
    """Trunk features at the strides s = 4, 8, 16 and 32, each (B,C_s,H/s,W/s) float."""

    c4: Tensor
    c8: Tensor
    c16: Tensor
    c32: Tensor


@dataclass(frozen=True)
class Normalisation:
    """The normalisation (pixel - mean) / std of each RGB channel, for pixels in 0..255."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET = Normalisation((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
LITE = Normalisation((127.0, 127.0, 127.0), (128.0, 128.0, 128.0))


def _channels(values: tuple[float, float, float]) -> Tensor:
    """Return a tensor (1,3,1,1), or a scalar if all channels are equal, which is faster."""
    shared = len(set(values)) == 1
    return torch.tensor(values[0]) if shared else torch.tensor(values).view(1, 3, 1, 1)


class Backbone(nn.Module):
    """Turns pixels into trunk features.

    Attributes:
        channels: widths of the features at strides 4, 8, 16 and 32.
        mean: the normalisation's mean, (1,3,1,1) or a scalar.
        scale: the inverse of its standard deviation, likewise.
    """

    channels: tuple[int, int, int, int]
    mean: Tensor
    scale: Tensor

    def __init__(self, normalisation: Normalisation) -> None:
        super().__init__()
        self.register_buffer("mean", _channels(normalisation.mean), persistent=False)
        self.register_buffer("scale", 1 / _channels(normalisation.std), persistent=False)

    def normalise(self, images: Tensor) -> Tensor:
        """Normalise images (B,H,W,3) uint8 RGB to (B,3,H,W) float32."""
        # Cast before the permutation, because TensorRT cannot permute uint8 tensors.
        return (images.float().permute(0, 3, 1, 2) - self.mean) * self.scale

    def freeze(self, stages: int) -> None:
        """Stop training the first stages.

        Args:
            stages: 0 for none, 1 for the stem (stride 2), 2 for the stride-4 stage too.
        """
        for part in self.early()[:stages]:
            part.requires_grad_(False)

    def early(self) -> tuple[nn.Module, nn.Module]:
        """Return the part up to stride 2, and the part from there to stride 4."""
        raise NotImplementedError

    def stages(self) -> list[nn.Module]:
        """Return the parts after the stem, in the order in which they run."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Trunk:
        """Compute trunk features of images (B,H,W,3) uint8 RGB; H and W are multiples of 32."""
        raise NotImplementedError


class RegNetY(Backbone):
    """torchvision's RegNetY (Radosavovic et al., 2020)."""

    def __init__(self, name: str) -> None:
        super().__init__(IMAGENET)
        net = torchvision.models.get_model(name, weights=None)
        self.stem = net.stem
        blocks = net.trunk_output
        self.block1 = blocks.block1
        self.block2 = blocks.block2
        self.block3 = blocks.block3
        self.block4 = blocks.block4
        widths = [block[0].proj[0].out_channels for block in blocks]
        self.channels = (widths[0], widths[1], widths[2], widths[3])

    def early(self) -> tuple[nn.Module, nn.Module]:
        """See `Backbone.early`."""
        return self.stem, self.block1

    def stages(self) -> list[nn.Module]:
        """See `Backbone.stages`."""
        return [self.block1, self.block2, self.block3, self.block4]

    def forward(self, images: Tensor) -> Trunk:
        """See `Backbone.forward`."""
        c4 = self.block1(self.stem(self.normalise(images)))
        c8 = self.block2(c4)
        c16 = self.block3(c8)
        return Trunk(c4, c8, c16, self.block4(c16))


class EfficientNetLite(Backbone):
    """timm's EfficientNet-Lite with TensorFlow's padding.

    Its public ImageNet weights were trained with this padding.

    Attributes:
        architecture: timm's name of the whole classifier.
    """

    def __init__(self, name: str) -> None:
        super().__init__(LITE)
        self.architecture = f"tf_{name}"
        net: Any = timm.create_model(
            self.architecture, features_only=True, out_indices=(1, 2, 3, 4)
        )
        a, b, c, d = net.feature_info.channels()
        self.net: nn.Module = net
        self.channels = (a, b, c, d)

    def early(self) -> tuple[nn.Module, nn.Module]:
        """See `Backbone.early`."""
        net: Any = self.net
        return nn.ModuleList([net.conv_stem, net.bn1, net.blocks[0]]), net.blocks[1]

    def stages(self) -> list[nn.Module]:
        """See `Backbone.stages`."""
        net: Any = self.net
        return list(net.blocks)

    def forward(self, images: Tensor) -> Trunk:
        """See `Backbone.forward`."""
        c4, c8, c16, c32 = self.net(self.normalise(images))
        return Trunk(c4, c8, c16, c32)


def build_backbone(config: ModelConfig) -> Backbone:
    """Build the backbone of a configuration with random weights."""
    kind = EfficientNetLite if config.backbone.startswith("efficientnet") else RegNetY
    backbone: Backbone = kind(config.backbone)
    backbone.freeze(config.frozen_stages)
    return backbone
