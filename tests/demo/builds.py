"""The builds of the demo, loaded beside each other: each brings modules of the same names."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import watership.demo

BUILDS = Path(watership.demo.__file__).parent / "builds"


@cache
def load(version: str, name: str) -> ModuleType:
    """A module of a build, under a name of its own."""
    spec = importlib.util.spec_from_file_location(
        f"build_{version.replace('.', '_')}_{name}", BUILDS / version / f"{name}.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
