"""A bell that processes share through a folder."""

from __future__ import annotations

import asyncio
import math
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from watership.adapters.files import bell as bells
from watership.adapters.files.bell import FilesBell

ROOT = Path(__file__).resolve().parents[3]
A, B = frozenset({"a"}), frozenset({"b"})
SECONDS = 20
"""More than any machine takes; a test that waits this long has failed."""


@contextmanager
def two(folder: Path) -> Iterator[tuple[FilesBell, FilesBell]]:
    with closing(FilesBell(folder)) as one, closing(FilesBell(folder)) as other:
        yield one, other


async def test_a_ring_wakes_the_listeners_of_the_own_process(tmp_path: Path) -> None:
    with closing(FilesBell(tmp_path)) as bell:
        bell.ring(["a"])
        assert await bell.wait(A, SECONDS) == A
        assert await bell.wait(A, 0) == frozenset()


async def test_a_ring_reaches_every_other_bell_of_the_folder(tmp_path: Path) -> None:
    with two(tmp_path) as (one, other), closing(FilesBell(tmp_path)) as third:
        waiting = [asyncio.create_task(bell.wait(A | B, SECONDS)) for bell in (other, third)]
        await asyncio.sleep(0)
        one.ring(["a", "x"])
        assert await asyncio.gather(*waiting) == [A, A]


async def test_a_ring_of_another_process_is_heard(tmp_path: Path) -> None:
    with closing(FilesBell(tmp_path)) as bell:
        command = (sys.executable, "-m", "tests.adapters.files.ringer", "ring", str(tmp_path), "a")
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
        assert await bell.wait(A, SECONDS) == A
        assert await process.wait() == 0


async def test_more_topics_than_one_message_holds_are_all_heard(tmp_path: Path) -> None:
    topics = frozenset(f"run:{number:026}" for number in range(1_000))
    with two(tmp_path) as (one, other):
        one.ring(topics)
        heard: frozenset[str] = frozenset()
        while heard != topics:
            more = await other.wait(topics, SECONDS)
            assert more
            heard |= more


async def test_the_socket_of_a_dead_process_is_removed(tmp_path: Path) -> None:
    with closing(FilesBell(tmp_path)) as bell:
        stale = bell._datagrams.folder / f"0-dead{bells.SUFFIX}"
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as dead:
            dead.bind(str(stale))
        bell.ring(["a"])
        assert not stale.exists()


async def test_a_listener_that_does_not_read_neither_blocks_nor_fails_the_ring(tmp_path: Path) -> None:
    with closing(FilesBell(tmp_path)) as bell:
        deaf = bell._datagrams.folder / f"0-deaf{bells.SUFFIX}"
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as socket_of_another:
            socket_of_another.bind(str(deaf))
            for number in range(5_000):
                bell.ring([f"run:{number}"])
            assert deaf.exists()


async def test_what_is_no_message_is_ignored(tmp_path: Path) -> None:
    with two(tmp_path) as (one, other):
        for nonsense in (b"", b"{", b"[1]", b"x" * 100):
            one._datagrams.send(nonsense, other._datagrams.mine)
        one.ring(["a"])
        assert await other.wait(A, SECONDS) == A


async def test_a_closed_bell_leaves_no_socket_and_rings_nobody(tmp_path: Path) -> None:
    bell = FilesBell(tmp_path)
    bell.close()
    bell.close()
    bell.ring(["a"])
    assert list(tmp_path.glob(f"*{bells.SUFFIX}")) == []


async def test_a_folder_whose_path_is_too_long_for_a_socket_has_a_short_room(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with two(deep) as (one, other):
        assert len(one._datagrams.mine) < 108
        assert one._datagrams.folder == other._datagrams.folder
        room = one._datagrams.folder
        assert room.stat().st_mode & 0o077 == 0
        one.ring(["a"])
        assert await other.wait(A, math.inf) == A
    room.rmdir()
