"""The root command: knows the names of all commands, and loads only the one that is asked for."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from watership import __version__
from watership.cli.exits import Exit, exit_of
from watership.cli.output import complain
from watership.errors import WatershipError

if TYPE_CHECKING:
    from watership.agents.app import App

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("watership.demo.command:demo", "See the whole product work, in about two minutes."),
    "dev": ("watership.cli.roles:dev", "API and worker in one process, with hot reload."),
    "serve": ("watership.cli.roles:serve", "Answer HTTP."),
    "worker": ("watership.cli.roles:worker", "Execute runs."),
    "doctor": ("watership.cli.doctor:doctor", "What is wrong here, and the command that mends it."),
    "db": ("watership.cli.db:db", "The store's schema: status, upgrade, downgrade."),
    "agent": ("watership.cli.agent:agent", "Agents: list, show, pause, resume, compare."),
    "run": (
        "watership.cli.run:run",
        "Runs: start, list, show, watch, cancel, answer, link, fork, replay, export.",
    ),
    "schedule": ("watership.cli.schedule:schedule", "Schedules: list."),
    "dead": ("watership.cli.dead:dead", "Dead letters: list, requeue, discard."),
    "intake": ("watership.cli.intake:intake", "Which deployments take new work: show, set."),
    "flag": ("watership.cli.flag:flag", "Feature flags: list, set, disable, history."),
    "topology": ("watership.cli.topology:topology", "The broker's queues: plan, apply, verify, export."),
    "environment": ("watership.cli.environment:environment", "Environments: up, show, leap, down."),
    "runbook": ("watership.cli.runbook:runbook", "Runbooks: show, copy, check, render, import, schema."),
    "release": (
        "watership.cli.release:release",
        "Releases: plan, sign, start, status, watch, resume, rollback.",
    ),
    "notify": ("watership.cli.notify:notify", "Messages: preview, test, send, deliver, log."),
    "check": ("watership.cli.check:check", "The checklist: list, show, run, attest, waive, explain."),
    "signoff": ("watership.cli.signoff:signoff", "Sign-offs: list, give, refuse."),
    "gate": ("watership.cli.gate:gate", "GO or NO-GO: show, decide."),
    "team": ("watership.cli.team:team", "The team: show, check, ready, called."),
    "deploy": ("watership.cli.deploy:deploy", "Put the planned build into its slot; no traffic moves."),
    "migrate": ("watership.cli.deploy:migrate", "The application's schema: status, rehearse, up, verify."),
    "backup": ("watership.cli.backup:backup", "Backups of the application's database: create, list, verify."),
    "drill": (
        "watership.cli.drill:drill",
        "Drills: a backup restored elsewhere, measured, and put on record.",
    ),
    "smoke": ("watership.cli.verify:smoke", "Run a build's smoke tests on what stands in a slot."),
    "verify": ("watership.cli.verify:verify", "Verify a deployment: a validation, the database, a slot."),
    "rollback": ("watership.cli.release:rollback", "Take both planes to the last safe state."),
    "health": ("watership.cli.health:health", "The dashboard of a slot, and how the SLA stands."),
    "incident": (
        "watership.cli.incident:incident",
        "Incidents: open, list, show, note, update, escalate, close.",
    ),
    "audit": ("watership.cli.audit:audit", "The audit log: list, tail, verify, export, seal."),
    "baseline": ("watership.cli.baseline:baseline", "How live fares: capture, show, compare."),
    "token": ("watership.cli.token:token", "Tokens that say who somebody is: issue."),
}
"""Command → where it lives, and its line in the list of commands."""

EPILOG = """\b
Exit codes: 0 ok · 1 failed or declined · 2 usage · 3 judged not OK · 4 not allowed
  5 not found · 6 conflict or lock held · 7 inconclusive or needs a person
  8 timed out · 9 ended by rollback · 10 dependency down · 130 interrupted

Start here:  watership demo      Then:  watership dev --app my_agents.py:app
"""


class LazyGroup(click.Group):
    """Loads a command's module when it is used, not when the list is shown."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        near = difflib.get_close_matches(args[0], COMMANDS, n=1)
        if args[0] not in COMMANDS and near:
            ctx.fail(f"No such command {args[0]!r}. Did you mean: watership {near[0]}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="watership")
@click.option("--json", "as_json", is_flag=True, help="Results as JSON (also accepted after the command).")
@click.pass_context
def root(ctx: click.Context, as_json: bool) -> None:
    """Durable AI agents, and releases that never take them down."""
    ctx.meta["json"] = as_json


def run(arguments: Sequence[str], app: App | None = None) -> int:
    """Run a command line, for `app` if it is its own main(). Errors become words on stderr and an exit code."""
    given = list(arguments)
    # --json is welcome anywhere before a bare `--`.
    end = given.index("--") if "--" in given else len(given)
    as_json = "--json" in given[:end]
    given = [word for i, word in enumerate(given) if word != "--json" or i >= end]
    try:
        code = root.main(args=["--json", *given] if as_json else given, standalone_mode=False, obj=app)
    except WatershipError as error:
        complain(error, as_json)
        return exit_of(error)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return Exit.INTERRUPTED
    return code if isinstance(code, int) else Exit.OK
