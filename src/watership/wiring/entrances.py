"""The entrances that a runbook's systems name: a zone of one's own, or one of Route 53, by the scheme of the URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, cast
from urllib.parse import urlsplit

from watership.errors import BadInput
from watership.releases.book.quantity import listed

if TYPE_CHECKING:
    from watership.releases.book.system import Secrets, System
    from watership.releases.ports import Entrance

KINDS: Final = ("A", "AAAA", "CNAME")


def entrance_of(system: System, secrets: Secrets) -> Entrance:
    """What leads to the one name of a system. Raises BadInput where it does not say enough, Unavailable for its secret.

    dns://AUTHORITY[:PORT]  facts: names, zone, key; others: also, algorithm, kind      secret: of the key, in base64
    route53://ZONE-ID       facts: names; others: kind, endpoint      keys as every program of AWS finds them
    """
    names = listed(_fact(system, "names"))
    if len(names) != 1:
        raise BadInput(
            f"{system.url} has {len(names)} names, and one is led elsewhere.", fix="Name a system for each."
        )
    kind = _fact(system, "kind", "A")
    if kind not in KINDS:
        raise BadInput(f"Records of kind {kind} lead nowhere.", fix=f"Say one of {', '.join(KINDS)}.")
    match urlsplit(system.url).scheme:
        case "dns":
            return _of_zone(system, secrets, names[0], kind)
        case "route53":
            from watership.adapters.aws.names import RouteEntrance, route53

            client = route53(_fact(system, "endpoint", ""))
            of_kind = cast("Literal['A', 'AAAA', 'CNAME']", kind)
            return RouteEntrance(names[0], zone=_where(system), client=client, kind=of_kind)
        case scheme:
            raise BadInput(
                f"A name is not changed by way of {scheme}://.",
                fix="Say dns://AUTHORITY, or route53://ZONE-ID.",
            )


def _of_zone(system: System, secrets: Secrets, name: str, kind: str) -> Entrance:
    from watership.wiring.instruments import importing

    with importing():
        from watership.adapters.dns.entrance import Key, ZoneEntrance
    if not system.secret:
        raise BadInput(f"{system.url} has no secret to sign updates with.", fix="Add: secret: env:DNS_KEY")
    key = Key(_fact(system, "key"), secrets.read(system.secret), _fact(system, "algorithm", "hmac-sha256"))
    servers = [_where(system), *listed(_fact(system, "also", ""))]
    return ZoneEntrance(name, zone=_fact(system, "zone"), servers=servers, key=key, kind=kind)


def _where(system: System) -> str:
    where = urlsplit(system.url).netloc
    if not where:
        raise BadInput(
            f"{system.url} says nobody who is to be told.", fix="Say dns://AUTHORITY, or route53://ZONE-ID."
        )
    return where


def _fact(system: System, name: str, otherwise: str | None = None) -> str:
    value = system.facts.get(name, otherwise)
    if value is None:
        raise BadInput(
            f"The system {system.url} lacks the fact '{name}'.", fix=f"Add: facts: {{ {name}: … }}"
        )
    return str(value)
