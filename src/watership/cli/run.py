"""watership run: start runs, look at them, cancel them, answer what they ask."""

from __future__ import annotations

import asyncio
import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from watership.agents.budget import MONEY, dollars
from watership.cli.asked import answers, as_answer, json_or_text, meant, short, waiting
from watership.cli.client import Client
from watership.cli.exits import Exit
from watership.cli.options import Finite, against_option, app_of_build, read_config, server_options
from watership.cli.output import say, show, table, wants_json
from watership.cli.watching import Screen, followed

if TYPE_CHECKING:
    from watership.durable.replay import Replayed


@click.group()
def run() -> None:
    """Runs: durable executions of agents."""


@run.command()
@click.argument("agent")
@click.option("--input", "given", default="null", help="The agent's input, as JSON; or plain text.")
@click.option("--conversation", help="The conversation that the message belongs to.")
@click.option("--key", help="Idempotency key: the same key again gives the same run.")
@click.option("--usd", type=Finite(), help="Dollars that the run and its children may cost.")
@click.option(
    "--within", type=Finite(), metavar="SECONDS", help="How long the run may take from now; then it is ended."
)
@click.option("--deadline", metavar="TIME", help="Until when it is to have ended: 2026-12-31T17:00:00Z.")
@server_options
def start(
    agent: str,
    given: str,
    conversation: str | None,
    key: str | None,
    usd: float | None,
    within: float | None,
    deadline: str | None,
    server: str | None,
    token: str | None,
) -> None:
    """Send AGENT a message; prints the run that it started.

    \b
    watership run start hello --input '{"name": "Ada"}'
    """
    body: dict[str, object] = {"agent": agent, "input": json_or_text(given)}
    if conversation is not None:
        body["conversation"] = conversation
    if usd is not None:
        body["budget"] = {"usd": usd}
    until = {"within": within, "deadline": deadline}
    body |= {name: value for name, value in until.items() if value is not None}
    made = Client(server, token).post("/api/v1/messages", body, key=key)
    show(made, made["run_id"])
    if made.get("paused"):
        say(
            f"{agent} is paused: the run begins once it is resumed (watership agent resume {agent}{_at(server)})"
        )
    say(f"next: watership run watch {made['run_id']}{_at(server)}")


