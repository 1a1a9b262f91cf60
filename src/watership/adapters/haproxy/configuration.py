"""HAProxy's configuration: a frame that never changes, and the seats as they are, so that a reload changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from watership.adapters.haproxy.seats import BACKEND, HOLD, Chair

HEALTH: Final = "check inter 500ms fastinter 200ms downinter 300ms fall 2 rise 1"
"""An instance that died is left within a second; one that says it is not ready too."""

CHECK_SECONDS: Final = 2
"""Before a look without an answer counts against an instance: a busy machine must not make the only one look dead."""

LOGS: Final = 32
"""Sockets that HAProxy logs to in turn. Linux keeps as few as ten datagrams for each, whatever its buffer holds
(net.unix.max_dgram_qlen), and some 270 of each thread of HAProxy's: together that is what a busy agent may owe."""

NOWHERE: Final = "127.0.0.1:1"
"""The address of a seat where nobody sits."""

PROBLEM: Final = '{"title":"No instance can take the request at the moment.","status":503}'

PAUSED: Final = (
    "content-type application/problem+json "
    """string '{"title":"Requests are paused.","status":503,"code":"unavailable"}'"""
)

READS: Final = "GET HEAD OPTIONS"
"""Methods that ask for no change."""

MARK: Final = "request"
"""What a request's line in the log begins with; lines of servers that come and go do not."""

LINE: Final = f"{MARK} %s %ST %Tw %Tc %Tr %ts"
"""A request in the log: seat, status, ms in the queue, of connecting, until the answer's head, how it ended."""


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """Where HAProxy listens, is steered and logs to. `listen` is host:port, the others are paths; see `log_paths`."""

    listen: str
    socket: Path
    log: Path
    lua: Path
    grace_seconds: int


def log_paths(log: Path) -> list[Path]:
    """`log.sock` stands for log-1.sock and so on."""
    return [log.with_name(f"{log.stem}-{number}{log.suffix}") for number in range(1, LOGS + 1)]


def frame(frame: Frame) -> str:
    """The part that never changes."""
    logs = "\n".join(
        f"    log unix@{path} len 1024 format raw sample {number}:{LOGS} local0"
        for number, path in enumerate(log_paths(frame.log), 1)
    )
    return f"""\
# Written by Watership's agent beside HAProxy, and again when it starts: changes here are lost.
global
    stats socket unix@{frame.socket} mode 600 level admin expose-fd listeners
    lua-load {frame.lua}
    hard-stop-after {frame.grace_seconds}s

defaults
    mode http
    timeout connect 2s
    timeout check {CHECK_SECONDS}s
    timeout client 75s
    timeout server 600s
    timeout queue 5s
    timeout tunnel 1h
    # A connection that an instance closes just as a request goes out on it would lose the request.
    option http-server-close
    # Only what was never sent is tried again, and with another instance.
    retries 3
    retry-on conn-failure
    option redispatch 1
    option forwardfor
    # While it is reloaded a client's idle connection is closed with an answer, never under a request on its way.
    option idle-close-on-response
    http-error status 503 content-type application/problem+json string '{PROBLEM}' hdr retry-after 1

frontend watership_front
    bind {frame.listen}
    backlog 1024
{logs}
    log-format "{LINE}"
    acl holds_all srv_is_up({HOLD}/all)
    acl holds_writes srv_is_up({HOLD}/writes)
    acl reads method {READS}
    http-request lua.watership_hold if holds_all || holds_writes !reads
    acl turned_away var(txn.watership_retry) -m found
    http-request return status 503 {PAUSED} hdr retry-after %[var(txn.watership_retry)] if turned_away
    default_backend {BACKEND}

backend {HOLD}
    server all {NOWHERE} disabled
    server writes {NOWHERE} disabled
"""


def seating(chairs: Sequence[Chair], *, health: str) -> str:
    """The backend with its seats as they are now."""
    lines = [
        "# The seats as they are in force; written after each change, so that a reload gives the same.",
        f"backend {BACKEND}",
        "    balance roundrobin",
        f"    option httpchk GET {health}",
        *(f"    server {_server(chair)}" for chair in chairs),
    ]
    return "\n".join(lines) + "\n"


def _server(chair: Chair) -> str:
    if chair.address is None:
        return f"{chair.name} {NOWHERE} weight 0 {HEALTH} disabled"
    return f"{chair.name} {chair.address} weight {chair.weight} {HEALTH}"
