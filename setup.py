"""Builds the compiled operators where the machine can; pyproject.toml holds the package's description.

MAPT_BUILD says what to build: `auto` (the default) whatever there are tools and headers for, `none` nothing, or parts
separated by commas, which then have to build: `torch`. What was built, and what was left out for which reason, goes
into mapt/build.json, where `mapt doctor` reads it.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

PARTS = ("torch",)
ROOT = Path(__file__).parent
ASKED = os.environ.get("MAPT_BUILD", "auto")
WANTED = PARTS if ASKED == "auto" else () if ASKED == "none" else tuple(ASKED.split(","))
RECORD: dict[str, str] = {part: "ok" if part in WANTED else f"not asked for: MAPT_BUILD={ASKED}" for part in PARTS}


def leave_out(part: str, why: str) -> None:
    """Note that a part is not built; an error where it was asked for by name."""
    if ASKED != "auto":
        raise SystemExit(f"setup.py: MAPT_BUILD={ASKED}: {part}: {why}")
    RECORD[part] = why


def torch_extension() -> tuple[list[Any], type[build_ext]]:
    """The operators for PyTorch, and the command that builds them; nothing where something is missing."""
    compiler = (os.environ.get("CXX") or "c++").split()[0]
    if shutil.which(compiler) is None:
        leave_out("torch", f"no C++ compiler: {compiler} is not on the path")
        return [], build_ext
    try:
        from torch.utils.cpp_extension import BuildExtension, CppExtension
    except ImportError:
        leave_out(
            "torch", "no PyTorch when mapt was installed; install it, then: pip install --no-build-isolation mapt"
        )
        return [], build_ext
    sources = [str(p.relative_to(ROOT)) for folder in ("kernels", "torch") for p in ROOT.glob(f"csrc/{folder}/*.cpp")]
    headers = [str(p.relative_to(ROOT)) for p in ROOT.glob("csrc/*/*") if p.suffix in (".h", ".inc")]
    flags = ["-O3", "-g0", "-fopenmp", "-ffp-contract=fast", "-fvisibility=hidden", "-DAT_PER_OPERATOR_HEADERS"]
    extension = CppExtension(
        "mapt.ops._kernels", sorted(sources), depends=headers, extra_compile_args=flags, optional=ASKED == "auto",
        extra_link_args=["-fopenmp"],
    )  # fmt: skip
    return [extension], BuildExtension


for part in WANTED:
    if part not in PARTS:
        raise SystemExit(f"setup.py: MAPT_BUILD={ASKED}: no part {part!r}; there are: auto, none, {', '.join(PARTS)}")
EXTENSIONS, BASE = torch_extension() if "torch" in WANTED else ([], build_ext)


class Build(BASE):  # type: ignore[misc, valid-type]
    """Builds what it can, and writes down what it could not."""

    def build_extension(self, extension: Any) -> None:
        """Build one part; a failure ends the build only where the part was asked for."""
        try:
            super().build_extension(extension)
        except Exception as error:
            leave_out("torch", f"it did not compile: {str(error).splitlines()[0]}")

    def run(self) -> None:
        """Build all, then write the record beside what was built."""
        super().run()
        write_record(ROOT / "mapt" if self.inplace else Path(self.build_lib) / "mapt")


class Collect(build_py):
    """Python files, and the record where there is nothing to build."""

    def run(self) -> None:
        """Copy the Python files; an editable installation reads those of the checkout."""
        super().run()
        write_record(ROOT / "mapt" if getattr(self, "editable_mode", False) else Path(self.build_lib) / "mapt")


def write_record(folder: Path) -> None:
    """What was built and what was not, per part."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "build.json").write_text(json.dumps(RECORD, indent=2) + "\n")


setup(ext_modules=EXTENSIONS, cmdclass={"build_ext": Build, "build_py": Collect})
