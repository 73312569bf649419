"""The torch-free runtime: `PanopticTracker`, what it returns, what it raises and how it is.

`TrackerGroup` is several of them on one network.
"""

from mapt.runtime.errors import (
    BackendError,
    BusyError,
    OutputError,
    StampError,
    StateError,
    StepError,
)
from mapt.runtime.frame import TRACK_DTYPE, Decision, PanopticFrame, Track
from mapt.runtime.group import TrackerGroup
from mapt.runtime.monitoring.health import Health, Status
from mapt.runtime.tracker import PanopticTracker

__all__ = [
    "TRACK_DTYPE",
    "BackendError",
    "BusyError",
    "Decision",
    "Health",
    "OutputError",
    "PanopticFrame",
    "PanopticTracker",
    "StampError",
    "StateError",
    "Status",
    "StepError",
    "Track",
    "TrackerGroup",
]
