"""What `watership doctor --prod` looks at in RabbitMQ: over AMQP what AMQP shows, the rest over its management API."""

from __future__ import annotations

import asyncio
import shlex
import shutil
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import httpx2

from watership.adapters.rabbitmq.calls import connected
from watership.adapters.rabbitmq.refusal import RIGHTS
from watership.errors import WatershipError
from watership.fleet.finding import Finding

SECONDS = 5.0

OLDEST = (3, 10)
"""At-least-once dead-lettering of quorum queues came with it."""

CTL = "rabbitmqctl"
CTL_SECONDS = 20.0
"""It starts a virtual machine of its own, which takes a while."""

ASK = ("-q", "eval", "{ok, T} = application:get_env(rabbit, consumer_timeout), T.")

UNSEEN = "cannot be seen over AMQP: set broker.management to http://HOST:15672 to have it looked at"


async def examine(url: str, management: str, ca_file: str = "") -> list[Finding]:
    """Every finding; without the address of the management API some say that they are unknown."""
    try:
        async with connected(url, name="watership doctor", ca_file=ca_file) as connection:
            version = str(connection.server_properties.get("version", "unknown"))
    except WatershipError as error:
        return [Finding(what="RabbitMQ", state="problem", detail=error.message, fix=error.fix)]
    return [_version(version), *await _managed(url, management), await _timeout()]


def _version(text: str) -> Finding:
    numbers = tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
    if len(numbers) < 2:
        return Finding(
            what="RabbitMQ", state="unknown", detail=f"it calls itself {text}", fix="rabbitmqctl version"
        )
    if numbers < OLDEST:
        return Finding(
            what="RabbitMQ", state="problem", detail=text, fix="Upgrade RabbitMQ to 3.10 or newer."
        )
    if numbers >= (4, 0):
        return Finding(
            what="RabbitMQ", state="warning", detail=f"{text}: not tried by our tests", fix="docs/rabbitmq.md"
        )
    return Finding(what="RabbitMQ", state="ok", detail=text)


async def _managed(url: str, management: str) -> list[Finding]:
    names = ("Broker alarms", "Broker rights")
    if not management:
        fixes = ("rabbitmqctl status", "rabbitmqctl list_permissions")
        return [
            Finding(what=name, state="unknown", detail=UNSEEN, fix=fix)
            for name, fix in zip(names, fixes, strict=True)
        ]
    parts = urlsplit(url)
    user, vhost = unquote(parts.username or "guest"), unquote(parts.path.lstrip("/")) or "/"
    auth = (user, unquote(parts.password or "guest"))
    try:
        async with httpx2.AsyncClient(base_url=management, auth=auth, timeout=SECONDS) as http:
            return [await _alarms(http), await _rights(http, user, vhost)]
    except (httpx2.HTTPError, KeyError, ValueError) as error:
        detail = (
            f"{management} does not answer as the management API does: {str(error) or type(error).__name__}"
        )
        return [
            Finding(
                what="Management",
                state="unknown",
                detail=detail,
                fix="rabbitmq-plugins enable rabbitmq_management",
            )
        ]


async def _ask(http: httpx2.AsyncClient, path: str) -> Any:
    answer = await http.get(path)
    answer.raise_for_status()
    return answer.json()


async def _alarms(http: httpx2.AsyncClient) -> Finding:
    nodes = await _ask(http, "/api/nodes")
    raised = [
        f"{node['name']}: {kind}"
        for node in nodes
        for kind, field in (("memory", "mem_alarm"), ("disk", "disk_free_alarm"))
        if node.get(field)
    ]
    return Finding(
        what="Broker alarms",
        state="problem" if raised else "ok",
        detail=", ".join(raised) or f"none on {len(nodes)} node(s)",
        fix="Give it memory or disk; publishers are blocked until then: rabbitmqctl status" if raised else "",
    )


async def _rights(http: httpx2.AsyncClient, user: str, vhost: str) -> Finding:
    answer = await http.get(f"/api/permissions/{quote(vhost, safe='')}/{quote(user, safe='')}")
    if answer.status_code == 401:
        return Finding(
            what="Broker rights",
            state="unknown",
            detail=f"{user} may not ask",
            fix=shlex.join((CTL, "set_user_tags", user, "monitoring")),
        )
    rights = answer.json() if answer.status_code == 200 else {}
    missing = [kind for kind in ("configure", "write", "read") if not rights.get(kind)]
    return Finding(
        what="Broker rights",
        state="problem" if missing else "ok",
        detail=f"{user} may not {', '.join(missing)} in {vhost}"
        if missing
        else f"{user} may do all in {vhost}",
        fix=shlex.join((CTL, "set_permissions", "-p", vhost, user, *RIGHTS)) if missing else "",
    )


async def _timeout() -> Finding:
    """Only the node itself tells it. Not harmful, whatever it is: no delivery of ours is held for longer than 10 s."""
    what, harmless = "consumer_timeout", "no delivery is held for longer than 10 s"
    if shutil.which(CTL) is None:
        return Finding(
            what=what,
            state="unknown",
            detail=f"{CTL} is not on this machine; {harmless}",
            fix=shlex.join((CTL, *ASK)),
        )
    process = await asyncio.create_subprocess_exec(
        CTL, *ASK, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        told, _ = await asyncio.wait_for(process.communicate(), CTL_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        told = b""
    if process.returncode != 0 or not told.strip():
        return Finding(
            what=what,
            state="unknown",
            detail=f"{CTL} got no answer; {harmless}",
            fix=shlex.join((CTL, *ASK)),
        )
    return Finding(what=what, state="ok", detail=f"{told.decode(errors='replace').strip()} ms; {harmless}")
