"""An untrained network that decides clearly, and a street on which it finds objects.

It finds the objects again in later frames.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mapt.config import preset
from mapt.contract import Thresholds
from mapt.model.network import Network
from mapt.model.subgraphs import build_subgraphs
from mapt.runtime.backends.protocol import Backend, Tensors, all_on_host
from mapt.synthetic import render_sequence

SIZE = (384, 1248)
# What an untrained network sees jumps about: without a wide reach nothing would be found again by
# its look.
LIMITS = Thresholds(
    score=0.3, overlap=0.5, propagation_iou=0.3, similarity=0.7, reach=100.0, resize=100.0
)
STRIP = 64  # pixels


def untrained(name: str) -> Network:
    """Create an untrained network of a preset at KITTI's size.

    It detects objects of 64 pixels and more, because small ones change with every pixel of noise.
    """
    torch.manual_seed(3)
    network = Network(
        preset(name, height=SIZE[0], width=SIZE[1], min_box=64.0, thresholds=vars(LIMITS))
    )
    spread_outputs(network)
    return network


def street(frames: int) -> list[NDArray[np.uint8]]:
    """Render a street for a standing camera.

    In every frame another strip shows the street at that time. The rest stays as in the first
    frame.
    """
    rendered = [frame.image for frame in render_sequence(5, 0, frames, SIZE)]
    pictures = [rendered[0].copy() for _ in rendered]
    for i, (picture, now) in enumerate(zip(pictures, rendered, strict=True)):
        picture[:, i * STRIP : (i + 1) * STRIP] = now[:, i * STRIP : (i + 1) * STRIP]
    return pictures


def spread_outputs(network: Network) -> None:
    """Normalise the network's outputs on two pictures, in place.

    The pictures decide every batch norm, and the spread and the mean of what the heads give.

    Untrained, all scores are alike to the last bit, and the order of equals is rounding.
    """
    instance = network.instance
    semantic = network.semantic
    motion = network.motion
    spreads: dict[nn.Module, tuple[float, float]] = {
        instance.box.classify: (2.0, 0.0), instance.mask.classify: (0.5, 3.0),
        semantic.classify: (0.5, 0.0), network.appearance.embed[-1]: (1.0, 0.0),
        **dict.fromkeys(motion.offsets, (0.3, 0.0)),
    }  # fmt: skip

    def adjust(layer: nn.Module, _: Any, out: Tensor) -> Tensor:
        spread, middle = spreads[layer]
        mean = out.mean([0, *range(2, out.dim())])
        scale = spread / out.std()
        layer.weight.mul_(scale)  # type: ignore[operator]
        layer.bias.copy_((layer.bias - mean) * scale + middle)  # type: ignore[operator]
        return (out - mean.view(1, -1, *[1] * (out.dim() - 2))) * scale + middle

    graphs = build_subgraphs(network)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
            module.momentum = 1.0
    hooks = [layer.register_forward_hook(adjust) for layer in spreads]
    first, second = (torch.from_numpy(f.image[None]) for f in render_sequence(5, 0, 2, SIZE))
    with torch.no_grad():
        *pyramid, c16 = graphs["backbone"](first)
        s_prev = graphs["semantic"](c16, *pyramid[:2])[0]
        *pyramid, c16 = graphs["backbone"](second)
        s = graphs["semantic"](c16, *pyramid[:2])[0]
        found = graphs["instance"](*pyramid)
        boxes, mask_logits, masks8 = (found[i] for i in (0, 3, 4))
        rows = torch.arange(network.config.motion_batch, dtype=torch.int32)
        f_p = graphs["motion"](s_prev, s, masks8[: len(rows)], masks8, boxes, rows)[1]
        graphs["appearance"](*pyramid, boxes, mask_logits, rows, f_p)
        semantic.classify.get_parameter("bias")[list(network.config.things)] += 1.0
    for hook in hooks:
        hook.remove()
    network.eval()


class Remembered:
    """A backend that answers the same question only once, and then from memory.

    Attributes:
        asked: questions that it had to compute.
    """

    name = "torch"

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.info = backend.info
        self.asked = 0
        self.providers = backend.providers
        self.known: dict[Any, Tensors] = {}

    def run(self, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        """See `Backend.run`."""
        key = subgraph, *(hash(inputs[name].tobytes()) for name in sorted(inputs))
        if key not in self.known:
            self.asked += 1
            self.known[key] = all_on_host(self.backend.run(subgraph, inputs))
        return dict(self.known[key])
