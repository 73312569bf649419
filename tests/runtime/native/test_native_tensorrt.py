"""The native core with TensorRT's engines, on stand-ins of TensorRT and of a GPU.

An engine of the stand-in is an ONNX graph, so that its frames have to be those of the CPU.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mapt.contract import BY_NAME
from mapt.errors import InputError
from mapt.runtime.backends import tensorrt as python_backend
from mapt.runtime.backends.tensorrt import Machine
from mapt.runtime.bundle.manifest import read_bundle, seal
from tests.runtime.native.nvinfer_methods import tensorrt_headers
from tests.runtime.native.test_native_gpu import ERROR, nbytes, tracked
from tests.tools.native_build import native_build

LIBRARY = "tensorrt 10.14.1"
Change = Callable[[dict[str, Any]], object]

pytestmark = pytest.mark.skipif(tensorrt_headers() is None, reason="no TensorRT headers")


def write_engines(small_bundle: Path, root: Path, change: Change = lambda _: None) -> Path:
    """A bundle whose engines for sm86 are its graphs."""
    shutil.copytree(small_bundle.parent, root)
    bundle = read_bundle(small_bundle)
    values = json.loads((root / "manifest.json").read_text())
    entry = next(e for e in values["inputs"] if e["name"] == small_bundle.name)
    engines: dict[str, Any] = {}
    for name, path in bundle.graphs.items():
        content = bundle.contents.read(path)
        file = f"{small_bundle.name}/engines/sm86/{name}.engine"
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        engines[name] = {
            "file": file, "sha256": digest, "library": LIBRARY, "status": "built", "layers": {}
        }  # fmt: skip
    entry["engines"] = {"sm86": engines}
    change(entry)
    (root / "manifest.json").write_text(seal(values))
    return root / small_bundle.name


@pytest.fixture(scope="module")
def engines(small_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_engines(small_bundle, tmp_path_factory.mktemp("engines") / "bundle")


def test_engines_give_the_frames_and_states_of_the_cpu(engines: Path, small_bundle: Path) -> None:
    wanted = tracked(small_bundle, "cpu")
    for where in ("auto", "cuda", "cuda:tensorrt"):
        found = tracked(engines, where)
        assert found["provider"] == f"{LIBRARY} on sm86 with CUDA graphs"
        assert found["frames"] == wanted["frames"] and len(found["frames"]) == 4
        assert found["states"] == wanted["states"]
        assert found["alive"] == 0
    assert tracked(engines, "auto")["said"] == [f"{found['provider']} runs the network"]


def test_every_subgraph_is_replayed_and_the_host_waits_three_times(engines: Path) -> None:
    found = tracked(engines, "cuda")
    assert found["opening"].count("launch engine") == 2 * len(BY_NAME)  # as it is, and captured
    assert found["opening"].count("capture") == len(BY_NAME)
    for log in found["logs"][1:]:
        assert log.count("replay engine") >= len(BY_NAME)
        assert log.count("launch engine") == log.count("capture"), "none runs without its graph"
        assert log.count("wait") <= 4
        assert "allocate" not in log
    image = nbytes(engines, "backbone", "image")
    assert f"upload {image}" in found["logs"][-1]


def test_a_cpu_and_ort_take_the_graphs(engines: Path) -> None:
    assert tracked(engines, "cpu")["provider"] == "CPUExecutionProvider"
    assert tracked(engines, "cuda:ort")["provider"].startswith("CUDAExecutionProvider")
    error = tracked(engines, "cpu:tensorrt")["error"]
    assert error == "backend 'tensorrt': runs on a GPU, not on device 'cpu'; take backend 'ort'"


def python_refusal(folder: Path, version: str = "10.14.1") -> str:
    """The line with which Python refuses the engines on the same machine."""
    machine = Machine(None, f"tensorrt {version}", None, "sm86")
    with pytest.raises(InputError) as error:
        python_backend.choose_engines(read_bundle(folder), machine)
    return str(error.value)


CHANGES: dict[str, Change] = {
    "another GPU": lambda e: e.update(engines={"sm89": e["engines"]["sm86"]}),
    "one missing": lambda e: e["engines"]["sm86"].pop("motion"),
    "another library": lambda e: e["engines"]["sm86"]["motion"].update(library="tensorrt 10.1.0"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_engines_of_others_are_refused_as_in_python(
    small_bundle: Path, tmp_path: Path, change: str
) -> None:
    folder = write_engines(small_bundle, tmp_path / "bundle", CHANGES[change])
    wanted = python_refusal(folder)
    assert tracked(folder, "cuda:tensorrt")["error"] == wanted
    found = tracked(folder, "auto")
    assert (
        found["said"][0] == f"ONNX Runtime runs the network, the bundle's engines cannot: {wanted}"
    )
    assert found["provider"].startswith("CUDAExecutionProvider")


def test_a_file_that_is_no_engine_is_refused(small_bundle: Path, tmp_path: Path) -> None:
    folder = write_engines(small_bundle, tmp_path / "bundle")
    path = folder / "engines" / "sm86" / "motion.engine"
    path.write_bytes(b"no engine")
    values = json.loads((folder.parent / "manifest.json").read_text())
    entry = next(e for e in values["inputs"] if e["name"] == folder.name)
    entry["engines"]["sm86"]["motion"]["sha256"] = hashlib.sha256(b"no engine").hexdigest()
    (folder.parent / "manifest.json").write_text(seal(values))
    error = tracked(folder, "cuda:tensorrt")["error"]
    assert error == f"{path}: {LIBRARY} cannot load it on this GPU"


def test_engines_that_cannot_be_captured_run_as_they_are(engines: Path, small_bundle: Path) -> None:
    found = tracked(engines, "cuda", f"open:cuStreamBeginCapture_v2={ERROR}")
    reason = "cuStreamBeginCapture: out of memory"
    assert found["provider"] == f"{LIBRARY} on sm86 without CUDA graphs ({reason})"
    assert found["frames"] == tracked(small_bundle, "cpu")["frames"]


def test_without_a_gpu_the_graphs_run_and_it_is_said_why(engines: Path) -> None:
    failing = f"open:cuDeviceGetCount={ERROR}"
    reason = "TensorRT finds no GPU; use backend='ort'"
    assert tracked(engines, "cuda:tensorrt", failing)["error"] == reason
    found = tracked(engines, "auto", failing)
    assert (
        found["said"][0] == f"ONNX Runtime runs the network, the bundle's engines cannot: {reason}"
    )
    assert found["provider"] == "CPUExecutionProvider"


def test_the_library_links_nothing_of_nvidia() -> None:
    ran = subprocess.run(
        ["ldd", native_build() / "libmapt.so"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LC_ALL": "C"},
    )
    assert not any(name in ran.stdout for name in ("nvinfer", "cuda", "onnxruntime"))
