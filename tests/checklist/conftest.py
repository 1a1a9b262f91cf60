"""What every world of the checklist grows from: nothing but a folder, and what is closed at its end."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.checklist.world import World


@pytest.fixture(scope="module")
def stack() -> Iterator[ExitStack]:
    """Closed when the module's tests are over."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world in which there is nothing yet."""
    return World(Path(tmp_path_factory.mktemp("project")))


@pytest.fixture(scope="module")
def own_command() -> Iterator[None]:
    """Our own command is found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        yield
