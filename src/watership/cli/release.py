"""watership release: plan, sign, start, look, and take back."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from watership.cli import standing
from watership.cli.desk import acting, at_desk, calling, one
from watership.cli.exits import Exit
from watership.cli.output import say, show
from watership.cli.rehearse import rehearse
from watership.errors import WatershipError

if TYPE_CHECKING:
    from watership.releases.order import Kind
    from watership.releases.outlook import Outlook
    from watership.releases.plan import Plan
    from watership.releases.program import Outcome
    from watership.releases.readiness.unseen import Unseen
    from watership.releases.reporting.forms import Form
    from watership.releases.status import Planned, ReleaseStatus
    from watership.wiring.desk import Desk, Known

criterion_option = click.option(
    "--criterion",
    default="",
    help="The rollback criterion that is met, for whoever may order one on criteria only.",
)


@click.group()
def release() -> None:
    """Releases: a runbook and a build make a plan; people sign it; a controller runs it.

    \b
    watership release plan ./my-app-2.1.0 --as ada
    watership release sign --role technical_lead --as bo     (one person for each role that the plan names)
    watership release start --as ada
    watership release watch                                  (in another terminal)
    watership release rollback --now --as ada

    Without --as you are $USER. By example: docs/releases.md
    """


@release.command()
@click.argument("build", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--name", "release", help="The release's name; version and time unless given.")
@click.option("--runbook", metavar="NAME|PATH", help="A shipped runbook, or your own folder or file.")
@click.option(
    "--systems",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="systems.yaml: what the checklist looks at outside.",
)
@click.option(
    "--clock-factor",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Scales offsets, soaks, drain and watch: 0.01 makes a rehearsal of a day.",
)
@click.option("--soak", type=click.FloatRange(min=0), help="Seconds of the soak, instead of the runbook's.")
@click.option("--watch", type=click.FloatRange(min=0), help="Seconds of the watch, instead of the runbook's.")
@click.option(
    "--min-samples", type=click.IntRange(min=1), help="Requests on next before it may be judged well."
)
@click.option(
    "--waive-quarantine",
    is_flag=True,
    help="Plan a build that was rolled back automatically; say it at start too.",
)
@click.option(
    "--leave-out-unseen",
    is_flag=True,
    help="In a rehearsal: do without the checks of phases whose systems are not named, or whose secrets are missing.",
)
@click.option("--serve", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True)
@acting
def plan(
    build: Path,
    release: str | None,
    runbook: str | None,
    systems: Path | None,
    clock_factor: float,
    soak: float | None,
    watch: float | None,
    min_samples: int | None,
    waive_quarantine: bool,
    leave_out_unseen: bool,
    serve: int,
    workers: int,
    name: str | None,
    token: str | None,
) -> None:
    """Resolve the runbook for BUILD against what is live. Changes nothing; voids earlier sign-offs if it differs."""
    from watership.releases.plan import Overrides, Size

    overrides = Overrides(
        clock_factor=clock_factor, soak_seconds=soak, watch_seconds=watch, min_samples=min_samples
    )

    async def drawn(desk: Desk) -> tuple[Plan, tuple[Unseen, ...], Outlook, str]:
        draft = await desk.draw(
            build.resolve(),
            release=release,
            starter=calling(name, token).person,
            overrides=overrides,
            size=Size(serve=serve, workers=workers, slots=16),
            book=runbook,
            systems=systems,
            waived=waive_quarantine,
            unseen_left_out=leave_out_unseen,
        )
        desk.folder(draft.plan.release).save_draft(draft)
        unseen, seen = desk.unseen(draft.plan, draft.code), await desk.outlook(draft.plan)
        return draft.plan, unseen, seen, await standing.sight(desk, draft.plan)

    standing.show_plan(*at_desk(drawn))


@release.command()
@one
@click.option("--role", required=True, help="The role in which you sign.")
@click.option("--contract", "contracting", is_flag=True, help="For the contract of a release that has ended.")
@acting
def sign(release: str | None, role: str, contracting: bool, name: str | None, token: str | None) -> None:
    """Give your word for the plan as it stands, in one role. Any change of the plan voids it.

    `release plan` names the roles that are needed. Unless the runbook says otherwise whoever drew the plan cannot
    sign it, nobody signs in two roles, and a sign-off expires.

    \b
    watership release sign --role technical_lead --as bo
    """

    async def signed(desk: Desk) -> tuple[str, str, list[str]]:
        from watership.releases.contract import contracting as contract_of

        clerk, caller = await desk.clerk(release), calling(name, token)
        if contracting:
            lacking = await clerk.sign_contract(contract_of(clerk.plan), role, caller)
        else:
            lacking = await clerk.sign(role, caller)
        return caller.person, clerk.plan.release, [each.role for each in lacking]

    person, signed_release, lacking = at_desk(signed)
    words = f"still missing: {', '.join(lacking)}" if lacking else "every sign-off is given"
    show(
        {"release": signed_release, "missing": lacking},
        f"{person} signed {signed_release} as {role}; {words}",
    )


@release.command()
@one
@click.option(
    "--waive-quarantine", is_flag=True, help="Let a build in again that was rolled back automatically."
)
@acting
def start(release: str | None, waive_quarantine: bool, name: str | None, token: str | None) -> int:
    """Run the signed plan to its end, in this process. Exit 0 promoted, 9 rolled back, 3 refused.

    Killed in the middle it goes on with `watership release resume`; until then the dead-man's switch guards.
    """
    from watership.fleet.identity import ADMIN, OPERATOR

    async def started(desk: Desk) -> int:
        folder = desk.folder(release)
        folder.draft()  # no plan is told before anything is asked of the person
        caller = calling(name, token)
        person = caller.person
        caller.require(desk.environment.audit, "start", OPERATOR, release=folder.name)
        if waive_quarantine:
            caller.require(desk.environment.audit, "waive a quarantine", ADMIN, release=folder.name)
        brief = await desk.brief(folder.name, starter=person, waived_by=person if waive_quarantine else None)
        say(f"starting release {folder.name}; if it begins, look with: watership release watch {folder.name}")
        return await _ended(desk, desk.controller.start(brief), folder.name)

    return at_desk(started)


async def _ended(desk: Desk, running: Awaitable[Outcome], release: str | None) -> int:
    """Await a release's end, telling what it does meanwhile, and then how it ended."""
    telling = asyncio.create_task(standing.told_meanwhile(desk, release), name="telling what it does")
    try:
        outcome = await running
    except asyncio.CancelledError:
        # Ctrl-C: who leaves a release alone is told what stands.
        say(await standing.left_alone(desk, release))
        raise
    finally:
        telling.cancel()
    report = await _reported(desk, desk.find(None))
    shown = {"outcome": outcome.outcome, "reason": outcome.reason, "report": report and str(report)}
    show(shown, f"{outcome.outcome}: {outcome.reason}\nreport: {report or 'none'}")
    return Exit.INCONCLUSIVE if outcome.unknown else standing.OUTCOMES[outcome.outcome]


