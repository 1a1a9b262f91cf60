"""One controller at a time, with real processes."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from watership.adapters.files.lock import FileLock
from watership.errors import Conflict, Unavailable

HOLDER = """
import asyncio, sys
from pathlib import Path
from watership.adapters.files.lock import FileLock

async def main():
    lock = FileLock(Path(sys.argv[1]))
    holder = await lock.acquire(who="dana", release="r1")
    print(holder.epoch, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@asynccontextmanager
async def held_elsewhere(path: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Another process that holds the lock, and its epoch."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(path), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield process, int(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await asyncio.sleep(0)


async def test_each_acquisition_has_a_higher_epoch(tmp_path: Path) -> None:
    epochs = []
    for _ in range(3):
        lock = FileLock(tmp_path / "lock")
        epochs.append((await lock.acquire(who="dana", release="r1")).epoch)
        await lock.release()
    assert epochs == [1, 2, 3]


async def test_who_comes_second_is_told_who_is_there_since_when_and_what_to_do(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    holder = await first.acquire(who="dana", release="r1")
    with pytest.raises(Conflict) as conflict:
        await second.acquire(who="eve", release="r2")
    for fact in ("dana", "r1", f"{holder.since:%H:%M:%S}", "watership release watch r1"):
        assert fact in str(conflict.value)
    assert await second.read() == holder
    await first.release()


async def test_a_free_lock_has_no_holder_whatever_its_record_says(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    assert await lock.read() is None
    await lock.acquire(who="dana", release="r1")
    await lock.release()
    assert await lock.read() is None


async def test_whoever_just_reads_the_holder_is_not_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    reader = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(reader, fcntl.LOCK_SH)
    lock = FileLock(path)
    acquiring = asyncio.create_task(lock.acquire(who="dana", release="r1"))
    await asyncio.sleep(0.01)
    os.close(reader)
    assert (await acquiring).epoch == 1
    await lock.release()


async def test_death_frees_the_lock(tmp_path: Path) -> None:
    async with held_elsewhere(tmp_path / "lock") as (process, epoch):
        lock = FileLock(tmp_path / "lock")
        with pytest.raises(Conflict, match="dana"):
            await lock.acquire(who="eve", release="r2")
        process.send_signal(signal.SIGKILL)
        await process.wait()
        assert await lock.read() is None
        assert (await lock.acquire(who="eve", release="r2")).epoch == epoch + 1
        await lock.release()


async def test_an_unreadable_record_gives_no_epoch_and_leaves_the_lock_free(tmp_path: Path) -> None:
    (tmp_path / "lock.json").write_text("{broken", encoding="utf-8")
    lock = FileLock(tmp_path / "lock")
    for _ in range(2):
        with pytest.raises(Unavailable, match="epoch"):
            await lock.acquire(who="dana", release="r1")


async def test_who_is_deposed_keeps_its_lock_and_every_later_epoch_is_above_the_deposers(
    tmp_path: Path,
) -> None:
    hanging, deposer, later = (FileLock(tmp_path / "lock") for _ in range(3))
    held = await hanging.acquire(who="hanging", release="2.1.0")

    first = await deposer.depose(who="Ina", release="2.1.0")
    second = await deposer.depose(who="Ina", release="2.1.0")

    assert (first.epoch, second.epoch) == (held.epoch + 1, held.epoch + 2)
    with pytest.raises(Conflict):
        await later.acquire(who="later", release="2.1.0")
    await hanging.release()
    taken = await later.acquire(who="later", release="2.1.0")
    assert taken.epoch == second.epoch + 1
    await later.release()
