"""An identity is believed only when our secret, our form and the clock all say so."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from watership.errors import BadInput, NotAllowed
from watership.fleet.identity import (
    ADMIN,
    OPERATOR,
    PROVED,
    READER,
    ROLES,
    WRITER,
    Identity,
    Tokens,
    Unauthenticated,
    is_loopback,
)

SECRET = "a-secret-of-the-tests-that-is-long-enough"
OTHER = "another-secret-of-the-tests-also-long-enough"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
START = int(NOW.timestamp())


class StillClock:
    """A clock that stands where it is put."""

    def __init__(self, now: datetime = NOW) -> None:
        self.at = now

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


HEADER: dict[str, object] = {"alg": "HS256", "typ": "watership+jwt"}
CLAIMS: dict[str, object] = {
    "sub": "hazel",
    "tenant": "down",
    "roles": ["writer"],
    "aud": "watership",
    "iat": START,
    "nbf": START,
    "exp": START + 3600,
}


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forge(
    header: object = HEADER,
    claims: object = CLAIMS,
    *,
    secret: str = SECRET,
    digest: str = "sha256",
    signature: str | None = None,
) -> str:
    """A token put together by hand, rightly signed unless told otherwise."""
    body = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    signed = b64(hmac.new(secret.encode(), body.encode(), digest).digest())
    return f"{body}.{signed if signature is None else signature}"


def with_header(**changes: object) -> str:
    return forge(header={**HEADER, **changes})


def with_claims(**changes: object) -> str:
    return forge(claims={**CLAIMS, **changes})


def without(name: str) -> str:
    return forge(claims={key: value for key, value in CLAIMS.items() if key != name})


def swapped_payload() -> str:
    """The signature of one token under the claims of another."""
    header, _, signature = forge().split(".")
    return f"{header}.{b64(json.dumps({**CLAIMS, 'roles': ['admin']}).encode())}.{signature}"


def second_spelling() -> str:
    """The same bytes in another spelling of base64: the last character's unused bits are set."""
    token = forge()
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + letters[letters.index(token[-1]) + 1]


FORGED: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "a word": lambda: "hazel",
    "three empty parts": lambda: "..",
    "two parts": lambda: forge().rpartition(".")[0],
    "four parts": lambda: forge() + ".e30",
    "too long": lambda: with_claims(note="x" * 5000),
    "not ascii": lambda: forge() + "é",
    "padded": lambda: forge() + "=",
    "surrounding space": lambda: forge() + "\n",
    "another spelling of the same bytes": second_spelling,
    "no signature": lambda: forge(signature=""),
    "a short signature": lambda: forge()[:-8],
    "another secret": lambda: forge(secret=OTHER),
    "an empty secret": lambda: forge(secret=""),
    "another digest": lambda: forge(digest="sha512"),
    "the claims of another token": swapped_payload,
    "alg none": lambda: forge(header={**HEADER, "alg": "none"}, signature=""),
    "alg None in capitals": lambda: forge(header={**HEADER, "alg": "NONE"}, signature=b64(b"x")),
    "alg HS512": lambda: forge(header={**HEADER, "alg": "HS512"}, digest="sha512"),
    "alg RS256 over the secret": lambda: with_header(alg="RS256"),
    "alg in lower case": lambda: with_header(alg="hs256"),
    "alg missing": lambda: forge(header={"typ": "watership+jwt"}),
    "alg a list": lambda: with_header(alg=["HS256"]),
    "typ of a plain token": lambda: with_header(typ="JWT"),
    "typ missing": lambda: forge(header={"alg": "HS256"}),
    "a key id": lambda: with_header(kid="../../dev/null"),
    "a key of its own": lambda: with_header(jwk={"kty": "oct", "k": b64(OTHER.encode())}),
    "a key's address": lambda: with_header(jku="http://127.0.0.1/keys"),
    "an unknown critical extension": lambda: with_header(crit=["exp"]),
    "a detached payload": lambda: with_header(b64=False),
    "a header that is a list": lambda: forge(header=["HS256"]),
    "claims that are a list": lambda: forge(claims=[CLAIMS]),
    "claims that are text": lambda: forge(claims="hazel"),
    "expired": lambda: with_claims(exp=START - 1),
    "expiring this second": lambda: with_claims(exp=START),
    "never expiring": lambda: without("exp"),
    "expiring in a hundred years": lambda: with_claims(exp=START + 100 * 366 * 86_400),
    "expiring as text": lambda: with_claims(exp=str(START + 3600)),
    "expiring as a fraction": lambda: with_claims(exp=START + 0.5),
    "expiring as a truth": lambda: with_claims(exp=True),
    "expiring at infinity": lambda: with_claims(exp=float("inf")),
    "not valid yet": lambda: with_claims(nbf=START + 3600),
    "without nbf": lambda: without("nbf"),
    "issued in the future": lambda: with_claims(iat=START + 600),
    "without iat": lambda: without("iat"),
    "for another audience": lambda: with_claims(aud="rabbits"),
    "for several audiences": lambda: with_claims(aud=["watership", "rabbits"]),
    "without audience": lambda: without("aud"),
    "without a person": lambda: without("sub"),
    "an empty person": lambda: with_claims(sub=""),
    "a person with a newline": lambda: with_claims(sub="hazel\nadmin"),
    "a person with a slash": lambda: with_claims(sub="other/hazel"),
    "a person that is a number": lambda: with_claims(sub=7),
    "without a tenant": lambda: without("tenant"),
    "a tenant that is nothing": lambda: with_claims(tenant=None),
    "roles as text": lambda: with_claims(roles="admin"),
    "roles of numbers": lambda: with_claims(roles=[1]),
    "too many roles": lambda: with_claims(roles=[f"role {n}" for n in range(100)]),
    "without roles": lambda: without("roles"),
}


