"""The entrances that systems name."""

from __future__ import annotations

import base64

import pytest

from watership.adapters.dns.entrance import ZoneEntrance
from watership.errors import BadInput
from watership.releases.book.system import System
from watership.wiring.entrances import entrance_of

FACTS: dict[str, bool | int | float | str] = {
    "names": "app.example.com",
    "zone": "example.com",
    "key": "watership",
}
ZONE = System(url="dns://ns1.example.com", secret="env:KEY", facts=FACTS)


class Secrets:
    def __init__(self, secret: str = base64.b64encode(b"x" * 32).decode()) -> None:
        self._secret = secret

    def read(self, reference: str) -> str:
        return self._secret


def test_a_zone_is_led_by_its_authority() -> None:
    entrance = entrance_of(ZONE, Secrets())
    assert isinstance(entrance, ZoneEntrance)
    assert entrance.name == "app.example.com"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"facts": {**FACTS, "names": "a.example.com, b.example.com"}}, "has 2 names"),
        ({"facts": {**FACTS, "zone": "example.org"}}, "is not in the zone"),
        ({"facts": {**FACTS, "kind": "MX"}}, "Records of kind MX lead nowhere"),
        ({"facts": {"names": "app.example.com", "zone": "example.com"}}, "lacks the fact 'key'"),
        ({"facts": {**FACTS, "algorithm": "rot13"}}, "cannot be used"),
        ({"secret": ""}, "has no secret"),
        ({"url": "dns:///"}, "says nobody"),
        ({"url": "https://ns1.example.com"}, "not changed by way of https"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_does_not_say_enough_is_refused(changed: dict[str, object], words: str) -> None:
    system = System(**{"url": ZONE.url, "secret": ZONE.secret, "facts": FACTS, **changed})  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=words):
        entrance_of(system, Secrets())


def test_a_secret_that_is_no_key_is_refused_without_being_told() -> None:
    with pytest.raises(BadInput) as refused:
        entrance_of(ZONE, Secrets("not-a-key"))
    assert "not-a-key" not in str(refused.value)
