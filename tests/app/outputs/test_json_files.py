"""COCO's format, read back with its own tools."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pycocotools import mask as coco

from mapt.app.outputs.json_files import CocoOutput
from mapt.app.outputs.output import Labelled, OutputSequence
from mapt.runtime import PanopticFrame


def test_coco_masks_decode_to_the_frame(
    frame: PanopticFrame,
    folder: Path,
    sequence: OutputSequence,
    labelled: Callable[[int], Labelled],
) -> None:
    output = CocoOutput(folder, sequence)
    for index in (0, 1):
        output.write(labelled(index))
    output.finish()
    output.abort()
    content = json.loads((folder / "coco.json").read_text())
    assert [i["file_name"] for i in content["images"]] == ["000100.png", "000101.png"]
    assert [a["id"] for a in content["annotations"]] == [1, 2, 3, 4]
    assert [(a["image_id"], a["track_id"]) for a in content["annotations"]] == [
        (1, 3),
        (1, 70),
        (2, 3),
        (2, 70),
    ]
    for annotation in content["annotations"]:
        mask = coco.decode(annotation["segmentation"]).astype(bool)
        np.testing.assert_array_equal(mask, frame.instance == annotation["track_id"])
        assert annotation["area"] == mask.sum() == coco.area(annotation["segmentation"])
        assert annotation["bbox"] == coco.toBbox(annotation["segmentation"]).tolist()
    names = {c["id"]: c["name"] for c in content["categories"]}
    assert names[content["annotations"][0]["category_id"]] == "car"
    assert [c["name"] for c in content["categories"] if c["isthing"]] == ["person", "car"]
