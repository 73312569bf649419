"""The shipped network as TensorRT gets it."""

from pathlib import Path

import pytest

from mapt.errors import InputError
from mapt.export.bundle.writer import Request, export_bundle
from mapt.export.precision.int8 import record
from mapt.export.tensorrt.engines import find_targets
from mapt.io.pretrained import shipped_weights
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import Tensors
from mapt.runtime.bundle.manifest import read_bundle
from mapt.synthetic import render_sequence
from tests.tools.once import once_a_run


def has_tensorrt() -> bool:
    """Is there a TensorRT that builds here?"""
    try:
        find_targets()
    except InputError:
        return False
    return True


@pytest.fixture(scope="session")
def gridsample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped weights in the gridsample lowering, signed.

    If TensorRT-RTX is installed, the bundle has engines for five GPUs.
    """
    from tests.export.bundle.test_writer import make_keys

    def make(folder: Path) -> None:
        folder.mkdir()
        key, _ = make_keys(folder)
        request = Request(lowering="gridsample", targets=() if has_tensorrt() else None, sign=key)
        export_bundle(shipped_weights(), folder / "bundle", request)

    return once_a_run(tmp_path_factory, "gridsample", make) / "bundle"


@pytest.fixture(scope="session")
def samples(bundle: Path) -> dict[str, list[Tensors]]:
    """Inputs of every subgraph of the shipped network, from three frames of a street."""
    street = (frame.image for frame in render_sequence(5, 0, 3, (192, 624)))
    return record(OrtBackend(read_bundle(bundle), 1), [street])
