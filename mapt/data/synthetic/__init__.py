"""Procedural street sequences with exact panoptic labels."""

from mapt.data.synthetic.dataset import write_dataset
from mapt.data.synthetic.render import SyntheticFrame, render_sequence

__all__ = ["SyntheticFrame", "render_sequence", "write_dataset"]
