"""Finds C++ compilers for setup.py that are new enough, and reads their error messages."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

LOWEST = {
    "g++": 11,
    "clang++": 14,
}  # docs/kernels.md says so; tests/csrc/test_compilers.py compiles with them
VERSIONS = {
    "g++": ("__GNUC__", "__GNUC_MINOR__"),
    "clang++": ("__clang_major__", "__clang_minor__"),
}
ERROR = re.compile(
    r"(^|: )((fatal|catastrophic|internal compiler) )?error( #?[\w-]+)?:"
    r"|^nvcc fatal|: undefined reference to |: cannot find "
)
# Options that make a fault in a library harder to exploit. Each group begins with the best one, and
# a compiler gets the first that it knows.
COMPILE = (
    (("-fstack-protector-strong",),),
    (("-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3"), ("-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2")),
    (("-fcf-protection=full",), ("-mbranch-protection=standard",)),  # x86-64, aarch64
)
# Without `-z,defs` a library that lacks a function is built, and fails only when it is loaded.
LINK = ((("-Wl,-z,relro,-z,now",),), (("-Wl,-z,noexecstack",),), (("-Wl,-z,defs",),))
LONGEST = 300  # characters of a message, because names of templates can be very long


class BuildError(RuntimeError):
    """A compiler failed; its message is the compiler's first error."""


def too_old(compiler: str) -> str | None:
    """Explain why a compiler is too old to compile the kernels.

    The result is None if the compiler is new enough, or if it does not state its version.

    Args:
        compiler: a program, by name or by path.
    """
    ask = [compiler, "-x", "c++", "-dM", "-E", os.devnull]
    said = subprocess.run(ask, capture_output=True, text=True, check=False).stdout
    macros = dict(re.findall(r"^#define (\w+) (\d+)$", said, re.MULTILINE))
    name = "clang++" if "__clang_major__" in macros else "g++"
    version = [macros.get(macro) for macro in VERSIONS[name]]
    if version[0] is None or int(version[0]) >= LOWEST[name]:
        return None
    lowest = " or ".join(f"{known} {release}" for known, release in LOWEST.items())
    return (
        f"{compiler} is {name} {version[0]}.{version[1]}, which is too old: the lowest is {lowest};"
        " name one with CXX"
    )


def has_header(compiler: str, name: str) -> bool:
    """Tell whether a compiler finds a header of the system."""
    ask = [compiler, "-x", "c++", "-E", "-"]
    source = f"#include <{name}>\n"
    return (
        subprocess.run(ask, input=source, capture_output=True, text=True, check=False).returncode
        == 0
    )


@functools.cache
def hardening(compiler: str) -> tuple[list[str], list[str]]:
    """Return the hardening options for compiling and for linking.

    Only options that the compiler accepts without a warning are returned.

    Args:
        compiler: a program, by name or by path; a missing program accepts no option.
    """
    compiled = [option for group in COMPILE for option in _first_taken(compiler, group, "-c")]
    linked = [option for group in LINK for option in _first_taken(compiler, group, "-shared")]
    return compiled, linked


def _first_taken(compiler: str, group: Sequence[tuple[str, ...]], kind: str) -> tuple[str, ...]:
    """Return the first options of a group with which a small program builds."""
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "any.cpp")
        with open(source, "w", encoding="ascii") as file:
            file.write("#include <cstring>\nint any(char* c) { std::memset(c, 0, 1); return 0; }\n")
        for options in group:
            command = [
                compiler,
                "-O2",
                "-fPIC",
                "-Werror",
                *options,
                kind,
                source,
                "-o",
                os.path.join(folder, "any"),
            ]
            try:
                if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                    return options
            except OSError:
                break
    return ()


def first_error(said: str) -> str | None:
    """Return the first line of a compiler's or linker's output that reports an error.

    The result is None if there is none.
    """
    found = next((line.strip() for line in said.splitlines() if ERROR.search(line)), None)
    return found if found is None or len(found) <= LONGEST else found[: LONGEST - 3] + "..."


@contextmanager
def explained() -> Iterator[None]:
    """Replace an exception raised in the block by the first error that its programs printed.

    What they write is shown when they are done, on standard error. Build systems keep it to
    themselves otherwise.

    Raises:
        BuildError: something was raised, with the compiler's first error or, where it wrote none,
            what was raised.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
    with tempfile.TemporaryFile() as output:
        try:
            for descriptor in kept:
                os.dup2(output.fileno(), descriptor)
            failure: Exception | None = None
            try:
                yield
            except Exception as error:
                failure = error
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            for descriptor, copy in kept.items():
                os.dup2(copy, descriptor)
                os.close(copy)
            output.seek(0)
            said = output.read().decode(errors="replace")
            sys.stderr.write(said)
    if failure is not None:
        raised = str(failure)
        lines = raised.splitlines() or [type(failure).__name__]
        raise BuildError(first_error(said) or first_error(raised) or lines[0]) from failure
