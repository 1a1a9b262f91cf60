"""A plan, and where its release stands, for people: in a line, as a page, and as an exit code."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from watership.cli.exits import Exit
from watership.cli.output import SIGNS, say, show, table
from watership.errors import NotFound, Unavailable, WatershipError

if TYPE_CHECKING:
    from watership.releases.outlook import Outlook
    from watership.releases.plan import Plan, Side
    from watership.releases.readiness.unseen import Unseen
    from watership.releases.status import Planned, ReleaseStatus
    from watership.wiring.desk import Desk

LOOK_SECONDS: Final = 0.5
"""Between two looks at what a release does."""

OUTCOMES: Final = {
    "promoted": Exit.OK,
    "rolled_back": Exit.ROLLED_BACK,
    "refused": Exit.NOT_OK,
    "stopped": Exit.INCONCLUSIVE,
    "failed": Exit.FAILED,
    "cancelled": Exit.FAILED,
}
"""How a command ends whose release ended so."""


NAMED: Final = 8
"""Systems whose points are counted one by one; --json has all."""


def show_plan(made: Plan, lacking: Sequence[Unseen], seen: Outlook, sight: str) -> None:
    """All of a plan, what it cannot see, what becomes of the runs under way, and what to do with it next."""
    from watership.releases.book.quantity import spoken
    from watership.releases.book.runbook import fate
    from watership.releases.judging.gate import guarantee
    from watership.releases.judging.promise import promise
    from watership.releases.judging.sources import blind
    from watership.releases.outlook import words
    from watership.releases.plan import access, fingerprint
    from watership.releases.readiness.caution import cautions

    careful = cautions(made, lacking)
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
        f"runs        {words(seen)}",
        f"            {fate(made.begun_runs)}",
        f"gate        {guarantee(made.gate)}",
        f"            {promise(made)}",
        *(f"            {each}" for each in sight.splitlines()),
        f"cannot see  {', '.join(blind(made.fuses, made.sources)) or 'nothing is hidden: every fuse has a source'}",
        f"own checks  {', '.join(each.path for each in made.code) or 'none'}",
        f"sign-offs   {', '.join(made.signoffs.needed) or 'none needed'}",
        f"            {_rules(made)}",
        "",
        table(phases, ["phase", "at", "budget", "items"]),
        *[f"\nwarning: {each}" for each in careful[:1]],
        *[f"warning: {each}" for each in careful[1:]],
        *_unknowable(lacking),
    ]
    told = {
        "release": made.release,
        "fingerprint": fingerprint(made),
        "cannot_see": blind(made.fuses, made.sources),
        "promise": promise(made),
        "sight": sight,
        "cautions": careful,
        "unseen": lacking,
        "runs": seen,
        "plan": made,
    }
    show(told, "\n".join(lines))
    say(
        f"next: watership release sign {made.release} --role ROLE --as NAME   "
        f"then: watership release start {made.release} --as {made.starter}"
    )


async def sight(desk: Desk, made: Plan) -> str:
    """What the gates would see of the present traffic, and when; why nobody can say, where that is so."""
    from watership.releases.judging.power import printed
    from watership.releases.judging.promise import sightings

    try:
        seen = await sightings(desk.environment, made)
    except Unavailable as error:
        return f"How soon the gate would see something cannot be said now: {error}"
    return "\n".join(f"{each.name}: {printed(each.power)}" for each in seen)


def _unknowable(lacking: Sequence[Unseen]) -> list[str]:
    """Each item of a phase that cannot be known, with the reason; points are counted by what they lack."""
    steps = [each for each in lacking if each.where == "phases"]
    width = max((len(each.key) for each in steps), default=0)
    lines = [f"  {each.key:<{width}}  {each.words}" for each in steps]
    counts = Counter(name for each in lacking if each.where == "checklist" for name in each.systems)
    if counts:
        named = ", ".join(f"{name} ({number})" for name, number in counts.most_common(NAMED))
        more = len(counts) - NAMED
        lines.append(f"  points that ask {named}{f' and {more} more systems' if more > 0 else ''}")
    return lines


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
    waits = (
        found.asks
        or found.unattended
        or found.unsure
        or (found.outcome is not None and found.outcome.unknown)
    )
    return Exit.INCONCLUSIVE if waits else OUTCOMES.get(found.stage, Exit.OK)


def line(found: ReleaseStatus, now: datetime) -> str:
    """One line: what is done now, and what is known of it. `now` is the calendar's, which leaps in a rehearsal."""
    unsure = f" · NOT KNOWN whether it was taken back since: {found.unsure}" if found.unsure else ""
    if found.over:
        asked = f" · WAITS FOR A PERSON: {found.asks}" if found.asks else ""
        return f"{found.release} {found.stage}: {found.reason}{asked}{unsure}"
    running = next((each for each in found.items if each.state == "running"), None)
    phase = f"phase {found.phase} {found.phase_title}" if found.phase is not None else found.stage
    doing = f" · {running.title}" if running else ""
    if found.unattended:
        back = f" · {found.reason}" if found.taken_back else ""
        nobody = "NO CONTROLLER is at work: watership release resume"
        return f"{found.release} {phase}{doing} · {_given(found)}{back} · {nobody}{unsure}"
    soak = f" · {found.vigil.words}" if found.vigil and found.stage in ("running", "watching") else ""
    held = f" · WAITS FOR A PERSON: {found.asks}" if found.asks else " · HELD" if found.held else ""
    return f"{found.release} {phase}{doing} · {_given(found)}{_waiting(found, now)}{soak}{held}{unsure}"


