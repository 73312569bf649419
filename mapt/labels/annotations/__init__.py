"""Exports of labelling tools: COCO, CVAT and YOLO segmentation, as classes and labelled images."""