@run.command(name="list")
@click.option(
    "--state", help="Only runs in this state: ready, running, waiting, in_doubt, stopped, succeeded, …"
)
@click.option("--agent", help="Only runs of this agent.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@click.option("--after", help="The cursor that the page before ended with.")
@server_options
def list_runs(
    state: str | None, agent: str | None, limit: int, after: str | None, server: str | None, token: str | None
) -> None:
    """Runs, newest first."""
    page = Client(server, token).get("/api/v1/runs", state=state, agent=agent, limit=limit, after=after)
    text = table(page["data"], ["id", "agent", "state", "deployment", "created_at"])
    more = f"\n{page['total_count']} in all; older: --after {page['next']}" if page.get("next") else ""
    show(page, text + more)


@run.command(name="show")
@click.argument("run_id")
@server_options
def show_run(run_id: str, server: str | None, token: str | None) -> None:
    """One run: its state, what it waits for, what it used up, its result."""
    client = Client(server, token)
    found = client.get(f"/api/v1/runs/{run_id}")
    found["account"] = client.get(f"/api/v1/runs/{run_id}/account")
    lines = [
        f"{name:<12} {short(value)}"
        for name, value in found.items()
        if name not in {"waits", "account"} and value not in (None, [], "")
    ]
    lines += _accounted(found["account"])
    lines += [f"waits for    {waiting(wait)}" for wait in found["waits"]]
    for wait in found["waits"]:
        if words := answers(wait):
            which = f" --wait {shlex.quote(wait['key'])}" if len(found["waits"]) > 1 else ""
            seen = f" --seen {wait['seen']}" if wait.get("seen") else ""
            lines.append(f"next: watership run answer {run_id} {words}{which}{seen}{_at(server)}")
    show(found, "\n".join(lines))


@run.command()
@click.argument("run_id")
@click.option("--after", type=click.IntRange(0), default=0, help="Begin behind this journal entry.")
@server_options
def watch(run_id: str, after: int, server: str | None, token: str | None) -> int:
    """The events of a run, and what its models say, as they come, until it ends. Exit 1 if it does not succeed."""
    client, screen = Client(server, token), Screen()
    for number, event, data in followed(client, f"/api/v1/runs/{run_id}/events", after):
        if wants_json():
            click.echo(
                msgspec.json.encode(
                    {"id": number, "event": event, "data": msgspec.Raw(data.encode())}
                ).decode()
            )
        else:
            click.echo(screen.shown(number, event, msgspec.json.decode(data)), nl=False)
    found = client.get(f"/api/v1/runs/{run_id}")
    return Exit.OK if found["state"] == "succeeded" else Exit.FAILED


@run.command()
@click.argument("run_id")
@click.option("--reason", default="", help="Why; it stands in the log.")
@server_options
def cancel(run_id: str, reason: str, server: str | None, token: str | None) -> None:
    """Ask a run to end. What it had done and can undo is undone first."""
    body = {"reason": reason} if reason else {}
    found = Client(server, token).post(f"/api/v1/runs/{run_id}:cancel", body)
    show(
        found,
        f"{run_id} is {found['state']}"
        + (", and will be cancelled" if found["state"] != "cancelled" else ""),
    )


@run.command()
@click.argument("run_id")
@click.option(
    "--at", required=True, help="Recall so many entries of its journal, or all before the step of this key."
)
@click.option("--agent", help="Another agent.")
@click.option("--model", help="Another model, as provider:model.")
@click.option("--prompt", help="Another prompt.")
@click.option("--input", "given", help="Another input, as JSON; or plain text.")
@click.option("--key", help="Idempotency key: the same key again gives the same run.")
@server_options
def fork(
    run_id: str,
    at: str,
    agent: str | None,
    model: str | None,
    prompt: str | None,
    given: str | None,
    key: str | None,
    server: str | None,
    token: str | None,
) -> None:
    """Start a run that recalls what RUN_ID had done up to a place, and does and pays for the rest anew.

    \b
    watership run fork RUN --at @3:model:0 --model openai:gpt-5-mini
    """
    body: dict[str, object] = {"at": int(at) if at.isdecimal() else at}
    others = {"agent": agent, "model": model, "prompt": prompt}
    body |= {name: value for name, value in others.items() if value is not None}
    if given is not None:
        body["input"] = json_or_text(given)
    made = Client(server, token).post(f"/api/v1/runs/{run_id}:fork", body, key=key)
    show(made, made["run_id"])
    say(f"next: watership run watch {made['run_id']}{_at(server)}")


@run.command()
@click.argument("runs", nargs=-1, metavar="[RUN…]")
@against_option
def replay(runs: tuple[str, ...], where: str | None) -> int:
    """Walk the journals of runs under way with another build's agents, and do nothing: would it go on with them?

    \b
    watership run replay --against build-2.1.0/app.py:app

    Reads the store that the settings name. Exit 3 if one of the runs would diverge, or the replay of one got stuck.
    """
    from watership.wiring.replays import replay_all

    told = asyncio.run(replay_all(read_config(), app_of_build(where), runs))
    counts = Counter(each.verdict for each in told)
    rows = [{"run": each.run_id, "verdict": each.verdict, "why": _why(each)} for each in told]
    summary = (
        ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())) or "no run is under way"
    )
    show(
        {"runs": told, "counts": counts},
        (table(rows, ["run", "verdict", "why"]) + "\n" if rows else "") + summary,
    )
    return Exit.NOT_OK if counts["diverges"] or counts["stuck"] else Exit.OK


@run.command()
@click.argument("run_id")
@click.option(
    "--app", "where", default="app.py:app", show_default=True, metavar="FILE.py:NAME", help="Whose run it is."
)
def export(run_id: str, where: str) -> None:
    """Print a test that replays a run offline, and fails when its agent would not do the same any more.

    \b
    watership run export RUN --app my_agents.py:app > test_my_run.py

    Reads the store that the settings name. The file holds the run's input and all results: look before you share it.
    """
    from watership.wiring.replays import export as exported

    place, _, name = where.partition(":")
    test = asyncio.run(exported(read_config(), run_id, module=_module(place), app=name or "app"))
    click.echo(test, nl=False)


