"""Session locks that die with their process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from watership.adapters.files import witness as sessions
from watership.adapters.files.witness import FileWitness
from watership.durable.ids import WorkerId
from watership.errors import Conflict, Unavailable

ROOT = Path(__file__).resolve().parents[3]
ANN = WorkerId("ann/1 ü")
LONG_AGO = 1_000_000_000


async def test_a_worker_lives_while_its_process_does_and_is_dead_when_it_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.adapters.files.ringer", "hold", str(tmp_path), ANN]
    witness = FileWitness(tmp_path)
    with subprocess.Popen(  # noqa: ASYNC220  # nothing else runs in this loop
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert not await witness.dead([ANN])
        with pytest.raises(Conflict):
            await witness.hold(ANN)
        process.kill()
    assert await witness.dead([ANN])


async def test_of_a_worker_that_was_never_seen_nothing_is_known(tmp_path: Path) -> None:
    assert not await FileWitness(tmp_path / "nowhere").dead([ANN])


async def test_a_released_lock_is_free_and_can_be_taken(tmp_path: Path) -> None:
    mine, other = FileWitness(tmp_path), FileWitness(tmp_path)
    await mine.hold(ANN)
    await mine.hold(ANN)
    assert (mine.held(), other.held()) == (True, False)
    assert not await other.dead([ANN]) | await mine.dead([ANN])
    mine.release()
    mine.release()
    assert not mine.held()
    assert await other.dead([ANN]) == {ANN}
    await other.hold(ANN)
    assert other.held()
    assert not await mine.dead([ANN])
    other.release()


async def test_a_lock_whose_file_was_replaced_is_not_held(tmp_path: Path) -> None:
    mine, other = FileWitness(tmp_path), FileWitness(tmp_path)
    await mine.hold(ANN)
    (path,) = tmp_path.iterdir()
    path.unlink()
    assert not mine.held()
    await other.hold(ANN)
    assert (mine.held(), other.held()) == (False, True)
    mine.release()
    other.release()


async def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable):
        await FileWitness(tmp_path / "file" / "sessions").hold(ANN)


async def test_the_file_of_an_ended_session_goes_a_day_after_it_was_first_found_free(tmp_path: Path) -> None:
    ended, newcomer, living = FileWitness(tmp_path), FileWitness(tmp_path), FileWitness(tmp_path)
    await living.hold(WorkerId("living"))
    await ended.hold(ANN)
    ended.release()
    age(tmp_path)
    await newcomer.hold(WorkerId("first"))
    assert await newcomer.dead([ANN]), "its worker is not buried yet"
    age(tmp_path)
    await newcomer.hold(WorkerId("second"))
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"{name}{sessions.SUFFIX}" for name in ("living", "first", "second")}
    assert living.held()
    living.release()
    newcomer.release()


def age(folder: Path) -> None:
    for path in folder.iterdir():
        os.utime(path, (LONG_AGO, LONG_AGO))
