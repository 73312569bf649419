"""The shipped network as TensorRT gets it."""

from pathlib import Path

import pytest

from mapt.errors import InputError
from mapt.export.bundle import Request, export_bundle
from mapt.export.tensorrt import find_targets
from mapt.shipped import shipped_weights


def has_tensorrt() -> bool:
    """Is there a TensorRT that builds here?"""
    try:
        find_targets()
    except InputError:
        return False
    return True


@pytest.fixture(scope="session")
def gridsample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped weights in the gridsample lowering, signed, and where TensorRT-RTX is, with engines for five GPUs."""
    from tests.export.test_bundle import make_keys

    folder = tmp_path_factory.mktemp("gridsample")
    key, _ = make_keys(folder)
    request = Request(lowering="gridsample", targets=() if has_tensorrt() else None, sign=key)
    export_bundle(shipped_weights(), folder / "bundle", request)
    return folder / "bundle"