def _module(place: str) -> str:
    """How the application is imported from where the test will lie: here, or beside it."""
    if not place.endswith(".py"):
        return place
    path, here = Path(place).resolve().with_suffix(""), Path.cwd()
    return ".".join(path.relative_to(here).parts) if path.is_relative_to(here) else path.name


def _why(told: Replayed) -> str:
    if told.drifted and not told.why:
        return f"what may change harmlessly has changed at {', '.join(told.drifted[:3])}"
    return told.why


@run.command()
@click.argument("run_id")
@click.argument("answer")
@click.option("--wait", help="Which wait is answered (key or name), if there are several.")
@click.option("--value", help="With `done`: the step's result, as JSON.")
@click.option("--note", default="", help="With approve or reject: what you want to say.")
@click.option(
    "--seen", help="The fingerprint of what you saw, from `run show`; unless given, of what is asked now."
)
@server_options
def answer(
    run_id: str,
    answer: str,
    wait: str | None,
    value: str | None,
    note: str,
    seen: str | None,
    server: str | None,
    token: str | None,
) -> None:
    """Answer what a run waits for; it is shown beside the answer.

    \b
    watership run answer RUN approve            an approval (or: reject)
    watership run answer RUN done --value 42    a step in doubt (or: retry, fail)
    watership run answer RUN '{"text": "…"}'    any other question, with JSON
    """
    body = as_answer(answer, wait, value, note)
    client = Client(server, token)
    asked = meant(client.get(f"/api/v1/runs/{run_id}")["waits"], wait, doubt="decision" in body)
    if asked is not None:
        say(f"{run_id} waits for {waiting(asked)}")
        seen = seen or asked.get("seen")
    found = client.post(f"/api/v1/runs/{run_id}:answer", body | ({"seen": seen} if seen else {}))
    before = f", and was answered so before by {found['answered_by']}" if found.get("existing") else ""
    show(found, f"{run_id} is {found['state']}{before}")


@run.command()
@click.argument("run_id")
@click.option("--for", "person", required=True, metavar="PERSON", help="Who will answer by it.")
@click.option(
    "--role", "roles", multiple=True, help="What they may answer as; only an admin says so of others."
)
@click.option("--minutes", type=click.IntRange(1), default=60, show_default=True, help="How long it lives.")
@click.option(
    "--wait", "--answer", "wait", metavar="KEY", help="Which wait it answers, if there are several."
)
@server_options
def link(
    run_id: str,
    person: str,
    roles: tuple[str, ...],
    minutes: int,
    wait: str | None,
    server: str | None,
    token: str | None,
) -> None:
    """A signed link with which PERSON answers what a run asks, without a token. Whoever has it is that person.

    \b
    watership run link RUN --for ada --role finance --minutes 30
    """
    client = Client(server, token)
    body = {"person": person, "roles": list(roles), "minutes": minutes, "wait": wait}
    made = client.post(f"/api/v1/runs/{run_id}:link", body)
    url = client.address(made["path"])
    show(made | {"url": url}, url)
    say(f"good until {made['expires_at']}, for {person} alone")


def _accounted(account: dict[str, Any]) -> list[str]:
    """What was used up, in words: a unit that nobody used is not told."""
    lines = [
        f"{name:<12} {', '.join(_amount(unit, amount) for unit, amount in account[name].items())}"
        for name in ("used", "unsettled", "saved")
        if account[name]
    ]
    for limit in account["limits"]:
        unit, most = limit["unit"], limit["most"]
        taken = _amount(unit, limit["spent"] + limit["reserved"])
        day = " a day" if limit["per_day"] else ""
        lines.append(f"{'limit':<12} {taken} of {_amount(unit, most)}{day} on {limit['counter']}")
    return lines


def _amount(unit: str, amount: int) -> str:
    if unit == MONEY:
        return dollars(amount)
    words = unit.replace("_", " ")
    return f"{amount:,} {words.removesuffix('s') if amount == 1 else words}"


def _at(server: str | None) -> str:
    """The words that name the same service again."""
    return f" --server {shlex.quote(server)}" if server else ""
