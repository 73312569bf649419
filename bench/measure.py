"""Measures what a suite of `mapt bench` asks for, and gathers it in one report."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from mapt.bench.machine import describe_machine
from mapt.bench.report.bench_report import BenchReport, Json
from mapt.bench.suite_options import SUITES
from mapt.bench.suites import (
    SPLIT,
    Setting,
    ablation_suite,
    deadline_suite,
    has_pytorch,
    run_suite,
    scale_suite,
)
from mapt.data.datasets.kitti_step import list_sequences
from mapt.io.image_files import read_rgb
from mapt.runtime.bundle.manifest import Bundle

PARTS: dict[str, Callable[[Setting], Json]] = {
    "run": run_suite,
    "scale": scale_suite,
    "ablation": ablation_suite,
    "deadline": deadline_suite,
}


def describe(suite: str, setting: Setting) -> BenchReport:
    """Describe the machine, the bundle and the data of a run; nothing is measured yet.

    Only the ablation runs on other seeds than the first. It names them itself.
    """
    machine = describe_machine(setting.threads)
    machine["pytorch"] = None
    if setting.device:
        from mapt.evaluation.device import describe_device

        machine["pytorch"] = describe_device(setting.device)
    seeds = setting.seeds if suite == "ablation" else setting.seeds[:1]
    return BenchReport(
        machine=machine,
        bundle=_describe_bundle(setting.bundle),
        data={**_describe_data(setting), "seeds": seeds},
    )


def measure(suite: str, setting: Setting, about: BenchReport) -> BenchReport:
    """Measure the parts of a suite.

    Args:
        suite: one of `SUITES`.
        setting: what is measured, and how.
        about: what `describe` said of it.
    """
    parts: dict[str, Json] = {}
    for name in SUITES[suite].measures:
        if name == "scale" and suite != "scale" and not has_pytorch():
            setting.console.print("left out: --suite scale, which exports networks with PyTorch")
        else:
            parts[name] = PARTS[name](setting)
    return replace(about, parts=parts)


def _describe_bundle(bundle: Bundle) -> Json:
    """Describe the bundle and its network."""
    info = bundle.info
    return {
        "id": bundle.id,
        "preset": info.preset,
        "height": info.height,
        "width": info.width,
        "lowering": bundle.lowering,
        "precision": bundle.precision,
    }


def _describe_data(setting: Setting) -> Json:
    """Describe the frames of the first folder.

    The description holds the number of frames, the size of the first one, and a fingerprint of the
    files.
    """
    sequences = list_sequences(setting.root, SPLIT)
    found = hashlib.sha256()
    for path in (p for s in sequences for p in (*s.images, *s.labels)):
        found.update(path.read_bytes())
    frames = sum(len(s.images) for s in sequences)
    return {
        "sequences": len(sequences),
        "frames": frames,
        "fps": setting.fps,
        "sha256": found.hexdigest(),
        "size": list(read_rgb(sequences[0].images[0]).shape[:2]),
    }
