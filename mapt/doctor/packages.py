"""Checks of Python, ONNX Runtime and the packages that the extras bring."""

from __future__ import annotations

import sys

from mapt.doctor.finding import Finding, attempt
from mapt.errors import InputError
from mapt.probes import ONNX_RUNTIME, Package, ask, installed


def check_python() -> Finding:
    """Check that this Python is new enough."""
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 10)
    return Finding(
        "Python",
        "ok" if good else "broken",
        version,
        "" if good else "install Python 3.10 or newer",
        needed=True,
    )


def check_onnxruntime() -> Finding:
    """Check that exactly one ONNX Runtime is installed, and say which bundles it runs."""
    found = list(installed(ONNX_RUNTIME))
    if len(found) > 1:
        return Finding(
            "ONNX Runtime",
            "broken",
            " and ".join(found) + " overwrite each other",
            "pip uninstall both, then install one: mapt[cpu] or mapt[gpu]",
            needed=True,
        )

    def providers() -> str:
        try:
            import onnxruntime
        except ModuleNotFoundError:
            raise InputError("") from None
        names = ", ".join(
            name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()
        )
        name = found[0] if found else "of no known distribution,"
        return (
            f"{name} {onnxruntime.__version__}, built for {names};"
            f" {_lowerings(onnxruntime.__version__)}"
        )

    advice = (
        f"pip install --force-reinstall {found[0]}"
        if found
        else "pip install 'mapt[cpu]' (or mapt[gpu])"
    )
    return attempt("ONNX Runtime", providers, advice, needed=True)


def _lowerings(onnxruntime: str) -> str:
    """Describe which bundles a version of ONNX Runtime runs."""
    from mapt.runtime.bundle.requirements import FLOORS
    from mapt.runtime.bundle.requirements import version as parts

    here = parts(onnxruntime)
    runs = [name for name, lowest in FLOORS.items() if here >= parts(lowest)]
    waits = [
        f"{name} ones need {lowest}" for name, lowest in FLOORS.items() if here < parts(lowest)
    ]
    return ", ".join([f"runs {' and '.join(runs) or 'no'} bundles", *waits])


def check_package(package: Package) -> Finding:
    """Check that a package is installed and can be imported.

    A missing system library or another ABI breaks the import, and would break later runs.
    """
    what = package.distribution
    needed = not package.extra
    found = installed(package)
    name = f"'mapt[{package.extra}]'" if package.extra else "mapt"
    install = f"{package.purpose} needs it: pip install {name}"
    probe = ask(
        f"import {package.module} as m\nprint(m.__version__ if hasattr(m, '__version__') else '?',"
        " m.__file__ or '')"
    )
    number, _, place = probe.out.partition(" ")
    if not found and (probe.code or not place):  # a folder of that name imports too, and is none
        return Finding(what, "missing", "", install, needed)
    names = ", ".join(
        number if name == what else f"{name} {number}" for name, number in found.items()
    )
    if probe.code != 0:
        return Finding(
            what,
            "broken",
            f"{names}: {probe.error}",
            f"pip install --force-reinstall {what}",
            needed,
        )
    return Finding(what, "ok", names or f"{number} in {place}", needed=needed)
