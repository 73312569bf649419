"""Ranking and suppression against plain loops."""

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mapt.ops import disabled, greedy_nms, top_k


def naive_nms(boxes: Tensor, groups: Tensor, valid: Tensor, iou: float) -> list[bool]:
    overlap = torchvision.ops.box_iou(boxes, boxes)
    keep = [False] * len(boxes)
    for i in range(len(boxes)):
        dropped = any(keep[j] and groups[j] == groups[i] and overlap[j, i] > iou for j in range(i))
        keep[i] = bool(valid[i]) and not dropped
    return keep


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 60), spread=st.floats(5, 100))
def test_greedy_nms_equals_the_plain_loop(seed: int, count: int, spread: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * spread
    boxes = torch.cat((corner, corner + torch.rand(count, 2, generator=generator) * 30 + 1), 1)
    groups = torch.randint(0, 3, (count,), generator=generator)
    valid = torch.rand(count, generator=generator) > 0.2
    assert greedy_nms(boxes, groups, valid, 0.5).tolist() == naive_nms(boxes, groups, valid, 0.5)


def test_a_long_chain_alternates() -> None:
    left = torch.arange(40.0) * 2
    boxes = torch.stack(
        (left, left * 0, left + 6, left * 0 + 6), 1
    )  # IoU of neighbours 0.5 exactly, of 40 % limit above
    keep = greedy_nms(boxes, torch.zeros(40), torch.ones(40, dtype=torch.bool), 0.4)
    assert keep.tolist() == [i % 2 == 0 for i in range(40)]


@pytest.mark.parametrize("count", [0, 1, 5, 90])
def test_suppression_is_the_same_without_compiled_operators(count: int) -> None:
    """Also of boxes that are equal, and of ones that are no numbers: these drop none."""
    generator = torch.Generator().manual_seed(count)
    corner = (torch.rand(count, 2, generator=generator) * 8).round() * 5
    boxes = torch.cat((corner, corner + 12), 1)  # many are equal
    boxes[3::7] = torch.nan
    groups = torch.randint(0, 2, (count,), generator=generator)
    scores = torch.rand(count, generator=generator)
    scores[4::9] = torch.nan
    keep = greedy_nms(boxes, groups, scores > 0.1, 0.3)
    with disabled():
        assert torch.equal(greedy_nms(boxes, groups, scores > 0.1, 0.3), keep)
    assert keep.tolist() == naive_nms(boxes, groups, scores > 0.1, 0.3)
    assert bool((keep[3::7] == (scores > 0.1)[3::7]).all()) and not keep[4::9].any()


def test_ties_go_to_the_lowest_index() -> None:
    scores = torch.tensor([0.5, 0.9, 0.5, 0.9, 0.0, 1.0, 0.5])
    assert top_k(scores, 7).tolist() == [5, 1, 3, 0, 2, 6, 4]
    assert top_k(torch.full((5000,), 0.25), 100).tolist() == list(range(100))


def test_ranking_separates_neighbouring_floats_near_one() -> None:
    below = torch.nextafter(torch.tensor(1.0), torch.tensor(0.0))
    assert top_k(torch.stack((below, torch.tensor(1.0))), 2).tolist() == [1, 0]
