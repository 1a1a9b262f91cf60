"""watership baseline: how live fares, on record before a release and compared after it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from watership.cli.desk import acting, at_desk, calling
from watership.cli.exits import Exit, exit_for_verdict
from watership.cli.output import SIGNS, say, show, table

if TYPE_CHECKING:
    from watership.releases.book.system import System
    from watership.releases.service.baseline import Baseline, Compared
    from watership.wiring.desk import Desk

SYSTEMS = Path("systems.yaml")

FILE = Path("evidence/baseline.json")
"""Where the checklist looks for it."""

at_file = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=FILE,
    show_default=True,
    help="The baseline on record.",
)

of_runbook = click.option(
    "--runbook",
    metavar="NAME|PATH",
    default="one-machine",
    show_default=True,
    help="Whose baseline.yaml says where figures come from.",
)

with_systems = click.option(
    "--systems",
    type=click.Path(path_type=Path, dir_okay=False),
    help="What those figures are asked of; systems.yaml unless given, where there is one.",
)


@click.group()
def baseline() -> None:
    """How live fares: requests, errors, latency, connections, cache, queue, CPU, memory, disk, network.

    \b
    watership baseline capture                    put it on record, before the release
    watership baseline show
    watership baseline compare                    ask again, and hold it against the record
    """


@baseline.command()
@at_file
@of_runbook
@with_systems
@acting
def capture(path: Path, runbook: str, systems: Path | None, name: str | None, token: str | None) -> int:
    """Ask for every figure of live once, and put them on record: in the file, and by its digest in the audit.

    Exit 7 when a figure could not be had: it is on record as not known, with the reason.
    """
    from watership.wiring import baseline as wiring

    caller, asked, there = calling(name, token), wiring.sources(runbook), _systems(systems)

    async def work(desk: Desk) -> Baseline:
        got = await wiring.captured(desk, asked, there, caller.person)
        wiring.put(desk, path, got)
        return got

    got = at_desk(work)
    show(got, _shown(got))
    for figure, why in got.unknown.items():
        say(f"{figure} is not known: {why}")
    return Exit.INCONCLUSIVE if got.unknown else Exit.OK


@baseline.command(name="show")
@at_file
def show_it(path: Path) -> None:
    """The baseline on record."""
    from watership.wiring.baseline import recorded

    got = recorded(path)
    show(got, _shown(got))


@baseline.command()
@at_file
@of_runbook
@with_systems
@acting
def compare(path: Path, runbook: str, systems: Path | None, name: str | None, token: str | None) -> int:
    """Ask for every figure of what is live now, and hold it against the record. Changes nothing.

    Exit 3 when a figure is worse than its limit allows, 7 when one with a limit is not known, or none has a limit.
    """
    from watership.releases.service.baseline import compared, overall
    from watership.wiring import baseline as wiring

    before, asked, there = wiring.recorded(path), wiring.sources(runbook), _systems(systems)
    caller = calling(name, token)
    now = at_desk(lambda desk: wiring.captured(desk, asked, there, caller.person))
    changes = compared(before.figures, now.figures, asked.limits)
    show({"before": before, "now": now, "figures": changes}, _changed(changes))
    for figure, why in now.unknown.items():
        say(f"{figure} is not known: {why}")
    return exit_for_verdict(overall(changes))


def _systems(path: Path | None) -> dict[str, System]:
    from watership.releases.book import system

    if path is None and not SYSTEMS.is_file():
        return {}
    return system.read(path or SYSTEMS)


def _shown(got: Baseline) -> str:
    from watership.releases.service.baseline import NAMES

    rows = [{"figure": name, "value": _number(got.figures.get(name))} for name in NAMES]
    head = f"{got.version} in {got.environment}, {got.captured_at:%Y-%m-%d %H:%M} UTC, by {got.by}"
    return f"{head}\n\n{table(rows, ['figure', 'value'])}"


def _changed(changes: tuple[Compared, ...]) -> str:
    rows = [
        {
            "": SIGNS[each.change.value],
            "figure": each.name,
            "before": _number(each.before),
            "now": _number(each.now),
            "limit": _number(each.limit) if each.limit is not None else "none",
        }
        for each in changes
        if each.before is not None or each.now is not None or each.change.value == "unknown"
    ]
    return table(rows, ["", "figure", "before", "now", "limit"])


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.4g}"
