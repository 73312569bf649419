"""Lists the subgraphs to export, with batch norms folded."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mapt.contract import BY_NAME, ModelInfo, SubgraphSpec, TensorSpec, list_specs
from mapt.errors import InputError
from mapt.model.network import Network
from mapt.model.subgraphs import build_subgraphs

REPEATED = ("instance",)


@dataclass(frozen=True)
class Subgraph:
    """A module ready to be traced.

    Attributes:
        spec: its name, inputs and outputs.
        module: in evaluation mode, batch norms folded.
        examples: one tensor per input, of the shapes it is traced with.
        copies: how often its graph is repeated, each for an image of its own. What ranks the
            objects of an image has no batch.
    """

    spec: SubgraphSpec
    module: nn.Module
    examples: tuple[Tensor, ...]
    copies: int = 1


def list_subgraphs(network: Network, info: ModelInfo, batch: int = 1) -> list[Subgraph]:
    """Every subgraph of a network, which stays as it is.

    Args:
        network: it.
        info: what the runtime must know of it.
        batch: images that the frame graphs take at a time.

    Raises:
        InputError: its motion head is an external flow.
    """
    if network.config.motion_input == "flow":
        raise InputError(
            "model.motion_input = flow: OpenCV's flow cannot be exported; track with the weights"
        )
    modules = build_subgraphs(fold_batch_norm(copy.deepcopy(network).eval().cpu()))
    specs = [BY_NAME[spec.name] if spec.name in REPEATED else spec for spec in list_specs(batch)]
    return [
        Subgraph(
            spec,
            modules[spec.name],
            tuple(_example(tensor, info) for tensor in spec.inputs),
            batch if spec.name in REPEATED else 1,
        )
        for spec in specs
    ]


def _example(spec: TensorSpec, info: ModelInfo) -> Tensor:
    """Return zeros as an example input, because tracing depends on shapes only."""
    return torch.zeros(spec.resolve(info.sizes), dtype=getattr(torch, spec.dtype))


def fold_batch_norm(network: Network) -> Network:
    """Fold every batch norm that directly follows a convolution into it, in place."""
    for parent in network.modules():
        if isinstance(parent, nn.Sequential):
            for i in range(len(parent) - 1):
                conv = parent[i]
                norm = parent[i + 1]
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    parent[i] = fuse_conv_bn_eval(conv, norm)
                    parent[i + 1] = nn.Identity()
    if network.config.zoom:
        _fold_trunk(network.backbone)
    return network


def _fold_trunk(backbone: nn.Module) -> None:
    """Fold the batch norms of timm's blocks, in place.

    The exporter folds those of which the convolution runs once. With `zoom` it runs twice.
    """
    for parent in backbone.modules():
        last: tuple[str, nn.Module] = ("", parent)
        for name, module in list(parent.named_children()):
            if isinstance(module, BatchNormAct2d) and isinstance(last[1], nn.Conv2d):
                setattr(parent, last[0], fuse_conv_bn_eval(last[1], module))
                setattr(parent, name, module.act)
            last = (name, module)
