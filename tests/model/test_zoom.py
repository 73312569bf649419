"""The enlarged middle of the input: where it lies, and that nothing else changes."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mapt.config import preset
from mapt.data.datasets.kitti_step import list_sequences
from mapt.evaluation.torch_backend import TorchBackend
from mapt.io.image_files import read_rgb
from mapt.io.pretrained import shipped_weights
from mapt.model.fpn import STRIDES, Pyramid
from mapt.model.heads.zoom import Middle
from mapt.model.network import Network

Found = dict[str, NDArray[Any]]


@pytest.mark.parametrize(
    "size", [(384, 1248), (192, 640), (384, 672), (192, 352), (64, 128), (32, 32), (96, 32)]
)
def test_the_middle_fits_behind_the_input(size: tuple[int, int]) -> None:
    height, width = size
    middle = Middle(height, width, 4)
    assert all(length % 32 == 0 for length in middle.size)
    assert middle.size[0] <= height and middle.size[1] == width
    assert 2 * middle.top + middle.rows == height and 2 * middle.left + middle.columns == width


def test_the_middle_costs_two_thirds_of_the_input() -> None:
    for height, width in ((384, 1248), (192, 640), (384, 672)):
        rows, columns = Middle(height, width, 4).size
        assert 3 * rows * columns == 2 * height * width


def test_it_shows_the_middle() -> None:
    image = torch.randint(0, 256, (1, 96, 160, 3), dtype=torch.uint8)
    middle = Middle(96, 160, 4)
    shown = middle.enlarge(image)
    assert shown.shape == (1, *middle.size, 3)
    part = image[0, middle.top : middle.top + middle.rows, middle.left : middle.left + 80].numpy()
    wanted = cv2.resize(part.astype(np.float32), middle.size[::-1], interpolation=cv2.INTER_LINEAR)
    assert np.allclose(shown[0].numpy(), wanted, atol=1e-3)


def test_pyramids_packed_and_unpacked() -> None:
    middle = Middle(96, 160, 4)
    whole, more = (
        Pyramid(*(torch.rand(2, 4, height // s, 160 // s) for s in STRIDES))
        for height in (96, middle.size[0])
    )
    packed = middle.pack(whole, more)
    assert [level.shape for level in packed.levels()] == [
        (2, 8, 96 // s, 160 // s) for s in STRIDES
    ]
    for one, other in zip(middle.unpack(packed), (whole, more), strict=True):
        for level, same in zip(one.levels(), other.levels(), strict=True):
            assert torch.equal(level, same)


def test_boxes_of_the_middle() -> None:
    middle = Middle(96, 160, 4)  # 32 rows and 80 columns from (32, 40), shown as 64x160
    boxes = torch.tensor(
        [[40.0, 32.0, 120.0, 64.0], [42.0, 34.0, 118.0, 62.0], [0.0, 0.0, 160.0, 96.0], [0.0] * 4]
    )
    placed = middle.to_middle(boxes)
    assert placed[0].tolist() == [0, 0, 160, 64]
    assert torch.equal(middle.to_whole(placed), boxes)
    assert middle.holds(placed).tolist() == [False, True, False, False]


def test_only_detections_in_the_middle_change(street: Path) -> None:
    plain, zoomed = (TorchBackend.load(shipped_weights(), zoom=zoom) for zoom in (False, True))
    middle = Middle(zoomed.info.height, zoomed.info.width, 1)
    more = 0
    beside = 0
    for path in list_sequences(street, "val")[0].images:
        one, other = (_heads(backend, read_rgb(path)) for backend in (plain, zoomed))
        for name in ("s", "logits", "margins", "labels"):
            assert np.array_equal(one[name], other[name]), name
        unchanged, same = (_beside(found, middle) for found in (one, other))
        assert np.array_equal(unchanged, same)
        beside += len(same)
        more += int(other["count"][0]) - int(one["count"][0])
    assert beside > 0 and more > 0


def _heads(backend: TorchBackend, image: NDArray[np.uint8]) -> Found:
    """What the semantic and the instance head give for an image, resized to the input."""
    size = (backend.info.width, backend.info.height)
    features = backend.run("backbone", {"image": cv2.resize(image, size)[None]})
    semantic = backend.run("semantic", {name: features[name] for name in ("c16", "p4", "p8")})
    levels = {name: features[name] for name in ("p4", "p8", "p16", "p32")}
    return {**semantic, **backend.run("instance", levels)}


def _beside(found: Found, middle: Middle) -> NDArray[np.float32]:
    """Boxes, scores and masks of detections left and right of the middle, which stay out of it."""
    boxes = found["boxes"]
    out = (boxes[:, 2] < middle.left) | (boxes[:, 0] > middle.left + middle.columns)
    out &= found["scores"] > 0
    masks = found["mask_logits"].reshape(len(boxes), -1)
    return np.hstack((boxes, found["scores"][:, None], masks))[out]


def test_an_object_at_the_edge_of_the_middle_is_found_in_the_whole_input_alone() -> None:
    """The enlarged middle shows a part of it, which is no object."""
    torch.manual_seed(0)
    network = Network(preset("nano", height=96, width=160, detections=8, zoom=True)).eval()
    middle = Middle(96, 160, network.config.fpn_channels)
    head = network.instance
    cut = torch.tensor([[0.0, 10.0, 30.0, 40.0], [60.0, 10.0, 110.0, 40.0]])
    found = head.suppress(cut, torch.zeros(2, dtype=torch.long), torch.tensor([0.9, 0.8]))
    none = head.suppress(torch.zeros(2, 4), torch.zeros(2, dtype=torch.long), torch.zeros(2))
    best = middle.merge(head, none, found)
    assert int(best.kept.sum()) == 1
    assert torch.equal(best.boxes[0], middle.to_whole(cut)[1])
