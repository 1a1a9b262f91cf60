"""watership health: the dashboard of a slot, and how the SLA stands."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from watership.cli.exits import Exit, exit_for_verdict
from watership.cli.options import read_config
from watership.cli.output import SIGNS, complain, say, show, table, wants_json
from watership.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from watership.releases.service.dashboard import Board
    from watership.releases.service.sla import Compliance
    from watership.releases.verdict import Verdict

STATUS = {
    "passed": "✓ ALL CHECKS PASSED",
    "failed": "✗ SOME CHECKS FAILED",
    "inconclusive": "? SOME CHECKS ARE UNKNOWN",
}

KNOWN_WINDOW = 600.0
"""Seconds that a router surely keeps."""


@click.command()
@click.argument(
    "slot", required=False, type=click.Choice(["live", "next", "blue", "green"]), metavar="[SLOT|live|next]"
)
@click.option("--url", help="A service anywhere instead of a slot: http://HOST:PORT.")
@click.option("--watch", is_flag=True, help="Look again and again, until Ctrl-C.")
@click.option("--every", type=click.FloatRange(min=1), default=5.0, show_default=True, help="Seconds.")
@click.option("--sla", "promises", is_flag=True, help="How the SLA stands, and what is left of its budgets.")
@click.option(
    "--prometheus", metavar="URL", help="Who keeps the metrics; [environment] prometheus unless given."
)
@click.option(
    "--objectives",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Your own sla.yaml.",
)
@click.option("--over", metavar="TIME", help="Judge this window instead of the SLA's: 10m.")
def health(
    slot: str | None,
    url: str | None,
    watch: bool,
    every: float,
    promises: bool,
    prometheus: str | None,
    objectives: Path | None,
    over: str | None,
) -> int:
    """Nine checks of each instance of a slot, asked directly; the next slot unless another one is named.

    Exit 0 if all passed, 3 if one failed, 7 if one is not known and none failed.

    \b
    watership health                          application, database, rabbitmq, redis, memory, cpu, three endpoints
    watership health live --watch
    watership health --sla                    availability, latency, errors, baselines, and their error budgets
    watership health --sla --over 10m         for what the router itself still knows
    """
    if promises and (slot or url):
        raise click.UsageError("--sla is about the whole service: no SLOT and no --url.")
    if not promises and (prometheus or objectives or over):
        raise click.UsageError("--prometheus, --objectives and --over belong to --sla.")
    if slot and url:
        raise click.UsageError("Either a SLOT or a --url.")
    if promises:
        return _again(watch, every, lambda: _promises(prometheus, objectives, over))
    return _again(watch, every, lambda: _board(slot, url))


def _again(watch: bool, every: float, once: Callable[[], Exit]) -> Exit:
    """The exit code of one look; with `watch` another look follows, until somebody ends it.

    Who watches wants to see that it comes back: what does not answer meanwhile is told, and asked again.
    """
    code = once()
    while watch:
        time.sleep(every)
        try:
            code = once()
        except Unavailable as error:
            complain(error, wants_json())
    return code


def _board(slot: str | None, url: str | None) -> Exit:
    from watership.wiring.health import board_at, board_of

    place = slot or "next"
    # click has let no other word through
    found = asyncio.run(board_at(url) if url else board_of(read_config(), place))  # type: ignore[arg-type]
    show(_shown(found), _page(found))
    return exit_for_verdict(found.verdict)


def _counts(found: Board) -> dict[str, int]:
    from watership.releases.verdict import Verdict

    return {
        "passed": found.count(Verdict.PASSED),
        "failed": found.count(Verdict.FAILED),
        "unknown": found.count(Verdict.INCONCLUSIVE),
    }


def _shown(found: Board) -> dict[str, object]:
    return {
        "at": datetime.now(UTC),
        "subject": found.subject,
        "status": found.verdict.value,
        **_counts(found),
        "checks": found.checks,
    }


def _page(found: Board) -> str:
    """The dashboard as the runbook's script prints it, with what is not known beside what failed."""
    checks = [f" {SIGNS[each.verdict.value]} {each.title:<14} {each.words}" for each in found.checks]
    counts = [f"Checks {name.capitalize()}: {count}" for name, count in _counts(found).items()]
    lines = [f"Health Check Dashboard - {found.subject}", "", *checks, "", *counts]
    return "\n".join([*lines, f"Status: {STATUS[found.verdict.value]}"])


def _promises(prometheus: str | None, file: Path | None, over: str | None) -> Exit:
    from watership.releases.service.sla import overall
    from watership.wiring.health import compliance, hint
    from watership.wiring.health import objectives as promised

    config = read_config()
    url = prometheus or config.environment.prometheus
    found = asyncio.run(compliance(config, promised(file, _seconds(over)), url))
    verdict = overall(found)
    show({"status": verdict.value, "source": url or "router", "objectives": found}, _sheet(found, verdict))
    if not url and (words := hint(found, KNOWN_WINDOW)):
        say(words)
    return exit_for_verdict(verdict)


def _seconds(over: str | None) -> float | None:
    from watership.releases.book.quantity import duration

    if over is None:
        return None
    try:
        return duration(over)
    except ValueError as error:
        raise BadInput(f"--over: {error}.") from error


def _sheet(found: Sequence[Compliance], verdict: Verdict) -> str:
    rows = [
        {
            "": SIGNS[each.verdict.value] if each.verdict else "-",
            "objective": each.title,
            "target": each.target,
            "now": each.now,
            "budget left": _budget(each),
            "why": each.reason,
        }
        for each in found
    ]
    columns = ["", "objective", "target", "now", "budget left", "why"]
    return f"{table(rows, columns)}\n\nStatus: {SIGNS[verdict.value]} {verdict.value}"


def _budget(found: Compliance) -> str:
    """`at most 20m 6s of 21m 36s, burning at 0.4`."""
    budget = found.budget
    if budget is None:
        return ""
    left, allowed = _amount(abs(budget.left), budget.unit), _amount(budget.allowed, budget.unit)
    whole = allowed if budget.unit == "minutes" else f"{allowed} requests"
    burn = "" if budget.burn is None else f", burning at {budget.burn:.2g}"
    if budget.left < 0:
        return f"overspent by {left}; it was {whole}{burn}"
    return f"{'at most ' if budget.at_most else ''}{left} of {whole}{burn}"


def _amount(amount: float, unit: str) -> str:
    from watership.releases.book.quantity import spoken

    if unit == "minutes":
        return spoken(amount * 60) or "0s"
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.3g}"
