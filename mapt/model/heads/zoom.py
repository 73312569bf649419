"""Shows the middle of the network's input to the network a second time, twice as large.

Far objects are there, and an enlarged middle finds more of them than a larger input of the same
cost. The runtime does not notice: the features of the middle lie behind those of the whole input,
in further channels of the pyramid.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mapt.model.fpn import STRIDES, Pyramid
from mapt.model.heads.instance import Candidates, InstanceHead
from mapt.model.layers import upsample
from mapt.ops import top_k

SCALE = 2
# Pixels at an edge of the enlarged middle. An object that reaches into them may go on outside.
MARGIN = 4.0


@dataclass(frozen=True)
class Middle:
    """The middle of the network's input: about a third of the rows, and half of the columns.

    With a level camera that looks ahead, the horizon lies there. Enlarged, it is as wide as the
    input and has about two thirds of its rows.

    Attributes:
        height: of the input, pixels, a multiple of 32.
        width: of the input.
        channels: of the pyramid, F.
    """

    height: int
    width: int
    channels: int

    @property
    def rows(self) -> int:
        """Rows of the input in the middle. Enlarged, they are a multiple of 32."""
        return max(1, round(self.height * SCALE / 3 / STRIDES[-1])) * STRIDES[-1] // SCALE

    @property
    def columns(self) -> int:
        """Columns of the input in the middle."""
        return self.width // SCALE

    @property
    def top(self) -> int:
        """The first row of the middle."""
        return (self.height - self.rows) // 2

    @property
    def left(self) -> int:
        """The first column of the middle."""
        return (self.width - self.columns) // 2

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the enlarged middle, pixels."""
        return self.rows * SCALE, self.columns * SCALE

    def enlarge(self, images: Tensor) -> Tensor:
        """Cut out the middle of images (B,H,W,3) uint8, twice as large, in [0,255] float32."""
        part = images[:, self.top : self.top + self.rows, self.left : self.left + self.columns]
        return upsample(part.float().permute(0, 3, 1, 2), SCALE).permute(0, 2, 3, 1)

    def pack(self, whole: Pyramid, middle: Pyramid) -> Pyramid:
        """Put the features of the enlarged middle into further channels of the whole input's.

        Args:
            whole: levels (B,F,h,w) of the input.
            middle: levels (B,F,h',w) of the enlarged middle.

        Returns:
            Levels (B,2F,h,w), with zeros below the rows of the middle.
        """
        packed = [
            torch.cat((own, nn.functional.pad(more, (0, 0, 0, own.shape[2] - more.shape[2]))), 1)
            for own, more in zip(whole.levels(), middle.levels(), strict=True)
        ]
        return Pyramid(*packed)

    def unpack(self, packed: Pyramid) -> tuple[Pyramid, Pyramid]:
        """Return the features of the whole input and of the enlarged middle, see `pack`."""
        height = self.size[0]
        own = [level[:, : self.channels] for level in packed.levels()]
        more = [
            level[:, self.channels :, : height // stride]
            for level, stride in zip(packed.levels(), STRIDES, strict=True)
        ]
        return Pyramid(*own), Pyramid(*more)

    def to_middle(self, boxes: Tensor) -> Tensor:
        """Turn boxes (n,4) xyxy of the input into pixels of the enlarged middle."""
        return (boxes - boxes.new_tensor([self.left, self.top] * 2)) * SCALE

    def to_whole(self, boxes: Tensor) -> Tensor:
        """Turn boxes (n,4) xyxy of the enlarged middle into pixels of the input."""
        return boxes / SCALE + boxes.new_tensor([self.left, self.top] * 2)

    def holds(self, boxes: Tensor) -> Tensor:
        """Tell which boxes (n,4) xyxy of the enlarged middle lie inside it, (n,) bool."""
        height, width = self.size
        x1, y1, x2, y2 = boxes.unbind(1)
        return (x1 >= MARGIN) & (y1 >= MARGIN) & (x2 <= width - MARGIN) & (y2 <= height - MARGIN)

    def merge(self, head: InstanceHead, whole: Candidates, middle: Candidates) -> Candidates:
        """Keep the best of the objects of both, of which each may have been found twice.

        Args:
            head: suppresses the weaker of two.
            whole: objects of the input.
            middle: objects of the enlarged middle, in its pixels.
        """
        inside = middle.scores * self.holds(middle.boxes)
        scores = torch.cat((whole.scores, inside))
        order = top_k(scores, scores.shape[0])
        boxes = torch.cat((whole.boxes, self.to_whole(middle.boxes)))
        things = torch.cat((whole.things, middle.things))
        return head.suppress(
            boxes.index_select(0, order),
            things.index_select(0, order),
            scores.index_select(0, order),
        )

    def pool(self, head: InstanceHead, whole: Pyramid, middle: Pyramid, boxes: Tensor) -> Tensor:
        """Compute RoI features (n,F,14,14) for the masks of boxes (n,4) xyxy of the input.

        They are those of the enlarged middle where a box lies inside it.
        """
        placed = self.to_middle(boxes)
        return torch.where(
            self.holds(placed)[:, None, None, None],
            head.pool(middle, placed),
            head.pool(whole, boxes),
        )
