"""watership verify and watership smoke: whether what was deployed is as it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from watership.cli.check import exit_for_items
from watership.cli.desk import acting, at_desk, calling, of_release
from watership.cli.exits import exit_for_verdict
from watership.cli.output import SIGNS, show

if TYPE_CHECKING:
    from watership.releases.measurement import Measurement
    from watership.releases.plan import Plan
    from watership.releases.readiness.clerk import Clerk
    from watership.releases.readiness.standing import ItemStanding
    from watership.wiring.desk import Desk

SLOTS = ("blue", "green")


@click.command()
@click.argument("what", required=False)
@of_release
@acting
def verify(what: str | None, release: str | None, name: str | None, token: str | None) -> int:
    """Verify a deployment. WHAT is one of the runbook's validations (immediate, short-term, extended), `db`, or a slot.

    Without WHAT: next is healthy and passes its smoke tests. Exit 3 when something is not as it should be, 7 when it
    could not be found out.
    """

    async def verified(desk: Desk) -> int:
        from watership.errors import NotFound
        from watership.fleet.identity import OPERATOR

        clerk, caller = await desk.clerk(release), calling(name, token)
        if what is None or what in (*SLOTS, "db"):
            return _shown(await clerk.look(asked(clerk.plan, what)))
        validations = [each.id for each in clerk.plan.validations]
        if what not in validations:
            known = ", ".join([*validations, "db", *SLOTS])
            raise NotFound(
                f"There is nothing to verify that is called '{what}'.", fix=f"Choose one of: {known}."
            )
        roles = [role.id for role in clerk.plan.roles]
        caller.require(desk.environment.audit, "verify", OPERATOR, *roles, release=clerk.plan.release)
        await clerk.measure([what], caller)
        return _item(next(item for item in await clerk.stand() if item.id == what))

    return at_desk(verified)


@click.command()
@click.argument("slot", type=click.Choice(SLOTS), required=False)
@of_release
def smoke(slot: str | None, release: str | None) -> int:
    """Run the smoke tests that the build brought, on what stands in SLOT (where next stands unless given)."""

    async def ran(desk: Desk) -> int:
        clerk: Clerk = await desk.clerk(release)
        of = "next" if slot is None else side_in(clerk.plan, slot)
        return _shown(await clerk.look({f"smoke tests on {of}": ("smoke", {"of": of})}))

    return at_desk(ran)


def asked(plan: Plan, what: str | None) -> dict[str, tuple[str, dict[str, str | float]]]:
    """The checks that verify something, each by what it is called: kind and parameters."""
    if what == "db":
        return {
            "integrity": ("schema.integrity", {}),
            "schema version": ("schema.version", {"expected": "after"}),
        }
    of = "next" if what is None else side_in(plan, what)
    checks: dict[str, tuple[str, dict[str, str | float]]] = {
        f"{of}: digest and version": ("build.running", {"of": of}),
        f"{of}: health": ("http.health", {"of": of}),
    }
    return checks | ({f"{of}: smoke tests": ("smoke", {"of": of})} if what is None else {})


def side_in(plan: Plan, slot: str) -> str:
    """Whether live or next stands in a slot, by the plan."""
    return "next" if plan.next.slot.value == slot else "live"


def _shown(found: dict[str, Measurement]) -> int:
    from watership.releases.verdict import worst

    lines = [f"{SIGNS[got.verdict.value]} {name}: {got.evidence}" for name, got in found.items()]
    show(found, "\n".join(lines))
    return exit_for_verdict(worst(got.verdict for got in found.values()))


def _item(item: ItemStanding) -> int:
    lines = [f"{SIGNS[point.state]} {point.text}: {point.words or point.state}" for point in item.points]
    show(item, "\n".join(lines))
    return exit_for_items([item])
