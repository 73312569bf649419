"""The losses of Eq. 2-7 by hand."""

import math

import pytest
import torch

from mapt.model.heads.appearance import appearance_loss
from mapt.model.heads.motion import motion_loss, soft_iou
from mapt.model.heads.semantic import jaccard_loss, semantic_loss


def test_semantic_loss_averages_the_worst_quarter() -> None:
    """The semantic loss averages the worst quarter of each image.

    Of 8x8 pixels in two classes, one quarter is wrong by a margin of 2, and the rest right by 2.
    """
    logits = torch.zeros(2, 2, 2, 2)
    logits[:, 0] = 2.0
    logits[:, 1] = 0.0
    labels = torch.zeros(2, 8, 8, dtype=torch.uint8)
    labels[:, :4, :4] = 1
    wrong = math.log(1 + math.exp(2.0))
    assert semantic_loss(logits, labels).item() == pytest.approx(wrong, rel=1e-5)


def test_void_pixels_have_no_semantic_loss() -> None:
    labels = torch.full((1, 8, 8), 255, dtype=torch.uint8)
    assert semantic_loss(torch.randn(1, 3, 2, 2), labels).item() == 0


def test_every_pixel_may_count_and_rare_classes_may_weigh_more() -> None:
    """64 pixels, eight of class 1: at balance 1 each class weighs one half, whatever its size."""
    logits = torch.zeros(1, 2, 1, 4)
    logits[:, 0] = 2.0
    logits[:, 1] = 0.0
    labels = torch.zeros(1, 4, 16, dtype=torch.uint8)
    labels[:, 0, :8] = 1  # 8 of 64
    right = math.log(1 + math.exp(-2.0))
    wrong = math.log(1 + math.exp(2.0))
    mean = semantic_loss(logits, labels, hard_share=1.0)
    assert mean.item() == pytest.approx((56 * right + 8 * wrong) / 64, rel=1e-5)
    balanced = semantic_loss(logits, labels, hard_share=1.0, balance=1.0)
    assert balanced.item() == pytest.approx((right + wrong) / 2, rel=1e-5)
    labels[:, 1:] = 255  # void stays in the count, but not in the weights
    assert semantic_loss(logits, labels, hard_share=1.0, balance=1.0).item() == pytest.approx(
        (right + wrong) / 2 / 4, rel=1e-5
    )


def test_soft_iou_by_hand() -> None:
    a = torch.tensor([[[[0.5, 1.0, 0.0]]]])
    b = torch.tensor([[[[1.0, 0.25, 0.0]]]])
    assert soft_iou(a, b).item() == pytest.approx(0.75 / 2.0)
    assert soft_iou(a * 0, b * 0).item() == 0
    assert motion_loss(
        torch.tensor([[[[30.0, -30.0]]]]), torch.tensor([[[[1.0, 0.0]]]])
    ).item() == pytest.approx(0, abs=1e-6)


def test_appearance_loss_without_any_column_is_zero_and_has_a_gradient() -> None:
    rows = torch.randn(3, 4, requires_grad=True)
    none = torch.zeros(0, dtype=torch.long)
    loss = appearance_loss(rows, torch.tensor([1, 2, 3]), torch.zeros(0, 4), none, torch.zeros(()))
    loss.backward()
    assert loss.item() == 0 and rows.grad is not None and not rows.grad.any()


def test_appearance_loss_by_hand() -> None:
    """One row, one matching and one other column at right angles: softmax of (1, 0) at scale 2."""
    rows = torch.tensor([[3.0, 0.0]])
    columns = torch.tensor([[5.0, 0.0], [0.0, 0.1]])
    scale = torch.tensor(math.log(2.0))
    got = appearance_loss(rows, torch.tensor([7]), columns, torch.tensor([7, -1]), scale)
    assert got.item() == pytest.approx(math.log(1 + math.exp(-2.0)), rel=1e-5)


def test_rows_without_a_column_do_not_count_but_keep_a_gradient() -> None:
    rows = torch.randn(2, 4, requires_grad=True)
    scale = torch.zeros((), requires_grad=True)
    loss = appearance_loss(
        rows, torch.tensor([1, 2]), torch.randn(3, 4), torch.tensor([-1, -1, 5]), scale
    )
    loss.backward()
    assert loss.item() == 0
    assert rows.grad is not None and scale.grad is not None


def test_no_rows_at_all() -> None:
    columns = torch.randn(3, 4, requires_grad=True)
    loss = appearance_loss(
        columns[:0],
        torch.zeros(0, dtype=torch.long),
        columns,
        torch.tensor([-1, 1, 2]),
        torch.zeros(()),
    )
    loss.backward()
    assert loss.item() == 0


def test_jaccard_loss_by_hand() -> None:
    """Classes weigh the same in the Jaccard loss, whatever their size.

    Two images of four pixels hold a class of three pixels and one of a single pixel. Void is left
    out.
    """
    labels = torch.tensor([[[0, 0], [0, 2]], [[1, 255], [255, 255]]])
    shares = torch.zeros(2, 3, 2, 2)
    shares[0, 0] = torch.tensor([[1.0, 0.5], [0.0, 0.0]])
    shares[0, 1] = torch.tensor([[0.0, 0.5], [1.0, 0.0]])  # a class that the image does not show
    shares[0, 2] = torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    shares[1, 1] = torch.tensor([[0.25, 1.0], [1.0, 1.0]])
    shares[1, 0] = 1 - shares[1, 1]
    # class 0: 1.5 / (1.5 + 3 - 1.5); class 2: 1; class 1 of the second image: 0.25 / (0.25 + 1 -
    # 0.25)
    expected = ((1 - 0.5) / 2 + (1 - 0.25)) / 2
    assert jaccard_loss(shares, labels).item() == pytest.approx(expected, abs=1e-6)
    assert jaccard_loss(shares, torch.full((2, 2, 2), 255)).item() == 0


def test_jaccard_is_added_to_the_semantic_loss_and_teaches_small_classes() -> None:
    labels = torch.zeros(1, 32, 32, dtype=torch.uint8)
    labels[0, :4, :4] = 1  # one cell of 64
    gradients = {}
    for weight in (0.0, 1.0):
        logits = torch.zeros(1, 3, 8, 8, requires_grad=True)
        loss = semantic_loss(logits, labels, 4, hard_share=1.0, jaccard=weight)
        loss.backward()
        assert logits.grad is not None
        gradients[weight] = -logits.grad[0, 1, 0, 0].item()
        if weight:
            # A third of every pixel is right: 63 cells give 21 / (64/3 + 63 - 21), the one (1/3) /
            # (64/3 + 1 - 1/3).
            soft = 1 - (21 / (64 / 3 + 42) + (1 / 3) / (64 / 3 + 2 / 3)) / 2
            assert loss.item() == pytest.approx(math.log(3) + soft, rel=1e-5)
    assert gradients[1.0] > 1.5 * gradients[0.0] > 0
