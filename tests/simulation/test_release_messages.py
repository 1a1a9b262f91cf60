"""A release in virtual time, with people who listen: they hear all of it once, and it waits for nobody."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.releases.notices.scenes import NobodyAsks
from tests.simulation.release_world import NEXT, ReleaseWorld
from tests.simulation.test_release_back import until
from watership.adapters.files.outbox import OutboxFile
from watership.adapters.memory.records import MemoryRecords
from watership.errors import Unavailable
from watership.releases.complaints import Complaints
from watership.releases.incidents.incident import Decide, Incident
from watership.releases.notices.comms import Comms, Sending, Slack, bound
from watership.releases.notices.deliverer import Deliverer
from watership.releases.notices.looking import looking
from watership.releases.notices.messenger import Look, Messenger
from watership.releases.notices.minute import LastMinute
from watership.releases.notices.notice import Message
from watership.releases.notices.situation import Situation
from watership.releases.notices.writing import plain
from watership.releases.order import Order
from watership.releases.program import Outcome
from watership.releases.readiness.binding import Astray, RecordsAstray
from watership.releases.readiness.records import Record
from watership.releases.snapshots import quarantine
from watership.testing import run_in_virtual_time
from watership.wiring.messages import shipped

SECONDS = 3600.0

COMMS = bound(
    Comms(
        channels=(Slack(id="ops", url="env:NOWHERE"), Slack(id="dead", url="env:NOWHERE")),
        send=tuple(
            Sending(on=on, template=f"comms/{name}.md", to=("ops", "dead"))
            for on, name in (
                ("T-24h", "announce"),
                ("release.approved", "approvals"),
                ("issue", "issue"),
                ("rollback.started", "rollback"),
                ("release.done", "success"),
            )
        ),
    ),
    shipped,
)


class NoIncidents:
    """Nobody has opened any."""

    async def all(self) -> list[Incident]:
        return []

    async def add(self, decide: Decide) -> Incident | None:
        raise AssertionError("nobody opens any here")


class Heard:
    """A channel that delivers at once, or never answers."""

    timeout = 10.0

    def __init__(self, *, dead: bool = False) -> None:
        self.dead = dead
        self.messages: list[Message] = []

    async def send(self, message: Message) -> str:
        if self.dead:
            await asyncio.sleep(1e9)
        self.messages.append(message)
        return "ok"


class Press:
    """Whoever listens to the releases of a world."""

    def __init__(self, world: ReleaseWorld, outbox: OutboxFile) -> None:
        self.world, self.outbox, self.ops = world, outbox, Heard()

    def messenger(self, look: Look | None = None) -> Messenger:
        world, brief = self.world, self.world.brief()
        deliverer = Deliverer(
            outbox=self.outbox,
            channels={"ops": self.ops, "dead": Heard(dead=True)},
            audit=world.audit,
            clock=world.clock,
        )
        return Messenger(
            comms=COMMS,
            look=look
            or looking(
                brief.plan,
                runs=world.own,
                records=world.records,
                incidents=NoIncidents(),
                snapshots=world.snapshots,
                clock=world.clock,
                minute=LastMinute(world.router, world.router, world.clock),
                pages=world.audit.entries,
            ),
            outbox=self.outbox,
            deliverer=deliverer,
            audit=world.audit,
            clock=world.clock,
            complaints=Complaints("messenger", audit=world.audit, clock=world.clock, observer=NobodyAsks()),
        )

    def heard(self) -> list[str]:
        return [message.id for message in self.ops.messages]


async def released(world: ReleaseWorld, press: Press | None) -> tuple[Outcome, datetime]:
    """A release to its end, and the moment of its end; with somebody who tells of it, or without."""
    await world.begin()
    messenger = press.messenger() if press else None
    telling = asyncio.create_task(messenger.run()) if messenger else None
    outcome = await world.controller().start(world.brief())
    ended = world.clock.now()
    if messenger and telling:
        await messenger.finish(2.0)
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
    return outcome, ended


def test_a_release_is_not_a_moment_slower_for_a_channel_that_never_answers(tmp_path: Path) -> None:
    alone = run_in_virtual_time(lambda: released(ReleaseWorld(), None), limit_seconds=SECONDS)
    with OutboxFile(tmp_path / "outbox.jsonl") as outbox:

        async def main() -> tuple[Outcome, datetime, list[str]]:
            world = ReleaseWorld()
            press = Press(world, outbox)
            result = await released(world, press)
            # What the router counted since it began, which is less than a minute ago.
            assert re.search(
                r"0\.00 % of [1-9]\d* requests in [1-5]?\d s", plain(press.ops.messages[-1].text)
            )
            return *result, press.heard()

        outcome, ended, heard = run_in_virtual_time(main, limit_seconds=SECONDS)
        assert (outcome, ended) == alone
        assert heard == ["announce/2.1.0-1/T-24h", "approved/2.1.0-1", "success/2.1.0-1"]
        assert {each.state for each in outbox.deliveries() if each.channel == "dead"} == {"pending"}


def test_a_rollback_is_told_with_its_reason_and_its_measured_time(tmp_path: Path) -> None:
    with OutboxFile(tmp_path / "outbox.jsonl") as outbox:

        async def main() -> list[Message]:
            world = ReleaseWorld(bad=0.3)
            press = Press(world, outbox)
            outcome, _ = await released(world, press)
            assert outcome.outcome == "rolled_back"
            return press.ops.messages

        messages = run_in_virtual_time(main, limit_seconds=SECONDS)
    ids = [message.id for message in messages]
    assert ids.count("rollback/2.1.0-1") == ids.count("rollback/2.1.0-1/done") == 1
    assert not any("success" in each for each in ids)
    done = next(message for message in messages if message.id == "rollback/2.1.0-1/done")
    begun = next(message for message in messages if message.id == "rollback/2.1.0-1")
    assert begun.subject == "ROLLBACK: short 2.1.0" and "go back from 2\\.1\\.0 to 2\\.0\\.5" in begun.text
    assert "is back on 2\\.0\\.5" in done.text and "from the decision" in done.text
    # The soak that failed is an issue while it stands, and is over with the release.
    assert "issue/2.1.0-1/cutover/soak/1" in ids and "issue/2.1.0-1/cutover/soak/1/resolved" in ids


class Edited(MemoryRecords):
    """Records that somebody edits once next gets traffic."""

    def __init__(self, world: ReleaseWorld) -> None:
        super().__init__(world.audit)
        self._world = world
        self._edited = False

    async def all(self, release: str) -> Sequence[Record]:
        self._edited |= self._world.router.weights[NEXT.slot] > 0
        if self._edited:
            raise RecordsAstray("records.jsonl", Astray(line=3, what="edited", words="it is another"))
        return await super().all(release)


def test_people_hear_of_a_release_whose_records_are_edited_under_way(tmp_path: Path) -> None:
    with OutboxFile(tmp_path / "outbox.jsonl") as outbox:

        async def main() -> list[str]:
            world = ReleaseWorld(bad=0.3)
            world.records = Edited(world)
            press = Press(world, outbox)
            await released(world, press)
            return press.heard()

        heard = run_in_virtual_time(main, limit_seconds=SECONDS)
    assert {"issue/2.1.0-1/cutover/soak/1", "rollback/2.1.0-1", "rollback/2.1.0-1/done"} <= set(heard)


def test_a_rollback_is_told_while_it_is_under_way_and_that_it_has_not_succeeded(tmp_path: Path) -> None:
    with OutboxFile(tmp_path / "outbox.jsonl") as outbox:

        async def main() -> tuple[list[str], list[Message]]:
            world = ReleaseWorld()
            press = Press(world, outbox)
            await world.begin()
            controller = world.controller()
            telling = asyncio.create_task(press.messenger().run())
            starting = asyncio.create_task(controller.start(world.brief()))
            await until(world, "release.watch.begun")
            world.router.deaf = True
            await controller.order(Order(kind="rollback", who="Ina Charge"))
            await until(world, "release.take_back.begun")
            await world.clock.sleep(2.0)
            early = press.heard()
            await until(world, "release.take_back.failed")
            await world.clock.sleep(3.0)
            for task in (telling, starting):
                task.cancel()
            await asyncio.gather(telling, starting, return_exceptions=True)
            return early, press.ops.messages

        early, messages = run_in_virtual_time(main, limit_seconds=SECONDS)
    assert early[-1] == "rollback/2.1.0-1"
    told = next(message for message in messages if message.kind == "rollback")
    assert "Ordered by: Ina Charge" in told.text
    assert "rollback/2.1.0-1/done" not in [message.id for message in messages]
    stuck = next(message for message in messages if "/asks/" in message.id)
    assert stuck.priority == "CRITICAL" and "did not succeed" in stuck.text


def test_a_messenger_that_is_killed_at_any_moment_and_begun_again_repeats_nothing(tmp_path: Path) -> None:
    with OutboxFile(tmp_path / "outbox.jsonl") as outbox:

        async def main() -> list[str]:
            world = ReleaseWorld(bad=0.3)
            await world.begin()
            press = Press(world, outbox)
            starting = asyncio.create_task(world.controller().start(world.brief()))
            while not starting.done():
                telling = asyncio.create_task(press.messenger().run())
                await world.clock.sleep(0.7)
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)
            last = press.messenger()
            telling = asyncio.create_task(last.run())
            await last.finish(3.0)
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            return press.heard()

        heard = run_in_virtual_time(main, limit_seconds=SECONDS)
    assert len(heard) == len(set(heard))
    assert {"announce/2.1.0-1/T-24h", "rollback/2.1.0-1", "rollback/2.1.0-1/done"} <= set(heard)


@pytest.mark.parametrize("aborted", [False, True])
def test_a_release_that_is_refused_is_an_issue_unless_a_person_ended_it(
    tmp_path: Path, aborted: bool
) -> None:
    with OutboxFile(tmp_path / "outbox.jsonl") as outbox:

        async def main() -> list[str]:
            world = ReleaseWorld()
            press = Press(world, outbox)
            await world.begin()
            messenger, controller = press.messenger(), world.controller()
            telling = asyncio.create_task(messenger.run())
            soon = world.clock.now() + timedelta(seconds=30)
            starting = asyncio.create_task(controller.start(world.brief(zero=soon)))
            await world.clock.sleep(5.0)
            if aborted:
                await controller.order(Order(kind="abort", who="Ina Charge"))
            else:
                await quarantine(world.snapshots, NEXT.build.digest)
            assert (await starting).outcome == "refused"
            await messenger.finish(2.0)
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            return press.heard()

        heard = run_in_virtual_time(main, limit_seconds=SECONDS)
    assert ("issue/2.1.0-1/refused" in heard) is not aborted
    assert not any("success" in name or "resolved" in name for name in heard)


def test_a_release_that_waits_for_a_person_calls_one_and_says_when_it_goes_on(tmp_path: Path) -> None:
    with OutboxFile(tmp_path / "outbox.jsonl") as outbox:

        async def main() -> list[Message]:
            world = ReleaseWorld()
            press = Press(world, outbox)
            await world.begin()
            messenger, controller = press.messenger(), world.controller()
            telling = asyncio.create_task(messenger.run())
            starting = asyncio.create_task(controller.start(world.brief()))
            await until(world, "release.cutover.soak.begun")
            await controller.order(Order(kind="hold", who="Ina Charge"))
            await until(world, "release.keep.begun")
            await world.clock.sleep(3.0)
            await controller.order(Order(kind="resume", who="Ina Charge"))
            assert (await starting).outcome == "promoted"
            await messenger.finish(2.0)
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            return press.ops.messages

        messages = run_in_virtual_time(main, limit_seconds=SECONDS)
    asks = [message for message in messages if "/asks/" in message.id]
    assert [(message.priority, message.ends) for message in asks] == [("HIGH", False), ("HIGH", True)]
    assert "On hold before" in asks[0].text


def test_a_store_that_does_not_answer_the_messenger_is_no_trouble_of_the_release(tmp_path: Path) -> None:
    async def look() -> Situation:
        raise Unavailable("not now")

    with OutboxFile(tmp_path / "outbox.jsonl") as outbox:

        async def main() -> str:
            world = ReleaseWorld()
            await world.begin()
            messenger = Press(world, outbox).messenger(look)
            telling = asyncio.create_task(messenger.run())
            outcome = await world.controller().start(world.brief())
            assert not telling.done()
            assert "companion.failed" in [entry.action for entry in world.audit.kept]
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            return outcome.outcome

        assert run_in_virtual_time(main, limit_seconds=SECONDS) == "promoted"
