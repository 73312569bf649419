"""COCO's run-length text against pycocotools, and damaged text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco

from mapt.labels.rle import decode_mask, decode_runs, encode_mask

shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools with NumPy 2
@given(
    shape=shapes, seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0.0, 0.02, 0.5, 0.98, 1.0])
)
def test_masks_come_back_from_their_text(shape: tuple[int, int], seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random(shape) < share
    text = encode_mask(mask)
    assert np.array_equal(decode_mask(text, *shape), mask)
    assert np.array_equal(coco.decode({"size": list(shape), "counts": text}).astype(bool), mask)


def test_runs_by_hand() -> None:
    """Short texts decode to the runs that were computed by hand.

    6 is '6'. 31 has the digit O with its sign bit set, so it needs a second digit: 31 is 'o0'. A
    difference of -2 is 'N'.
    """
    assert decode_runs(b"6").tolist() == [6]
    assert decode_runs(b"o0").tolist() == [31]
    assert decode_runs(b"234N").tolist() == [2, 3, 4, 1]  # the fourth: 3 - 2
    assert decode_runs(b"2341N").tolist() == [2, 3, 4, 4, 2]  # 3 + 1, 4 - 2


@given(text=st.binary(max_size=30))
def test_no_text_is_read_beyond_its_frame(text: bytes) -> None:
    """Any bytes give a mask of exactly this size or are refused."""
    try:
        assert decode_mask(text, 7, 9).shape == (7, 9)
    except ValueError:
        pass


@pytest.mark.parametrize("text", [b"", b"o", b"\x00", b"~", b"5", b"oooooooo0", b"N"])
def test_damage_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"run"):
        decode_mask(text, 2, 2)
