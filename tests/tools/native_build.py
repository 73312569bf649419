"""Builds libmapt, its host program and what the tests call, once for a checkout."""

from __future__ import annotations

import fcntl
import functools
import shutil
import subprocess
from pathlib import Path

import pytest

from mapt.errors import InputError
from mapt.runtime.native.library import find_onnxruntime
from tests.runtime.native.nvinfer_methods import tensorrt_headers, unused_methods

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "native-tests"
NEEDED = {"no zlib.h": "zlib.h", "no png.h": "png.h", "no jpeglib.h": "jpeglib.h"}


def missing() -> str:
    """Return what is not here to build it; empty where everything is."""
    tools = {"no CMake": shutil.which("cmake"), "no C++ compiler": shutil.which("c++")}
    found = [what for what, path in tools.items() if not path]
    if not found:
        found = [what for what, header in NEEDED.items() if not _has(header)]
    try:
        find_onnxruntime()
    except InputError as error:
        found.append(str(error))
    return ", ".join(found)


def _has(header: str) -> bool:
    ask = ["c++", "-x", "c++", "-E", "-include", "cstdio", "-include", header, "/dev/null"]
    return subprocess.run(ask, capture_output=True, check=False).returncode == 0


@functools.cache
def native_build() -> Path:
    """Return the folder with libmapt.so, libmapt_probe.so, mapt_host and the GPU's stand-ins."""
    if missing():
        pytest.skip(f"libmapt cannot be built: {missing()}")
    options = ["-DCMAKE_BUILD_TYPE=Release", "-DMAPT_TESTS=ON", "-DCMAKE_CXX_FLAGS=-Werror"]
    return _built(FOLDER, [*options, *tensorrt_options(FOLDER)])


def tensorrt_options(folder: Path) -> list[str]:
    """Return what builds TensorRT's backend and its stand-in, where TensorRT's headers are."""
    headers = tensorrt_headers()
    if headers is None:
        return []
    made = folder / "unused_methods"
    made.mkdir(parents=True, exist_ok=True)
    text = unused_methods((headers / "NvInferImpl.h").read_text())
    if not (made / "unused.h").is_file() or (made / "unused.h").read_text() != text:
        (made / "unused.h").write_text(text)
    return [f"-DTENSORRT_INCLUDE_DIR={headers}", f"-DMAPT_STANDIN_INCLUDE={made}"]


@functools.cache
def sanitized_build(sanitizers: str) -> Path:
    """Return a folder with libmapt.so and mapt_host under sanitizers, as -fsanitize names them."""
    if missing():
        pytest.skip(f"libmapt cannot be built: {missing()}")
    folder = FOLDER.with_name("native-" + sanitizers.replace(",", "-"))
    return _built(folder, ["-DCMAKE_BUILD_TYPE=RelWithDebInfo", f"-DMAPT_SANITIZE={sanitizers}"])


def _built(folder: Path, options: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:  # workers of one run build it together
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in (
            ["-S", str(ROOT / "csrc" / "runtime"), "-B", str(folder), *options],
            ["--build", str(folder), "--parallel", "2"],
        ):
            ran = subprocess.run(["cmake", *command], capture_output=True, text=True, check=False)
            assert ran.returncode == 0, ran.stdout + ran.stderr
        link = folder / "libonnxruntime.so.1"
        link.unlink(missing_ok=True)
        link.symlink_to(find_onnxruntime())
    return folder
