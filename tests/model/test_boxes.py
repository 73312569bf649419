"""Box arithmetic and mask pasting against plain loops."""

import pytest
import torch

from mapt.model.boxes import clip, decode, encode, intersection_over, paste_masks


def test_decode_inverts_encode() -> None:
    torch.manual_seed(0)
    corner = torch.rand(50, 2) * 100
    boxes, reference = (
        torch.cat((corner, corner + torch.rand(50, 2) * 40 + 2), 1) for _ in range(2)
    )
    weights = (10.0, 10.0, 5.0, 5.0)
    torch.testing.assert_close(
        decode(encode(boxes, reference, weights), reference, weights), boxes, rtol=1e-4, atol=1e-3
    )


def test_clip_and_intersection() -> None:
    assert clip(torch.tensor([[-5.0, 2.0, 30.0, 40.0]]), 20, 25).tolist() == [
        [0.0, 2.0, 25.0, 20.0]
    ]
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    others = torch.tensor([[5.0, 0.0, 50.0, 50.0], [20.0, 0.0, 30.0, 5.0]])
    assert intersection_over(boxes, others).tolist() == [[0.5, 0.0]]


def test_a_full_mask_covers_its_box_exactly() -> None:
    """A box of 12 x 20 pixels at (4, 8) covers cells of 8 by hand-computed shares."""
    pasted = paste_masks(torch.ones(1, 28, 28), torch.tensor([[4.0, 8.0, 16.0, 28.0]]), 32, 32)[
        0, 0
    ]
    rows = torch.tensor([0.0, 1.0, 1.0, 0.5])
    columns = torch.tensor([0.5, 1.0, 0.0, 0.0])
    torch.testing.assert_close(pasted, rows[:, None] * columns)


def test_pasting_resamples_bilinearly() -> None:
    """Against a loop over sample points."""
    torch.manual_seed(0)
    mask = torch.rand(28, 28)
    box = (3.3, 5.1, 30.7, 21.9)
    x1, y1, x2, y2 = box
    want = torch.zeros(4, 5)
    for i in range(16):
        for j in range(20):
            y = i * 2 + 1.0
            x = j * 2 + 1.0
            if y1 <= y < y2 and x1 <= x < x2:
                v = min(max((y - y1) / (y2 - y1) * 28 - 0.5, 0), 27)
                u = min(max((x - x1) / (x2 - x1) * 28 - 0.5, 0), 27)
                a = min(int(v), 26)
                b = min(int(u), 26)
                top = mask[a, b] * (1 - u + b) + mask[a, b + 1] * (u - b)
                low = mask[a + 1, b] * (1 - u + b) + mask[a + 1, b + 1] * (u - b)
                want[i // 4, j // 4] += (top * (1 - v + a) + low * (v - a)) / 16
    got = paste_masks(mask[None], torch.tensor([[x1, y1, x2, y2]]), 32, 40)[0, 0]
    torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("box", [[0.0, 0.0, 0.0, 0.0], [10.0, 10.0, 10.0, 20.0]])
def test_a_box_without_area_pastes_nothing(box: list[float]) -> None:
    assert paste_masks(torch.ones(1, 28, 28), torch.tensor([box]), 32, 32).abs().max() == 0
