"""An identity says who asks, for which tenant and in which roles: a signed token that expires."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from watership.durable.clock import Clock
from watership.durable.run import DEFAULT_TENANT
from watership.errors import BadInput, NotAllowed

READER, WRITER, OPERATOR, ADMIN = "reader", "writer", "operator", "admin"
ROLES: Final = (READER, WRITER, OPERATOR, ADMIN)
"""What the service itself knows, each including the ones before it. Others are free text, for sign-offs."""

_INCLUDING: Final = {role: frozenset(ROLES[index:]) for index, role in enumerate(ROLES)}

ALGORITHM: Final = "HS256"
TYPE: Final = "watership+jwt"
"""Stands in the header, so that no other token signed with the same secret passes for an identity."""

AUDIENCE: Final = "watership"


class Kind(NamedTuple):
    """What a token is for: by its type and its audience no kind passes for another."""

    type: str
    audience: str


IDENTITY: Final = Kind(TYPE, AUDIENCE)

SECRET_BYTES: Final = 32
"""A shorter secret than HS256's own output could be guessed faster than a signature."""

TOKEN_CHARACTERS: Final = 4096
"""A header line that a server still takes; more is refused before anything is decoded."""

LEEWAY_SECONDS: Final = 30
"""How far the clocks of the issuer and of the verifier may differ; only `nbf` and `iat` profit from it."""

LONGEST_DAYS: Final = 366
"""No token lives longer: it cannot be revoked before its end but by changing the secret."""

_LONGEST_SECONDS: Final = LONGEST_DAYS * 86_400

DEFAULT_HOURS: Final = 12
"""One working day."""

NAME_CHARACTERS: Final = 200
ROLES_LIMIT: Final = 50

PROVED: Final = 1_024
"""Tokens whose signature is remembered: a check costs a hundred microseconds, and callers send theirs each time."""


class Unauthenticated(NotAllowed):
    """It is not known who asks: no token, or one that does not prove anything."""

    code = "unauthenticated"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The token was refused: {reason}.",
            fix="Give a token made by `watership token issue`: `Authorization: Bearer TOKEN` over HTTP, --token or "
            "WATERSHIP_TOKEN for commands.",
        )
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who asks. `expires_at` is in UTC; nobody is anybody after it."""

    person: str
    tenant: str
    roles: frozenset[str]
    expires_at: datetime

    def acts_as(self, role: str) -> bool:
        """Whether one of the roles is `role` or, among the service's own, includes it."""
        including = _INCLUDING.get(role)
        return role in self.roles if including is None else not self.roles.isdisjoint(including)

    def require(self, role: str) -> None:
        """Raise NotAllowed unless the identity acts as `role`."""
        if not self.acts_as(role):
            raise NotAllowed(
                f"This needs the role {role}; {self.person} has {', '.join(sorted(self.roles)) or 'none'}.",
                fix=f"Ask an administrator for a token with --role {role}.",
            )


