"""Checks and describes the machine of a run."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import torch
import torchvision

from mapt import ops
from mapt.bench.gpu.context import Context, Result
from mapt.bench.machine import describe_machine
from mapt.cores import usable_cores
from mapt.ops import compiled


def versions(context: Context) -> Result:
    """GPU, driver, libraries; a fault where PyTorch does not reach a GPU that is there."""
    values: dict[str, Any] = {
        **describe_machine(usable_cores()),
        "torchvision": torchvision.__version__,
        "torch_cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "onnxruntime": _onnxruntime(),
        "operators": ops.implementation(),
        "cuda_operators": compiled.MISSING_CUDA or "ok",
    }
    line = f"PyTorch {torch.__version__}, ONNX Runtime {values['onnxruntime'].get('version')}"
    if context.device != "cuda":
        return Result(f"{line}, {values['operators']}", values)
    if not torch.cuda.is_available():
        fault = f"PyTorch {torch.__version__} (CUDA {torch.version.cuda}) does not reach the GPU"
        return Result(line, values, (fault,))
    gpu = torch.cuda.get_device_properties(0)
    values["gpu"] = {
        "name": gpu.name,
        "capability": f"{gpu.major}.{gpu.minor}",
        "memory_gib": round(gpu.total_memory / 2**30, 1),
        "multiprocessors": gpu.multi_processor_count,
        "driver": _driver(),
    }
    faults = (compiled.MISSING_CUDA,) if compiled.MISSING_CUDA else ()
    return Result(f"{gpu.name}, driver {values['gpu']['driver']}, {line}", values, faults)


def _onnxruntime() -> dict[str, Any]:
    try:
        import onnxruntime
    except ImportError as error:
        return {"missing": str(error)}
    providers = onnxruntime.get_available_providers()
    return {"version": onnxruntime.__version__, "providers": providers}


def _driver() -> str:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "unknown"
    query = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    said = subprocess.run(query, capture_output=True, text=True, check=False).stdout.split()
    return said[0] if said else "unknown"
