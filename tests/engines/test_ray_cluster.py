"""Ray's mistakes are one line each."""

import sys
from pathlib import Path

import pytest

from mapt.engines.choice import EngineOptions, open_engine
from mapt.errors import InputError
from tests.tools.stores.servers import free_port


def test_without_ray_the_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'mapt\[ray\]'"):
        with open_engine(EngineOptions("ray")):
            pass


def test_an_address_where_nobody_answers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(InputError, match=f"--address {address}: nobody answers there"):
        with open_engine(EngineOptions("ray", address)):
            pass


def test_no_cluster_of_this_machine_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with pytest.raises(InputError, match="--address auto: no Ray cluster can be reached"):
        with open_engine(EngineOptions("ray", "auto")):
            pass