class Tokens:
    """Issues and verifies identities with one secret. The API, the command line and workers share it."""

    def __init__(self, secret: str, clock: Clock) -> None:
        self._secret = check_secret(secret)
        self._clock = clock
        self._proved: OrderedDict[bytes, tuple[Mapping[str, object], Identity]] = OrderedDict()
        """The claims of tokens whose signature was found to be ours, by the token's hash. Times are judged anew."""

    def issue(
        self,
        person: str,
        *,
        roles: Iterable[str],
        tenant: str = DEFAULT_TENANT,
        lifetime: timedelta = timedelta(hours=DEFAULT_HOURS),
    ) -> str:
        """A token for `person`. Raises BadInput for an empty name or a lifetime out of bounds."""
        if not timedelta(0) < lifetime <= timedelta(days=LONGEST_DAYS):
            raise BadInput(f"A token lives between a second and {LONGEST_DAYS} days; got {lifetime}.")
        now = int(self._clock.now().timestamp())
        claims = {
            "sub": person,
            "tenant": tenant,
            "roles": sorted(set(roles)),
            "iat": now,
            "nbf": now,
            "exp": now + max(1, int(lifetime.total_seconds())),
        }
        return self.sign(claims, IDENTITY)

    def sign(self, claims: Mapping[str, object], kind: Kind) -> str:
        """A token of that kind. Its claims name an identity, and the times between which it is one."""
        try:
            identity_of(claims)
        except Unauthenticated as reason:
            raise BadInput(f"No such token can be issued: {reason.reason}.") from reason
        import jwt

        named = {**claims, "aud": kind.audience}
        return jwt.encode(named, self._secret, algorithm=ALGORITHM, headers={"typ": kind.type})

    def verify(self, token: str) -> Identity:
        """The identity that `token` proves now. Raises Unauthenticated with the reason otherwise."""
        mark = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        claims, identity = self._proved.get(mark) or self._prove(token)
        _check_times(claims, self._clock.now())
        self._proved[mark] = claims, identity
        if len(self._proved) > PROVED:
            self._proved.popitem(last=False)
        return identity

    @property
    def remembered(self) -> int:
        """Tokens whose signature need not be checked again."""
        return len(self._proved)

    def _prove(self, token: str) -> tuple[Mapping[str, object], Identity]:
        """Everything about `token` but its times, which change."""
        claims = self.open(token, IDENTITY)
        return claims, identity_of(claims)

    def open(self, token: str, kind: Kind) -> Mapping[str, object]:
        """The claims of a token of that kind that holds now. Raises Unauthenticated with the reason otherwise."""
        # Imported where a token is looked at: a worker sees none, and is spared it.
        import jwt

        _check_form(token)
        try:
            decoded = jwt.decode_complete(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                audience=kind.audience,
                options={
                    "require": ["sub", "aud", "exp", "nbf", "iat"],
                    "strict_aud": True,
                    # Judged below by our own clock, and with stricter types than the library's.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as reason:
            raise Unauthenticated(_words(reason)) from None
        # Exactly these: no kid, jku, jwk or crit, so that nothing in a token chooses how it is verified.
        if decoded["header"] != {"alg": ALGORITHM, "typ": kind.type}:
            raise Unauthenticated("its header is not that of an identity")
        # Judged before the names are read, as `verify` does again for a token that it remembers.
        payload: Mapping[str, object] = decoded["payload"]
        _check_times(payload, self._clock.now())
        return payload


def check_secret(secret: str) -> str:
    """`secret`, if it is long enough; BadInput otherwise, without showing it."""
    if len(secret.encode()) < SECRET_BYTES:
        raise BadInput(
            f"The secret is shorter than {SECRET_BYTES} bytes.",
            fix="Make one: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return secret


def everybody(person: str, clock: Clock) -> Identity:
    """Whoever asks where no token is asked for: loopback development, with every role of the service."""
    return Identity(
        person=person,
        tenant=DEFAULT_TENANT,
        roles=frozenset(ROLES),
        expires_at=clock.now() + timedelta(days=LONGEST_DAYS),
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`. A name other than localhost could point anywhere."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_form(token: str) -> None:
    """Three parts of base64url in their one spelling, so that a token has no second form."""
    if len(token) > TOKEN_CHARACTERS or not token.isascii():
        raise Unauthenticated(f"it is longer than {TOKEN_CHARACTERS} characters, or not plain text")
    parts = token.split(".")
    if len(parts) != 3 or not all(_canonical(part) for part in parts):
        raise Unauthenticated("it is not a signed token")


def _canonical(part: str) -> bool:
    try:
        raw = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return False
    return bool(raw) and base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == part


def _check_times(claims: Mapping[str, object], now: datetime) -> None:
    issued, begins, ends = _seconds(claims, "iat"), _seconds(claims, "nbf"), _seconds(claims, "exp")
    seconds = now.timestamp()
    if seconds >= ends:
        raise Unauthenticated("it has expired")
    if max(issued, begins) > seconds + LEEWAY_SECONDS:
        raise Unauthenticated("it is not valid yet")
    if not issued < ends <= issued + _LONGEST_SECONDS:
        raise Unauthenticated(f"it would live longer than {LONGEST_DAYS} days, or no time at all")


def _seconds(claims: Mapping[str, object], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int:
        raise Unauthenticated(f"its {name} is not a whole number")
    return value


def identity_of(claims: Mapping[str, object]) -> Identity:
    """The identity that claims name. Raises Unauthenticated for one that names nobody."""
    roles = claims.get("roles")
    if not isinstance(roles, list) or len(roles) > ROLES_LIMIT:
        raise Unauthenticated(f"its roles are not a list of at most {ROLES_LIMIT}")
    return Identity(
        person=_name(claims.get("sub"), "sub"),
        tenant=_name(claims.get("tenant"), "tenant"),
        roles=frozenset(_name(role, "role") for role in roles),
        expires_at=datetime.fromtimestamp(_seconds(claims, "exp"), UTC),
    )


def _name(value: object, what: str) -> str:
    # Names stand in scopes, logs and pages: no control characters, and no slash, which separates scopes.
    if not isinstance(value, str) or not 0 < len(value) <= NAME_CHARACTERS or value != value.strip():
        raise Unauthenticated(f"its {what} is not a name of 1 to {NAME_CHARACTERS} characters")
    if not value.isprintable() or "/" in value:
        raise Unauthenticated(f"its {what} has characters that a name has not")
    return value


def _words(reason: Exception) -> str:
    import jwt

    return {
        jwt.InvalidSignatureError: "its signature is not ours",
        jwt.InvalidAlgorithmError: f"it is not signed with {ALGORITHM}",
        jwt.InvalidAudienceError: "it is meant for somebody else",
        jwt.MissingRequiredClaimError: "a claim is missing",
    }.get(type(reason), "it cannot be read")
