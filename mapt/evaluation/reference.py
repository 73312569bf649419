"""Finds the weights that a bundle was exported from, for the PyTorch reference."""

from __future__ import annotations

from pathlib import Path

from mapt.errors import InputError
from mapt.io.pretrained import PRETRAINED
from mapt.model.network import Network
from mapt.model.weights import load_weights
from mapt.runtime.bundle.contents import sha256
from mapt.runtime.bundle.manifest import Bundle


def reference_weights(bundle: Bundle) -> Path:
    """Return the weights in a bundle, or those of the repository that it was exported from.

    Raises:
        InputError: there are none.
    """
    if bundle.weights.is_file():
        return bundle.weights
    for network in PRETRAINED.values():
        known = bundle.source and network.weights.is_file()
        if known and bundle.source and sha256(network.weights) == bundle.source.sha256:
            return network.weights
    raise InputError(
        f"{bundle.folder}: was exported without its weights, which PyTorch needs; take a bundle"
        " that has them"
    )


def load_reference(bundle: Bundle) -> Network:
    """Return the network that a bundle was exported from, at the bundle's input size.

    Raises:
        InputError: as `reference_weights`, or the weights are damaged.
    """
    size = bundle.info.height, bundle.info.width
    network = load_weights(reference_weights(bundle), size=size)
    if bundle.info.sizes["F"] != network.config.fpn_channels:  # see `mapt.model.heads.zoom`
        network = load_weights(reference_weights(bundle), size=size, zoom=True)
    return network
