"""The files of `docker/`: pinned, without root, and with everything that the wheel is made of."""

import re
from pathlib import Path

import pytest

from mapt.io.toml import loads

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "docker").glob("Dockerfile*"))


def test_there_is_one_for_cpus_and_one_for_gpus() -> None:
    assert [path.name for path in FILES] == ["Dockerfile", "Dockerfile.cuda"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_base_is_pinned_and_the_user_is_not_root(path: Path) -> None:
    text = path.read_text()
    base = re.search(r"^ARG BASE=\S+:(\S+)$", text, re.MULTILINE)
    assert base and re.match(r"\d+\.\d+\.\d+-", base[1])
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    assert all(stage.startswith("${BASE}") for stage in stages) and len(stages) == 2
    users = re.findall(r"^USER (\d+):\d+$", stages[-1], re.MULTILINE)
    assert users and int(users[-1]) > 0
    assert "g++" not in stages[-1]  # the compiler stays behind


def test_the_builder_gets_every_package_and_nothing_that_was_built() -> None:
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    project = loads((ROOT / "pyproject.toml").read_text())
    setuptools = project["tool"]["setuptools"]
    needed = {"mapt", "csrc", "third_party", "setup.py", "pyproject.toml", "README.md", "LICENSE"}
    needed |= set(setuptools["package-dir"].values())
    assert {f"!{name}" for name in needed} <= set(kept)
    assert "**" in kept and "**/*.so" in kept


def test_wheels_are_made_for_both_processors() -> None:
    asked = loads((ROOT / "pyproject.toml").read_text())["tool"]["cibuildwheel"]
    assert asked["linux"]["archs"] == ["x86_64", "aarch64"]
    assert asked["environment"]["MAPT_BUILD"] == "onnxruntime,native"
