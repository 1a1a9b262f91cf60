"""watership incident: what goes wrong, who is told, what is decided, and what is learned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from watership.cli.desk import acting, alone, calling
from watership.cli.exits import Exit
from watership.cli.options import read_config
from watership.cli.output import say, show, table
from watership.cli.times import Duration
from watership.errors import BadInput

if TYPE_CHECKING:
    from watership.releases.incidents.escalation import Due
    from watership.releases.incidents.incident import Event, Incident
    from watership.wiring.incidents import Make

R = TypeVar("R")

SEVERITIES = click.Choice(["critical", "high", "medium"])
TRIGGERS = click.Choice(["business_impact", "sla", "security", "data_loss", "unresolved"])


@click.group()
def incident() -> None:
    """Incidents: opened by rule or by hand, told level by level, closed with a post-mortem.

    \b
    watership incident open "Error rate" --severity critical --symptom "15 % of requests fail" --as mona
    watership incident update --acknowledge --as eli
    watership incident update --decision "ROLLBACK: the business impact is too high" --as eli
    watership incident update --restored "errors are at 0.02 %" --as mona
    watership incident close --as eli                                  (writes the post-mortem's skeleton)

    The incident need not be named while only one is open. By example: docs/incidents.md
    """


def _one(command: click.decorators.FC) -> click.decorators.FC:
    return click.option("--of", "which", metavar="INC-1", help="Which one, where several are open.")(command)


def _by_name(command: Callable[..., R]) -> Callable[..., R]:
    return _one(alone("which", "INC-1")(command))


@incident.command(name="open")
@click.argument("title")
@click.option("--severity", type=SEVERITIES, required=True)
@click.option("--symptom", help="What is seen; the title unless given.")
@click.option("--release", default="", help="The release that it is about: its audit joins the timeline.")
@click.option("--began", type=Duration(), help="How long ago the trouble began: 5m.")
@click.option("--because", "triggers", type=TRIGGERS, multiple=True, help="It goes up a level at once.")
@acting
def open_incident(
    title: str,
    severity: str,
    symptom: str | None,
    release: str,
    began: float | None,
    triggers: tuple[str, ...],
    name: str | None,
    token: str | None,
) -> None:
    """Open an incident by hand. Its timer begins, and level 1 is to be told."""
    from watership.releases.incidents.incident import Opening, Severity, said
    from watership.wiring.incidents import open_incidents

    caller = calling(name, token)
    with open_incidents(read_config()) as desk:
        response = desk.response(release)
        person, now = desk.allowed(caller, "open", release), desk.clock.now()
        opening = Opening(
            rule="",
            release=release,
            title=said(title),
            symptom=said(symptom or title),
            severity=Severity(severity),
            at=now,
            began=None if began is None else now - timedelta(seconds=began),
            triggers=triggers,  # type: ignore[arg-type]  # click has let no other word through
        )
        made = asyncio.run(response.open(opening, who=person))
        assert made is not None, "what a person opens is opened"
        show(made, f"{made.id} is open ({made.severity}): {made.opening.title}")
        _say_due(response.due(made))


@incident.command(name="list")
@click.option("--all", "everything", is_flag=True, help="Those that are closed too.")
def list_incidents(everything: bool) -> None:
    """The incidents that are not closed."""
    from watership.releases.incidents.incident import State
    from watership.wiring.incidents import open_incidents

    with open_incidents(read_config()) as desk:
        there = asyncio.run(desk.incidents.all())
        found = [each for each in there if everything or each.state is not State.CLOSED]
        rows = [
            {
                "incident": each.id,
                "severity": each.severity,
                "state": each.state,
                "since": _spoken(each.lasted(desk.clock.now())),
                "level": str(each.level),
                "release": each.opening.release,
                "title": each.opening.title,
            }
            for each in found
        ]
    columns = ["incident", "severity", "state", "since", "level", "release", "title"]
    show({"incidents": found, "total_count": len(found)}, table(rows, columns))


@incident.command(name="show")
@_by_name
def show_incident(which: str | None) -> int:
    """An incident with its timer and its timeline. Exit 7 while somebody is to be told and was not."""
    from watership.releases.incidents.incident import chosen
    from watership.wiring.incidents import open_incidents

    with open_incidents(read_config()) as desk:
        found = chosen(asyncio.run(desk.incidents.all()), which)
        lines, now = desk.timeline(found), desk.clock.now()
        due = desk.response(found.opening.release).due(found)
    lasted = found.lasted(now)
    told = {"incident": found, "seconds": lasted.total_seconds(), "timeline": lines, "due": due}
    rows = [{"when": each.when, "who": each.who, "what": each.what} for each in lines]
    page = [
        f"{found.id} {found.opening.title}: {found.severity}, {found.state}, for {_spoken(lasted)}",
        f"release     {found.opening.release or 'none'}",
        f"told        up to level {found.level}",
        f"taken on by {found.acknowledged_by or 'nobody yet'}",
        f"decision    {found.decision or 'none yet'}",
        "",
        table(rows, ["when", "who", "what"]),
    ]
    show(told, "\n".join(page))
    _say_due(due)
    return Exit.INCONCLUSIVE if due else Exit.OK


@incident.command()
@click.argument("text")
@_one
@acting
def note(text: str, which: str | None, name: str | None, token: str | None) -> None:
    """Put down what was found, tried or said. What was learned later is noted on a closed one."""
    from watership.releases.incidents.incident import Noted, said

    words = said(text)
    _happen(
        which, name, token, "note", [lambda it, who, at: Noted(incident=it.id, at=at, who=who, text=words)]
    )


@incident.command()
@_by_name
@click.option("--severity", type=SEVERITIES, help="How bad it is now.")
@click.option("--acknowledge", is_flag=True, help="You take it on: the present level is not told again.")
@click.option("--measured", metavar="WORDS", help="What was looked at, and what it was.")
@click.option("--decision", metavar="WORDS", help="What is to be done about it, and why.")
@click.option("--restored", metavar="WORDS", help="The service is as it should be, and by what one knows.")
@click.option("--reopen", metavar="WORDS", help="It is not over after all.")
@acting
def update(
    which: str | None,
    severity: str | None,
    acknowledge: bool,
    measured: str | None,
    decision: str | None,
    restored: str | None,
    reopen: str | None,
    name: str | None,
    token: str | None,
) -> None:
    """Say where it stands. Acknowledging does not hold up the next level's time; only what is restored does."""
    makes = list(_updates(severity, acknowledge, measured, decision, restored, reopen))
    if not makes:
        raise BadInput(
            "Nothing is to be said.",
            fix="Give --severity, --acknowledge, --measured, --decision, --restored or --reopen.",
        )
    _happen(which, name, token, "update", makes)


def _updates(
    severity: str | None,
    acknowledge: bool,
    measured: str | None,
    decision: str | None,
    restored: str | None,
    reopen: str | None,
) -> Iterator[Make]:
    """What was said, in the order in which it makes sense."""
    from watership.releases.incidents import incident as it

    if reopen is not None:
        text = it.said(reopen)
        yield lambda its, who, at: it.Reopened(incident=its.id, at=at, who=who, text=text)
    if severity is not None:
        graded = it.Severity(severity)
        yield lambda its, who, at: it.Graded(incident=its.id, at=at, who=who, severity=graded)
    if acknowledge:
        yield lambda its, who, at: it.Acknowledged(incident=its.id, at=at, who=who)
    if measured is not None:
        found = it.said(measured)
        yield lambda its, who, at: it.Measured(incident=its.id, at=at, who=who, text=found)
    if decision is not None:
        decided = it.said(decision)
        yield lambda its, who, at: it.Decided(incident=its.id, at=at, who=who, decision=decided)
    if restored is not None:
        over = it.said(restored)
        yield lambda its, who, at: it.Restored(incident=its.id, at=at, who=who, text=over)


@incident.command()
@_by_name
@click.option("--because", "trigger", type=TRIGGERS, help="What makes it go up a level at once.")
@click.option("--text", default="", help="More about that.")
@click.option("--told", is_flag=True, help="You have told whoever is due yourself: it is put down.")
@acting
def escalate(
    which: str | None, trigger: str | None, text: str, told: bool, name: str | None, token: str | None
) -> None:
    """Go up a level, or see who is to be told now."""
    from watership.releases.incidents.incident import Triggered, chosen
    from watership.wiring.incidents import open_incidents

    caller = calling(name, token)
    with open_incidents(read_config()) as desk:
        found = chosen(asyncio.run(desk.incidents.all()), which)
        release = found.opening.release
        response = desk.response(release)
        person = desk.allowed(caller, "escalate", release)
        if trigger is not None:
            found = asyncio.run(
                response.put(
                    found.id,
                    lambda it: Triggered(
                        incident=it.id,
                        at=desk.clock.now(),
                        who=person,
                        trigger=trigger,  # type: ignore[arg-type]  # click has let no other word through
                        text=text,
                    ),
                )
            )
        due = asyncio.run(response.told(found, who=person)) if told else response.due(found)
    seats = ", ".join(f"level {each.level}: {each.seat}" for each in due) or "nobody"
    show({"incident": found.id, "due": due, "told": told}, f"{found.id}: {seats}{' told' if told else ''}")
    if not told:
        _say_due(due)


@incident.command()
@_by_name
@click.option("--false-alarm", metavar="WORDS", help="There was nothing to restore, and how one knows.")
@click.option("--text", default="", help="The last word.")
@acting
def close(which: str | None, false_alarm: str | None, text: str, name: str | None, token: str | None) -> None:
    """Close what is restored, and write its post-mortem's skeleton: the facts filled in, the rest to be written."""
    from watership.releases.incidents.incident import Closed, Dismissed, said
    from watership.wiring.incidents import open_incidents

    def ending(its: Incident, who: str, at: datetime) -> Event:
        if false_alarm is not None:
            return Dismissed(incident=its.id, at=at, who=who, text=said(false_alarm))
        return Closed(incident=its.id, at=at, who=who, text=text)

    caller = calling(name, token)
    with open_incidents(read_config()) as desk:
        closed = asyncio.run(desk.happen(which, caller, "close", [ending]))
        path: Path = asyncio.run(desk.write_post_mortem(closed))
    show({"incident": closed, "post_mortem": str(path)}, f"{closed.id} is closed\npost-mortem: {path}")


def _happen(which: str | None, name: str | None, token: str | None, act: str, makes: list[Make]) -> None:
    from watership.wiring.incidents import open_incidents

    caller = calling(name, token)
    with open_incidents(read_config()) as desk:
        after = asyncio.run(desk.happen(which, caller, act, makes))
        due = desk.response(after.opening.release).due(after)
    show(after, f"{after.id} is {after.state} ({after.severity}), level {after.level}")
    _say_due(due)


def _say_due(due: list[Due]) -> None:
    """Whom to tell. Nothing is sent from here: that is the controller's, or the person's."""
    for each in due:
        say(
            f"to be told: {each.seat} (level {each.level}, {each.title}), because {each.because}; "
            f"done it yourself: watership incident escalate --of {each.incident} --told"
        )


def _spoken(time: timedelta) -> str:
    from watership.releases.book.quantity import spoken

    return spoken(round(time.total_seconds())) or "0s"
