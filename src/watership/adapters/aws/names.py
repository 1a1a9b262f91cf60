"""An entrance in Route 53: weighted records, or one record with values, changed in batches that are done whole."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal, cast

from watership.adapters.aws.calls import called, importing, patience
from watership.adapters.dns.mark import Mark, beside, mark_of
from watership.errors import BadInput, Conflict, Fenced, NotFound, Unavailable
from watership.releases.ports import Pointing

if TYPE_CHECKING:
    from types_boto3_route53 import Route53Client
    from types_boto3_route53.type_defs import ChangeTypeDef, ResourceRecordSetTypeDef

SYNC_SECONDS: Final = 120.0
"""AWS says that a change is at all of its name servers within 60 s, as a rule."""

LOOK_SECONDS: Final = 2.0

ALIAS_TTL: Final = 60
"""Of a record that is an alias of a load balancer: AWS decides it."""

Kind = Literal["A", "AAAA", "CNAME"]

SERVICE: Final = "route53"
"""The one authority: what it lists in sync is at all of its name servers."""


def route53(endpoint: str = "") -> Route53Client:
    """A client for many threads. Keys and roles are found as every program of AWS finds them."""
    with importing():
        import boto3
    # It is the same everywhere, and a client wants a region all the same.
    session = boto3.session.Session(region_name="us-east-1")
    return session.client("route53", endpoint_url=endpoint or None, config=patience())


class RouteEntrance:
    """The records of a name, of one kind: those with weights by their identifiers, else one with its values.

    The epoch stands beside it, as text at `_watership.NAME`, and is exchanged in the same batch: one that was read is
    deleted as it was, which AWS refuses together with the whole batch when it is another by then.
    """

    def __init__(self, name: str, *, zone: str, client: Route53Client, kind: Kind = "A") -> None:
        self.name = name
        self._zone = zone
        self._kind = kind
        self._client = client

    async def read(self) -> Mapping[str, Pointing]:
        records = await self._records(self.name, self._kind)
        mark = mark_of(await self._texts())
        if records and not _weighted(records):
            (record,) = records
            weights = dict.fromkeys(_values(record) or [record["AliasTarget"]["DNSName"].rstrip(".")], 1)
        else:
            weights = {each["SetIdentifier"]: int(each.get("Weight", 0)) for each in records}
        ttls = [int(each.get("TTL", ALIAS_TTL)) for each in records]
        return {SERVICE: Pointing(weights=weights, ttl=max(ttls, default=0), epoch=mark.epoch)}

    async def set(self, weights: Mapping[str, int], *, ttl: int, epoch: int) -> None:
        """Returns once the change is at all of AWS's name servers. Raises Unavailable when it is not in time."""
        records, mark = await self._records(self.name, self._kind), mark_of(await self._texts())
        if mark.epoch > epoch:
            raise Fenced(self.name, held=epoch, current=mark.epoch)
        changes = _exchanged(self._mark_name, mark, epoch)
        if _weighted(records):
            changes += [_upsert(each) for each in self._weighed(records, weights, ttl)]
        else:
            changes.append(_upsert(self._valued(records, weights, ttl)))
        answer = await called(
            self._client.change_resource_record_sets,
            HostedZoneId=self._zone,
            ChangeBatch={"Changes": changes},
        )
        await self._in_sync(answer["ChangeInfo"]["Id"])

    def _weighed(
        self, records: list[ResourceRecordSetTypeDef], weights: Mapping[str, int], ttl: int
    ) -> list[ResourceRecordSetTypeDef]:
        known = {each["SetIdentifier"]: each for each in records}
        if strange := set(weights) - set(known):
            raise NotFound(
                f"{self.name} has no weighted record {', '.join(sorted(strange))}; it has {', '.join(known)}."
            )
        return [{**_timed(record, ttl), "Weight": weights.get(name, 0)} for name, record in known.items()]

    def _valued(
        self, records: list[ResourceRecordSetTypeDef], weights: Mapping[str, int], ttl: int
    ) -> ResourceRecordSetTypeDef:
        if len(set(weights.values())) != 1:
            raise BadInput(
                f"{self.name} has one record, and no weighted ones that could have shares.",
                fix="Make a weighted record for each balancer, or name one address without a share.",
            )
        if records and "AliasTarget" in records[0]:
            raise Conflict(
                f"{self.name} is an alias of {records[0]['AliasTarget']['DNSName']}, and has no values.",
                fix="Make a weighted alias for each balancer: their weights can be set.",
            )
        return {
            "Name": self.name,
            "Type": self._kind,
            "TTL": ttl,
            "ResourceRecords": [{"Value": value} for value in sorted(weights)],
        }

    async def _in_sync(self, change: str) -> None:
        end = asyncio.get_running_loop().time() + SYNC_SECONDS
        while asyncio.get_running_loop().time() < end:
            answer = await called(self._client.get_change, Id=change)
            if answer["ChangeInfo"]["Status"] == "INSYNC":
                return
            await asyncio.sleep(LOOK_SECONDS)
        raise Unavailable(
            f"The change of {self.name} is not at all name servers of AWS after {SYNC_SECONDS:g} s."
        )

    @property
    def _mark_name(self) -> str:
        return beside(self.name)

    async def _texts(self) -> list[str]:
        return [value for each in await self._records(self._mark_name, "TXT") for value in _values(each)]

    async def _records(self, name: str, kind: Kind | Literal["TXT"]) -> list[ResourceRecordSetTypeDef]:
        """Of a name and a kind: a listing begins there, and goes on to others."""
        answer = await called(
            self._client.list_resource_record_sets,
            HostedZoneId=self._zone,
            StartRecordName=name,
            StartRecordType=kind,
        )
        # What it tells of a record is what it takes for one.
        told = cast("list[ResourceRecordSetTypeDef]", answer["ResourceRecordSets"])
        return [
            each for each in told if each["Name"].rstrip(".") == name.rstrip(".") and each["Type"] == kind
        ]


def _weighted(records: list[ResourceRecordSetTypeDef]) -> bool:
    return any("SetIdentifier" in each for each in records)


def _values(record: ResourceRecordSetTypeDef) -> list[str]:
    return [each["Value"] for each in record.get("ResourceRecords", [])]


def _timed(record: ResourceRecordSetTypeDef, ttl: int) -> ResourceRecordSetTypeDef:
    """With another TTL; an alias has none of its own."""
    if "AliasTarget" not in record:
        return {**record, "TTL": ttl}
    if ttl != ALIAS_TTL:
        raise Conflict(
            f"{record['Name']} is an alias, whose TTL AWS decides: {ALIAS_TTL} s.",
            fix=f"Ask for {ALIAS_TTL}s.",
        )
    return record


def _upsert(record: ResourceRecordSetTypeDef) -> ChangeTypeDef:
    return {"Action": "UPSERT", "ResourceRecordSet": record}


def _exchanged(name: str, mark: Mark, epoch: int) -> list[ChangeTypeDef]:
    """The mark that was read goes, ours comes; not even AWS can put ours in place of another."""
    changes: list[ChangeTypeDef] = []
    if mark != Mark():
        changes.append({"Action": "DELETE", "ResourceRecordSet": _text(name, mark.text())})
    changes.append({"Action": "CREATE", "ResourceRecordSet": _text(name, mark.after(epoch).text())})
    return changes


def _text(name: str, value: str) -> ResourceRecordSetTypeDef:
    return {"Name": name, "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": value}]}
