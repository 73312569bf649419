"""Commands and messages name the device that runs a bundle."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapt.app.track_source import track_source
from mapt.bench.latency.interleaved import Counted
from mapt.contract import SUBGRAPHS
from mapt.errors import InputError
from mapt.io.pretrained import shipped_weights
from mapt.io.sources.folders import open_sources
from mapt.runtime import PanopticTracker
from mapt.runtime.backends import choice
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.ort_providers import CPU, CUDA
from mapt.runtime.backends.protocol import Options, Tensors, on_host
from mapt.runtime.bundle.manifest import Bundle
from tests.runtime.backends import cuda_standin
from tests.runtime.backends.ort_bundles import Run


def test_a_device_that_is_none_and_tensorrt_on_a_cpu_are_refused(checked: Bundle) -> None:
    for device in ("gpu", ""):
        with pytest.raises(
            InputError, match=f"^device '{device}' is unknown; choose one of auto, cpu, cuda"
        ):
            PanopticTracker.load(checked.folder, device=device)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="backend 'tensorrt': runs on a GPU, not on device 'cpu'"):
        choice.open_backend(checked, "tensorrt", Options(1, "cpu"))


def test_the_command_takes_the_device(
    mapt: Run, bundle: Path, pictures: Path, tmp_path: Path
) -> None:
    ran = mapt("track", pictures, "--model", bundle, "--out", tmp_path / "out", "--device", "cuda")
    assert (
        ran.code == 2 and ran.err.startswith("mapt: device 'cuda': ") and ran.err.count("\n") == 1
    )
    ran = mapt("track", pictures, "--model", shipped_weights(), "--out", tmp_path / "out", "--tf32")
    assert ran.code == 2 and "--tf32: is for bundles" in ran.err
    for device, words in (("gpu", "choose one of cpu, cuda"), ("cuda", "is for --ops custom")):
        ran = mapt("export", shipped_weights(), "--out", tmp_path / "b", "--device", device)
        assert ran.code == 2 and words in ran.err and not (tmp_path / "b").exists()


def test_tracks_json_says_what_ran(bundle: Path, pictures: Path, tmp_path: Path) -> None:
    tracker = PanopticTracker.load(bundle, threads=1, device="cpu")
    (source,) = open_sources(pictures, 10.0)
    track_source(tracker, source, tmp_path / "out", ("json",))
    content = json.loads((tmp_path / "out" / source.name / "tracks.json").read_text())
    assert content["providers"] == {s.name: CPU for s in SUBGRAPHS}


def test_a_golden_picture_that_differs_names_what_ran_it(
    ort: cuda_standin.Ort, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error for a golden picture that differs names the provider.

    TF32 differs by 7e-3 on the shipped network. float32 may not differ so much, and TF32 may if it
    was asked for.
    """
    run = OrtBackend.run

    def rounded(self: OrtBackend, subgraph: str, inputs: Any) -> Tensors:
        out = run(self, subgraph, inputs)
        if "propagated" in out:
            out["propagated"] = on_host(out["propagated"]) * np.float32(1.007)
        return out

    monkeypatch.setattr(OrtBackend, "run", rounded)
    with pytest.raises(
        InputError,
        match=f"motion.propagated differs by .* more than 0.002, run by {CUDA}; .* 'cpu'",
    ):
        PanopticTracker.load(bundle, threads=1, device="cuda")
    PanopticTracker.load(bundle, threads=1, device="cuda", tf32=True)
    with pytest.raises(InputError, match=f"run by {CPU}"):
        PanopticTracker.load(bundle, threads=1, device="cpu", tf32=True, core="python")


def test_a_golden_picture_that_does_not_run_is_one_line(
    ort: cuda_standin.Ort, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: OrtBackend, subgraph: str, inputs: Any) -> Tensors:
        raise RuntimeError(cuda_standin.ILLEGAL)

    monkeypatch.setattr(OrtBackend, "run", broken)
    with pytest.raises(
        InputError, match=rf"backbone fails, run by {CUDA} \(CUDA failure 700: an illegal .* encoun"
    ):
        PanopticTracker.load(bundle, threads=1, core="python")


def test_wrappers_say_what_runs_inside(checked: Bundle) -> None:
    backend = OrtBackend(checked, 1, "cpu")
    assert PanopticTracker(Counted(backend)).health().providers == backend.providers

    class Older:
        """A host's own backend, from before there was such a field."""

        name = "own"
        info = checked.info

        def run(self, subgraph: str, inputs: Any) -> Tensors:
            raise NotImplementedError

    assert PanopticTracker(Older()).health().providers == {}  # type: ignore[arg-type]