async def _reported(desk: Desk, known: Awaitable[Known | None]) -> Path | None:
    """Write the report of a release, if there is one to tell of. How a command ends is not the report's affair."""
    from watership.wiring.reporting import write_report

    try:
        found = await known
        return await write_report(desk, found) if found is not None else None
    except (WatershipError, OSError) as error:
        say(f"error: the report could not be written: {error}")
        say("  fix: mend that, then: watership release report")
        return None


@release.command()
@one
@click.option("--adopt", is_flag=True, help="Take over what another build's controller began.")
@acting
def resume(release: str | None, adopt: bool, name: str | None, token: str | None) -> int:
    """Go on with the release that is under way, after its controller was killed."""
    from watership.fleet.identity import OPERATOR

    async def resumed(desk: Desk) -> int:
        caller = calling(name, token)
        caller.require(desk.environment.audit, "resume", OPERATOR)
        await desk.require_meant(release)
        return await _ended(desk, desk.resume(adopt=adopt), release)

    return at_desk(resumed)


@release.command()
@one
@click.option("--now", is_flag=True, help="Without being asked once more.")
@click.option(
    "--to",
    "version",
    help="The version to go back to; refused where it is not the last safe one.",
)
@click.option("--reason", default="", help="Why; may be said later.")
@criterion_option
@click.option("--force", is_flag=True, help="Depose a controller that hangs.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=120.0,
    show_default=True,
    help="Seconds to wait for a controller that lives; exit 8 after them.",
)
@acting
def rollback(
    release: str | None,
    now: bool,
    version: str | None,
    reason: str,
    criterion: str,
    force: bool,
    timeout: float,
    name: str | None,
    token: str | None,
) -> int:
    """Take both planes to the last safe state: by order if a controller lives, else at once, without a replay.

    Exit 0 only when both planes were read back, 1 when they do not say so, 8 when it takes longer.
    """
    from watership.releases.verdict import Verdict

    if not now and not _agreed("Take both planes to the last safe state?"):
        return Exit.FAILED
    caller = calling(name, token)

    async def taken_back(desk: Desk) -> int:
        await desk.require_meant(release)
        if version is not None:
            await desk.require_safe(version)
        freely, audit = desk.unhindered()
        why = await freely.grounds(caller, criterion=criterion, reason=reason)
        found = await freely.take_back(caller.person, why, force=force, seconds=timeout)
        for words in audit.told():
            say(f"error: {words}")
            say("  fix: watership audit verify; and keep what is said here")
        if found is None:
            words = (
                f"ordered, and not done within {timeout:g} s; a controller that hangs is deposed with --force"
            )
            show({"ordered": True, "timeout": timeout}, words)
            return Exit.TIMED_OUT
        show(found, found.evidence)
        await _report_anew(desk)
        return Exit.OK if found.verdict is Verdict.PASSED else Exit.FAILED

    return at_desk(taken_back)


