"""MCAP, read back with its own reader as Foxglove reads it."""

import base64
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mapt.app.outputs.kinds import Outputs
from mapt.app.outputs.output import Labelled, OutputSequence
from mapt.runtime import PanopticFrame

reader = pytest.importorskip("mcap.reader", reason="needs mcap: pip install 'mapt[mcap]'")


@pytest.fixture
def messages(
    folder: Path, sequence: OutputSequence, labelled: Callable[[int], Labelled]
) -> dict[str, list[tuple[str, int, Any]]]:
    """By topic: the schema's name, the time and the content of every message."""
    outputs = Outputs(folder, folder, ("mcap",), sequence)
    for index in range(2):
        outputs.write(labelled(index))
    outputs.finish()
    outputs.close()
    found = defaultdict(list)
    with (folder / "tracks.mcap").open("rb") as file:
        for schema, channel, message in reader.make_reader(file).iter_messages():
            assert schema.encoding == "jsonschema" and channel.message_encoding == "json"
            json.loads(schema.data)
            content = json.loads(message.data)
            found[channel.topic].append((schema.name, message.log_time, content))
    return found


def test_the_image_is_a_compressed_image_of_foxglove(
    messages: dict[str, list[tuple[str, int, Any]]],
) -> None:
    (name, stamp, image), _ = messages["/camera/image"]
    assert (name, stamp) == ("foxglove.CompressedImage", 1_500_000_000)
    assert image["timestamp"] == {"sec": 1, "nsec": 500_000_000} and image["format"] == "jpeg"
    pixels = np.frombuffer(base64.b64decode(image["data"]), np.uint8)
    decoded = np.asarray(cv2.imdecode(pixels, cv2.IMREAD_COLOR))
    assert decoded.shape == (40, 60, 3) and abs(int(decoded.mean()) - 90) < 3


def test_every_visible_part_has_an_outline_and_every_object_its_name(
    messages: dict[str, list[tuple[str, int, Any]]], frame: PanopticFrame
) -> None:
    (name, _, content), _ = messages["/camera/annotations"]
    assert name == "foxglove.ImageAnnotations"
    assert [text["text"] for text in content["texts"]] == [
        "car 3  0.90",
        "person 70  0.50",
        "car 80  0.50",
    ]
    assert len(content["points"]) == 3  # the car, and the person's two parts
    outline = content["points"][0]
    assert outline["type"] == 2 and outline["fill_color"]["a"] < 1 == outline["outline_color"]["a"]
    corners = {(p["x"], p["y"]) for p in outline["points"]}
    assert corners == {(10.5, 5.5), (29.5, 5.5), (29.5, 14.5), (10.5, 14.5)}


def test_the_tracks_are_those_of_to_dict(
    messages: dict[str, list[tuple[str, int, Any]]], frame: PanopticFrame
) -> None:
    (name, _, first), (_, _, second) = messages["/tracks"]
    assert name == "mapt.PanopticFrame" and second.pop("frame") == "000101"
    assert second == json.loads(json.dumps(frame.to_dict())) and first["frame"] == "000100"
