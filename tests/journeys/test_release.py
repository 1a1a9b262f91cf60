"""A release through HAProxy, PostgreSQL and its standby, RabbitMQ, Redis, Prometheus loses nothing: a short journey."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from tests.journeys.release.figures import broken, told
from tests.journeys.release.journey import SHORT, travel
from tests.journeys.release.scene import scene

pytestmark = pytest.mark.usefixtures("long")


def note(words: str) -> None:
    sys.stderr.write(f"{words}\n")


async def test_a_release_under_load_loses_nothing_and_does_nothing_twice(nightly: bool) -> None:
    if not nightly:
        pytest.skip(
            "It takes a minute and a half: by night. By hand: python -m tests.journeys.release --short"
        )
    folder = Path(tempfile.mkdtemp(prefix="wj-"))  # a short path, since there will be sockets in it
    folder.chmod(0o755)  # PostgreSQL's user has to get through
    with scene(folder) as opened:
        found = await travel(opened, SHORT, note)
    assert broken(found, SHORT.wanted) == [], told(found)
    shutil.rmtree(folder)
