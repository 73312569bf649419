"""docs/kernels.md says how to add an operator; a toy operator is added that way to a copy."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.csrc.cuda_source import needs_compiler

ROOT = Path(__file__).parents[2]
TOY = Path(__file__).parent / "toy_operator"
NEEDED = ("csrc", "third_party", "mapt", "export", "runtime", "bench")
BUILT = shutil.ignore_patterns("*.so", "__pycache__", "build.json", "toy_operator")
EDITS = {
    "csrc/operators/operators.inc": (
        '#include "operators/roi_align/cpu.h"\n',
        '#include "operators/roi_align/cpu.h"\n#include "operators/scale_by/cpu.h"\n',
    ),
    "mapt/ops/__init__.py": (
        "from mapt.ops.roi_align import multiscale_roi_align\n",
        "from mapt.ops.roi_align import multiscale_roi_align\n"
        "from mapt.ops.scale_by import scale_by as scale_by\n",
    ),
    "export/lowering/standard.py": (
        "STANDARD: dict[str, Rule] = {\n",
        "def _scale_by(b: Builder, node: onnx.NodeProto, shapes: Shapes) -> None:\n"
        '    factor = b.constant(attributes(node)["factor"])\n'
        '    b.op("Mul", node.input[0], factor, output=node.output[0])\n\n\n'
        'STANDARD: dict[str, Rule] = {\n    "ScaleBy": _scale_by,\n',
    ),
}


def recipe() -> list[str]:
    """The files that docs/kernels.md names for an operator `scale_by`."""
    text = (ROOT / "docs/kernels.md").read_text()
    section = text.partition("## Adding an operator\n")[2].partition("\n## ")[0]
    paths = re.findall(r"^\d+\. `([^`]+)`", section, re.MULTILINE)
    return [path.replace("<operator>", "scale_by") for path in paths]


def new_files() -> list[Path]:
    return [p.relative_to(TOY) for folder in ("csrc", "mapt") for p in (TOY / folder).rglob("*.*")]


def copy_with_toy(folder: Path) -> Path:
    """A copy of the repository to which only the recipe's files were added or changed."""
    copy = folder / "copy"
    copy.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in NEEDED:
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=BUILT)
    for path in new_files():
        assert not (copy / path).exists()
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TOY / path, copy / path)
    for name, (before, after) in EDITS.items():
        text = (copy / name).read_text()
        assert text.count(before) == 1
        (copy / name).write_text(text.replace(before, after))
    return copy


def test_the_recipe_names_ten_files_and_the_toy_touches_no_other() -> None:
    named = recipe()
    assert len(named) == len(set(named)) == 10
    touched = {*map(str, new_files()), *EDITS}
    assert touched <= set(named)
    left_out = {"cuda.cu", "tensorrt.cpp"}  # the toy is for CPUs
    assert set(named) - touched == {f"csrc/operators/scale_by/{name}" for name in left_out}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@needs_compiler
def test_an_operator_added_by_the_recipe_computes_in_pytorch_and_onnx_runtime(
    tmp_path: Path,
) -> None:
    copy = copy_with_toy(tmp_path)
    shutil.copy(TOY / "check.py", copy)
    environment = os.environ | {"MAPT_BUILD": "torch,onnxruntime", "PYTHONPATH": str(copy)}
    for command in (
        ["setup.py", "--quiet", "build_ext", "--inplace"],
        ["check.py"],
    ):
        ran = subprocess.run(
            [sys.executable, *command],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr[-4000:]
    assert ran.stdout.strip().endswith("scaled")
