"""Augments the test by several scales.

The heads see each frame at several sizes. A deployed tracker runs them at one size only.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mapt.evaluation.torch_backend import TorchBackend
from mapt.model.fpn import Pyramid
from mapt.model.network import Network
from mapt.model.subgraphs import judge_stuff
from mapt.ops import top_k

SCALES = (0.75, 1.0, 1.5)


class ScaledBackend(TorchBackend):
    """A backend that runs the network at several sizes and merges the results.

    It averages class probabilities. It suppresses the detections of all sizes together, and
    averages their masks. The motion head and the embeddings read the features of the frame's own
    size.

    Args:
        network: in evaluation mode.
        scales: factors of the network's input size, which is rounded to multiples of 32.
    """

    def __init__(self, network: Network, scales: tuple[float, ...] = SCALES) -> None:
        super().__init__(network)
        self.network = network
        config = network.config
        self.sizes = [
            (_multiple(config.height * s), _multiple(config.width * s)) for s in scales if s != 1.0
        ]
        self.others: list[tuple[Pyramid, Tensor]] = []

    def _compute(self, subgraph: str, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        outputs = super()._compute(subgraph, inputs)
        if subgraph == "backbone":
            self.others = [self._perceive(inputs["image"], size) for size in self.sizes]
        elif subgraph == "semantic":
            self._average_classes(outputs)
        elif subgraph == "instance":
            outputs = self._merge(Pyramid(*(inputs[n] for n in ("p4", "p8", "p16", "p32"))))
        return outputs

    def _perceive(self, image: Tensor, size: tuple[int, int]) -> tuple[Pyramid, Tensor]:
        """Compute the pyramid and the class logits of an image (1,H,W,3) uint8 at another size."""
        resized = nn.functional.interpolate(
            image.permute(0, 3, 1, 2).float(),
            size,
            mode="bilinear",
            align_corners=False,
            antialias=True,
        )
        pyramid, semantic = self.network.features(
            resized.round().to(torch.uint8).permute(0, 2, 3, 1)
        )
        return pyramid, semantic.logits

    def _average_classes(self, outputs: dict[str, Tensor]) -> None:
        """Replace `logits` by the logarithm of the mean probabilities.

        What follows from them is replaced accordingly.
        """
        own = outputs["logits"]
        total = own.softmax(1)
        for _, logits in self.others:
            total = total + nn.functional.interpolate(
                logits.softmax(1), own.shape[2:], mode="bilinear", align_corners=False
            )
        mean = (total / (1 + len(self.others))).clamp(min=1e-6).log()
        stuff = torch.tensor(self.network.config.stuff, device=self.device)
        margins, labels = judge_stuff(mean, stuff, self.network.instance.things)
        outputs |= {"logits": mean, "margins": margins, "labels": labels}

    def _merge(self, own: Pyramid) -> dict[str, Tensor]:
        """Compute the instance subgraph's outputs from the detections of every size."""
        config = self.network.config
        head = self.network.instance
        boxes = []
        scores = []
        things = []
        views = [(own, (config.height, config.width))]
        views += [
            (pyramid, size) for (pyramid, _), size in zip(self.others, self.sizes, strict=True)
        ]
        ratios = [
            torch.tensor([w / config.width, h / config.height] * 2, device=self.device)
            for _, (h, w) in views
        ]
        for (pyramid, (height, width)), ratio in zip(views, ratios, strict=True):
            proposals, valid = self.network.rpn.propose(self.network.rpn(pyramid), height, width)
            found = head.find(pyramid, proposals, valid, height, width)
            boxes.append(found.boxes / ratio)
            scores.append(found.scores)
            things.append(found.things)
        score = torch.cat(scores)
        order = top_k(score, len(score))
        best = head.suppress(torch.cat(boxes)[order], torch.cat(things)[order], score[order])
        logits = [
            head.mask(head.pool(pyramid, best.boxes * ratio), best.things)
            for (pyramid, _), ratio in zip(views, ratios, strict=True)
        ]
        masks = torch.stack(logits).mean(0)
        return dict(vars(head.segment(best, masks, config.height, config.width)))


def _multiple(length: float) -> int:
    """Round to a multiple of 32, at least 32."""
    return max(1, int(length / 32 + 0.5)) * 32
