"""watership flag: feature flags; who gets what, in an emergency nobody, and who changed it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from watership.cli.client import Client
from watership.cli.options import server_options
from watership.cli.output import show, table
from watership.errors import BadInput, NotFound

PATH = "/api/v1/flags"

reason_option = click.option("--reason", default="", help="Why; it stands in the record.")


@click.group()
def flag() -> None:
    """Feature flags: for nobody, for everybody, for a share, for named tenants."""


@flag.command(name="list")
@server_options
def list_flags(server: str | None, token: str | None) -> None:
    """All flags, ENABLE_READ_ONLY among them."""
    found = Client(server, token).get(PATH)
    rows = [row | {"is": _state(row), "set": row["updated_at"]} for row in found["data"]]
    show(found, table(rows, ["name", "is", "by", "set", "reason"]))


@flag.command(name="set")
@click.argument("name")
@click.option("--on/--off", "on", default=None, help="For everybody who is not named, or for nobody.")
@click.option("--percent", type=click.FloatRange(0, 100), help="On for this share of the targeting keys.")
@click.option("--tenant", "tenants", multiple=True, metavar="NAME=on|off|none", help="A tenant's own word.")
@click.option("--enable", is_flag=True, help="Take back an emergency `disable`.")
@reason_option
@server_options
def set_flag(
    name: str,
    on: bool | None,
    percent: float | None,
    tenants: tuple[str, ...],
    enable: bool,
    reason: str,
    server: str | None,
    token: str | None,
) -> None:
    """Set a flag, new or not; what is not given stays. It reaches every process within five seconds."""
    client = Client(server, token)
    there = _find(client, name)
    body: dict[str, object] = {"reason": reason, "version": there["version"] if there else 0}
    # A share is of something that is on: who names one means it.
    switch = True if on is None and percent is not None else on
    given = {"on": switch, "percent": percent, "disabled": False if enable else None}
    body |= {field: value for field, value in given.items() if value is not None}
    if tenants:
        body["tenants"] = _tenants(there["tenants"] if there else {}, tenants)
    if len(body) == 2:
        raise BadInput("Nothing is to be set.", fix="Give --on, --off, --percent, --tenant or --enable.")
    _show(client.put(f"{PATH}/{name}", body))


@flag.command()
@click.argument("name")
@reason_option
@server_options
def disable(name: str, reason: str, server: str | None, token: str | None) -> None:
    """In an emergency: off for everybody, tenants that are named included, until `set --enable`."""
    client = Client(server, token)
    if _find(client, name) is None:
        # A mistyped name must not look like a feature that was switched off.
        raise NotFound(f"There is no flag {name!r}.", fix="List them with `watership flag list`.")
    # Without a version: in an emergency it goes before whatever somebody else sets at the moment.
    _show(client.put(f"{PATH}/{name}", {"disabled": True, "reason": reason}))


@flag.command()
@click.argument("name")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@server_options
def history(name: str, limit: int, server: str | None, token: str | None) -> None:
    """The changes of a flag, newest first: who, when, why, what was and what is."""
    found = Client(server, token).get(f"{PATH}/{name}/changes", limit=limit)
    rows = [
        row | {"before": _state(row["before"]) if row["before"] else "-", "after": _state(row["after"])}
        for row in found["data"]
    ]
    show(found, table(rows, ["number", "at", "by", "before", "after", "reason"]))


def _find(client: Client, name: str) -> Mapping[str, Any] | None:
    return next((row for row in client.get(PATH)["data"] if row["name"] == name), None)


def _show(found: Mapping[str, Any]) -> None:
    show(found, f"{found['name']} is {_state(found)}\nevery process has it within 5 s")


def _state(row: Mapping[str, Any]) -> str:
    """A flag in one line: `on for 25 %, acme on`."""
    if row["disabled"]:
        return "disabled"
    share = "on" if row["percent"] >= 100 else f"on for {row['percent']:g} %"
    own = (f"{name} {'on' if on else 'off'}" for name, on in sorted(row["tenants"].items()))
    return ", ".join([share if row["on"] else "off", *own])


def _tenants(there: Mapping[str, bool], given: tuple[str, ...]) -> dict[str, bool]:
    """The tenants' own words after these changes."""
    words = dict(there)
    for each in given:
        name, _, word = each.partition("=")
        if not name or word not in {"on", "off", "none"}:
            raise BadInput(f"{each!r} is no word for a tenant.", fix="Say --tenant acme=on, =off or =none.")
        words.pop(name, None)
        if word != "none":
            words[name] = word == "on"
    return words
