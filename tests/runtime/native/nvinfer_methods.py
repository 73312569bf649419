"""Writes the methods of TensorRT's classes that its stand-in lacks: each ends the process."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

CSRC = Path(__file__).parents[3] / "csrc"
CLASSES = {"VRuntime": "Runtime", "VCudaEngine": "Engine", "VExecutionContext": "Context"}


def tensorrt_headers() -> Path | None:
    """Return the folder of TensorRT's headers; None: there are none here."""
    ask = [sys.executable, "-c", "import nvcc; print(nvcc.find_tensorrt())"]
    found = subprocess.run(ask, capture_output=True, text=True, check=False, cwd=CSRC)
    return Path(found.stdout.strip()) if found.returncode == 0 else None


def unused_methods(header: str) -> str:
    """Return a header with a class for each of `CLASSES`, made from TensorRT's NvInferImpl.h."""
    parts = ["#pragma once", "#include <NvInferRuntime.h>", "#include <cstdlib>", ""]
    for name, made in CLASSES.items():
        body = re.search(rf"class {name} : public VRoot\n{{(.*?)\n}};", header, re.DOTALL)
        assert body, f"no {name}"
        code = re.sub(r"#if .*?#endif|//[^\n]*", "", body[1], flags=re.DOTALL)
        parts.append("namespace nvinfer1 {")
        parts.append(f"class Unused{made} : public apiv::{name} {{")
        parts.append(" public:")
        for method in re.findall(r"virtual ([^;]*?) = 0;", code, re.DOTALL):
            text = re.sub(r"\s+", " ", method)
            parts.append(f"  {text} override {{ std::abort(); }}")
        parts.append("};")
        parts.append("}  // namespace nvinfer1")
    return "\n".join([*parts, ""])
