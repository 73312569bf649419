"""The structs and functions of `csrc/runtime/include/mapt.h`, version 1."""

from __future__ import annotations

import ctypes
from ctypes import (
    CDLL,
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char,
    c_char_p,
    c_double,
    c_int32,
    c_int64,
    c_size_t,
    c_uint8,
    c_uint32,
    c_void_p,
)
from enum import IntEnum

from mapt.runtime.frame import Stage
from mapt.runtime.monitoring.deadline import Head

API_VERSION = 1
# By the bits and numbers of mapt.h.
STAGES: tuple[Stage, ...] = ("propagation", "appearance", "birth", "lost", "removed", "overflow")
HEADS: tuple[Head, ...] = ("appearance", "motion")
ALARMS = ("blind", "frozen", "saturated", "empty", "churn")
TIMINGS = (
    "frame", "preprocess", "backbone", "semantic", "instance", "fusion", "motion", "appearance",
    "association", "output",
)  # fmt: skip
Say = CFUNCTYPE(None, c_void_p, c_char_p)


class Code(IntEnum):
    """What a function came to; `mapt_code`."""

    OK = 0
    INPUT = 1
    STAMP = 2
    STATE = 3
    STEP = 4
    BACKEND = 5
    OUTPUT = 6
    BUSY = 7


class MaptError(Structure):
    """`mapt_error`."""

    _fields_ = [("code", c_int32), ("text", c_char * 512)]


class NativeOptions(Structure):
    """`mapt_options`."""

    _fields_ = [
        ("size", c_size_t),
        *((name, c_char_p) for name in ("bundle", "trust", "onnxruntime", "operators")),
        ("association", c_char_p),
        *((name, c_int32) for name in ("device", "threads", "tf32", "test", "max_objects")),
        *((name, c_int32) for name in ("frame_height", "frame_width", "no_cuda_graphs")),
        ("say", Say),
        ("context", c_void_p),
        ("backend", c_char_p),
    ]


class NativeNetwork(Structure):
    """`mapt_network`."""

    _fields_ = [
        ("size", c_size_t),
        *((name, c_char_p) for name in ("bundle", "folder", "preset", "provider", "library")),
        ("class_names", POINTER(c_char_p)),
        ("things", POINTER(c_int32)),
        *((name, c_int32) for name in ("classes", "thing_count", "height", "width")),
        *((name, c_int32) for name in ("max_objects", "reserved")),
    ]


class NativeImage(Structure):
    """`mapt_image`."""

    _fields_ = [("rgb", c_void_p), ("height", c_int32), ("width", c_int32), ("stride", c_int64)]


class NativeTrack(Structure):
    """`mapt_track`."""

    _fields_ = [
        ("id", c_int32),
        ("label", c_int32),
        ("score", c_double),
        ("box", c_double * 4),
        ("age", c_int64),
        ("lost", c_int64),
    ]


class NativeDecision(Structure):
    """`mapt_decision`."""

    _fields_ = [
        *((name, c_int32) for name in ("stage", "track", "detection", "reserved")),
        *((name, c_double) for name in ("score", "runner_up", "threshold", "margin", "gate")),
    ]


class NativeLabels(Structure):
    """`mapt_labels`."""

    _fields_ = [
        ("size", c_size_t),
        ("stamp_ns", c_int64),
        ("height", c_int32),
        ("width", c_int32),
        ("semantic", POINTER(c_uint8)),
        ("instance", POINTER(c_int32)),
        ("tracks", POINTER(NativeTrack)),
        ("decisions", POINTER(NativeDecision)),
        ("track_count", c_int32),
        ("decision_count", c_int32),
        ("overflow", c_int64),
        ("degraded", c_uint32),
        ("alarms", c_uint32),
        ("ms", c_double * len(TIMINGS)),
    ]


def declare(library: CDLL) -> CDLL:
    """Give the functions of a library their types.

    Raises:
        AttributeError: it lacks one.
        OSError: it has another version of the interface.
    """
    library.mapt_api_version.restype = c_int32
    if library.mapt_api_version() != API_VERSION:
        raise OSError(f"its interface has version {library.mapt_api_version()}, not {API_VERSION}")
    error = POINTER(MaptError)
    handle = c_void_p
    signatures: dict[str, tuple[object, list[object]]] = {
        "mapt_default_options": (None, [POINTER(NativeOptions), c_size_t]),
        "mapt_open": (c_int32, [POINTER(NativeOptions), POINTER(handle), error]),
        "mapt_close": (None, [handle]),
        "mapt_describe": (POINTER(NativeNetwork), [handle]),
        "mapt_frame_new": (handle, []),
        "mapt_frame_free": (None, [handle]),
        "mapt_frame_read": (POINTER(NativeLabels), [handle]),
        "mapt_step": (
            c_int32,
            [handle, POINTER(NativeImage), c_int64, POINTER(c_double), handle, error],
        ),
        "mapt_reset": (c_int32, [handle, error]),
        "mapt_next_id": (c_int64, [handle]),
        "mapt_state_room": (c_size_t, [handle]),
        "mapt_save": (c_int32, [handle, c_char_p, c_size_t, POINTER(c_size_t), error]),
        "mapt_restore": (c_int32, [handle, c_char_p, c_size_t, error]),
        "mapt_record_begin": (c_int32, [handle, POINTER(handle), POINTER(c_size_t), error]),
        "mapt_record_frame": (
            c_int32,
            [handle, handle, c_char_p, c_char_p, POINTER(handle), POINTER(c_size_t), error],
        ),
        "mapt_record_end": (c_int32, [handle, error]),
        "mapt_version": (c_char_p, []),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


def options_of(library: CDLL) -> NativeOptions:
    """Return the default options."""
    options = NativeOptions()
    library.mapt_default_options(ctypes.byref(options), ctypes.sizeof(options))
    return options
