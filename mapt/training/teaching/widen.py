"""Starts a network from the weights of a narrower one.

The wider network computes what the narrower one does, as far as its trunk gives the same features:
new input channels of old outputs have zero weights, and new outputs are random (Chen et al.,
"Net2Net", 2016, widen layers by copies instead).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mapt.config import ModelConfig
from mapt.errors import InputError
from mapt.model.network import Network

# What both networks must agree in, because these sizes decide what outputs mean.
EQUAL = (
    "class_names",
    "things",
    "semantic_channels",
    "box_hidden",
    "motion_filters",
    "embedding",
    "activation",
    "motion_input",
    "appearance_input",
)
TRANSPOSED = "instance.mask.upsample.weight"
AS_MANY = ("anchor_scales", "anchor_ratios")
WIDER = ("fpn_channels", "dpc_channels", "head_channels")


def check_wider(wide: ModelConfig, narrow: ModelConfig, where: str) -> None:
    """Check that a network can learn from a narrower one.

    Args:
        wide: the configuration of the network that learns.
        narrow: the configuration of its teacher.
        where: names the teacher in the message.

    Raises:
        InputError: the networks differ in more than widths, trunk, and anchors' sizes, or the
            teacher is wider.
    """
    for name in EQUAL:
        own = getattr(wide, name)
        other = getattr(narrow, name)
        if own != other:
            raise InputError(
                f"{where}: its {name} is {other}, the network's is {own}; set model.{name} to the"
                " teacher's, or choose another teacher"
            )
    for name in AS_MANY:
        own = getattr(wide, name)
        other = getattr(narrow, name)
        if len(own) != len(other):
            raise InputError(
                f"{where}: it has {len(other)} {name}, the network {len(own)}; give model.{name} as"
                " many values"
            )
    for name in WIDER:
        if getattr(wide, name) < getattr(narrow, name):
            raise InputError(
                f"{where}: its {name} is {getattr(narrow, name)}, the network's"
                f" {getattr(wide, name)}; a teacher must not be wider than its pupil"
            )


@torch.no_grad()
def widen(network: Network, teacher: Network) -> None:
    """Copy pyramid and heads of a narrower network into a wider one, in place.

    The trunk stays as it is, and so do convolutions that read a trunk of other widths.

    Args:
        network: the wider network.
        teacher: the narrower one, which has passed `check_wider`.
    """
    joints = _Joints(network.config, teacher.config)
    old = teacher.state_dict()
    same_trunk = network.backbone.channels == teacher.backbone.channels
    for name, tensor in network.state_dict().items():
        reads_trunk = "lateral" in name or name.startswith("semantic.dilated.0.")
        if name.startswith("backbone.") or (reads_trunk and not same_trunk):
            continue
        if name == TRANSPOSED:  # its first dimension is its input
            _copy(tensor.transpose(0, 1), old[name].transpose(0, 1), None, None)
        else:
            _copy(tensor, old[name], joints.rows(name), joints.columns(name))


def _copy(wide: Tensor, narrow: Tensor, rows: list[int] | None, columns: list[int] | None) -> None:
    """Copy a tensor into a larger one whose dimensions 0 and 1 may be wider.

    Args:
        wide: is changed.
        narrow: the smaller tensor.
        rows: where its rows go; None for the first ones.
        columns: where its columns go, likewise.
    """
    if narrow.ndim == 0:
        wide.copy_(narrow)
        return
    at = torch.tensor(rows if rows is not None else list(range(narrow.shape[0])))
    if narrow.ndim == 1:
        wide[at] = narrow
        return
    across = torch.tensor(columns if columns is not None else list(range(narrow.shape[1])))
    wide[at] = 0  # an old output does not read new inputs
    wide[at[:, None], across[None]] = narrow


@dataclass(frozen=True)
class _Joints:
    """Tells where channels of the narrower network go in tensors that join several inputs."""

    wide: ModelConfig
    narrow: ModelConfig

    def rows(self, name: str) -> list[int] | None:
        """Return the rows for a tensor, or None for the first ones."""
        if name.startswith("semantic.merge8.0."):
            return self._merge8()
        if name.startswith("semantic.merge4.0."):
            return self._merge4()
        return self._attention() if name.startswith("appearance.attention.2.") else None

    def columns(self, name: str) -> list[int] | None:
        """Return the columns for a tensor, or None for the first ones."""
        if name == "semantic.merge8.1.weight":
            return self._merge8()
        if name == "semantic.merge4.1.weight":
            return self._merge4()
        if name == "semantic.dpc.mix.0.weight":
            return _blocks([(self.wide.dpc_channels, self.narrow.dpc_channels)] * 5)
        return self._attention() if name == "appearance.attention.0.weight" else None

    def _merge8(self) -> list[int]:
        return _blocks(
            [
                (self.wide.dpc_channels, self.narrow.dpc_channels),
                (self.wide.fpn_channels, self.narrow.fpn_channels),
            ]
        )

    def _merge4(self) -> list[int]:
        return _blocks(
            [
                (self.wide.semantic_channels, self.narrow.semantic_channels),
                (self.wide.fpn_channels, self.narrow.fpn_channels),
            ]
        )

    def _attention(self) -> list[int]:
        return _blocks([(self.wide.fpn_channels, self.narrow.fpn_channels)] * 2)


def _blocks(widths: list[tuple[int, int]]) -> list[int]:
    """Return where the channels of narrow blocks lie, if each begins its wide block."""
    at = list[int]()
    start = 0
    for wide, narrow in widths:
        at += range(start, start + narrow)
        start += wide
    return at
