"""The comms of a runbook: through which channels people are told, and of what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from watership.errors import BadInput
from watership.releases.book.document import load
from watership.releases.book.quantity import Duration, offset
from watership.releases.notices.notice import Kind, Priority

# What one attempt to send may take. A channel that needs longer is tried again; nobody else waits for it.
SEND_TIMEOUT = 10.0

# Between two statuses.
SHORTEST = 60.0

Id = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]*$", max_length=60)]
Secret = Annotated[str, Meta(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:\S.*)$", max_length=500)]
"""Where a secret stands: `env:NAME` or `file:PATH`. It is read when a message is sent, and kept nowhere."""
Address = Annotated[
    str, Meta(pattern=r"^(https?://\S+|env:[A-Za-z_][A-Za-z0-9_]*|file:\S.*)$", max_length=500)
]
"""A URL, or where one stands if it is a secret itself."""
Mailbox = Annotated[str, Meta(pattern=r"^[^\s@<>]+@[^\s@<>]+$", max_length=254)]
Moment = Annotated[
    str,
    Meta(
        pattern=r"^(T[+-].+|release\.(started|approved|decided|done)|issue|rollback\.started|incident)$",
        max_length=40,
    ),
]

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Reached(Struct, frozen=True, kw_only=True):
    """What every channel has."""

    id: Id
    timeout: Duration = SEND_TIMEOUT


class Slack(Reached, frozen=True, kw_only=True, tag_field="kind", tag="slack"):
    """An incoming webhook. Its URL is a secret: whoever has it can write."""

    url: Secret


class Email(Reached, frozen=True, kw_only=True, tag_field="kind", tag="email"):
    """A mail server. `authority` is the file of a certificate authority of one's own."""

    host: str
    port: Annotated[int, Meta(ge=1, le=65535)] = 587
    sender: Mailbox
    to: Annotated[tuple[Mailbox, ...], Meta(min_length=1)]
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: Secret | None = None
    authority: str | None = None

    def __post_init__(self) -> None:
        if (self.user is None) != (self.password is None):
            raise BadInput(f"The channel '{self.id}' needs both, user and password, or neither.")
        if self.password is not None and self.security == "none" and self.host not in LOOPBACK:
            raise BadInput(f"The channel '{self.id}' would send its password unencrypted.")


class PagerDuty(Reached, frozen=True, kw_only=True, tag_field="kind", tag="pagerduty"):
    """A service's integration by the Events API v2."""

    routing_key: Secret
    source: str = "watership"
    url: Address = "https://events.pagerduty.com/v2/enqueue"


class Statuspage(Reached, frozen=True, kw_only=True, tag_field="kind", tag="statuspage"):
    """A page of Atlassian Statuspage. A release is a scheduled maintenance there, what goes wrong an incident."""

    page: str
    key: Secret
    components: tuple[str, ...] = ()
    url: Address = "https://api.statuspage.io"


class Webhook(Reached, frozen=True, kw_only=True, tag_field="kind", tag="webhook"):
    """Anybody who listens by Standard Webhooks. `secret` is the shared one, `whsec_…`."""

    url: Address
    secret: Secret


class Jira(Reached, frozen=True, kw_only=True, tag_field="kind", tag="jira"):
    """Comments under one ticket. With a `user` the token is an API token (Basic), without a personal one (Bearer)."""

    url: Address
    ticket: Annotated[str, Meta(pattern="^[A-Z][A-Z0-9_]*-[0-9]+$")]
    token: Secret
    user: str | None = None
    version: Literal["2", "3"] = "2"


class Voice(Reached, frozen=True, kw_only=True, tag_field="kind", tag="voice"):
    """A gateway that sends SMS or places calls. Each of `to` is a number, or where one stands."""

    url: Address
    secret: Secret
    to: Annotated[tuple[str, ...], Meta(min_length=1)]
    by: Literal["sms", "call"] = "sms"


Channel = Slack | Email | PagerDuty | Statuspage | Webhook | Jira | Voice

MISSED: Priority = "HIGH"
"""How urgent it is that a status was missed."""

PAGED: frozenset[Kind] = frozenset({"issue", "rollback", "incident"})
"""What somebody is woken up for."""

KINDS: Mapping[str, Kind] = {
    "release.started": "status",
    "release.approved": "approval",
    "release.decided": "decision",
    "release.done": "success",
    "issue": "issue",
    "rollback.started": "rollback",
    "incident": "incident",
}


