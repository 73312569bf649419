"""Renders procedural street sequences with exact panoptic labels."""

from mapt.synthetic.dataset import write_dataset
from mapt.synthetic.rendering.render import SyntheticFrame
from mapt.synthetic.sequences import STYLES, Style, render_sequence

__all__ = ["STYLES", "Style", "SyntheticFrame", "render_sequence", "write_dataset"]
