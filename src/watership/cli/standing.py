"""A plan, and where its release stands, for people: in a line, as a page, and as an exit code."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from watership.cli.exits import Exit
from watership.cli.output import say, show, table

if TYPE_CHECKING:
    from watership.releases.plan import Plan, Side
    from watership.releases.status import Planned, ReleaseStatus

OUTCOMES: Final = {
    "promoted": Exit.OK,
    "rolled_back": Exit.ROLLED_BACK,
    "refused": Exit.NOT_OK,
    "stopped": Exit.INCONCLUSIVE,
    "failed": Exit.FAILED,
    "cancelled": Exit.FAILED,
}
"""How a command ends whose release ended so."""


def show_plan(made: Plan) -> None:
    """All of a plan, and what to do with it next."""
    from watership.releases.book.quantity import spoken
    from watership.releases.judging.gate import guarantee
    from watership.releases.judging.glimpse import blind
    from watership.releases.plan import access, fingerprint

    phases = [
        {
            "phase": f"{phase.number} {phase.title}",
            "at": f"T{'-' if phase.at < 0 else '+'}{spoken(abs(phase.at))}",
            "budget": spoken(phase.budget),
            "items": sum(item.phase == phase.id for item in made.items),
        }
        for phase in made.phases
    ]
    lines = [
        f"Release {made.release}: {_side(made.live)} → {_side(made.next)}",
        f"plan        {fingerprint(made)}",
        f"migrations  {', '.join(f'{each.start} → {each.end}' for each in made.migrations) or 'none'}",
        *([f"image       {made.image}"] if made.image else []),
        f"access      {access(made)}",
        f"gate        {guarantee(made.gate)}",
        f"cannot see  {', '.join(blind(made.fuses)) or 'nothing is hidden: every fuse has a source'}",
        f"own checks  {', '.join(each.path for each in made.code) or 'none'}",
        f"sign-offs   {', '.join(made.signoffs.needed) or 'none needed'}",
        f"            {_rules(made)}",
        "",
        table(phases, ["phase", "at", "budget", "items"]),
    ]
    told = {
        "release": made.release,
        "fingerprint": fingerprint(made),
        "cannot_see": blind(made.fuses),
        "plan": made,
    }
    show(told, "\n".join(lines))
    say(
        f"next: watership release sign {made.release} --role ROLE --as NAME   "
        f"then: watership release start {made.release} --as {made.starter}"
    )


def _rules(made: Plan) -> str:
    """By which rules a sign-off counts."""
    from watership.releases.book.quantity import spoken

    rules = made.signoffs
    words = [] if rules.starter_may_sign else [f"{made.starter}, who starts it, cannot sign"]
    words += ["one person signs in one role"] if rules.one_person_one_role else []
    return "; ".join(
        [*words, f"a sign-off expires after {spoken(rules.expires)}, and with any change of the plan"]
    )


def _side(side: Side) -> str:
    return f"{side.build.version} ({side.slot})"


def exit_for(found: ReleaseStatus) -> Exit:
    """0 while all is well, 7 while it waits for a person or for a controller, else how it ended."""
    waits = found.asks or found.unattended or (found.outcome is not None and found.outcome.unknown)
    return Exit.INCONCLUSIVE if waits else OUTCOMES.get(found.stage, Exit.OK)


def line(found: ReleaseStatus, now: datetime) -> str:
    """One line: what is done now, and what is known of it. `now` is the calendar's, which leaps in a rehearsal."""
    if found.over:
        return f"{found.release} {found.stage}: {found.reason}"
    running = next((each for each in found.items if each.state == "running"), None)
    phase = f"phase {found.phase} {found.phase_title}" if found.phase is not None else found.stage
    doing = f" · {running.title}" if running else ""
    if found.unattended:
        return f"{found.release} {phase}{doing} · {_given(found)} · NO CONTROLLER is at work: watership release resume"
    soak = f" · {found.vigil.words}" if found.vigil and found.stage in ("running", "watching") else ""
    held = f" · WAITS FOR A PERSON: {found.asks}" if found.asks else " · HELD" if found.held else ""
    return f"{found.release} {phase}{doing} · {_given(found)}{_waiting(found, now)}{soak}{held}"


def _given(found: ReleaseStatus) -> str:
    """What next gets, as the planes themselves say now."""
    router, intake = ("unknown" if share is None else f"{share} %" for share in (found.router, found.intake))
    return f"now: router gives next {router}, intake {intake}"


def _waiting(found: ReleaseStatus, now: datetime) -> str:
    if not found.waits_for:
        return ""
    left = ""
    if found.waits_until is not None:
        left = f" (in {max(0.0, (found.waits_until - now).total_seconds()):.0f} s)"
    return f" · waits for {found.waits_for}{left}; hurry with: watership release next"


SIGNS = {"passed": "✓", "failed": "✗", "inconclusive": "?", "running": "▶", "waiting": "·"}


def page(found: ReleaseStatus, now: datetime) -> str:
    """The whole checklist, with what was found."""
    lines = [line(found, now), ""]
    lines += [f" {SIGNS[each.state]} {each.key:<34} {each.evidence or each.title}" for each in found.items]
    if found.planned is not None:
        lines += ["", "A newer plan is drawn, and not started:", *drawn(found.planned)]
    return "\n".join(lines)


def drawn(plan: Planned) -> list[str]:
    """A plan that is not started, and the command that brings it on."""
    role = next(iter(plan.missing), None)
    onward = f"sign {plan.release} --role {role} --as NAME" if role else f"start {plan.release} --as NAME"
    return [
        f"{plan.release} planned: {plan.live} → {plan.next} ({plan.slot})",
        f"signed   {', '.join(plan.signed) or 'nobody yet'}",
        f"missing  {', '.join(plan.missing) or 'nothing'}",
        f"next: watership release {onward}",
    ]
