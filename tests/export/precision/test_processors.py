"""int8 graphs give the same bits on an emulated processor with AVX2 and without VNNI.

They are compared with the processor of this machine.

Processors without FMA may differ: QLinearAdd rounds a sum the other way there in 1 case of 2,500.
"""

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from mapt.export.precision.int8 import quantize
from mapt.runtime.backends.protocol import Tensors

EMULATOR = shutil.which("qemu-x86_64-static") or shutil.which("qemu-x86_64")
PROCESSOR = "max"  # all that QEMU emulates: AVX2 and FMA, no AVX-512, no VNNI
RUN = """
import sys
import numpy, onnxruntime
graph, inputs, outputs = sys.argv[1:]
session = onnxruntime.InferenceSession(graph)
names = [value.name for value in session.get_outputs()]
numpy.savez(outputs, **dict(zip(names, session.run(names, dict(numpy.load(inputs))))))
"""


@pytest.mark.slow
@pytest.mark.skipif(
    EMULATOR is None or platform.machine() != "x86_64",
    reason="needs qemu-user on x86-64 (Debian: qemu-user-static)",
)
@pytest.mark.parametrize("name", ["backbone", "semantic"])
def test_int8_gives_the_same_bits_on_processors_without_vnni(
    bundle: Path, samples: dict[str, list[Tensors]], name: str, tmp_path: Path
) -> None:
    graph = tmp_path / "int8.onnx"
    inputs = tmp_path / "inputs.npz"
    onnx.save(quantize(onnx.load(bundle / f"{name}.onnx"), samples[name]), graph)
    np.savez(inputs, **samples[name][0])  # type: ignore[arg-type]
    session = onnxruntime.InferenceSession(graph)
    here = session.run(None, dict(samples[name][0]))
    outputs = tmp_path / "outputs.npz"
    command = [str(EMULATOR), "-cpu", PROCESSOR, sys.executable, "-c", RUN]
    subprocess.run([*command, graph, inputs, outputs], check=True)
    with np.load(outputs) as there:
        for value, want in zip(session.get_outputs(), here, strict=True):
            np.testing.assert_array_equal(there[value.name], want, value.name)
