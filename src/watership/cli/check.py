"""watership check: the checklist of a release, measured, attested, waived."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from watership.cli.desk import acting, at_desk, calling, of_release
from watership.cli.exits import Exit, exit_for_verdict
from watership.cli.options import read_config
from watership.cli.output import SIGNS, say, show, table
from watership.cli.times import Duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watership.releases.readiness.standing import ItemStanding
    from watership.wiring.desk import Desk

NAMED = 8
"""Points that are named by words; --json names all."""


@click.group()
def check() -> None:
    """The checklist of a release: what programs measure, and what people answer for.

    \b
    watership check list                          every item, and how it stands
    watership check run                           measure everything that a program can see
    watership check run tls 25 infrastructure     … of a kind of check, an item's number, a section
    watership check attest uat --words "…" --evidence uat.pdf --as dana
    watership check waive uat/feedback --reason "…" --for 24h --as lee
    """


@check.command(name="list")
@click.argument("words", nargs=-1)
@click.option("--due", is_flag=True, help="Only what is due by now, and is not good.")
@click.option("--open", "still_open", is_flag=True, help="Only what is not good.")
@of_release
def list_items(words: tuple[str, ...], due: bool, still_open: bool, release: str | None) -> int:
    """Every item and how it stands. Exit 0 when all are good, 3 when one has failed, 7 when one is not known.

    With --due or --open: 0 too when there is no such item. A runbook without any item ends with 7.
    """
    items = _named(at_desk(lambda desk: _stand(desk, release)), words)
    chosen = [item for item in items if not (due and not item.late) and not (still_open and item.good)]
    rows = [
        {
            "": SIGNS[item.state],
            "no": item.number,
            "item": item.id,
            "title": item.title,
            "owner": item.owner,
            "good": f"{sum(point.good for point in item.points)}/{len(item.points)}",
            "state": item.state + (" LATE" if item.late else ""),
        }
        for item in chosen
    ]
    show({"items": chosen}, table(rows, ["", "no", "item", "title", "owner", "good", "state"]))
    return exit_for_items(chosen) if chosen or not items else Exit.OK


@check.command(name="show")
@click.argument("words", nargs=-1, required=True)
@of_release
def show_points(words: tuple[str, ...], release: str | None) -> int:
    """The points of items, with who said what of them, when, and until when it counts."""
    chosen = _named(at_desk(lambda desk: _stand(desk, release)), words)
    lines = []
    for item in chosen:
        due = f", due {item.due:%Y-%m-%d %H:%M} UTC" if item.due else ""
        lines.append(f"{item.number} {item.title} ({item.owner}{due})")
        for point in item.points:
            by = f" — {point.by}, {point.at:%m-%d %H:%M}" if point.at else ""
            lines.append(f"  {SIGNS[point.state]} {point.key:<40} {point.words or point.text}{by}")
            if point.fix and not point.good:
                lines.append(f"      fix: {point.fix}")
    show({"items": chosen}, "\n".join(lines))
    return exit_for_items(chosen)


@check.command()
@click.argument("words", nargs=-1)
@of_release
@acting
def run(words: tuple[str, ...], release: str | None, name: str | None, token: str | None) -> int:
    """Measure what programs can see of the named points (all of them without a name), and put it on record.

    Exit 3 when one has failed, 7 when one could not be found out or waits for a person, or when there is none.
    """
    from watership.fleet.identity import OPERATOR

    async def measured(desk: Desk) -> list[ItemStanding]:
        clerk, caller = await desk.clerk(release), calling(name, token)
        owners = sorted({role.id for role in clerk.plan.roles})
        caller.require(desk.environment.audit, "measure", OPERATOR, *owners, release=clerk.plan.release)
        found = await clerk.measure(words, caller)
        say(f"{len(found)} points were measured")
        return _named(await clerk.stand(), words)

    chosen = at_desk(measured)
    bad = [point for item in chosen for point in item.points if not point.good]
    rows = [{"": SIGNS[p.state], "point": p.key, "state": p.state, "found": p.words or p.text} for p in bad]
    good = sum(point.good for item in chosen for point in item.points)
    text = table(rows, ["", "point", "state", "found"]) + "\n" if rows else ""
    show({"items": chosen}, f"{text}{good} of {good + len(bad)} points are good")
    return exit_for_items(chosen)


@check.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--words", "saying", required=True, help="What you say of it, in a sentence.")
@click.option("--evidence", default="", help="A file of the project, or a URL.")
@click.option("--fails", is_flag=True, help="Say that it is NOT so.")
@click.option(
    "--for", "good_for", type=Duration(), default="48h", show_default=True, help="How long your word counts."
)
@of_release
@acting
def attest(
    words: tuple[str, ...],
    saying: str,
    evidence: str,
    fails: bool,
    good_for: float,
    release: str | None,
    name: str | None,
    token: str | None,
) -> None:
    """Answer for an item's points (or for single ones) that no program can see, in the role that owns them."""

    async def attested(desk: Desk) -> tuple[str, ...]:
        clerk = await desk.clerk(release)
        record = await clerk.attest(
            words, calling(name, token), holds=not fails, saying=saying, evidence=evidence, good_for=good_for
        )
        return record.points

    points = at_desk(attested)
    show({"points": points, "holds": not fails}, f"{len(points)} points are attested: {', '.join(points)}")


