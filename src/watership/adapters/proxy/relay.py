"""A relay passes one client's requests to instances and their answers back, as they come."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from math import ceil

from watership.adapters.proxy import heads
from watership.adapters.proxy.instance import Instance, Unreachable
from watership.adapters.proxy.switchboard import Line, Switchboard
from watership.adapters.proxy.wire import ClientWire, Gone, Head, Malformed, Mark, UpstreamWire, Wire
from watership.durable.ports import Observer

KEEP_ALIVE_SECONDS = 75.0
"""A client's connection may stay idle this long, as with most servers."""

HEAD_SECONDS = 10.0
"""From the first byte of a request's head to its last: those who need longer mean no good."""

SILENCE_SECONDS = 60.0
"""Without a byte of a request's body, or without taking a byte of an answer, a client is given up."""

ANSWER_SECONDS = 300.0
"""Until the head of an answer: an agent may think for minutes, and work beyond that answers 202 at once."""

STREAM_SECONDS = 600.0
"""Without a byte of an answer's body. Event streams send a comment every few seconds."""

PATIENCE_SECONDS = 1.0
"""A client that leaves after having waited longer than this counts as a request without an answer."""

ATTEMPTS = 2
"""A request is tried on one other connection or instance: what fails twice is not a race."""

REPLAY_BYTES = 64 * 1024
"""Bytes of a request's body that are kept to send them again."""

RETRY_SECONDS = 1
"""What Retry-After says: a healthy instance is usually back within two probes."""