@release.command()
@one
@click.option("--check", is_flag=True, help="Only say what stands in the way; exit 3 while something does.")
@click.option("--unrehearsed", is_flag=True, help="Without a try on a copy, where none can be had.")
@acting
def contract(release: str | None, check: bool, unrehearsed: bool, name: str | None, token: str | None) -> int:
    """Take away what the old build needed. NOTHING LEADS BACK from here.

    For a release that was promoted and watched: once the old deployment has stood by for its time, with sign-offs for
    the contract alone, and no run pinned to a build that cannot read what is left. The old deployment is retired first.

    \b
    watership release contract --check
    watership release sign --contract --role technical_lead --as bo
    watership release contract --as ada
    """
    from watership.fleet.identity import OPERATOR
    from watership.releases.verdict import Verdict

    async def looked(desk: Desk) -> int:
        known, ready = await desk.contractable(release)
        lines = [*ready.hindrances, *(f"unsigned: {each.role} ({each.reason})" for each in ready.missing)]
        ends = ", ".join(f"{each.name} → schema {each.end}" for each in known.release.plan.contracts)
        show(ready, f"contract of {known.release.plan.release}: {ends}\n" + ("\n".join(lines) or "ready"))
        return Exit.OK if ready.ready else Exit.NOT_OK

    async def contracted(desk: Desk) -> int:
        caller = calling(name, token)
        caller.require(desk.environment.audit, "contract", OPERATOR)
        _, found = await desk.contract(release, caller.person, rehearsed=not unrehearsed)
        show(found, f"{found.verdict.value}: {found.evidence}")
        return Exit.OK if found.verdict is Verdict.PASSED else Exit.FAILED

    return at_desk(looked if check else contracted)


