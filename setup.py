"""Builds the compiled operators that this machine can build.

pyproject.toml holds the package's description.

MAPT_BUILD says what to build: `auto` (the default) whatever there are tools and headers for, `none`
nothing, or parts separated by commas, which then have to build: `torch`, `onnxruntime`, `native`
(the tracker's core in C++), and for GPUs `cuda`, `tensorrt` and `images`. `auto` compiles for this
machine's own GPUs; by name, for all that the kernels are made for. `onnxruntime` gets CUDA kernels
too where `cuda` or `tensorrt` is named or there are nvcc and a GPU here; elsewhere it does without
them. What was built, and what was left out for which reason, goes into mapt/build.json, where `mapt
doctor` reads it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "csrc"))
import compilers  # noqa: E402
import nvcc  # noqa: E402
import sources  # noqa: E402

PARTS = {
    "torch": "mapt.ops._kernels",
    "onnxruntime": "mapt.runtime._ort_ops",
    "native": "mapt.runtime._native",
    "cuda": "mapt.ops._cuda",
    "tensorrt": "mapt.runtime._trt_plugins",
    "images": "mapt.runtime._images",
}
IMAGES = ("preprocess", "render_labels")  # the operators of that part
ASKED = os.environ.get("MAPT_BUILD", "auto")
WANTED = tuple(PARTS) if ASKED == "auto" else () if ASKED == "none" else tuple(ASKED.split(","))
RECORD: dict[str, str] = {
    part: "ok" if part in WANTED else f"not asked for: MAPT_BUILD={ASKED}" for part in PARTS
}
COMPILER = (os.environ.get("CXX") or "c++").split()[0]
HARD, LINK = compilers.hardening(COMPILER) if WANTED else ([], [])
FLAGS = ["-O3", "-g0", "-ffp-contract=fast", "-fvisibility=hidden", *HARD]


def leave_out(part: str, why: str) -> None:
    """Note that a part is not built; an error where it was asked for by name."""
    if ASKED != "auto":
        raise SystemExit(f"setup.py: MAPT_BUILD={ASKED}: {part}: {why}")
    RECORD[part] = why


def relative(paths: list[Path]) -> list[str]:
    """The form in which setuptools takes the names of files."""
    return [str(path.relative_to(ROOT)) for path in paths]


HEADERS = relative(sources.headers())
CUDA = [*relative(sources.cuda_kernels()), "csrc/nvcc.py"]
INCLUDE = [str(sources.CSRC)]


def extensions() -> tuple[list[Extension], type[build_ext]]:
    """What can be built here, and the command that builds it."""
    missing = shutil.which(COMPILER) is None
    fault = (
        f"no C++ compiler: {COMPILER} is not on the path"
        if missing
        else compilers.too_old(COMPILER)
    )
    if fault:
        for part in WANTED:
            leave_out(part, fault)
        return [], build_ext
    found = []
    for part, extension in MAKERS.items():
        if part not in WANTED:
            continue
        try:
            found.append(extension())
        except (ImportError, FileNotFoundError) as error:
            leave_out(part, str(error))
    if any(extension.name in (PARTS["torch"], PARTS["cuda"]) for extension in found):
        from torch.utils.cpp_extension import BuildExtension

        return found, BuildExtension
    return found, build_ext


def cpp_extension() -> Any:
    """PyTorch's builder.

    Raises:
        ImportError: no PyTorch.
    """
    try:
        from torch.utils import cpp_extension
    except ImportError:
        advice = "install it, then: pip install --no-build-isolation mapt"
        raise ImportError(f"no PyTorch when mapt was installed; {advice}") from None
    return cpp_extension


def torch_extension() -> Extension:
    """The operators for PyTorch."""
    return cpp_extension().CppExtension(
        PARTS["torch"],
        relative(sources.library("torch")),
        depends=HEADERS,
        include_dirs=INCLUDE,
        optional=ASKED == "auto",
        extra_compile_args=[*FLAGS, "-fopenmp", "-DAT_PER_OPERATOR_HEADERS"],
        extra_link_args=["-fopenmp", *LINK],
    )


def cuda_extension() -> Extension:
    """The operators for PyTorch's CUDA tensors; they share PyTorch's CUDA runtime."""
    builder = cpp_extension()
    compiler = nvcc.find(ASKED != "auto")
    import torch

    if torch.version.cuda is None:
        raise FileNotFoundError("this PyTorch is built without CUDA")
    if torch.version.cuda.split(".")[0] != compiler.release.split(".")[0]:
        raise FileNotFoundError(
            f"nvcc is of CUDA {compiler.release}, this PyTorch of CUDA {torch.version.cuda}"
        )
    return builder.CppExtension(
        PARTS["cuda"],
        relative(sources.bindings("torch")),
        depends=[*HEADERS, *CUDA],
        include_dirs=[*INCLUDE, str(compiler.toolkit / "include")],
        library_dirs=[str(compiler.toolkit / "lib64")],
        libraries=["c10_cuda", "cudart"],
        define_macros=[("MAPT_TORCH_CUDA", None)],
        extra_compile_args=[*FLAGS, "-DAT_PER_OPERATOR_HEADERS"],
        extra_link_args=LINK,
        optional=ASKED == "auto",
    )


def tensorrt_extension() -> Extension:
    """Describe the extension with the operators as TensorRT plugins.

    The plugins need neither PyTorch nor a separate CUDA runtime.
    """
    toolkit = nvcc.find(ASKED != "auto").toolkit
    headers = nvcc.find_tensorrt()
    return Extension(
        PARTS["tensorrt"],
        relative(sources.library("tensorrt")),
        depends=[*HEADERS, *CUDA],
        include_dirs=INCLUDE,
        libraries=["cudart_static", "rt", "dl"],
        library_dirs=[str(toolkit / "lib64")],
        extra_compile_args=[
            *FLAGS,
            "-std=c++17",
            "-isystem",
            str(headers),
            "-isystem",
            str(toolkit / "include"),
        ],
        extra_link_args=["-pthread", *LINK],
        language="c++",
        optional=ASKED == "auto",
    )


def images_extension() -> Extension:
    """Describe the extension that reads images in a GPU's memory; it needs no framework."""
    toolkit = nvcc.find(ASKED != "auto").toolkit
    return Extension(
        PARTS["images"],
        relative(sources.library("images")),
        depends=[*HEADERS, *CUDA],
        include_dirs=INCLUDE,
        libraries=["cudart_static", "rt", "dl"],
        library_dirs=[str(toolkit / "lib64")],
        extra_compile_args=[*FLAGS, "-std=c++17"],
        extra_link_args=["-pthread", *LINK],
        language="c++",
        optional=ASKED == "auto",
    )


