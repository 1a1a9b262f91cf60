"""The entrances that hold the contract: a zone of BIND with two authorities, and both kinds of records of Route 53."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from itertools import count

import dns.asyncquery
import dns.rcode
import dns.tsig
import dns.update
import pytest
from types_boto3_route53 import Route53Client

from tests.contracts.entrance_suite import NEW, OLD, EntranceSuite
from tests.contracts.http_peers import until
from watership.adapters.aws.names import RouteEntrance
from watership.adapters.dns.entrance import Key, ZoneEntrance
from watership.errors import BadInput, NotFound, Unavailable
from watership.releases.ports import Entrance
from watership.testing.servers.aws import AwsServer
from watership.testing.servers.bind import BindServer

NUMBERS = count(1)


def zone_entrance(name: str, primary: BindServer, secondary: BindServer) -> ZoneEntrance:
    key = Key("watership", primary.secret)
    return ZoneEntrance(name, zone=primary.zone, servers=[primary.address, secondary.address], key=key)


class TestZone(EntranceSuite):
    @pytest.fixture
    async def entrance(self, bind_pair: tuple[BindServer, BindServer]) -> Entrance:
        return zone_entrance(await fresh(bind_pair), *bind_pair)

    @pytest.fixture
    def rival(self, entrance: Entrance, bind_pair: tuple[BindServer, BindServer]) -> Entrance:
        return zone_entrance(entrance.name, *bind_pair)

    async def test_records_without_weights_have_no_shares(self, entrance: Entrance) -> None:
        with pytest.raises(BadInput, match="no weights"):
            await entrance.set({OLD: 75, NEW: 25}, ttl=60, epoch=1)

    async def test_of_two_that_read_the_same_the_authority_takes_one(
        self, entrance: ZoneEntrance, rival: Entrance
    ) -> None:
        """Paused between its look and its word, a controller with a lower epoch is refused by the authority itself."""
        before, mark = await entrance._look(entrance._servers[0])
        await rival.set({NEW: 1}, ttl=60, epoch=7)
        assert not await entrance._changed(before, mark, [OLD], 300, 6)
        await until(lambda: self._says(entrance, NEW, ttl=60, epoch=7))

    async def test_a_key_that_the_authority_does_not_know_is_told(
        self, bind_pair: tuple[BindServer, BindServer]
    ) -> None:
        primary, _ = bind_pair
        stranger = ZoneEntrance(
            "app.example.test", zone=primary.zone, servers=[primary.address], key=Key("other", primary.secret)
        )
        with pytest.raises(Unavailable, match="does not know the key"):
            await stranger.set({NEW: 1}, ttl=60, epoch=1)

    async def test_an_authority_that_is_away_makes_the_whole_unknown(
        self, bind_pair: tuple[BindServer, BindServer]
    ) -> None:
        primary, secondary = bind_pair
        entrance = zone_entrance("app.example.test", primary, secondary)
        secondary.stop()
        try:
            with pytest.raises(Unavailable, match=secondary.address):
                await entrance.read()
        finally:
            secondary.start()


async def fresh(pair: tuple[BindServer, BindServer]) -> str:
    """A name of its own that leads to OLD for an hour, as somebody made it who knows of no epochs."""
    primary, secondary = pair
    name = f"app{next(NUMBERS)}.{primary.zone}"
    ring = dns.tsig.Key("watership", primary.secret, "hmac-sha256")
    update = dns.update.UpdateMessage(primary.zone, keyring=ring)
    update.add(f"{name}.", 3600, "A", OLD)
    answer = await dns.asyncquery.tcp(update, "127.0.0.1", port=primary.port, timeout=5)
    assert answer.rcode() == dns.rcode.NOERROR
    there = zone_entrance(name, primary, secondary)

    async def known() -> bool:
        return all(each.weights for each in (await there.read()).values())

    await until(known)
    return name


class RouteSuite(EntranceSuite):
    @pytest.fixture
    async def entrance(self, aws_server: AwsServer, route53: Route53Client) -> Entrance:
        zone = await asyncio.to_thread(_zone, route53, self.records())
        return RouteEntrance("app.example.test", zone=zone, client=route53)

    @pytest.fixture
    def rival(self, entrance: RouteEntrance, route53: Route53Client) -> Entrance:
        return RouteEntrance(entrance.name, zone=entrance._zone, client=route53)

    @staticmethod
    def records() -> list[dict[str, object]]:
        raise NotImplementedError


class TestRecord(RouteSuite):
    @staticmethod
    def records() -> list[dict[str, object]]:
        return [{"TTL": 3600, "ResourceRecords": [{"Value": OLD}]}]


class TestWeightedRecords(RouteSuite):
    @staticmethod
    def records() -> list[dict[str, object]]:
        return [
            {"SetIdentifier": each, "Weight": weight, "TTL": 3600, "ResourceRecords": [{"Value": each}]}
            for each, weight in ((OLD, 100), (NEW, 0))
        ]

    async def test_they_have_shares(self, entrance: Entrance) -> None:
        await entrance.set({OLD: 75, NEW: 25}, ttl=60, epoch=1)
        (said,) = (await entrance.read()).values()
        assert said.weights == {OLD: 75, NEW: 25}

    async def test_a_record_that_is_not_there_is_not_made(self, entrance: Entrance) -> None:
        with pytest.raises(NotFound, match="no weighted record"):
            await entrance.set({"other": 1}, ttl=60, epoch=1)


@pytest.fixture(scope="module")
def route53(aws_server: AwsServer) -> Iterator[Route53Client]:
    with closing(aws_server.route53()) as client:
        yield client


def _zone(client: Route53Client, records: list[dict[str, object]]) -> str:
    made = client.create_hosted_zone(Name="example.test", CallerReference=str(next(NUMBERS)))
    zone = made["HostedZone"]["Id"].rpartition("/")[2]
    changes = [
        {"Action": "CREATE", "ResourceRecordSet": {"Name": "app.example.test", "Type": "A", **each}}
        for each in records
    ]
    client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})  # type: ignore[typeddict-item]
    return zone
