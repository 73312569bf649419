"""COCO's format, read back with its own tools."""

import numpy as np
from pycocotools import mask as coco

from mapt.app.outputs.json_files import CocoResults
from mapt.labels.class_sets import KITTI_STEP
from mapt.runtime import PanopticFrame


def test_coco_masks_decode_to_the_frame(frame: PanopticFrame) -> None:
    results = CocoResults(KITTI_STEP)
    results.add("000000", frame)
    results.add("000001", frame)
    content = results.content()
    assert [i["file_name"] for i in content["images"]] == ["000000", "000001"]
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
