"""Buffers that are bound to sessions give the same bits as arrays that are passed to them."""

from typing import Any

import numpy as np
import pytest

from mapt.contract import BY_NAME
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.bundle.manifest import Bundle
from tests.runtime.backends.ort_bundles import inputs_of


def test_bound_buffers_give_the_same_bits_in_every_subgraph(checked: Bundle) -> None:
    plain = OrtBackend(checked, 1, "cpu")
    bound = OrtBackend(checked, 1, "cpu", bound=True)
    for name, given in inputs_of(checked).items():
        want = plain.run(name, given)
        got = bound.run(name, given)
        kept = {k: v.copy() for k, v in got.items()}
        assert [t.name for t in BY_NAME[name].outputs] == list(got)
        assert all(
            np.array_equal(want[k], got[k]) and want[k].dtype == got[k].dtype for k in want
        ), name
        bound.run(name, {k: np.zeros_like(v) for k, v in given.items()})
        assert all(np.array_equal(got[k], kept[k]) for k in got), (
            "what was handed out is the caller's"
        )
        with pytest.raises(ValueError, match="read-only"):
            next(iter(got.values()))[...] = 0


def test_bound_buffers_take_what_lies_on_the_device_from_there(
    checked: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    sent: list[int] = []
    update = onnxruntime.OrtValue.update_inplace

    def counted(self: Any, array: Any) -> None:
        sent.append(array.size)
        update(self, array)

    monkeypatch.setattr(onnxruntime.OrtValue, "update_inplace", counted)
    bound = OrtBackend(checked, 1, "cpu", bound=True)
    plain = OrtBackend(checked, 1, "cpu")
    image = inputs_of(checked)["backbone"]
    trunk = bound.run("backbone", image)
    assert len(sent) == 1
    pyramid = {n: trunk[n] for n in ("p4", "p8", "p16", "p32")}
    first = bound.run("instance", pyramid)
    assert len(sent) == 1, "the pyramid is there"
    other = {n: v * np.float32(0.5) for n, v in pyramid.items()}
    want = plain.run("instance", other)
    got = bound.run("instance", other)
    assert len(sent) == 5 and all(np.array_equal(want[n], got[n]) for n in want)
    again = bound.run("instance", pyramid)
    assert len(sent) == 9 and all(np.array_equal(first[n], again[n]) for n in first)


def test_bound_buffers_refuse_what_is_not_the_contracts(checked: Bundle) -> None:
    bound = OrtBackend(checked, 1, "cpu", bound=True)
    given = inputs_of(checked)["backbone"]
    with pytest.raises(ValueError, match=r"^image is float32 \(1, \d+, \d+, 3\), not uint8"):
        bound.run("backbone", {"image": given["image"].astype(np.float32)})
    with pytest.raises(ValueError, match=r"image is uint8 .*, not uint8"):
        bound.run("backbone", {"image": given["image"][:, 1:]})
