"""watership signoff: whose word a plan has, and whose it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from watership.cli.desk import acting, at_desk, calling, one
from watership.cli.exits import Exit
from watership.cli.output import show, table

if TYPE_CHECKING:
    from watership.releases.readiness.signoff import Missing, SignOff
    from watership.wiring.desk import Desk


@click.group()
def signoff() -> None:
    """Sign-offs: one person, in one role, for one very plan, until it expires."""


@signoff.command(name="list")
@one
def list_signoffs(release: str | None) -> int:
    """Who has signed, and who has still to. Exit 7 while one is missing."""

    async def looked(desk: Desk) -> tuple[tuple[SignOff, ...], list[Missing], tuple[str, ...]]:
        clerk = await desk.clerk(release)
        return await clerk.signoffs(), await clerk.lacking(), clerk.plan.signoffs.needed

    given, lacking, needed = at_desk(looked)
    why = {each.role: each.reason for each in lacking}
    rows = [
        {"role": role, "state": f"missing: {why[role]}"}
        if role in why
        else {"role": role, "state": "signed", **_last(given, role)}
        for role in needed
    ]
    show({"signed": given, "missing": lacking}, table(rows, ["role", "state", "person", "at"]))
    return Exit.INCONCLUSIVE if lacking else Exit.OK


def _last(given: tuple[SignOff, ...], role: str) -> dict[str, str]:
    last = [each for each in given if each.role == role][-1]
    return {"person": last.person, "at": f"{last.at:%Y-%m-%d %H:%M} UTC"}


@signoff.command()
@click.argument("role")
@one
@acting
def give(role: str, release: str | None, name: str | None, token: str | None) -> None:
    """Give your word for the plan as it stands, in ROLE; the same as `release sign`."""

    async def given(desk: Desk) -> list[Missing]:
        return await (await desk.clerk(release)).sign(role, calling(name, token))

    lacking = [each.role for each in at_desk(given)]
    show({"role": role, "missing": lacking}, f"signed as {role}; {_still(lacking)}")


@signoff.command()
@click.argument("role")
@one
@click.option("--reason", required=True, help="Why not.")
@acting
def refuse(role: str, release: str | None, reason: str, name: str | None, token: str | None) -> None:
    """Refuse to sign in ROLE, with the reason; what was signed in it before counts no more."""

    async def refused(desk: Desk) -> str:
        return (await (await desk.clerk(release)).decline(role, calling(name, token), reason=reason)).person

    person = at_desk(refused)
    show(
        {"role": role, "refused_by": person, "reason": reason},
        f"{person} refuses to sign as {role}: {reason}",
    )


def _still(lacking: list[str]) -> str:
    return f"still missing: {', '.join(lacking)}" if lacking else "every sign-off is given"
