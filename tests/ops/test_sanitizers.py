"""The kernels under AddressSanitizer and UBSan (csrc/tests/attack.cpp)."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLAGS = ("-std=c++17", "-O1", "-g", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all", "-pthread")
SANITIZERS = "-fsanitize=address,undefined,float-cast-overflow"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
def test_hostile_inputs_never_leave_their_memory(tmp_path: Path) -> None:
    sources = [*ROOT.glob("csrc/kernels/*.cpp"), ROOT / "csrc/tests/attack.cpp", "-x", "c++"]
    sources += ROOT.glob("csrc/kernels/*.cu")
    subprocess.run(["g++", *FLAGS, SANITIZERS, *map(str, sources), "-o", str(tmp_path / "attack")], check=True)
    for isa in ("baseline", "avx2", "avx512"):
        environment = {**os.environ, "MAPT_ISA": isa}
        ran = subprocess.run([tmp_path / "attack"], env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0 and "clean" in ran.stdout, ran.stdout + ran.stderr
