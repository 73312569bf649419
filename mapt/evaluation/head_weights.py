"""Keeps heads that were trained on another network's features in small files of their own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor

from mapt.config import ModelConfig, parse
from mapt.errors import InputError
from mapt.model.network import HEADS, Head, Network, owner
from mapt.model.weights import (
    build_network,
    load_weights,
    read_card,
    read_config,
    read_file,
    save_tensors,
    save_weights,
)

BASE = "base_sha256"


def extract_heads(trained: Path, base: Path, out: Path) -> list[Head]:
    """Write the heads in which two networks differ.

    Args:
        trained: weights of a run that started from `base`, and changed nothing but heads.
        base: the weights that it started from.
        out: the file of the heads. Its metadata hold the configuration and the base's
            `digest_of`.

    Returns:
        The names of the heads, in the order of `HEADS`.

    Raises:
        InputError: a file is damaged, or the trunk or the pyramid differs too.
    """
    network = load_weights(trained)
    tensors = {name: tensor for name, tensor in network.state_dict().items() if _kept(name)}
    others = load_weights(base).state_dict()
    changed = {name for name, tensor in tensors.items() if _differ(tensor, others.get(name))}
    shared = sorted(name for name in changed if owner(name) is None)
    if shared:
        raise InputError(
            f"{trained}: {shared[0]} differs from {base}, and is no head's;"
            " train with shared = false"
        )
    heads = [head for head in HEADS if any(owner(name) == head for name in changed)]
    if not heads:
        raise InputError(f"{trained}: no head differs from {base}; nothing to write")
    card = {**read_card(trained), BASE: digest_of(base), "heads": json.dumps(heads)}
    own = {name: tensor for name, tensor in tensors.items() if owner(name) in heads}
    save_tensors(out, own, network.config, card)
    return heads


def start_heads(base: Path, out: Path, **inputs: str) -> list[str]:
    """Write the weights from which heads with other inputs begin to learn.

    Tensors that fit are those of `base`, so that heads with any input have learned as long. The
    others are as a new network has them.

    Args:
        base: weights with heads of any input.
        out: the file, with the configuration of `base` but for the inputs.
        **inputs: `motion_input` or `appearance_input` of `ModelConfig`.

    Returns:
        The names of the tensors that start anew.

    Raises:
        InputError: `base` is damaged, or there is no such input.
    """
    known = load_weights(base)
    config = parse(ModelConfig, {**known.config.model_dump(), **inputs}, str(base))
    network = build_network(config, str(base))
    wanted = {name: t for name, t in network.state_dict().items() if _kept(name)}
    tensors = {
        name: tensor
        for name, tensor in known.state_dict().items()
        if name in wanted and wanted[name].shape == tensor.shape
    }
    network.load_state_dict(tensors, strict=False)
    save_weights(out, network, read_card(base))
    return sorted(set(wanted) - set(tensors))


def digest_of(weights: Path) -> str:
    """Return the SHA-256 of a file's tensors, by name; the copy in a bundle has the same.

    Raises:
        InputError: the file is damaged.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(read_file(weights)[1].items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def base_of(heads: Path) -> str:
    """Return the `digest_of` the weights that heads belong to.

    Raises:
        InputError: the file is damaged, or holds a whole network.
    """
    digest = read_file(heads)[0].get(BASE)
    if not digest:
        raise InputError(f"{heads}: holds no heads of another network; give it as weights")
    return digest


def load_heads(heads: Path, base: Path, size: tuple[int, int] | None = None) -> Network:
    """Load a network with some heads from another file, in evaluation mode.

    Args:
        heads: written by `extract_heads`.
        base: the weights of everything else.
        size: height and width of the input in pixels, in place of the base's.

    Raises:
        InputError: a file is damaged, or the heads belong to other weights.
    """
    if base_of(heads) != digest_of(base):
        raise InputError(f"{heads}: its heads do not belong to {base}; give the weights they do")
    around = load_weights(base, size=size)
    stored = read_config(heads)
    config = around.config.model_copy(
        update={key: getattr(stored, key) for key in ("motion_input", "appearance_input")}
    )
    network = build_network(config, str(heads))
    own = read_file(heads)[1]
    replaced = {owner(name) for name in own}
    kept = {n: t for n, t in around.state_dict().items() if owner(n) not in replaced}
    _fill(network, {**kept, **own}, heads, config)
    return network.eval()


def _fill(network: Network, tensors: dict[str, Tensor], heads: Path, config: ModelConfig) -> None:
    """Load tensors, which must be exactly the network's."""
    expected = {name: t.shape for name, t in network.state_dict().items() if _kept(name)}
    found = {name: tensor.shape for name, tensor in tensors.items() if _kept(name)}
    if expected != found:
        name = sorted(set(expected.items()) ^ set(found.items()))[0][0]
        raise InputError(f"{heads}: tensor {name} does not fit {config.preset}; extract it again")
    network.load_state_dict(tensors, strict=False)


def _kept(name: str) -> bool:
    return not name.endswith("num_batches_tracked")


def _differ(tensor: Tensor, other: Tensor | None) -> bool:
    return other is None or tensor.shape != other.shape or not torch.equal(tensor, other)
