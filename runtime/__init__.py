"""The torch-free runtime: `PanopticTracker` and what it returns."""

from mapt.runtime.frame import Decision, PanopticFrame, Track
from mapt.runtime.tracker import PanopticTracker

__all__ = ["Decision", "PanopticFrame", "PanopticTracker", "Track"]