def onnxruntime_extension() -> Extension:
    """Describe the extension with the operators for ONNX Runtime.

    The C interface of ONNX Runtime is stable, and its header comes with MAPT. See `add_cuda` for
    the CUDA kernels.
    """
    return Extension(
        PARTS["onnxruntime"],
        relative(sources.library("onnxruntime")),
        include_dirs=INCLUDE,
        depends=[*HEADERS, "third_party/onnxruntime/onnxruntime_c_api.h"],
        extra_compile_args=[*FLAGS, "-std=c++17"],
        extra_link_args=["-pthread", *LINK],
        language="c++",
        optional=ASKED == "auto",
    )


def native_extension() -> Extension:
    """Describe the tracker's native core, which Python calls through its C interface.

    It contains the operators for ONNX Runtime's CPU provider, and runs TensorRT's engines where
    TensorRT's headers are. The core's own arithmetic rounds after every operation, so that it gives
    the bits of the Python core.

    Raises:
        FileNotFoundError: zlib's header is missing.
    """
    if not compilers.has_header(COMPILER, "zlib.h"):
        raise FileNotFoundError(
            "zlib.h is missing; install zlib1g-dev, or your system's zlib-devel"
        )
    version_script = sources.CSRC / "runtime" / "libmapt.map"
    try:  # the library itself is loaded when it is needed
        folders = nvcc.find_tensorrt(), sources.CSRC / "shim"
        tensorrt = ["-DMAPT_TENSORRT", *(o for f in folders for o in ("-isystem", str(f)))]
    except FileNotFoundError:
        tensorrt = []
    return Extension(
        PARTS["native"],
        relative([*sources.runtime(), *sources.library("onnxruntime")]),
        include_dirs=[*INCLUDE, str(sources.CSRC / "runtime" / "include")],
        depends=[*HEADERS, *relative([version_script])],
        libraries=["z", "dl"],
        extra_compile_args=[
            *FLAGS,
            "-std=c++17",
            "-ffp-contract=off",
            "-isystem",
            str(ROOT / "third_party"),
            *tensorrt,
        ],
        extra_link_args=["-pthread", f"-Wl,--version-script={version_script}", *LINK],
        language="c++",
        optional=ASKED == "auto",
    )


