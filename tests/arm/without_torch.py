"""A pytest plugin for machines that have only the runtime.

Tests that import more than the runtime needs are skipped.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings

from mapt.probes import PACKAGES

EXTRAS = {package.module for package in PACKAGES if package.extra} | {"cryptography"}
settings.register_profile("emulated", deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Absent:
    """Finds no module; the import of one that training or export would bring skips the test."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        if name in self.names:
            pytest.skip(f"no {name} here", allow_module_level=True)
        return None


def pytest_configure() -> None:
    """Before any test is imported."""
    absent = frozenset(name for name in EXTRAS if importlib.util.find_spec(name) is None)
    sys.meta_path.insert(0, Absent(absent))
    settings.load_profile("emulated")
