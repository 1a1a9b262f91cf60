"""What passes between a client and an instance, and what does not."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.adapters.proxy.conftest import Pair
from tests.contracts.http_peers import WAIT_SECONDS, Asked, Backend, Client, ask, connected, say, until
from watership.adapters.helm.calls import SetTargets
from watership.adapters.proxy import relay, switchboard
from watership.adapters.proxy.wire import HEAD_BYTES, HEADER_COUNT
from watership.fleet.deployment import Slot


async def hang_up(asked: Asked) -> bool:
    """Take a request and close without an answer."""
    asked.writer.transport.abort()
    return False


class Once:
    """Does something to the first request only."""

    def __init__(self) -> None:
        self.done = False

    async def hang_up(self, asked: Asked) -> bool:
        if not self.done:
            self.done = True
            return await hang_up(asked)
        return await say(asked, 200, b"again")


async def test_a_request_and_its_answer_pass_with_their_bodies(pair: Pair) -> None:
    async def echo(asked: Asked) -> bool:
        return await say(asked, 201, asked.body[::-1], "x-app: yes\r\n")

    pair.backend.behaviour = echo
    answer = await ask(pair.address, "POST", "/a?b=c", b"hello", "x-mine: 1\r\n")
    assert (answer.status, answer.body, answer.headers["x-app"]) == (201, b"olleh", "yes")
    (asked,) = pair.backend.asked
    assert (asked.method, asked.target, asked.headers["x-mine"]) == ("POST", "/a?b=c", "1")


async def test_a_large_body_passes_both_ways(pair: Pair) -> None:
    async def echo(asked: Asked) -> bool:
        return await say(asked, 200, asked.body)

    pair.backend.behaviour = echo
    body = bytes(range(256)) * 8192
    assert (await ask(pair.address, "PUT", "/", body)).body == body


async def test_a_body_in_chunks_stays_one(pair: Pair) -> None:
    async with connected(pair.address) as client:
        client.send("POST", "/", None, "transfer-encoding: chunked\r\n")
        for piece in (b"one", b"two"):
            client.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await client.writer.drain()
            await asyncio.sleep(0.01)
        client.writer.write(b"0\r\n\r\n")
        assert (await client.receive()).status == 200
    assert pair.backend.asked[0].body == b"onetwo"


async def test_the_slot_that_answered_is_named_by_the_proxy_alone(pair: Pair) -> None:
    pair.backend.behaviour = lambda asked: say(asked, 200, b"", "X-Watership-Slot: green\r\n")
    async with connected(pair.address) as client:
        client.send("GET", "/")
        head = (await client.reader.readuntil(b"\r\n\r\n")).lower()
    assert head.count(b"x-watership-slot") == 1
    assert b"x-watership-slot: blue\r\n" in head


async def test_headers_of_the_connection_do_not_pass(pair: Pair) -> None:
    extra = "connection: keep-alive, x-secret\r\nx-secret: 1\r\nkeep-alive: 5\r\nte: trailers\r\n"
    pair.backend.behaviour = lambda asked: say(asked, 200, b"", "keep-alive: timeout=5\r\n")
    answer = await ask(pair.address, headers=extra)
    assert "keep-alive" not in answer.headers
    assert {"connection", "x-secret", "keep-alive", "te"}.isdisjoint(pair.backend.asked[0].headers)


async def test_an_instance_learns_who_asked(pair: Pair) -> None:
    await ask(pair.address, headers="x-forwarded-for: 10.1.2.3\r\n")
    headers = pair.backend.asked[0].headers
    assert headers["x-forwarded-for"] == "10.1.2.3, 127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["host"] == "test"


async def test_connections_are_kept_on_both_sides(pair: Pair) -> None:
    async with connected(pair.address) as client:
        for _ in range(3):
            assert (await client.ask()).status == 200
    assert len({asked.connection for asked in pair.backend.asked}) == 1


async def test_requests_sent_ahead_are_answered_in_order(pair: Pair) -> None:
    async def name(asked: Asked) -> bool:
        return await say(asked, 200, asked.target.encode())

    pair.backend.behaviour = name
    async with connected(pair.address) as client:
        for number in range(5):
            client.send("GET", f"/{number}")
        assert [(await client.receive()).body for _ in range(5)] == [b"/0", b"/1", b"/2", b"/3", b"/4"]


async def test_a_head_request_gets_no_body_and_leaves_the_connection_usable(pair: Pair) -> None:
    async with connected(pair.address) as client:
        answer = await client.ask("HEAD")
        assert (answer.status, answer.headers["content-length"]) == (200, "4")
        assert (await client.ask()).body == b"blue"


async def test_an_event_stream_passes_event_by_event(pair: Pair) -> None:
    go = asyncio.Event()

    async def stream(asked: Asked) -> bool:
        asked.writer.write(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n6\r\nfirst\n\r\n")
        await go.wait()
        asked.writer.write(b"7\r\nsecond\n\r\n0\r\n\r\n")
        return True

    pair.backend.behaviour = stream
    async with connected(pair.address) as client:
        client.send("GET", "/")
        await client.head()
        async with asyncio.timeout(WAIT_SECONDS):
            assert await client.reader.readuntil(b"\n\r\n") == b"6\r\nfirst\n\r\n"
            go.set()
            assert await client.reader.readuntil(b"0\r\n\r\n") == b"7\r\nsecond\n\r\n0\r\n\r\n"


async def test_an_answer_that_ends_with_its_connection_passes_whole(pair: Pair) -> None:
    async def until_closed(asked: Asked) -> bool:
        asked.writer.write(b"HTTP/1.1 200 X\r\n\r\nall of it")
        await asked.writer.drain()
        return False

    pair.backend.behaviour = until_closed
    assert (await ask(pair.address)).body == b"all of it"


async def test_an_answer_that_breaks_off_never_looks_whole(pair: Pair) -> None:
    async def half(asked: Asked) -> bool:
        asked.writer.write(b"HTTP/1.1 200 X\r\ncontent-length: 10\r\n\r\nhalf")
        await asked.writer.drain()
        return await hang_up(asked)

    pair.backend.behaviour = half
    with pytest.raises((OSError, asyncio.IncompleteReadError)):
        await ask(pair.address)
    assert pair.proxy.board.lines[Slot.BLUE].traffic.total.errors == 1


async def test_a_broken_answer_whose_end_is_the_connections_end_is_reset(pair: Pair) -> None:
    async def half(asked: Asked) -> bool:
        asked.writer.write(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        await asked.writer.drain()
        await asyncio.sleep(0.05)
        return await hang_up(asked)

    pair.backend.behaviour = half
    async with connected(pair.address) as client:
        client.writer.write(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(WAIT_SECONDS):
                await client.reader.read()


async def test_a_client_that_leaves_while_it_waits_is_not_waited_for(pair: Pair) -> None:
    pair.backend.gate.clear()
    client = await Client.connect(pair.address)
    client.send("GET", "/")
    await until(lambda: one_active(pair))
    await client.close()
    await until(lambda: nothing_active(pair))


async def test_a_client_that_leaves_takes_its_request_along(pair: Pair) -> None:
    left = asyncio.Event()

    async def forever(asked: Asked) -> bool:
        asked.writer.write(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n")
        while not asked.writer.transport.is_closing():
            asked.writer.write(b"1\r\nx\r\n")
            await asyncio.sleep(0.01)
        left.set()
        return False

    pair.backend.behaviour = forever
    client = await Client.connect(pair.address)
    client.send("GET", "/")
    await client.head()
    await client.close()
    async with asyncio.timeout(WAIT_SECONDS):
        await left.wait()
    await until(lambda: nothing_active(pair))


async def nothing_active(pair: Pair) -> bool:
    return pair.proxy.board.lines[Slot.BLUE].active == 0


async def test_a_client_that_asks_before_sending_is_told_to_go_on(pair: Pair) -> None:
    async with connected(pair.address) as client:
        client.send("POST", "/", None, "content-length: 4\r\nexpect: 100-continue\r\n")
        assert (await client.head()).status == 100
        client.writer.write(b"body")
        assert (await client.receive()).status == 200
    assert pair.backend.asked[0].body == b"body"


async def test_a_websocket_is_a_tunnel(pair: Pair) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        assert b"upgrade: websocket" in asked
        writer.write(b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello")
        while data := await reader.read(100):
            writer.write(data[::-1])
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await pair.proxy.board.set_targets(Slot.BLUE, [address], epoch=1)
    pair.proxy.board.lines[Slot.BLUE].instances[0].healthy = True
    async with connected(pair.address) as client, asyncio.timeout(WAIT_SECONDS):
        client.send("GET", "/ws", None, "connection: Upgrade\r\nupgrade: websocket\r\n")
        answer = await client.head()
        assert (answer.status, answer.headers["upgrade"]) == (101, "websocket")
        assert await client.reader.readexactly(5) == b"hello"
        client.writer.write(b"\x00abc")
        assert await client.reader.readexactly(4) == b"cba\x00"
        client.writer.write_eof()
        assert await client.reader.read() == b""
    server.close()
    await until(lambda: nothing_active(pair))


async def test_a_pause_holds_as_many_as_it_may_and_refuses_the_rest(pair: Pair) -> None:
    await pair.proxy.board.pause(seconds=30, epoch=1)
    pair.proxy.board._queue.waiting = switchboard.HELD_COUNT
    answer = await ask(pair.address)
    assert (answer.status, answer.headers["retry-after"]) == (503, "30")
    told = (await pair.proxy.read()).waited
    assert told is not None
    assert (told.held, told.told) == (0, 1)


async def test_an_offer_of_another_protocol_is_passed_over(pair: Pair) -> None:
    answer = await ask(pair.address, headers="connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n")
    assert answer.body == b"blue"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * HEAD_BYTES + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * HEAD_BYTES, 431),
        (b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * HEADER_COUNT + b"\r\n", 431),
    ],
)
async def test_what_cannot_be_understood_is_refused_and_not_passed_on(
    pair: Pair, request_bytes: bytes, status: int
) -> None:
    async with connected(pair.address) as client:
        client.writer.write(request_bytes)
        async with asyncio.timeout(WAIT_SECONDS):
            answer = await client.receive()
            assert (answer.status, answer.headers["connection"]) == (status, "close")
            assert await client.reader.read() == b""
    assert pair.backend.asked == []


async def test_a_get_that_meets_a_closing_connection_is_sent_again(pair: Pair) -> None:
    assert (await ask(pair.address)).status == 200
    pair.backend.behaviour = Once().hang_up
    assert (await ask(pair.address)).body == b"again"
    assert len({asked.connection for asked in pair.backend.asked}) == 2


async def test_a_keyed_post_is_sent_again_with_its_body(pair: Pair) -> None:
    pair.backend.behaviour = Once().hang_up
    answer = await ask(pair.address, "POST", "/", b"pay", "idempotency-key: k1\r\n")
    assert answer.body == b"again"
    assert [asked.body for asked in pair.backend.asked] == [b"pay", b"pay"]


async def test_a_rescued_request_still_counts_against_the_instance_that_failed(pair: Pair) -> None:
    pair.backend.behaviour = Once().hang_up
    assert (await ask(pair.address)).body == b"again"
    total = pair.proxy.board.lines[Slot.BLUE].traffic.total
    assert (total.requests, total.errors) == (2, 1)


async def test_losing_the_race_with_an_idle_connections_end_counts_against_nobody(pair: Pair) -> None:
    assert (await ask(pair.address)).status == 200
    pair.backend.behaviour = Once().hang_up
    assert (await ask(pair.address)).body == b"again"
    assert pair.proxy.board.lines[Slot.BLUE].traffic.total.errors == 0


async def test_a_keyless_post_is_never_sent_twice(pair: Pair) -> None:
    pair.backend.behaviour = Once().hang_up
    assert (await ask(pair.address, "POST", "/", b"pay")).status == 502
    assert [asked.body for asked in pair.backend.asked] == [b"pay"]
    assert pair.proxy.board.lines[Slot.BLUE].traffic.total.errors == 1


async def test_a_request_that_had_no_answer_is_told_to_the_log(pair: Pair) -> None:
    assert (await ask(pair.address)).status == 200
    pair.backend.behaviour = Once().hang_up
    assert (await ask(pair.address, "POST", "/pay?card=4711", b"pay")).status == 502
    (told,) = pair.notes.named("exchange failed")
    assert (told["instance"], told["slot"]) == (pair.backend.address, "blue")
    assert (told["method"], told["path"], told["status"]) == ("POST", "/pay", 502)
    assert (told["connection_uses"], told["tried_again"]) == (2, False)


async def test_what_fails_twice_is_reported(pair: Pair) -> None:
    pair.backend.behaviour = hang_up
    answer = await ask(pair.address)
    assert (answer.status, len(pair.backend.asked)) == (502, relay.ATTEMPTS)


async def test_a_keyless_post_rides_on_no_connection_that_has_been_idle_for_long(pair: Pair) -> None:
    await ask(pair.address)
    (instance,) = pair.proxy.board.lines[Slot.BLUE].instances
    now = asyncio.get_running_loop().time()
    assert instance.idle(now + 2, fresh=True) is None
    wire = instance.idle(now + 2, fresh=False)
    assert wire is not None
    assert instance.idle(now, fresh=False) is None
    wire.close()


async def test_what_cannot_be_connected_is_tried_elsewhere_whatever_it_is(pair: Pair) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        gone = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        address = f"127.0.0.1:{gone.sockets[0].getsockname()[1]}"
        gone.close()
    await pair.proxy.board.set_targets(Slot.BLUE, [pair.backend.address, address], epoch=1)
    dead = pair.proxy.board.lines[Slot.BLUE].instances[1]
    for _ in range(4):
        dead.healthy = True
        assert (await ask(pair.address, "POST", "/", b"once")).status == 200
    assert not dead.healthy
    assert len(pair.backend.asked) == 4


async def test_an_answer_before_the_end_of_the_body_passes_and_ends_the_connection(pair: Pair) -> None:
    async with connected(pair.address) as client:
        pair.backend.behaviour = None

        async def refuse_early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 X\r\ncontent-length: 3\r\n\r\nbig")
            await writer.drain()
            await reader.read()
            writer.close()

        early = await asyncio.start_server(refuse_early, "127.0.0.1", 0)
        address = f"127.0.0.1:{early.sockets[0].getsockname()[1]}"
        await pair.proxy.board.set_targets(Slot.BLUE, [address], epoch=1)
        pair.proxy.board.lines[Slot.BLUE].instances[0].healthy = True
        client.send("POST", "/", None, "content-length: 100\r\n")
        client.writer.write(b"some")
        answer = await client.receive()
        assert (answer.status, answer.body, answer.headers["connection"]) == (413, b"big", "close")
        early.close()


async def test_a_client_that_is_too_slow_with_its_head_is_let_go(pair: Pair) -> None:
    async with connected(pair.address) as client:
        client.writer.write(b"GET / HT")
        await until(lambda: begun(pair))
        (wire,) = pair.proxy._wires
        assert wire.deadline <= asyncio.get_running_loop().time() + relay.HEAD_SECONDS
        wire.deadline = 0.0
        async with asyncio.timeout(WAIT_SECONDS):
            assert await client.reader.read() == b""


async def begun(pair: Pair) -> bool:
    return any(wire.head is not None for wire in pair.proxy._wires)


async def test_a_shutdown_lets_requests_in_flight_end(pair: Pair) -> None:
    pair.backend.gate.clear()
    async with connected(pair.address) as busy, connected(pair.address) as idle:
        busy.send("GET", "/")
        await until(lambda: one_active(pair))
        ending = asyncio.create_task(pair.proxy.__aexit__(None, None, None))
        async with asyncio.timeout(WAIT_SECONDS):
            assert await idle.reader.read() == b""
        assert not ending.done()
        pair.backend.gate.set()
        answer = await busy.receive()
        assert (answer.body, answer.headers["connection"]) == (b"blue", "close")
        await ending


async def one_active(pair: Pair) -> bool:
    return pair.proxy.board.lines[Slot.BLUE].active == 1


async def test_an_instance_that_dies_under_load_loses_nothing_that_may_be_repeated(pair: Pair) -> None:
    green = Backend("green")
    await green.listen()
    board = pair.proxy.board
    await pair.proxy.answer(SetTargets(slot=Slot.GREEN, addresses=(green.address,), epoch=1))
    await board.set_weights({Slot.BLUE: 50, Slot.GREEN: 50}, epoch=1)
    statuses: list[int] = []
    ended = asyncio.Event()

    async def pay(name: int) -> None:
        async with connected(pair.address) as client:
            for number in itertools.count():
                if ended.is_set():
                    return
                key = f"idempotency-key: {name}-{number}\r\n"
                statuses.append((await client.ask("POST", "/", b"pay", key)).status)

    async def answered(count: int) -> bool:
        return len(statuses) >= count

    async with asyncio.TaskGroup() as group:
        for name in range(8):
            group.create_task(pay(name))
        await until(lambda: answered(100))
        await green.die()
        after = len(statuses) + 100
        await until(lambda: answered(after))
        ended.set()
    assert set(statuses) == {200}
    assert green.asked