async def _report_anew(desk: Desk) -> None:
    """Whoever reads the report of a release that has ended reads there that it was taken back, too."""
    report = await _reported(desk, desk.taken_back())
    if report is not None:
        say(f"report: {report}")


def _agreed(question: str) -> bool:
    """Ask whoever sits at a terminal; elsewhere nobody can be asked."""
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} There is nobody to ask: say --now.")
    return click.confirm(question)


def _order(command: str, kind: Kind, about: str) -> None:
    """One command per order that people may give. (`resume` is a controller's, so the order is `go-on`.)"""

    @release.command(name=command, help=about)
    @one
    @click.option("--reason", default="", help="Why.")
    @criterion_option
    @acting
    def order(release: str | None, reason: str, criterion: str, name: str | None, token: str | None) -> None:
        from watership.fleet.identity import OPERATOR
        from watership.releases.order import Order

        caller = calling(name, token)
        person = caller.person

        async def ordered(desk: Desk) -> str:
            await desk.require_meant(release)
            why = reason
            if kind in ("abort", "rollback"):
                why = await desk.grounds(caller, criterion=criterion, reason=reason)
            else:
                caller.require(desk.environment.audit, command, OPERATOR)
            return await desk.controller.order(Order(kind=kind, who=person, reason=why))

        run_id = at_desk(ordered)
        show({"release": run_id, "order": kind}, f"{run_id}: {command} ordered by {person}")


_order("hold", "hold", "Begin nothing more, until `go-on`.")
_order("go-on", "resume", "End a hold, or go on after a failure that waits for a person.")
_order("next", "next", "Skip the calendar wait that stands now; the next one needs it again.")
_order("accept", "accept", "Be content with a watch that came to no verdict.")
_order("abort", "abort", "End the release, and take back what was done.")


@release.command(name="status")
@one
def release_status(release: str | None) -> int:
    """Where a release stands now: phases, weights, the soak's numbers; or the plan that is not started.

    Exit 7 while it waits for a person, or while no controller is at work on it.
    """

    async def looked(desk: Desk) -> tuple[ReleaseStatus | Planned, datetime]:
        return await desk.look(release), desk.environment.clock.now()

    found, now = at_desk(looked)
    if found.stage == "planned":
        show(found, "\n".join(standing.drawn(found)))
        return Exit.INCONCLUSIVE
    show(found, standing.page(found, now))
    return standing.exit_for(found)


@release.command()
@one
@click.option("--every", type=click.FloatRange(min=0.2), default=1.0, show_default=True, help="Seconds.")
def watch(release: str | None, every: float) -> int:
    """Follow a release until it ends; leaving (Ctrl-C) does not touch it. Exit as `start` does."""

    async def followed(desk: Desk) -> ReleaseStatus:
        from msgspec.structs import replace

        known, said = await desk.find(release), ""
        while True:
            found, now = await desk.status(known), desk.environment.clock.now()
            # Without the seconds that are left, which change with every look.
            news = standing.line(replace(found, waits_until=None), now)
            if news != said:
                show(found, standing.line(found, now))
                said = news
            if found.over:
                return found
            await asyncio.sleep(every)

    return standing.exit_for(at_desk(followed))


@release.command()
@one
@click.option(
    "--to",
    type=click.Choice(["html", "md", "json", "pdf"]),
    default="html",
    show_default=True,
    help="The form.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file; among its papers unless given.",
)
def report(release: str | None, to: Form, output: Path | None) -> None:
    """Write the report anew, as far as the release has come; prints its path.

    All forms say the same: a page for a browser, Markdown, JSON (schema watership.report/v1), PDF (needs the package
    typst: pip install 'watership[report]').
    """
    from watership.wiring.reporting import write_report

    async def written(desk: Desk) -> Path:
        return await write_report(desk, await desk.find(release), to, output)

    path = at_desk(written)
    show({"report": str(path)}, str(path))


release.add_command(rehearse)