def test_the_forge_makes_good_tokens_too() -> None:
    assert Tokens(SECRET, StillClock()).verify(forge()) == Identity(
        person="hazel",
        tenant="down",
        roles=frozenset({"writer"}),
        expires_at=NOW + timedelta(hours=1),
    )


@pytest.mark.parametrize("variant", FORGED)
def test_a_forged_token_proves_nothing(variant: str) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        Tokens(SECRET, StillClock()).verify(FORGED[variant]())
    assert isinstance(refusal.value, NotAllowed)
    assert SECRET not in str(refusal.value)


def test_there_are_many_forgeries() -> None:
    assert len(FORGED) >= 25


def test_what_is_issued_verifies_until_it_expires() -> None:
    clock = StillClock()
    tokens = Tokens(SECRET, clock)
    token = tokens.issue("fiver", tenant="down", roles=["writer", "QA lead"], lifetime=timedelta(minutes=5))
    found = tokens.verify(token)
    assert (found.person, found.tenant, found.roles) == ("fiver", "down", frozenset({"writer", "QA lead"}))
    clock.at = NOW + timedelta(minutes=5) - timedelta(seconds=1)
    assert tokens.verify(token) == found
    clock.at = found.expires_at
    with pytest.raises(Unauthenticated, match="expired"):
        tokens.verify(token)


def test_a_verifier_whose_clock_is_a_little_behind_believes_a_fresh_token() -> None:
    token = Tokens(SECRET, StillClock()).issue("fiver", roles=[READER])
    assert Tokens(SECRET, StillClock(NOW - timedelta(seconds=20))).verify(token).person == "fiver"
    with pytest.raises(Unauthenticated, match="not valid yet"):
        Tokens(SECRET, StillClock(NOW - timedelta(minutes=2))).verify(token)


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(seconds=-1), timedelta(days=4000)])
def test_a_token_without_a_bounded_life_is_not_issued(lifetime: timedelta) -> None:
    with pytest.raises(BadInput):
        Tokens(SECRET, StillClock()).issue("fiver", roles=[READER], lifetime=lifetime)


@pytest.mark.parametrize("person", ["", " fiver", "a/b", "a\x00b"])
def test_a_token_for_nobody_is_not_issued(person: str) -> None:
    with pytest.raises(BadInput):
        Tokens(SECRET, StillClock()).issue(person, roles=[READER])


def test_a_short_secret_is_refused_and_not_shown() -> None:
    with pytest.raises(BadInput) as refusal:
        Tokens("hunter2", StillClock())
    assert "hunter2" not in str(refusal.value)


def test_each_role_of_the_service_includes_the_ones_before_it() -> None:
    def person(*roles: str) -> Identity:
        return Identity(person="p", tenant="t", roles=frozenset(roles), expires_at=NOW)

    for place, role in enumerate(ROLES):
        assert [person(role).acts_as(other) for other in ROLES] == [n <= place for n in range(len(ROLES))]
    assert not person("QA lead").acts_as(READER)
    assert person("QA lead").acts_as("QA lead")
    assert not person(ADMIN).acts_as("QA lead"), "administering the service signs no release"


def test_a_missing_role_is_named() -> None:
    reader = Identity(person="hazel", tenant="t", roles=frozenset({READER}), expires_at=NOW)
    with pytest.raises(NotAllowed, match=f"needs the role {OPERATOR}; hazel has reader"):
        reader.require(OPERATOR)
    reader.require(READER)
    with pytest.raises(NotAllowed):
        reader.require(WRITER)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["::", "10.0.0.1", "localhost.example", "", "127.0.0.1.example"])
def test_everything_else_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_a_token_that_was_proved_before_is_refused_once_it_has_expired_all_the_same() -> None:
    clock = StillClock()
    tokens = Tokens(SECRET, clock)
    token = tokens.issue("hazel", roles=[WRITER], lifetime=timedelta(hours=1))
    assert tokens.verify(token) == tokens.verify(token)
    clock.at += timedelta(hours=1)
    for _ in range(2):
        with pytest.raises(Unauthenticated, match="expired"):
            tokens.verify(token)


def test_only_so_many_proved_tokens_are_remembered() -> None:
    tokens = Tokens(SECRET, StillClock())
    for number in range(PROVED + 20):
        tokens.verify(tokens.issue(f"rabbit{number}", roles=[WRITER]))
    assert tokens.remembered == PROVED
