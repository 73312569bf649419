"""`mapt track` refuses weights that are damaged or foreign."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mapt.io.pretrained import shipped_weights
from tests.robustness.mistakes import Run, told


def reworded(root: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The shipped weights with other metadata or tensors in their header."""
    data = shipped_weights().read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    change(header)
    text = json.dumps(header).encode()
    path = root / "other.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])
    return path


def configured(**values: Any) -> Callable[[dict[str, Any]], object]:
    def change(header: dict[str, Any]) -> None:
        config = json.loads(header["__metadata__"]["config"])
        header["__metadata__"]["config"] = json.dumps({**config, **values})

    return change


HEADERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "no metadata": lambda h: h.pop("__metadata__"),
    "no configuration": lambda h: h["__metadata__"].pop("config"),
    "a configuration that is no JSON": lambda h: h["__metadata__"].update(config="{"),
    "a list": lambda h: h["__metadata__"].update(config="[]"),
    "a number": lambda h: h["__metadata__"].update(config="5"),
    "a deep one": lambda h: h["__metadata__"].update(config="[" * 100_000),
    "long digits": lambda h: h["__metadata__"].update(config='{"height": ' + "9" * 5000 + "}"),
    "no tensors": lambda h: [h.pop(name) for name in list(h) if name != "__metadata__"],
    "an unknown tensor": lambda h: h.update(odd=h.pop(next(n for n in h if n != "__metadata__"))),
    "offsets beyond the file": (
        lambda h: h[next(n for n in h if n != "__metadata__")].update(data_offsets=[0, 10**15])
    ),
    "whole numbers": lambda h: [
        e.update(dtype="I32") for n, e in h.items() if n != "__metadata__" and e["dtype"] == "F32"
    ],
    "an unknown dtype": lambda h: h[next(n for n in h if n != "__metadata__")].update(dtype="Q7"),
    "an unknown preset": configured(preset="mega"),
    "an unknown key": configured(colour=5),
    "an odd height": configured(height=100),
    "no height": configured(height=0),
    "a negative width": configured(width=-640),
    "a huge height": configured(height=3_200_000_000),
    "a text for a width": configured(width="wide"),
    "a list for a width": configured(width=[640]),
    "a huge width of channels": configured(fpn_channels=10**9),
    "no channels": configured(fpn_channels=0),
    "negative channels": configured(head_channels=-64),
    "odd channels": configured(fpn_channels=63),
    "channels of another network": configured(embedding=128),
    "no things": configured(things=[]),
    "things outside": configured(things=[11, 19]),
    "negative things": configured(things=[-1]),
    "things twice": configured(things=[11, 11]),
    "an infinite anchor": configured(anchor_sizes=[1, 2, 3, float("inf")]),
    "anchors that are no number": configured(anchor_ratios=[float("nan")]),
    "many anchors": configured(anchor_ratios=[1.0] * 5000),
    "a threshold outside": configured(thresholds={"score": 5}),
    "an unknown threshold": configured(thresholds={"odd": 5}),
    "thresholds that are a list": configured(thresholds=[1]),
    "another backbone": configured(backbone="regnet_y_8gf"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_weights_that_are_damaged_or_foreign(
    mapt: Run, tmp_path: Path, frames: Path, name: str
) -> None:
    path = reworded(tmp_path, HEADERS[name])
    told(mapt("track", frames, "--model", path, "--out", tmp_path / "out"), str(path))
    assert not (tmp_path / "out").exists()


def test_weights_that_are_not_finite(mapt: Run, tmp_path: Path, frames: Path) -> None:
    data = bytearray(shipped_weights().read_bytes())
    data[-4:] = struct.pack("<f", float("nan"))
    path = tmp_path / "nan.safetensors"
    path.write_bytes(data)
    told(mapt("track", frames, "--model", path, "--out", tmp_path / "out"), "NaN")
