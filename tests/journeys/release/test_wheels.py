"""A wheel that is installed into a folder of its own is a build, with all that a release reads of it."""

from __future__ import annotations

from pathlib import Path

from tests.journeys.release.expected import LIVE, NEXT
from tests.journeys.release.wheels import installed, wheel_of
from watership.adapters.files.builds import read_build, read_build_file, read_migrations, read_smoke


def test_two_source_trees_become_two_builds(tmp_path: Path) -> None:
    folders = [installed(wheel_of(version, tmp_path), tmp_path / version) for version in (LIVE, NEXT)]
    live, following = map(read_build, folders)
    assert (live.version, following.version) == (LIVE, NEXT)
    assert live.digest != following.digest
    assert {read_build_file(folder).app for folder in folders} == {"till.app:app"}
    assert [each.end for each in read_migrations(folders[0])] == [1]
    assert [each.end for each in read_migrations(folders[1])] == [1, 2, 3]
    # What is asked of both, since next is compared with live.
    assert read_smoke(folders[0]) == read_smoke(folders[1])