class Sending(Struct, frozen=True, kw_only=True):
    """What is sent `on` a moment, or `every` so often `while` the release runs: from T+0 to its promotion or end."""

    on: Moment | None = None
    every: Duration | None = None
    during: Literal["running"] | None = field(name="while", default=None)
    only: tuple[Priority, ...] = ()
    """Of issues and incidents: those of these priorities; all unless given."""
    template: str
    to: Annotated[tuple[Id, ...], Meta(min_length=1)]

    def __post_init__(self) -> None:
        if (self.on is None) == (self.every is None):
            raise BadInput(
                f"'{self.template}' is sent either on a moment or every so often: say `on` or `every`."
            )
        if (self.every is None) != (self.during is None):
            raise BadInput(f"'{self.template}': `every: 15m` needs `while: running`, and only it has that.")
        if self.only and self.on not in ("issue", "incident"):
            raise BadInput(f"'{self.template}': only issues and incidents have a priority.")
        if self.every is not None and self.every < SHORTEST:
            raise BadInput(
                f"'{self.template}' every {self.every:g} s is more than anybody reads: 1m at least."
            )
        if self.on is not None and self.on.startswith("T"):
            try:
                offset(self.on)
            except ValueError as error:
                raise BadInput(f"'on': {error}.") from error

    @property
    def offset(self) -> float | None:
        """Seconds from T+0, where it is sent at such a moment."""
        return offset(self.on) if self.on is not None and self.on.startswith("T") else None

    def wants(self, priority: Priority) -> bool:
        return not self.only or priority in self.only

    @property
    def kind(self) -> Kind:
        if self.every is not None:
            return "status"
        assert self.on is not None
        return KINDS.get(self.on, "announce")


class Comms(Struct, frozen=True, kw_only=True):
    """Channels, and what is sent to them. `texts` is the templates' content by name: a plan holds it, so that its
    fingerprint covers the words too."""

    schema: Literal["watership/comms/v1"] = "watership/comms/v1"
    channels: tuple[Channel, ...] = ()
    send: tuple[Sending, ...] = ()
    seats: dict[str, tuple[Id, ...]] = {}
    """Through which channels a seat of the team is reached when it is its turn in an escalation."""
    texts: dict[str, str] = {}

    def __post_init__(self) -> None:
        twice = [name for name, times in Counter(each.id for each in self.channels).items() if times > 1]
        if twice:
            raise BadInput(f"The channel '{twice[0]}' stands there twice.")
        for channel in self.channels:
            _carries_no_secret(channel)
        known = {channel.id: channel for channel in self.channels}
        for seat, names in self.seats.items():
            for unknown in [each for each in names if each not in known]:
                raise BadInput(f"The seat '{seat}' is reached by '{unknown}', which is no channel.")
        for sending in self.send:
            for wanted in sending.to:
                if wanted not in known:
                    raise BadInput(
                        f"'{sending.template}' goes to '{wanted}', which is no channel ({', '.join(known)})."
                    )
                if isinstance(known[wanted], PagerDuty) and sending.kind not in PAGED:
                    raise BadInput(
                        f"'{sending.template}' would wake somebody up: '{wanted}' is a pager, "
                        f"for {', '.join(sorted(PAGED))} alone."
                    )
        alarmed = any(sending.wants(MISSED) for sending in self.of("issue"))
        if any(sending.every for sending in self.send) and not alarmed:
            raise BadInput("Nobody would be told of a status that is missed: add { on: issue, … }.")

    def of(self, kind: Kind) -> tuple[Sending, ...]:
        return tuple(sending for sending in self.send if sending.kind == kind)

    def channel(self, wanted: str) -> Channel:
        """Raises BadInput for one that is not there."""
        found = next((channel for channel in self.channels if channel.id == wanted), None)
        if found is None:
            names = ", ".join(channel.id for channel in self.channels)
            raise BadInput(f"There is no channel '{wanted}'.", fix=f"Choose of: {names or 'none'}.")
        return found


def bound(comms: Comms, read: Callable[[str], str]) -> Comms:
    """With the templates' texts in it, as `read` gives them by name."""
    return replace(comms, texts={name: read(name) for name in sorted(templates(comms))})


def templates(comms: Comms) -> frozenset[str]:
    """The templates that its sendings name."""
    return frozenset(sending.template for sending in comms.send)


def read(path: Path) -> Comms:
    """Comms from a file of their own, with the templates that stand beside it. Raises DocumentError, BadInput."""
    return bound(load(path, Comms), lambda name: beside(path.parent, name))


def beside(folder: Path, name: str) -> str:
    """A template of `folder`; one that leads out of it is refused."""
    place = (folder / name).resolve()
    if not place.is_relative_to(folder.resolve()):
        raise BadInput(f"The template {name} lies outside of {folder}.")
    try:
        return place.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"The template {name} cannot be read: {error}.") from error


def safe(url: str) -> str:
    """A URL that may carry a secret: by https, or on this machine. Raises BadInput, without the URL's own secrets."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise BadInput("A channel's URL cannot be read.") from error
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return url
    raise BadInput(f"A channel's URL is not https ({parts.scheme or 'nothing'}://{parts.hostname or ''}).")


def _carries_no_secret(channel: Channel) -> None:
    """A URL that is written out is read by everybody who reads the plan."""
    url = getattr(channel, "url", "")
    if url.startswith("http"):
        safe(url)
        if "@" in urlsplit(url).netloc:
            raise BadInput(
                f"The URL of '{channel.id}' holds a password.", fix="Name where it stands: env:NAME."
            )
