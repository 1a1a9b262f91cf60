"""What all hosts must do, as one suite: hosts pass it, or are none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import pytest

from tests.contracts.http_peers import until
from watership.durable.ids import DeploymentId
from watership.errors import BadInput, Conflict, Fenced
from watership.fleet.build import Build
from watership.fleet.deployment import Slot
from watership.releases.ports import Hosts, HostSpec, InstanceState

OLD, NEW = DeploymentId("2.0.5-aaaaaaaa"), DeploymentId("2.1.0-bbbbbbbb")


class Site(Protocol):
    """Hosts under test, with two builds that they can run."""

    @property
    def hosts(self) -> Hosts: ...

    @property
    def builds(self) -> Mapping[DeploymentId, Build]:
        """Of OLD and NEW."""

    async def lives(self) -> Mapping[str, object]:
        """What is another one once an instance was started again, by the instance's name."""

    async def kill(self, name: str) -> None:
        """Let an instance die as a crash does."""


def wish(site: Site, *, of: DeploymentId = NEW, serve: int = 2, workers: int = 1) -> HostSpec:
    slot = Slot.BLUE if of == NEW else Slot.GREEN
    return HostSpec(deployment=of, build=site.builds[of], slot=slot, serve=serve, workers=workers)


def ready(hosts: Hosts, count: int) -> Callable[[], Awaitable[bool]]:
    async def all_ready() -> bool:
        return [each.state for each in await hosts.instances()] == [InstanceState.READY] * count

    return all_ready


class HostsSuite:
    """Subclass it with a fixture `site` on which nothing runs."""

    async def test_what_is_wished_for_runs_and_tells_itself_which_build_it_is(self, site: Site) -> None:
        await site.hosts.ensure(wish(site), epoch=1)
        await until(ready(site.hosts, 3))
        instances = await site.hosts.instances()
        assert [each.role for each in instances] == ["serve", "serve", "worker"]
        assert len({each.name for each in instances}) == 3
        build = site.builds[NEW]
        assert {(each.deployment, each.digest, each.version) for each in instances} == {
            (NEW, build.digest, build.version)
        }
        addresses = [each.address for each in instances if each.role == "serve"]
        assert len(set(addresses)) == 2
        assert None not in addresses
        await site.hosts.stop(NEW, grace_seconds=5, epoch=1)
        assert await site.hosts.instances() == []

    async def test_a_wish_that_is_said_twice_starts_nothing_twice(self, site: Site) -> None:
        await site.hosts.ensure(wish(site), epoch=1)
        await until(ready(site.hosts, 3))
        lives = await site.lives()
        await site.hosts.ensure(wish(site), epoch=2)
        await until(ready(site.hosts, 3))
        assert await site.lives() == lives

    async def test_without_those_that_serve_the_workers_go_on(self, site: Site) -> None:
        await site.hosts.ensure(wish(site), epoch=1)
        await until(ready(site.hosts, 3))
        lives = await site.lives()
        await site.hosts.ensure(wish(site, serve=0), epoch=1)
        await until(ready(site.hosts, 1))
        (left,) = await site.hosts.instances()
        assert (left.role, left.state) == ("worker", InstanceState.READY)
        assert await site.lives() == {left.name: lives[left.name]}

    async def test_two_deployments_stand_side_by_side_and_one_is_stopped_alone(self, site: Site) -> None:
        await site.hosts.ensure(wish(site, of=OLD, serve=1, workers=0), epoch=1)
        await site.hosts.ensure(wish(site, of=NEW, serve=1, workers=0), epoch=1)
        await until(ready(site.hosts, 2))
        both = await site.hosts.instances()
        assert {each.deployment: each.version for each in both} == {OLD: "2.0.5", NEW: "2.1.0"}
        assert len({each.address for each in both}) == 2
        await site.hosts.stop(OLD, grace_seconds=5, epoch=1)
        assert [each.deployment for each in await site.hosts.instances()] == [NEW]
        # Twice is once, and what is not there is stopped already.
        await site.hosts.stop(OLD, grace_seconds=5, epoch=1)
        await until(ready(site.hosts, 1))

    async def test_an_instance_that_dies_is_replaced(self, site: Site) -> None:
        await site.hosts.ensure(wish(site, serve=1, workers=0), epoch=1)
        await until(ready(site.hosts, 1))
        (before,) = await site.hosts.instances()
        lives = await site.lives()
        await site.kill(before.name)

        async def replaced() -> bool:
            there = await site.hosts.instances()
            return [each.state for each in there] == [InstanceState.READY] and await site.lives() != lives

        await until(replaced)

    async def test_a_lower_epoch_can_do_nothing(self, site: Site) -> None:
        await site.hosts.ensure(wish(site, serve=1, workers=0), epoch=7)
        await until(ready(site.hosts, 1))
        lives = await site.lives()
        for act in (
            site.hosts.ensure(wish(site, serve=2, workers=0), epoch=6),
            site.hosts.ensure(wish(site, of=OLD, serve=1, workers=0), epoch=6),
            site.hosts.stop(NEW, grace_seconds=5, epoch=6),
        ):
            with pytest.raises(Fenced) as fenced:
                await act
            assert (fenced.value.held, fenced.value.current) == (6, 7)
        assert await site.lives() == lives

    async def test_a_stop_raises_the_epoch_for_those_who_would_start_again(self, site: Site) -> None:
        await site.hosts.ensure(wish(site, serve=1, workers=0), epoch=1)
        await site.hosts.stop(NEW, grace_seconds=5, epoch=2)
        with pytest.raises(Fenced):
            await site.hosts.ensure(wish(site, serve=1, workers=0), epoch=1)
        assert await site.hosts.instances() == []

    async def test_a_deployment_never_changes_its_build(self, site: Site) -> None:
        await site.hosts.ensure(wish(site, serve=1, workers=0), epoch=1)
        await until(ready(site.hosts, 1))
        other = HostSpec(deployment=NEW, build=site.builds[OLD], slot=Slot.BLUE, serve=1, workers=0)
        with pytest.raises(Conflict, match="never changes"):
            await site.hosts.ensure(other, epoch=1)
        assert [each.version for each in await site.hosts.instances()] == ["2.1.0"]

    @pytest.mark.parametrize(("serve", "workers"), [(-1, 1), (10_001, 1), (1, 10_001)])
    async def test_numbers_that_are_none_are_refused(self, site: Site, serve: int, workers: int) -> None:
        with pytest.raises(BadInput, match="can run here"):
            await site.hosts.ensure(wish(site, serve=serve, workers=workers), epoch=1)
        assert await site.hosts.instances() == []
