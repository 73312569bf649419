"""Renders procedural street sequences with exact panoptic labels."""

from mapt.synthetic.dataset import write_dataset
from mapt.synthetic.rendering.render import SyntheticFrame, render_sequence

__all__ = ["SyntheticFrame", "render_sequence", "write_dataset"]
