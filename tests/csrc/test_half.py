"""The conversion of half precision without nvcc (csrc/common/half.h).

It is compared with numpy's.
"""

import ctypes

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.csrc import cuda_source

pytestmark = cuda_source.needs_compiler
EVERY = np.arange(1 << 16, dtype=np.uint16).view(np.float16)


def convert(
    function: str, values: NDArray[np.generic], out: NDArray[np.generic]
) -> NDArray[np.generic]:
    call = getattr(cuda_source.library(), function)
    call(
        ctypes.c_void_p(values.ctypes.data),
        ctypes.c_void_p(out.ctypes.data),
        ctypes.c_int64(values.size),
    )
    return out


def to_half(values: NDArray[np.float32]) -> NDArray[np.generic]:
    return convert("to_half", values, np.empty(values.shape, np.float16))


def test_every_half_is_its_float() -> None:
    got = convert("from_half", EVERY, np.empty(EVERY.shape, np.float32))
    want = EVERY.astype(np.float32)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    known = ~np.isnan(want)
    np.testing.assert_array_equal(got[known].view(np.uint32), want[known].view(np.uint32))


@pytest.mark.parametrize("nudge", [-1, 0, 1], ids=["below", "at", "above"])
@pytest.mark.parametrize("share", [0, 0.5], ids=["a half", "midway to the next"])
def test_floats_round_to_nearest_even(share: float, nudge: int) -> None:
    magnitudes = EVERY[:0x7C00].astype(np.float64)  # up to the largest
    steps = np.diff(magnitudes, append=65536.0)
    values = (magnitudes + share * steps).astype(np.float32)
    values = (values.view(np.int32) + nudge)[1:].view(np.float32)
    for signed in (values, -values):
        with np.errstate(over="ignore"):
            want = signed.astype(np.float16)
        np.testing.assert_array_equal(to_half(signed).view(np.uint16), want.view(np.uint16))


def test_what_is_no_number_stays_so() -> None:
    values = np.array([np.inf, -np.inf, 65519.996, 65520, -1e30, np.nan, -np.nan], np.float32)
    got = to_half(values)
    np.testing.assert_array_equal(
        got[:5], np.array([np.inf, -np.inf, 65504, np.inf, -np.inf], np.float16)
    )
    assert np.isnan(got[5:].astype(np.float32)).all()
    payloads = np.array([0x7F800001, 0xFFBFFFFF, 0x7FFFFFFF], np.uint32).view(
        np.float32
    )  # a NaN of low bits only
    assert np.isnan(to_half(payloads).astype(np.float32)).all()
