"""The stand-in has the names and parameters of NVIDIA's bindings."""

import inspect

import pytest

from tests.runtime.images.gpu_standin import Gpu


def test_it_has_what_the_real_bindings_have() -> None:
    runtime = pytest.importorskip("cuda.bindings.runtime")
    names = [name for name in vars(Gpu) if name.startswith("cuda")]
    assert len(names) > 15
    for name in names:
        real = getattr(runtime, name)
        ours = getattr(Gpu, name)
        if inspect.isfunction(ours):
            head = (real.__doc__ or "").partition("\n")[0]
            wanted = [p for p in inspect.signature(ours).parameters if p != "self"]
            theirs = head.partition("(")[2].partition(")")[0].split(", ")
            given = [part.partition(":")[0].split()[-1] for part in theirs if part]
            assert given == wanted, name
        elif isinstance(ours, int):
            assert int(real) == ours, name
        else:
            for member in ours:
                assert int(getattr(real, member.name)) == member, member