def add_cuda(extension: Extension, folder: Path) -> str:
    """Give the operators for ONNX Runtime those for its CUDA provider, where they can be built.

    Returns:
        What the record says of the part.
    """
    named = ASKED != "auto" and not {"cuda", "tensorrt"}.isdisjoint(WANTED)
    try:
        compiler = nvcc.find(named)
        objects = compiler.compile(folder)
    except (FileNotFoundError, RuntimeError) as error:
        if named:
            raise
        return f"ok: CPU only, {str(error).splitlines()[0].partition(';')[0]}"
    extension.define_macros.append(("MAPT_CUDA", None))
    extension.extra_objects = objects
    extension.depends = [*extension.depends, *objects]
    extension.libraries = ["cudart_static", "rt", "dl"]
    extension.library_dirs = [str(compiler.toolkit / "lib64")]
    return f"ok: CPU and {compiler.targets}"


MAKERS = {
    "torch": torch_extension,
    "onnxruntime": onnxruntime_extension,
    "native": native_extension,
    "cuda": cuda_extension,
    "tensorrt": tensorrt_extension,
    "images": images_extension,
}
for part in WANTED:
    if part not in PARTS:
        raise SystemExit(
            f"setup.py: MAPT_BUILD={ASKED}: no part {part!r}; there are: auto, none,"
            f" {', '.join(PARTS)}"
        )
EXTENSIONS, BASE = extensions()
# Compiled once, linked into every part.
KERNELS = (
    "mapt_kernels",
    {
        "sources": relative(sources.cpu_kernels()),
        "include_dirs": INCLUDE,
        "obj_deps": {"": HEADERS},
        "cflags": [*FLAGS, "-std=c++17"],
    },
)


class Build(BASE):  # type: ignore[misc, valid-type]
    """Builds what it can, and writes down what it could not."""

    def build_extension(self, extension: Any) -> None:
        """Build one part; a failure ends the build only where the part was asked for."""
        part = next(part for part, name in PARTS.items() if name == extension.name)
        shared = Path(self.build_temp)
        self.build_temp = str(shared / part)  # two parts compile the same files
        try:
            with compilers.explained():
                if part in ("cuda", "tensorrt", "images"):
                    compiler = nvcc.find(ASKED != "auto")
                    operators = IMAGES if part == "images" else ("*",)
                    extension.extra_objects = compiler.compile(shared / "nvcc", operators)
                    RECORD[part] = f"ok: {compiler.targets}"
                if part == "onnxruntime":
                    RECORD[part] = add_cuda(extension, shared / "nvcc")
                super().build_extension(extension)
        except compilers.BuildError as error:
            leave_out(part, f"it did not compile: {error}")
        finally:
            self.build_temp = str(shared)

    def run(self) -> None:
        """Build all, then write the record beside what was built."""
        try:
            if self.extensions:
                with compilers.explained():
                    self.run_command("build_clib")
            super().run()
        except compilers.BuildError as error:
            for part in WANTED:
                leave_out(part, f"the kernels did not compile: {error}")
        if self.inplace:
            for part in WANTED:
                remove_what_was_left_out(part)
        write_record(ROOT / "mapt" if self.inplace else Path(self.build_lib) / "mapt")


class Wheel(bdist_wheel):  # type: ignore[misc]
    """A wheel whose tag says what its libraries need."""

    def get_tag(self) -> tuple[str, str, str]:
        """Return the tag: libraries that only ONNX Runtime or TensorRT load fit every Python."""
        python, abi, platform = super().get_tag()
        names = {extension.name for extension in EXTENSIONS}
        if names and names.isdisjoint((PARTS["torch"], PARTS["cuda"])):
            return "py3", "none", platform
        return python, abi, platform


class Collect(build_py):
    """Python files, and the record where there is nothing to build."""

    def run(self) -> None:
        """Copy the Python files; an editable installation reads those of the checkout."""
        super().run()
        write_record(
            ROOT / "mapt"
            if getattr(self, "editable_mode", False)
            else Path(self.build_lib) / "mapt"
        )


def remove_what_was_left_out(part: str) -> None:
    """A library of an earlier build may not fit the rest any more."""
    if not RECORD[part].startswith("ok"):
        name = ROOT / PARTS[part].replace(".", "/")
        for old in name.parent.glob(f"{name.name}*.so"):
            old.unlink()


def write_record(folder: Path) -> None:
    """Write what was built and what was not, per part.

    Parts that were not asked for keep the record of an earlier build.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "build.json"
    before = json.loads(record.read_text()) if record.is_file() else {}
    kept = {part: before[part] for part in PARTS if part not in WANTED and part in before}
    record.write_text(json.dumps(RECORD | kept, indent=2) + "\n")


setup(
    ext_modules=EXTENSIONS,
    libraries=[KERNELS] if EXTENSIONS else [],
    cmdclass={"build_ext": Build, "build_py": Collect, "bdist_wheel": Wheel},
)