class Broken(Exception):
    """An exchange failed before its answer began. `again` says whether it may be tried once more.

    `blame` says whether it is the instance's failure even when another one rescues the request: a build that
    dies of every request must not look healthy because the other slot answers for it. `uses` counts the exchanges
    on the connection, this one among them: on its first one nothing can have been closed for being idle.
    """

    def __init__(
        self, status: int, detail: str, *, again: bool, blame: bool = False, uses: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.again = again
        self.blame = blame
        self.uses = uses


class Cut(Exception):
    """An answer broke off after its head had been passed on."""


class Body:
    """A request's body on its way: framed for the instance, and kept for a second attempt while small."""

    def __init__(self, client: ClientWire, head: Head) -> None:
        self._client = client
        self._chunked = heads.chunked(head)
        self._sent: list[bytes] = []
        self._size = 0
        self.done = not heads.has_body(head)
        self.malformed = False
        self.whole = True
        """Whether everything taken from the client so far can be sent again."""

    def start(self) -> bytes:
        """What can be sent at once: the pieces of earlier attempts and those that have come already."""
        self._size = sum(map(len, self._sent)) if self.whole else 0
        earlier = b"".join(self._sent)
        return earlier + self._arrived()

    def _arrived(self) -> bytes:
        pieces = []
        while not self.done and self._client.ready():
            pieces.append(self._framed(self._client.take()))
        return b"".join(pieces)

    def _framed(self, piece: object) -> bytes:
        match piece:
            case bytes():
                framed = heads.chunk(piece) if self._chunked else piece
            case Mark.END:
                self.done = True
                framed = heads.LAST_CHUNK if self._chunked else b""
            case _:
                self.malformed = True
                raise Gone
        self._size += len(framed)
        if self._size > REPLAY_BYTES:
            self.whole = False
            self._sent.clear()
        elif self.whole:
            self._sent.append(framed)
        return framed

    async def rest(self, wire: UpstreamWire) -> None:
        """Send what still comes, at the pace of both sides."""
        client = self._client
        while not self.done:
            client.deadline = client.loop.time() + SILENCE_SECONDS
            framed = self._framed(await client.piece())
            client.deadline = float("inf")
            wire.transport.write(framed + self._arrived())
            await wire.written()

    def skip_end(self) -> None:
        """Take the mark that ends a request without a body."""
        if self.done and self._client.ready():
            self._client.take()


class Relay:
    """Serves the requests of one client's connection, one after the other."""

    def __init__(
        self,
        switchboard: Switchboard,
        client: ClientWire,
        peer: bytes,
        wires: set[Wire],
        *,
        observer: Observer,
    ) -> None:
        self._board = switchboard
        self._observer = observer
        self._client = client
        self._peer = peer
        self._wires = wires
        self._loop = client.loop
        self.closing = False
        """Whether the proxy shuts down: the connection ends after the present request."""

    async def run(self) -> None:
        client = self._client
        client.head_seconds = HEAD_SECONDS
        try:
            while not self.closing:
                client.between = True
                if not client.ready():
                    client.deadline = self._loop.time() + KEEP_ALIVE_SECONDS
                piece = await client.piece()
                client.between = False
                client.deadline = float("inf")
                if isinstance(piece, Malformed):
                    self._refuse(piece.status, "The request cannot be understood or is beyond a limit.")
                    return
                if not isinstance(piece, Head) or not await self._request(piece):
                    return
        except Gone:
            return
        finally:
            client.close()

    async def _request(self, head: Head) -> bool:
        """Answer one request; whether the connection goes on."""
        refused = self._refusal(head)
        if refused is not None:
            self._refuse(*refused)
            return False
        if self._board.holds(reads=heads.reads(head)) and (words := await self._board.hold()):
            self._refuse(503, words, retry_after=ceil(max(RETRY_SECONDS, self._board.pause_left)))
            return False
        body = Body(self._client, head)
        body.skip_end()
        if head.get(b"expect") is not None and not body.done:
            self._client.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return await self._attempts(head, body)

    @staticmethod
    def _refusal(head: Head) -> tuple[int, str] | None:
        if head.method == b"CONNECT":
            return 405, "CONNECT is not offered."
        hosts = sum(name.lower() == b"host" for name, _ in head.headers)
        if hosts > 1 or (head.minor == 1 and hosts == 0):
            return 400, "A request names one host."
        return None

    async def _attempts(self, head: Head, body: Body) -> bool:
        spurned: list[Instance] = []
        started = self._loop.time()
        for attempt in range(1, ATTEMPTS + 1):
            line, instance = self._board.pick(spurned)
            line.enter()
            try:
                if instance is None:
                    raise Broken(503, "No instance can take the request at the moment.", again=False)
                return await self._exchange(head, body, line, instance, fresh=attempt > 1, started=started)
            except Broken as broken:
                took = self._loop.time() - started
                again = broken.again and instance is not None and attempt < ATTEMPTS
                self._tell(broken, head, line, instance, again=again)
                if again and instance is not None:
                    spurned.append(instance)
                    if broken.blame:
                        self._board.note(line.slot, took, failed=True)
                    continue
                self._board.note(line.slot, took, failed=broken.status >= 500)
                self._refuse(broken.status, broken.detail, line)
                return False
            finally:
                line.leave()
        raise AssertionError("the last attempt returns")

    def _tell(
        self, broken: Broken, head: Head, line: Line, instance: Instance | None, *, again: bool
    ) -> None:
        """Nobody else can say later why a request had no answer: the instance may be gone, the client was told 502."""
        self._observer.note(
            "exchange failed",
            slot=line.slot.value,
            instance=None if instance is None else instance.address,
            method=head.method.decode("latin-1"),
            path=head.target.partition(b"?")[0].decode("latin-1"),
            status=broken.status,
            why=broken.detail,
            tried_again=again,
            connection_uses=broken.uses,
        )

    async def _exchange(
        self, head: Head, body: Body, line: Line, instance: Instance, *, fresh: bool, started: float
    ) -> bool:
        """One attempt on one connection: the request goes out, the answer comes back."""
        wire: UpstreamWire | None = await self._connection(instance, head, fresh=fresh)
        assert wire is not None
        uploading: asyncio.Task[None] | None = None
        took = 0.0
        failed = True
        counted = False
        try:
            wire.begin(bodyless=head.method == b"HEAD")
            wire.transport.write(heads.request(head, self._peer) + body.start())
            if not body.done:
                uploading = self._loop.create_task(self._upload(body, wire))
            answer = await self._answer(wire, head, body)
            took = self._loop.time() - started
            counted = True
            failed = answer.status >= 500
            keep_alive = await self._pass_back(head, answer, wire, line, whole=body.done)
            if answer.status == 101:
                return False
            if body.done and answer.keep_alive and wire.finished:
                instance.take_back(wire, self._loop.time())
                wire = None
            return keep_alive
        except Cut:
            failed = True
            self._client.reset()
            return False
        except Broken:
            raise
        except (asyncio.CancelledError, Gone):
            if not counted:
                took = self._loop.time() - started
                counted = body.done and took > PATIENCE_SECONDS
            raise
        finally:
            if counted:
                self._board.note(line.slot, took, failed=failed)
            if uploading is not None:
                uploading.cancel()
            if wire is not None:
                wire.abort()

    async def _connection(self, instance: Instance, head: Head, *, fresh: bool) -> UpstreamWire:
        """A connection to send on: an idle one where losing the race with its closing does no harm."""
        if not fresh:
            wire = instance.idle(self._loop.time(), fresh=not heads.repeatable(head))
            if wire is not None:
                return wire
        try:
            return await instance.connect(self._wires)
        except Unreachable as error:
            instance.refuse()
            raise Broken(502, "The instance cannot be reached.", again=True) from error

    async def _upload(self, body: Body, wire: UpstreamWire) -> None:
        try:
            await body.rest(wire)
        except Gone:
            # The instance left, or the client sent nonsense; whoever awaits the answer says so.
            wire.abort()

    async def _answer(self, wire: UpstreamWire, head: Head, body: Body) -> Head:
        """The head of the answer. Raises Broken when there is none."""
        wire.deadline = self._loop.time() + ANSWER_SECONDS
        try:
            piece = await wire.piece()
        except Gone as gone:
            if body.malformed:
                raise Broken(400, "The request's body cannot be understood.", again=False) from gone
            if wire.expired:
                raise Broken(504, "The instance did not answer in time.", again=False) from gone
            again = not wire.answered and heads.repeatable(head) and body.whole
            detail = "The instance closed the connection without an answer."
            # On a connection that was used before, the instance may just have closed it for being idle.
            raise Broken(502, detail, again=again, blame=wire.used == 1, uses=wire.used) from gone
        wire.deadline = float("inf")
        if not isinstance(piece, Head):
            raise Broken(502, "The instance's answer cannot be understood.", again=False)
        return piece

    async def _pass_back(
        self, head: Head, answer: Head, wire: UpstreamWire, line: Line, *, whole: bool
    ) -> bool:
        """Pass an answer on; whether the client's connection can carry another request.

        It cannot when the answer came before the `whole` body was taken: what is left of it is in the way.
        """
        client = self._client
        bodyless = head.method == b"HEAD" or answer.status in {101, 204, 304}
        unframed = not bodyless and answer.get(b"content-length") is None
        chunk_body = unframed and head.minor == 1
        keep_alive = head.keep_alive and whole and not self.closing and (chunk_body or not unframed)
        out = [heads.answer(answer, line.slot, asked=head, keep_alive=keep_alive, chunk_body=chunk_body)]
        if answer.status == 101:
            client.transport.write(out[0])
            await self._tunnel(wire)
            return False
        while not self._gather(wire, out, chunk_body=chunk_body):
            client.transport.write(b"".join(out))
            client.deadline = self._loop.time() + SILENCE_SECONDS
            await client.written()
            client.deadline = float("inf")
            out = []
            await self._more(wire)
        client.transport.write(b"".join(out))
        return keep_alive

    @staticmethod
    def _gather(wire: UpstreamWire, out: list[bytes], *, chunk_body: bool) -> bool:
        """Take what has come of an answer's body; whether it has ended. Raises Cut when it makes no sense."""
        while wire.ready():
            piece = wire.take()
            if piece is Mark.END:
                if chunk_body:
                    out.append(heads.LAST_CHUNK)
                return True
            if not isinstance(piece, bytes):
                raise Cut
            out.append(heads.chunk(piece) if chunk_body else piece)
        return False

    async def _more(self, wire: UpstreamWire) -> None:
        """Wait for more of an answer's body. Raises Cut when it breaks off."""
        wire.deadline = self._loop.time() + STREAM_SECONDS
        try:
            await wire.arrival()
        except Gone as gone:
            raise Cut from gone
        wire.deadline = float("inf")

    async def _tunnel(self, wire: UpstreamWire) -> None:
        """Pass bytes both ways until one side ends."""
        back = self._loop.create_task(self._pump(wire, self._client))
        try:
            await self._pump(self._client, wire)
        finally:
            back.cancel()

    @staticmethod
    async def _pump(source: Wire, sink: Wire) -> None:
        source.deadline = float("inf")
        with suppress(Gone):
            while True:
                piece = await source.piece()
                if isinstance(piece, bytes):
                    sink.transport.write(piece)
                    await sink.written()
        sink.close()

    def _refuse(
        self, status: int, detail: str, line: Line | None = None, *, retry_after: int = RETRY_SECONDS
    ) -> None:
        """Answer without an instance, and end the connection: what follows is not looked at."""
        if self._client.closed:
            return
        self._client.transport.write(
            heads.refusal(
                status,
                detail,
                keep_alive=False,
                slot=line.slot if line is not None else None,
                retry_after=retry_after if status == 503 else 0,
            )
        )
