"""An output for Foxglove: images, annotations and tracks in one MCAP file."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import cv2

from mapt.app.outputs.output import Labelled, OutputSequence
from mapt.app.outputs.polygons import outlines
from mapt.drawing.colours import Colour, ink_on, track_colour
from mapt.drawing.objects import FILL, stroke
from mapt.drawing.text import text_size
from mapt.errors import InputError
from mapt.runtime import PanopticFrame

JPEG_QUALITY = 85
LINE_LOOP = 2  # of foxglove.PointsAnnotation
_NUMBER = {"type": "number"}
_INTEGER = {"type": "integer"}
_TEXT = {"type": "string"}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_TIME = _object(sec=_INTEGER, nsec=_INTEGER)
_POINT = _object(x=_NUMBER, y=_NUMBER)
_COLOUR = _object(r=_NUMBER, g=_NUMBER, b=_NUMBER, a=_NUMBER)
# Foxglove finds its panels by these names; the fields are those of its published schemas.
TOPICS: dict[str, tuple[str, dict[str, Any]]] = {
    "/camera/image": (
        "foxglove.CompressedImage",
        _object(
            timestamp=_TIME,
            frame_id=_TEXT,
            data={"type": "string", "contentEncoding": "base64"},
            format=_TEXT,
        ),
    ),
    "/camera/annotations": (
        "foxglove.ImageAnnotations",
        _object(
            circles=_list(_object()),
            points=_list(
                _object(
                    timestamp=_TIME,
                    type=_INTEGER,
                    points=_list(_POINT),
                    outline_color=_COLOUR,
                    outline_colors=_list(_COLOUR),
                    fill_color=_COLOUR,
                    thickness=_NUMBER,
                )
            ),
            texts=_list(
                _object(
                    timestamp=_TIME,
                    position=_POINT,
                    text=_TEXT,
                    font_size=_NUMBER,
                    text_color=_COLOUR,
                    background_color=_COLOUR,
                )
            ),
        ),
    ),
    "/tracks": ("mapt.PanopticFrame", _object()),
}


class McapOutput:
    """`tracks.mcap`: the frames as JPEG, their objects as outlines with names, and all of tracks.

    Messages are JSON, and their times are the frames' own. `/tracks` has what
    `PanopticFrame.to_dict` gives.
    """

    def __init__(self, folder: Path, sequence: OutputSequence) -> None:
        from mcap.writer import Writer

        self.camera = sequence.name
        self.file = (folder / "tracks.mcap").open("wb")
        self.writer: Any = Writer(self.file)
        self.writer.start(profile="", library="mapt")
        self.channels = {}
        for topic, (name, schema) in TOPICS.items():
            number = self.writer.register_schema(name, "jsonschema", json.dumps(schema).encode())
            self.channels[topic] = self.writer.register_channel(topic, "json", number)

    def write(self, labelled: Labelled) -> None:
        """Add a frame's messages."""
        labels = labelled.labels
        stamp = labels.stamp_ns
        time = {"sec": stamp // 1_000_000_000, "nsec": stamp % 1_000_000_000}
        done, jpeg = cv2.imencode(
            ".jpg",
            cv2.cvtColor(labelled.frame.image, cv2.COLOR_RGB2BGR),
            [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY],
        )
        assert done
        messages = {
            "/camera/image": {
                "timestamp": time,
                "frame_id": self.camera,
                "data": base64.b64encode(jpeg.tobytes()).decode(),
                "format": "jpeg",
            },
            "/camera/annotations": image_annotations(labels, time),
            "/tracks": {"frame": labelled.frame.stem, **labels.to_dict()},
        }
        for topic, message in messages.items():
            self.writer.add_message(
                self.channels[topic],
                log_time=stamp,
                publish_time=stamp,
                sequence=labelled.index,
                data=json.dumps(message).encode(),
            )

    def finish(self) -> None:
        """Write the file's index."""
        self.writer.finish()
        self.file.close()

    def abort(self) -> None:
        """Close the file as it is."""
        try:
            self.file.close()
        except OSError:
            return  # it is thrown away


def image_annotations(frame: PanopticFrame, time: dict[str, int]) -> dict[str, Any]:
    """The visible tracks as a `foxglove.ImageAnnotations`: an outline for each part, and a name."""
    points = []
    texts = []
    shape = frame.instance.shape
    for track in frame.tracks:
        if track.lost:
            continue
        colour = track_colour(track.id)
        points += [
            {
                "timestamp": time,
                "type": LINE_LOOP,
                "points": [{"x": x + 0.5, "y": y + 0.5} for x, y in part.tolist()],
                "outline_color": _rgba(colour, 1.0),
                "outline_colors": [],
                "fill_color": _rgba(colour, FILL),
                "thickness": stroke(*shape),
            }
            for part in outlines(frame.instance == track.id)
        ]
        texts.append(
            {
                "timestamp": time,
                "position": {"x": track.box[0], "y": track.box[1]},
                "text": f"{track.label_name} {track.id}  {track.score:.2f}",
                "font_size": text_size(*shape),
                "text_color": _rgba(ink_on(colour), 1.0),
                "background_color": _rgba(colour, 1.0),
            }
        )
    return {"circles": [], "points": points, "texts": texts}


def check_mcap() -> None:
    """Refuse to begin without the package mcap.

    Raises:
        InputError: it is not installed.
    """
    try:
        import mcap.writer  # noqa: F401
    except ImportError:
        raise InputError("--save mcap needs the package mcap; pip install 'mapt[mcap]'") from None


def _rgba(colour: Colour, alpha: float) -> dict[str, float]:
    red, green, blue = (round(part / 255, 4) for part in colour)
    return {"r": red, "g": green, "b": blue, "a": alpha}
