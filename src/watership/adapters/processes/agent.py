"""The host agent keeps the processes of each deployment as they are wished for, also over its own restart."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, assert_never

import msgspec

from watership.adapters.files.replace import replace_file
from watership.adapters.processes.calls import GRACE_SECONDS, Ensure, HostCall, Instances, Stop
from watership.adapters.processes.command import Command
from watership.adapters.processes.post import Post
from watership.adapters.processes.starving import VMSTAT
from watership.adapters.unixline.calls import CallServer
from watership.durable.ids import DeploymentId
from watership.errors import BadInput, Conflict, Fenced, Unavailable
from watership.releases.ports import HostSpec, Instance, Role

INSTANCES = 64
"""Processes of one role of a deployment: this adapter is for one machine."""


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What should run. `ending` are deployments that are stopped but may still have processes."""

    epoch: int = 0
    specs: dict[DeploymentId, HostSpec] = {}
    ending: dict[DeploymentId, HostSpec] = {}


class HostAgent:
    """Hosts within this process; `control` makes it reachable for others. One agent per state folder."""

    def __init__(
        self, state: Path, command: Command, *, control: Path | None = None, vmstat: Path = VMSTAT
    ) -> None:
        self._folder = state
        self._wishes_file = state / "wishes.json"
        self._command = command
        self._control = control
        self._vmstat = vmstat
        self._posts: dict[str, Post] = {}
        self._changing = asyncio.Lock()
        self._wishes = Wishes()

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = self._lock_folder()
        self._wishes = self._load()
        for spec in self._wishes.specs.values():
            self._man(spec)
        self._cleaning = asyncio.create_task(self._finish_stopping())
        self._server: CallServer[HostCall] | None = None
        if self._control is not None:
            self._server = await CallServer[HostCall](self._control, HostCall, self.answer).__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop watching. The processes live on, and the next agent takes them over."""
        if self._server is not None:
            await self._server.__aexit__(kind, error, trace)
        self._cleaning.cancel()
        await asyncio.gather(self._cleaning, return_exceptions=True)
        for post in self._posts.values():
            await post.leave()
        os.close(self._lock)

    async def ensure(self, spec: HostSpec, *, epoch: int) -> None:
        if not (0 <= spec.serve <= INSTANCES and 0 <= spec.workers <= INSTANCES):
            raise BadInput(f"Between 0 and {INSTANCES} processes of a role can run here.")
        async with self._changing:
            before = self._wishes.specs.get(spec.deployment)
            if before is not None and before.build != spec.build:
                raise Conflict(
                    f"Deployment {spec.deployment} has build {before.build.digest}; it never changes."
                )
            ending = {k: v for k, v in self._wishes.ending.items() if k != spec.deployment}
            if len(ending) < len(self._wishes.ending):
                raise Conflict(f"Deployment {spec.deployment} is being stopped.", fix="Try again afterwards.")
            await self._wish(specs=self._wishes.specs | {spec.deployment: spec}, ending=ending, epoch=epoch)
            surplus = self._man(spec)
        await self._dismiss(surplus, GRACE_SECONDS)

    async def stop(self, deployment: DeploymentId, *, grace_seconds: float, epoch: int) -> None:
        async with self._changing:
            specs = dict(self._wishes.specs)
            ending = dict(self._wishes.ending)
            if (spec := specs.pop(deployment, None)) is not None:
                ending[deployment] = spec
            await self._wish(specs=specs, ending=ending, epoch=epoch)
        await self._end(deployment, grace_seconds)

    async def _end(self, deployment: DeploymentId, grace_seconds: float) -> None:
        await self._dismiss(self._of(deployment), grace_seconds)
        async with self._changing:
            ending = {k: v for k, v in self._wishes.ending.items() if k != deployment}
            await self._wish(specs=self._wishes.specs, ending=ending, epoch=self._wishes.epoch)

    async def instances(self) -> Sequence[Instance]:
        return [post.instance() for post in self._posts.values()]

    async def answer(self, call: HostCall) -> object:
        """Do what the control socket was told."""
        match call:
            case Ensure():
                await self.ensure(call.spec, epoch=call.epoch)
                return None
            case Stop():
                await self.stop(call.deployment, grace_seconds=call.grace_seconds, epoch=call.epoch)
                return None
            case Instances():
                return await self.instances()
            case _:
                assert_never(call)

    async def _finish_stopping(self) -> None:
        """End what an earlier agent was told to stop and did not live to see."""
        await self._dismiss(list(self._leftovers()), GRACE_SECONDS)
        for deployment in list(self._wishes.ending):
            await self._end(deployment, GRACE_SECONDS)

    def _leftovers(self) -> Iterator[Post]:
        """Posts whose files are there, of deployments that are known, and that nobody wishes for."""
        for spec in (self._wishes.specs | self._wishes.ending).values():
            every = msgspec.structs.replace(spec, serve=INSTANCES, workers=INSTANCES)
            for role, index in _places(every):
                name = f"{spec.deployment}-{role}-{index}"
                if name not in self._posts and (self._folder / f"{name}.lock").exists():
                    post = Post(spec, role, index, folder=self._folder, command=self._command, wanted=False)
                    self._posts[name] = post
                    yield post

    def _man(self, spec: HostSpec) -> list[Post]:
        """Put somebody at every post of a spec; the posts that it no longer has."""
        names = set()
        for role, index in _places(spec):
            post = self._posts.get(f"{spec.deployment}-{role}-{index}")
            if post is None:
                post = Post(
                    spec, role, index, folder=self._folder, command=self._command, vmstat=self._vmstat
                )
                self._posts[post.name] = post
            names.add(post.name)
        return [post for post in self._of(spec.deployment) if post.name not in names]

    def _of(self, deployment: DeploymentId) -> list[Post]:
        return [post for post in self._posts.values() if post.spec.deployment == deployment]

    async def _dismiss(self, posts: Sequence[Post], grace_seconds: float) -> None:
        await asyncio.gather(*(post.dismiss(grace_seconds) for post in posts))
        for post in posts:
            self._posts.pop(post.name, None)

    async def _wish(
        self,
        *,
        specs: dict[DeploymentId, HostSpec],
        ending: dict[DeploymentId, HostSpec],
        epoch: int,
    ) -> None:
        if epoch < self._wishes.epoch:
            raise Fenced("The host agent", held=epoch, current=self._wishes.epoch)
        wishes = Wishes(epoch=epoch, specs=specs, ending=ending)
        await asyncio.to_thread(replace_file, self._wishes_file, msgspec.json.encode(wishes))
        self._wishes = wishes

    def _load(self) -> Wishes:
        try:
            return msgspec.json.decode(self._wishes_file.read_bytes(), type=Wishes)
        except FileNotFoundError:
            return Wishes()
        except msgspec.DecodeError as error:
            raise Unavailable(
                f"What should run cannot be read from {self._wishes_file}: {error}.",
                fix="Restore the file; without it, running processes are neither watched nor ended.",
            ) from error

    def _lock_folder(self) -> int:
        file = os.open(self._folder / "agent.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise Conflict(f"Another host agent keeps the processes of {self._folder}.") from None
        return file


def _places(spec: HostSpec) -> Iterator[tuple[Role, int]]:
    for index in range(spec.serve):
        yield "serve", index
    for index in range(spec.workers):
        yield "worker", index