@check.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--reason", required=True, help="Why the release may go on without it.")
@click.option("--for", "seconds", type=Duration(), required=True, help="Until when: 24h; a week at most.")
@of_release
@acting
def waive(
    words: tuple[str, ...],
    reason: str,
    seconds: float,
    release: str | None,
    name: str | None,
    token: str | None,
) -> None:
    """Let the release go on without points, for a reason and a time; for whoever the runbook lets `waive`."""

    async def waived(desk: Desk) -> tuple[str, ...]:
        clerk = await desk.clerk(release)
        return (await clerk.waive(words, calling(name, token), reason=reason, seconds=seconds)).points

    points = at_desk(waived)
    show({"points": points}, f"{len(points)} points are waived: {_few(points)}")


def _few(points: Sequence[str]) -> str:
    more = f" and {len(points) - NAMED} more" if len(points) > NAMED else ""
    return ", ".join(points[:NAMED]) + more


@check.command()
@click.argument("kind", required=False)
@click.option("--runbook", metavar="NAME|PATH", help="Also the checks of a runbook's own.")
def explain(kind: str | None, runbook: str | None) -> None:
    """What a kind of check measures and which parameters it takes; all kinds without a name.

    Without --runbook those are the shipped ones, and the own ones of the release that was last planned here.
    """
    from watership.errors import NotFound
    from watership.releases.book.document import nearest
    from watership.releases.book.shelf import find
    from watership.releases.checks import explained
    from watership.wiring.kinds import of_latest, of_source

    kinds = of_source(find(runbook)) if runbook is not None else of_latest(read_config())
    if kind is None:
        rows = [{"kind": each.name, "measures": each.about.splitlines()[0]} for each in kinds.values()]
        show({"kinds": rows}, table(rows, ["kind", "measures"]))
        return
    if kind not in kinds:
        raise NotFound(
            f"There is no check {kind}{nearest(kind, kinds)}", fix="watership check explain lists them."
        )
    shown = {
        "kind": kind,
        "about": kinds[kind].about,
        "good_for": kinds[kind].good_for,
        "fix": kinds[kind].fix,
    }
    show(shown, explained(kinds[kind]))


async def _stand(desk: Desk, release: str | None) -> tuple[ItemStanding, ...]:
    return await (await desk.clerk(release)).stand()


def _named(items: Sequence[ItemStanding], words: Sequence[str]) -> list[ItemStanding]:
    """The items that words name. A point, or a kind of check, stands for its item."""
    from watership.errors import BadInput

    if not words:
        return list(items)
    found: list[ItemStanding] = []
    for word in words:
        meant = [item for item in items if word in item.names]
        if not meant:
            raise BadInput(f"Nothing of the checklist is named {word!r}.", fix="watership check list")
        found += [item for item in meant if item not in found]
    return found


def exit_for_items(items: Sequence[ItemStanding]) -> Exit:
    """0 when all are good, 3 when one has failed, else 7; where there is none nothing is known."""
    from watership.releases.verdict import worst

    if not items:
        say("There is no item in this checklist, so that nothing was judged.")
    return exit_for_verdict(worst(item.verdict for item in items))
