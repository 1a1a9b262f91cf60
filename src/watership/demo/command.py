"""The command `watership demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from watership.demo.options import SECONDS, SEED, Options

if TYPE_CHECKING:
    from watership.demo.figures import Figures

OK, FAILED = 0, 1


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object, the last line.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=10, max=3600),
    default=SECONDS,
    show_default=True,
    help="How long the traffic lasts, at least. Below the default, volumes are not promised.",
)
@click.option("--chaos", is_flag=True, help="Kill workers and the controller at random moments.")
@click.option(
    "--seed", type=int, default=SEED, show_default=True, help="Chooses what is asked, and who dies when."
)
@click.option(
    "--keep",
    is_flag=True,
    help="Keep the state folder, under .watership/ (kept anyhow when a promise is broken).",
)
@click.option("--plain", is_flag=True, help="Plain lines, also on a terminal.")
@click.pass_context
def demo(  # noqa: PLR0917 - click gives each option by its name
    ctx: click.Context, as_json: bool, seconds: float, chaos: bool, seed: int, keep: bool, plain: bool
) -> int:
    """See the whole product work, in about two minutes, with nothing else installed.

    A live system serves requests and agent runs. It is taken from 2.0.5 to 2.1.0 meanwhile, through every phase of
    a release. Then 2.2.0 comes, which fails under live traffic only, and is taken back. Ends with the figures, and
    exits 1 if a promise was broken.
    """
    from watership.demo import run_demo

    options = Options(
        seconds=seconds,
        chaos=chaos,
        seed=seed,
        keep=keep,
        plain=plain,
    )
    figures = run_demo(options)
    if as_json or ctx.meta.get("json"):
        click.echo(msgspec.json.encode(figures).decode())
    else:
        click.echo(summary(figures))
    return FAILED if figures.promises_broken else OK


def summary(figures: Figures) -> str:
    """The figures for people."""
    broken = figures.broken_release
    rows = [
        (
            "requests",
            f"{figures.requests_total:,}, of which failed {figures.requests_failed}, wrong {figures.answers_wrong}",
        ),
        ("split observed", f"{_percent(figures.split_observed)} on next"),
        ("on next before its promotion", f"{figures.requests_on_next_before_promotion:,}"),
        ("agent runs", f"{figures.runs_accepted:,} accepted, {figures.runs_lost} lost"),
        ("in flight at the cutover", f"{figures.runs_in_flight_at_cutover}"),
        ("steps", f"{figures.steps_entered:,} entered, {figures.steps_repeated} again after their result"),
        ("promoted", f"{figures.promoted or 'nothing'}, cutover {_seconds(figures.cutover_seconds)}"),
        (
            broken.version,
            f"{broken.outcome}: {broken.requests_failed_before_rollback} of {broken.requests_served} failed",
        ),
        (
            "",
            f"found out in {_seconds(broken.detect_seconds)}, taken back in {_seconds(broken.rollback_seconds)}",
        ),
        ("", "these failures are counted apart from the requests above: the release was made to fail"),
        (
            "kills",
            f"{figures.kills.workers} workers with a run in hand, {figures.kills.controller} controllers",
        ),
        ("audit log", "whole" if figures.audit_verified else "BROKEN"),
        ("report of the good release", figures.report),
        (f"report of {broken.version}", _beside(figures.report, f"{broken.version}.html")),
    ]
    lines = [f"  {name:<30}{value}" for name, value in rows]
    if figures.promises_broken:
        lines += ["", *(f"  BROKEN: {words}" for words in figures.promises_broken)]
    else:
        lines += ["", "  Every promise was kept."]
    if figures.kept:
        lines.append(f"  Logs and stores were kept: {figures.kept}")
    return "\n".join(["", *lines])


def _beside(report: str, name: str) -> str:
    """The other release's report lies beside that of the good one, where there is one."""
    return str(Path(report).with_name(name)) if report else ""


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.1f} %"


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} s"
