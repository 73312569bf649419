"""The report of CUDA kernels' resources, and the predictions of their times, without a GPU."""

import json
from pathlib import Path

import pytest

from mapt.bench.kernels import gpu_model, resources
from mapt.bench.kernels.gpu_model import PREDICTIONS, Gpu, Launch, with_report
from mapt.bench.kernels.resources import KernelResources
from mapt.errors import InputError


def test_kernels_in_float64_may_spill_and_others_may_not() -> None:
    names = {
        "_ZN4mapt4cuda8run_gridINS0_4SortIddEEEEvT_ll": False,
        "_ZN4mapt4cuda8run_gridINS0_6GatherIdEEEEvT_ll": False,
        "_ZN4mapt4cuda10run_blocksINS0_8ConvolveIddLi1ELi16ELb1EEEEEvT_l": False,
        "_ZN4mapt4cuda10run_blocksINS0_8MultiplyINS0_19SamplesTimesFiltersIdddNS0_5ShapeE": False,
        "_ZN4mapt4cuda10run_blocksINS0_4MoveIffEEEEvT_l": True,
        "_ZN4mapt4cuda10run_blocksINS0_4MoveINS_4HalfEfEEEEvT_l": True,
    }
    for name, is_hot in names.items():
        assert KernelResources(name, "90", 32, 0, 8, 0).is_hot is is_hot, name


def test_a_spilling_kernel_ends_the_report_with_a_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def compiled(spilled: int) -> None:
        name = "_ZN4mapt4cuda10run_blocksINS0_4MoveIffEEEEvT_l"
        found = [KernelResources(name, "86", 80, 8, spilled, 4160)]
        monkeypatch.setattr(resources, "compile_sources", lambda *_: (found, []))

    class Toolkit:
        class sources:
            cuda_kernels = staticmethod(list[Path])

    monkeypatch.setattr(resources, "toolkit", lambda: Toolkit)
    for spilled in (0, 8):
        compiled(spilled)
        with pytest.raises(SystemExit) as ended:
            resources.main(["--out", str(tmp_path / "report.json")])
        assert bool(ended.value.code) is bool(spilled)
    assert "spills 8 bytes" in capsys.readouterr().out
    assert json.loads((tmp_path / "report.json").read_text())["kernels"][0]["spilled"] == 8


def test_the_longest_of_arithmetic_caches_memory_and_waiting_counts() -> None:
    gpu = Gpu()
    idle = Launch("none", 132, 128, 0, 0, 0, chain=0)
    assert idle.microseconds(gpu) == gpu_model.LAUNCH_US
    cycles = 0.70 * 128 * gpu.multiprocessors * gpu.clock
    busy = Launch("busy", 132, 128, cycles / 1e4, 0, 0, chain=0)
    assert busy.microseconds(gpu) - gpu_model.LAUNCH_US == pytest.approx(100)
    uneven = Launch("uneven", 133, 128, cycles / 1e4, 0, 0, chain=0)
    assert uneven.microseconds(gpu) - gpu_model.LAUNCH_US == pytest.approx(200 * 132 / 133)
    moving = Launch("moving", 132, 128, cycles / 1e4, 0, gpu.memory * 0.75 / 1e3, chain=0)
    assert moving.microseconds(gpu) - gpu_model.LAUNCH_US == pytest.approx(1000)


def test_registers_and_shared_memory_limit_the_blocks_that_run_together() -> None:
    assert Launch("a", 1, 128, 0, 0, 0, registers=128).resident(Gpu()) == 4
    assert Launch("a", 1, 128, 0, 0, 0, registers=64, shared=46080).resident(Gpu()) == 4
    assert Launch("a", 1, 1024, 0, 0, 0, registers=16).resident(Gpu()) == 2


def test_a_report_replaces_the_registers(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text(
        json.dumps({"kernels": [{"name": "4MoveIffE", "architecture": "90", "registers": 250}]})
    )
    found = [launch for p in with_report(PREDICTIONS, report) for launch in p.launches]
    assert {launch.registers for launch in found if launch.kernel == "Move"} == {250}
    assert {launch.registers for launch in found if launch.kernel == "Measure"} == {64}
    report.write_text("{}")
    with pytest.raises(InputError, match="is no report of"):
        with_report(PREDICTIONS, report)


def test_the_table_names_all_work(capsys: pytest.CaptureFixture[str]) -> None:
    gpu_model.main([])
    said = capsys.readouterr().out
    assert all(p.work in said for p in PREDICTIONS)
