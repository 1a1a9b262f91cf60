"""The proxy itself: it listens, looks after its instances' health, and obeys its control socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from watership.adapters.helm.answering import answered
from watership.adapters.helm.calls import RouterCall
from watership.adapters.helm.process import GRACE_SECONDS
from watership.adapters.helm.traffic import Traffic
from watership.adapters.http.readiness import Readiness, readiness
from watership.adapters.proxy.heads import refusal
from watership.adapters.proxy.instance import IDLE_SECONDS, Instance
from watership.adapters.proxy.relay import RETRY_SECONDS, Relay
from watership.adapters.proxy.switchboard import Switchboard
from watership.adapters.proxy.wire import ClientWire, Wire
from watership.adapters.unixline.calls import CallServer
from watership.durable.ports import Observer
from watership.fleet.deployment import Slot
from watership.releases.ports import PATIENCE_SECONDS, RouterState, SlotWeights

CLIENTS = 2048
"""Connections of clients at a time; further ones are refused at once."""

PROBE_SECONDS = 0.5
"""Between two looks at an instance's health: an instance that died is left within a second."""

SWEEP_SECONDS = 1.0
"""Between two looks at all deadlines, which are tens of seconds."""

TRIP_SECONDS = 0.1
"""Between two looks at the dead-man's switch, beside the look that every request takes."""

BACKLOG = 1024
"""Connections that wait to be accepted: a burst must not be refused."""


class EmbeddedProxy:
    """A reverse proxy over two slots: `async with EmbeddedProxy(state, observer=…) as proxy`, then `proxy.port`."""

    def __init__(
        self,
        state: Path,
        *,
        observer: Observer,
        listen: str = "127.0.0.1:0",
        control: Path | None = None,
        board: Switchboard | None = None,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        host, _, port = listen.rpartition(":")
        self.host = host.strip("[]")
        self.port = int(port)
        self.board = board or Switchboard(state)
        self._control = control
        self._observer = observer
        self._grace_seconds = grace_seconds
        self._wires: set[Wire] = set()
        self._relays: dict[ClientWire, Relay] = {}
        self._stack = AsyncExitStack()
        self._closing = False

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        await self.board.keep()
        await self._probe(self._instances())
        self._server = await self._loop.create_server(self._accept, self.host, self.port, backlog=BACKLOG)
        self.port = self._server.sockets[0].getsockname()[1]
        if self._control is not None:
            server: CallServer[RouterCall] = CallServer(self._control, RouterCall, self.answer)
            await self._stack.enter_async_context(server)
        self._chores = [
            self._loop.create_task(chore)
            for chore in (self._watch_health(), self._watch_switch(), self._sweep())
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop accepting, let requests in flight end, then close everything."""
        self._closing = True
        self._server.close()
        for client, relay in list(self._relays.items()):
            relay.closing = True
            if client.between and not client.ready():
                client.close()
        deadline = self._loop.time() + self._grace_seconds
        while self._relays and self._loop.time() < deadline:
            await asyncio.sleep(0.02)
        await self._stack.aclose()
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        for instance in self._instances():
            instance.close_idle(float("inf"))
        for wire in list(self._wires):
            wire.abort()
        while self._wires or self._relays:
            await asyncio.sleep(0)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    # The router.

    async def read(self) -> RouterState:
        return self.board.read()

    async def set_targets(self, slot: Slot, addresses: Sequence[str], *, epoch: int) -> None:
        await self._probe(await self.board.set_targets(slot, addresses, epoch=epoch))

    async def set_weights(
        self,
        weights: SlotWeights,
        *,
        epoch: int,
        hold_seconds: float | None = None,
        last_safe: SlotWeights | None = None,
    ) -> RouterState:
        return await self.board.set_weights(
            weights, epoch=epoch, hold_seconds=hold_seconds, last_safe=last_safe
        )

    async def drain(self, slot: Slot, *, seconds: float, epoch: int) -> int:
        return await self.board.drain(slot, seconds=seconds, epoch=epoch)

    async def pause(
        self,
        *,
        seconds: float,
        epoch: int,
        writes_only: bool = False,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        await self.board.pause(seconds=seconds, epoch=epoch, writes_only=writes_only, patience=patience)

    async def resume(self, *, epoch: int) -> None:
        await self.board.resume(epoch=epoch)

    @property
    def traffic(self) -> Mapping[Slot, Traffic]:
        return {slot: line.traffic for slot, line in self.board.lines.items()}

    async def answer(self, call: RouterCall) -> object:
        """Do what the control socket was told."""
        return await answered(self, call, now=int(time.time()))

    def _accept(self) -> ClientWire:
        client = _Accepted(self._loop, self._wires)
        client.proxy = self
        return client

    def begin(self, client: ClientWire) -> None:
        """Serve a connection that was accepted, or refuse it when there are too many."""
        if self._closing or len(self._relays) >= CLIENTS:
            detail = "The proxy is ending." if self._closing else "The proxy has as many clients as it may."
            client.transport.write(refusal(503, detail, keep_alive=False, retry_after=RETRY_SECONDS))
            client.close()
            return
        peer = client.transport.get_extra_info("peername")
        name = str(peer[0]).encode() if peer else b"unknown"
        relay = Relay(self.board, client, name, self._wires, observer=self._observer)
        self._relays[client] = relay
        client.task = self._loop.create_task(relay.run())
        client.task.add_done_callback(lambda _: self._relays.pop(client, None))

    def _instances(self) -> list[Instance]:
        return [instance for line in self.board.lines.values() for instance in line.instances]

    async def _probe(self, instances: Iterable[Instance]) -> None:
        await asyncio.gather(*map(probe, instances))

    async def _watch_health(self) -> None:
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            await self._probe(self._instances())

    async def _watch_switch(self) -> None:
        kept = True
        while True:
            await asyncio.sleep(TRIP_SECONDS)
            self.board.trip_if_due()
            try:
                await self.board.keep()
                kept = True
            except OSError as error:
                # A full disk must not stop the watch: the revert is in force, and writing is tried again.
                if kept:
                    self._observer.note("router's state not kept", reason=str(error))
                kept = False

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = self._loop.time()
            for wire in [wire for wire in self._wires if wire.deadline < now]:
                wire.expire()
            for instance in self._instances():
                instance.close_idle(now - IDLE_SECONDS)


async def probe(instance: Instance) -> None:
    """Ask an instance whether it is ready, and take in what it says."""
    outcome = await readiness(instance.address)
    instance.judge(answered=outcome is not Readiness.SILENT, ready=outcome is Readiness.READY)


class _Accepted(ClientWire):
    """A client's wire that reports to the proxy once it is connected."""

    proxy: EmbeddedProxy

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self.proxy.begin(self)
