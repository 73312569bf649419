"""A dataset and a backend are added in the files that ARCHITECTURE names, and in no others."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

DATASET = '''"""Frames named a, b, c, whose left half is road and whose right half is one car."""

from pathlib import Path

import numpy as np

from mapt.data.datasets.bad_files import BadFiles
from mapt.data.datasets.registry import Dataset
from mapt.data.static_images import Stills
from mapt.io.listing import list_files


def read_halves(path):
    semantic = np.zeros((64, 96), np.uint8)
    semantic[:, 48:] = 13
    return semantic, (semantic == 13).astype(np.int32)


def open_halves(root: Path, split: str, _, bad: BadFiles) -> Stills:
    pictures = list_files(root / split, ".png")
    return Stills([(p, p) for p in pictures], read_halves, bad)


DATASETS = (Dataset("halves", "halves", open_halves, heights=(64.0, 64.0)),)
'''

BACKEND = '''"""ONNX Runtime again, under another name."""

from mapt.runtime.backends.ort import OrtBackend


class EchoBackend(OrtBackend):
    name = "echo"


def open_bundle(bundle, options):
    return EchoBackend(bundle, options.threads)
'''


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The packages of this checkout."""
    target = tmp_path / "copy"
    target.mkdir()
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "mapt", "runtime", "export", "bench"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in listed.stdout.split():
        if (ROOT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name, follow_symlinks=False)
    return target


def run(copy: Path, code: str, *arguments: object) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=copy,
        env={"PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def named(recipe: str) -> set[str]:
    """The files that a recipe of ARCHITECTURE names."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    found = re.search(rf"<!-- recipe: {recipe} -->(.*?)<!-- end -->", text, re.DOTALL)
    assert found, f"no recipe for a {recipe}"
    return set(re.findall(r"`([\w/<>]+(?:\.py|/))`", found[1]))


def test_a_dataset_is_one_file(copy: Path, tmp_path: Path) -> None:
    assert named("dataset") == {"mapt/data/datasets/"}
    (copy / "mapt/data/datasets/halves.py").write_text(DATASET)
    pictures = tmp_path / "halves" / "train"
    pictures.mkdir(parents=True)
    code = (
        "import sys, cv2, numpy as np; from pathlib import Path\n"
        "root = Path(sys.argv[1])\n"
        "for name in 'abc':\n"
        "    cv2.imwrite(f'{root}/train/{name}.png', np.full((64, 96, 3), 90, np.uint8))\n"
        "from mapt.training.config import DataConfig\n"
        "from mapt.training.sources import datasets\n"
        "from mapt.data.datasets.bad_files import BadFiles\n"
        "data = DataConfig.model_validate({'halves': {'root': str(root)}})\n"
        "[(name, table, opener)] = datasets(data, root)\n"
        "source = opener(BadFiles())\n"
        "triplet = source.read(0, np.random.default_rng(0))\n"
        "labels = sorted(set(triplet.semantic[1].ravel().tolist()))\n"
        "print(name, len(source), table.heights, labels)\n"
    )
    found = run(copy, code, pictures.parent)
    assert found.startswith("halves 3 (64.0, 64.0) [0, 13")


def test_a_backend_is_one_file_and_its_name(copy: Path, bundle: Path) -> None:
    assert named("backend") == {
        "runtime/backends/",
        "runtime/backends/<backend>.py",
        "protocol.py",
        "runtime/backends/choice.py",
    }
    (copy / "runtime/backends/echo.py").write_text(BACKEND)
    choice = copy / "runtime/backends/choice.py"
    before = choice.read_text()
    after = before.replace('"openvino", "rtx"]', '"openvino", "rtx", "echo"]')
    assert after != before
    choice.write_text(after)
    code = (
        "import sys, numpy as np; from mapt.runtime import PanopticTracker\n"
        "tracker = PanopticTracker.load(sys.argv[1], 'echo', threads=1)\n"
        "frame = tracker.step(np.zeros((64, 96, 3), np.uint8) + 90, 0)\n"
        "print(tracker.backend.name, frame.semantic.shape)\n"
    )
    assert run(copy, code, bundle) == "echo (64, 96)"
