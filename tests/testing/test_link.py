"""A link fails as links do, and only while it is told to."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from watership.testing.link import Link

SOON = 5.0
"""Seconds within which everything here has happened on a busy machine."""

NEVER = 0.15
"""Seconds after which nothing has come that would have come at once."""

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[Link], Awaitable[Ends]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    """A link to a server that answers with what it hears."""
    tasks: list[asyncio.Task[None]] = []
    server = await asyncio.start_server(
        lambda reader, writer: tasks.append(asyncio.create_task(echo(reader, writer))), "127.0.0.1", 0
    )
    with Link("127.0.0.1", server.sockets[0].getsockname()[1]) as link:
        yield link
    server.close()
    async with asyncio.timeout(SOON):
        await asyncio.gather(*tasks)


@pytest.fixture
async def connected() -> AsyncIterator[Connect]:
    """Opens connections through a link; they are closed after the test."""
    opened: list[asyncio.StreamWriter] = []

    async def connect(link: Link) -> Ends:
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        opened.append(writer)
        return reader, writer

    yield connect
    for writer in opened:
        writer.transport.abort()
    await asyncio.sleep(0)


async def said(ends: Ends, words: bytes) -> bytes:
    ends[1].write(words)
    async with asyncio.timeout(SOON):
        return await ends[0].readexactly(len(words))


async def silent(ends: Ends) -> bool:
    try:
        async with asyncio.timeout(NEVER):
            await ends[0].read(1)
    except TimeoutError:
        return True
    return False


async def was_refused(connected: Connect, link: Link) -> bool:
    """A reset may come before the client knows that it was connected, or after."""
    try:
        ends = await connected(link)
    except ConnectionResetError:
        return True
    return await was_reset(ends)


async def was_reset(ends: Ends) -> bool:
    with pytest.raises(ConnectionResetError):
        async with asyncio.timeout(SOON):
            while await ends[0].read(65536):
                pass
    return True


async def test_a_sound_link_carries_everything_both_ways(link: Link, connected: Connect) -> None:
    ends = await connected(link)
    words = bytes(range(256)) * 4096

    assert await said(ends, words) == words
    assert link.carried == 2 * len(words)
    assert link.connections == 1


async def test_an_end_of_input_reaches_the_other_side(link: Link, connected: Connect) -> None:
    ends = await connected(link)
    ends[1].write(b"last words")
    ends[1].write_eof()
    async with asyncio.timeout(SOON):
        assert await ends[0].read(-1) == b"last words"


async def test_a_cut_resets_every_connection_and_new_ones_are_sound(link: Link, connected: Connect) -> None:
    first, second = await connected(link), await connected(link)
    await said(first, b"a")
    await said(second, b"b")

    assert link.cut() == 2
    assert await was_reset(first)
    assert await was_reset(second)
    assert await said(await connected(link), b"again") == b"again"


async def test_what_is_late_comes_whole_and_in_order(link: Link, connected: Connect) -> None:
    ends = await connected(link)
    link.become(latency=0.1)
    loop = asyncio.get_running_loop()
    began = loop.time()

    assert await said(ends, b"slowly") == b"slowly"
    assert loop.time() - began >= 0.2, "there and back"


async def test_what_was_held_passes_when_the_link_heals(link: Link, connected: Connect) -> None:
    ends = await connected(link)
    await said(ends, b"a")
    link.become(held=True)
    ends[1].write(b"held")

    assert await silent(ends)
    link.become()
    async with asyncio.timeout(SOON):
        assert await ends[0].readexactly(4) == b"held"


async def test_a_half_open_connection_swallows_what_is_sent_and_never_recovers(
    link: Link, connected: Connect
) -> None:
    ends = await connected(link)
    await said(ends, b"a")
    link.become(half_open=True)
    ends[1].write(b"into the void")

    assert await silent(ends)
    link.become()
    ends[1].write(b"still")
    assert await silent(ends), "its ends no longer agree on what was said"
    assert await said(await connected(link), b"new") == b"new"


async def test_a_connection_is_reset_in_the_middle_of_a_word(link: Link, connected: Connect) -> None:
    ends = await connected(link)
    link.become(reset_after=7)
    ends[1].write(b"0123456789")

    assert await was_reset(ends)
    assert link.broken == 1


async def test_a_link_that_refuses_resets_new_connections_and_keeps_old_ones(
    link: Link, connected: Connect
) -> None:
    old = await connected(link)
    await said(old, b"a")
    link.become(refused=True)

    assert await was_refused(connected, link)
    assert await said(old, b"b") == b"b"


async def test_a_server_that_is_down_is_told_by_a_reset(connected: Connect) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers there
        with Link("127.0.0.1", taken.getsockname()[1]) as link:
            assert await was_refused(connected, link)


async def test_nothing_of_a_link_is_left_after_it(link: Link, connected: Connect) -> None:
    before = threading.active_count()
    with Link("127.0.0.1", link.port) as second:
        ends = await connected(second)
        await said(ends, b"a")
        port = second.port
    assert await was_reset(ends)
    assert threading.active_count() <= before  # a thread of somebody else's may end meanwhile
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