async def told_meanwhile(desk: Desk, release: str | None) -> None:
    """Say each phase and item as it comes, and what is waited for, on stderr; a line for each change."""
    said = ""
    while True:
        try:
            found = await desk.status(await desk.find(release))
        except WatershipError:
            said = ""  # it has not begun, or does not answer now
        else:
            news = "" if found.over else _step(found)
            if news and news != said:
                say(news)
                said = news
        await asyncio.sleep(LOOK_SECONDS)


def _step(found: ReleaseStatus) -> str:
    """What is done now, without the numbers that change with every look."""
    running = next((each for each in found.items if each.state == "running"), None)
    phase = f"phase {found.phase} {found.phase_title}" if found.phase is not None else found.stage
    doing = f" · {running.title}" if running and not found.waits_for else ""
    waits = f" · waits for {found.waits_for}" if found.waits_for else ""
    asks = f" · WAITS FOR A PERSON: {found.asks}" if found.asks else ""
    return f"{found.release} {phase}{doing}{waits} · next gets {found.weight} %{asks}"


async def left_alone(desk: Desk, release: str | None) -> str:
    """What stands when a release's controller was ended by hand, and how to go on."""
    try:
        found = await desk.status(await desk.find(release))
    except NotFound:
        return "interrupted before anything was begun"
    if found.over:
        return f"interrupted; {line(found, desk.environment.clock.now())}"
    try:
        switch = switch_words((await desk.environment.router.read()).until)
    except Unavailable as error:
        switch = f"Whether the dead-man's switch is armed is not known: {error.message}"
    return stands(found, switch)


def stands(found: ReleaseStatus, switch: str) -> str:
    """A release without a controller: the share of both planes, what the switch does, and the command that goes on."""
    words = (
        f"interrupted: no controller is at work on {found.release} now; {_given(found).removeprefix('now: ')}"
    )
    return f"{words}.\n{switch}\n  go on: watership release resume {found.release}"


def switch_words(until: datetime | None) -> str:
    """Whether the dead-man's switch takes the traffic back by itself, as the router says."""
    if until is None:
        return "No dead-man's switch is armed: it stays so. Take it back: watership release rollback --now"
    return f"Unless it is resumed by {until:%H:%M:%S} UTC, the dead-man's switch takes both planes back by itself."


def _given(found: ReleaseStatus) -> str:
    """What next gets, as the planes themselves say now."""
    router, intake = ("unknown" if share is None else f"{share} %" for share in (found.router, found.intake))
    return f"now: router gives next {router}, intake {intake}"


def _waiting(found: ReleaseStatus, now: datetime) -> str:
    if not found.waits_for:
        return ""
    left = ""
    if found.waits_until is not None:
        left = f" (in {_left(found.waits_until - now)})"
    return f" · waits for {found.waits_for}{left}; hurry with: watership release next"


def _left(time: timedelta) -> str:
    """`58s`, `1m 30s`, `20h`: of hours nobody wants to read the seconds."""
    from watership.releases.book.quantity import spoken

    seconds = max(0, round(time.total_seconds()))
    return spoken(seconds - seconds % 60 if seconds >= 3600 else seconds) or "0s"


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
        *(f"NO       {role}: {why}" for role, why in plan.refused.items()),
        f"next: watership release {onward}",
    ]
