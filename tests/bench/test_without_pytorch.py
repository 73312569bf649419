"""`mapt bench` and `mapt demo` on a bundle, where PyTorch is not installed."""

import json
import subprocess
import sys
from pathlib import Path

MISSING = ("torch", "torchvision", "timm", "onnx", "onnxscript", "safetensors")
CODE = f"""
import sys
for name in {MISSING!r}:
    sys.modules[name] = None
from mapt.cli import main
main()
"""


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CODE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_bundle_is_measured_and_what_needs_pytorch_is_said(bundle: Path, tmp_path: Path) -> None:
    files = ("--json", tmp_path / "run.json", "--html", tmp_path / "run.html")
    ran = run("bench", bundle, "--sequences", 1, "--frames", 5, "--no-alone", *files)
    told = " ".join(ran.stdout.split())
    assert ran.returncode == 0, ran.stderr
    assert "left out: parameters, FLOPs and the comparison with PyTorch" in told
    assert "torch: PyTorch is not installed; pip install 'mapt[export]'" in told
    found = json.loads((tmp_path / "run.json").read_text())
    assert found["heads"] == {} and "operators" not in found
    assert found["latency_ms"]["ort"]["frame"]["p50"] > 0 and found["accuracy"]["ort"]["PQ"] > 0
    assert "road" in found["classes"]["ort"] and "car" in found["objects_by_size"]["ort"]
    page = (tmp_path / "run.html").read_text()
    assert "data:image/jpeg" in page and "Classes" in page and "Objects by size" in page


def test_what_is_about_pytorch_alone_is_refused_in_one_line(bundle: Path) -> None:
    for arguments, words in (
        (("--device", "cuda"), "--device cuda: is of PyTorch's rows"),
        (("--suite", "scale", "--sequences", 1, "--frames", 4), "--suite scale: exports networks"),
    ):
        ran = run("bench", bundle, *arguments)
        assert ran.returncode == 2 and words in ran.stderr and ran.stderr.count("\n") == 1


def test_the_demo_runs_on_a_bundle(bundle: Path, tmp_path: Path) -> None:
    ran = run("demo", "--frames", 4, "--model", bundle, "--out", tmp_path / "out")
    told = " ".join(ran.stdout.split())
    assert ran.returncode == 0, ran.stderr
    assert "left out: the comparison with PyTorch" in told and "PAT" in told
    assert (tmp_path / "out" / "contact_sheet.png").is_file()
