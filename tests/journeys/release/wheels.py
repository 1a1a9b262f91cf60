"""A build as a company makes one: a wheel of a source tree, installed into a folder of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parent / "sources"

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")
OFFLINE = ("--no-deps", "--no-index")
"""What the wheel needs is installed here already: nothing is fetched."""


def wheel_of(version: str, folder: Path) -> Path:
    """Build the wheel of a version into `folder`, with the tree's own backend."""
    command = [*PIP, "wheel", *OFFLINE, "--no-build-isolation", "--wheel-dir", str(folder)]
    _run([*command, str(SOURCES / version)])
    return folder / f"till-{version}-py3-none-any.whl"


def installed(wheel: Path, folder: Path) -> Path:
    """Install a wheel into `folder`, which is then a build."""
    _run([*PIP, "install", *OFFLINE, "--no-compile", "--target", str(folder), str(wheel)])
    return folder


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
