"""watership gate: GO or NO-GO."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from watership.cli.desk import acting, at_desk, calling, one
from watership.cli.exits import Exit, exit_for_verdict
from watership.cli.output import say, show, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watership.releases.judging.replay import Replayed
    from watership.releases.outlook import Outlook
    from watership.releases.readiness.go import ConditionFound
    from watership.releases.readiness.records import Decided
    from watership.releases.status import Ended
    from watership.wiring.desk import Desk


@click.group()
def gate() -> None:
    """GO or NO-GO: the conditions as they stand, and the decision of who may take it. What the gate promises.

    \b
    watership gate show
    watership gate replay
    watership gate decide go --reason "all green" --as dana
    watership gate decide no-go --reason "…" --issue "…" --mitigation "…" --rescheduled 2026-12-01 --informed "…"
    """


@gate.command(name="show")
@one
def show_gate(release: str | None) -> int:
    """The conditions of a GO, and what was decided; what the gate promises, and would see of the present traffic.

    Exit 0: they hold; 3: one has failed; 7: one is not known, or there is none; 6: the release has ended, so that they
    decide nothing.
    """

    async def looked(
        desk: Desk,
    ) -> tuple[tuple[ConditionFound, ...], Decided | None, Ended | None, Outlook, str, str]:
        from watership.cli.standing import sight
        from watership.releases.judging.promise import promise

        clerk = await desk.clerk(release)
        seen, told = await desk.outlook(clerk.plan), (promise(clerk.plan), await sight(desk, clerk.plan))
        return await clerk.conditions(), await clerk.decision(), clerk.ended, seen, *told

    found, decided, ended, seen, promised, sees = at_desk(looked)
    from watership.releases.outlook import words
    from watership.releases.readiness.go import UNWRITTEN, verdict
    from watership.releases.status import ANEW

    rows = [{"verdict": each.verdict.value, "condition": each.text, "found": each.words} for each in found]
    said = (
        f"decided: {decided.decision} by {decided.person}: {decided.reason}"
        if decided
        else "decided: not yet"
    )
    show(
        {
            "conditions": found,
            "decision": decided,
            "ended": ended,
            "runs": seen,
            "promise": promised,
            "sight": sees,
        },
        f"{table(rows, ['verdict', 'condition', 'found'])}\nruns: {words(seen)}\n{said}\n\n{promised}\n{sees}",
    )
    if ended is not None:
        say(f"{ended}\n  fix: {ANEW}")
        return Exit.CONFLICT
    if not found:
        say(UNWRITTEN)
    return exit_for_verdict(verdict(found))


@gate.command()
@one
def replay(release: str | None) -> int:
    """Recompute the gate's word from every second that it counted.

    Exit 0: each verdict and e-value comes out as it was recorded; 3: one does not; 5: no gate has looked yet, or a part
    of what it counted is gone.
    """
    from watership.errors import NotFound
    from watership.releases.judging.replay import replays

    async def replaying(desk: Desk) -> Sequence[Replayed]:
        return await replays(desk.environment.snapshots, desk.folder(release).draft().plan)

    found = at_desk(replaying)
    if not found:
        raise NotFound("No gate has looked at this release yet.", fix="watership release status")
    rows = [
        {
            "vigil": each.name,
            "ticks": each.ticks,
            "arm": arm.name,
            "e-value": f"{arm.e_value:.6g}",
            "refuses at": f"{arm.refuses_at:.6g}",
            "recomputed": f"{again.e_value:.6g}",
            "agrees": "yes" if arm == again else "NO",
        }
        for each in found
        for arm, again in zip(each.recorded.arms, each.recomputed.arms, strict=True)
    ]
    columns = ["vigil", "ticks", "arm", "e-value", "refuses at", "recomputed", "agrees"]
    words = [
        f"{each.name}: {each.recorded.verdict.value}, recomputed {each.recomputed.verdict.value}. "
        f"{each.recomputed.reason}"
        for each in found
    ]
    show(found, "\n".join([table(rows, columns), *words]))
    return Exit.OK if all(each.agrees for each in found) else Exit.NOT_OK


@gate.command()
@click.argument("decision", type=click.Choice(["go", "no-go"]))
@one
@click.option("--reason", required=True, help="Why.")
@click.option("--issue", default="", help="NO-GO: what was found.")
@click.option("--mitigation", default="", help="NO-GO: what is done about it.")
@click.option("--rescheduled", default="", help="NO-GO: until when.")
@click.option("--informed", default="", help="NO-GO: who was told.")
@acting
def decide(
    release: str | None,
    decision: str,
    reason: str,
    issue: str,
    mitigation: str,
    rescheduled: str,
    informed: str,
    name: str | None,
    token: str | None,
) -> int:
    """Decide, in the role that the runbook lets `go_no_go`. Exit 3 or 7: GO is not to be had, and says why."""
    from watership.cli.output import complain, wants_json
    from watership.releases.readiness.go import NotGo

    async def decided(desk: Desk) -> Decided:
        clerk = await desk.clerk(release)
        return await clerk.decide(
            decision,
            calling(name, token),
            reason=reason,
            issue=issue,
            mitigation=mitigation,
            rescheduled=rescheduled,
            informed=informed,
        )

    try:
        made = at_desk(decided)
    except NotGo as error:
        complain(error, wants_json())
        return exit_for_verdict(error.verdict)
    show(made, f"{'GO' if made.decision == 'go' else 'NO-GO'} by {made.person} ({made.role})")
    return Exit.OK
