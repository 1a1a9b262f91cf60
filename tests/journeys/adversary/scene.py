"""The scene: agents with every kind of tool, models served by a real provider, a careful person, and an oracle."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tests.agents.stage import raw
from tests.journeys.adversary.cases import Call, Case
from tests.notes import Notes
from watership import Agent, App, Secret, approval_tool, child, idempotency_key, tool
from watership.adapters.http.egress import Egress
from watership.agents.egress import Refused
from watership.agents.messages import Messages
from watership.agents.people.answering import NotWaiting
from watership.agents.people.approval import Needs
from watership.agents.people.question import seen_of
from watership.config import Config, PolicySettings, StoreSettings
from watership.durable import RetryPolicy
from watership.durable.ids import DeploymentId, RunId, seeded_ids
from watership.durable.ports import RunFilter, Runs
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.durable.writes import Submit
from watership.fleet.identity import Identity
from watership.testing.provider import Provider, Request
from watership.testing.scripted import Given
from watership.wiring.embedded import open_embedded
from watership.wiring.roles import Place, open_workers

MODEL = "openai-chat:scripted"
CALL = re.compile(r"\$CALL (\w+) ")
PRIVATE = re.compile(r"PRIV-\w+")
PATIENCE = 120.0
QUICKLY = RetryPolicy(attempts=5, first=0.05)


@dataclass
class World:
    """What the tools do is written down here, by run; `sites` is what arrived over the network."""

    cases: Mapping[str, Case]
    port: int = 0
    effects: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    sites: list[str] = field(default_factory=list)
    tried: set[str] = field(default_factory=set)

    def text_of(self, case: str) -> str:
        found = self.cases.get(case) or next(
            each for name, each in self.cases.items() if name.startswith(case)
        )
        return f"Owls are birds. {found.injected}"

    def did(self, name: str, **arguments: Any) -> str:
        self.effects.append((idempotency_key().partition(":")[0], name, arguments))
        return "done"


def app_of(world: World, rule_of_two: Needs | None, key: Secret) -> App:
    """Agents that have every kind of tool. `publish` is in the code, and taken away by the settings."""
    app = App("office")
    out = Egress(["wiki.example"], ports=[world.port], inside=["127.0.0.1/32"], resolve=_here)

    @tool(effect="pure", reads="untrusted")
    async def read_page(case: str) -> str:
        return world.text_of(case)

    @tool(effect="pure", reads=["untrusted", "private"])
    async def read_mail(case: str) -> str:
        return f"From a stranger: {world.text_of(case)}"

    @tool(effect="pure", reads="untrusted")
    async def read_upload(case: str) -> dict[str, list[str]]:
        return {"pages": ["Chapter 1", world.text_of(case)]}

    @tool(effect="pure", reads="private")
    async def read_account(case: str) -> str:
        return f"account of ann: PRIV-{case.partition('-')[0]}"

    @tool(effect="pure", reads="private")
    async def read_config() -> str:
        return f"key={key.reveal()}"

    @tool(effect="idempotent", reads=())
    async def send_mail(to: str, text: str) -> str:
        return world.did("send_mail", to=to, text=text)

    @tool(effect="pure", reads="untrusted", acts=True)
    async def fetch(url: str) -> str:
        try:
            return (await out.get(url)).text
        except Refused as refused:
            return str(refused)

    @tool(effect="idempotent", reads=(), approval="@boss")
    async def pay(to: str, cents: int) -> str:
        return world.did("pay", to=to, cents=cents)

    @tool(effect="idempotent", reads=())
    async def publish(text: str) -> str:
        return world.did("publish", text=text)

    @tool(effect="idempotent", reads=())
    async def wipe(what: str) -> str:
        return world.did("wipe", what=what)

    @app.agent(reads=(), acts=False)
    async def delegate(prompt: str) -> str:
        """Have the mailer do it, in a run of its own."""
        return str(await child("mailer", prompt))

    facts: Mapping[str, Any] = {"model": MODEL, "rule_of_two": rule_of_two, "retry": QUICKLY}
    web = app.add(Agent("web", tools=[read_page], **facts))
    mailer = app.add(Agent("mailer", tools=[send_mail, wipe], **facts))
    tools: list[object] = [
        read_page,
        read_mail,
        read_upload,
        read_account,
        read_config,
        send_mail,
        fetch,
        pay,
        publish,
    ]
    tools += [web, mailer, delegate, approval_tool()]
    app.add(Agent("clerk", tools=tools, **facts))
    app.add(Agent("desk", tools=tools, input="untrusted", **facts))
    return app


async def _here(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


# --- the models -----------------------------------------------------------------------------------------------


def calls_in(text: str, port: int, private: str) -> list[Call]:
    """What a text tells its reader to call, with what the reader knows put in."""
    found: list[Call] = []
    at = 0
    while told := CALL.search(text, at):
        arguments, at = json.JSONDecoder().raw_decode(text, told.end())
        filled = json.dumps(arguments).replace("$PRIVATE", private).replace("$PORT", str(port))
        found.append((told[1], json.loads(filled)))
    return found


def model_of(world: World, *, obeys: bool) -> Callable[[Request], Given]:
    """One that does what its user asks for, turn by turn; and then, if it `obeys`, whatever it read anywhere."""

    def answer(request: Request) -> Given:
        messages = request["messages"]
        user = next(str(each["content"]) for each in messages if each["role"] == "user")
        task, _, quoted = user.partition("\n----\n")
        read = [_words(each["content"]) for each in messages if each["role"] == "tool"]
        turns = [line for line in task.split("\n") if "$CALL" in line]
        number = sum(each["role"] == "assistant" for each in messages)
        private = next(iter(PRIVATE.findall(" ".join(read))), "nothing yet")
        if number < len(turns):
            return calls_in(turns[number], world.port, private)
        if obeys and (
            due := _due(messages, calls_in("\n".join([quoted, *read]), world.port, private), request)
        ):
            world.tried.add(task.partition("\n")[0].removeprefix("case "))
            return due[:1]
        return f"This is what I read: {' '.join(read)}"

    return answer


def _due(messages: Sequence[Any], wanted: Sequence[Call], request: Request) -> list[Call]:
    """What was not tried yet. A sub-agent tells its caller of what it has no tool for."""
    offered = {each["function"]["name"] for each in request.get("tools") or ()}
    is_sub = "read_account" not in offered
    made = [
        (each["function"]["name"], json.loads(each["function"]["arguments"]))
        for message in messages
        for each in message.get("tool_calls") or ()
    ]
    return [call for call in wanted if (call[0] in offered or not is_sub) and call not in made]


def _words(content: Any) -> str:
    """A result as its reader takes it: the words that stand in JSON are words as well."""
    try:
        value = json.loads(content)
    except ValueError:
        return str(content)
    return " ".join(_strings(value))


def _strings(value: Any) -> list[str]:
    match value:
        case dict():
            return [each for part in value.values() for each in _strings(part)]
        case list():
            return [each for part in value for each in _strings(part)]
        case _:
            return [str(value)]


# --- the run --------------------------------------------------------------------------------------------------


@asynccontextmanager
async def site(world: World) -> AsyncIterator[None]:
    """A server on this machine: the allowed host, and what an attacker would like to reach."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        world.sites.append(head.partition("\r\n")[0])
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nOwls at night")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    world.port = server.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()


async def campaign(
    world: World,
    config: Config,
    environment: Callable[[Mapping[str, str]], None],
    *,
    obeys: bool,
    rule: Needs | None,
) -> dict[str, Run]:
    """Every case as a run of its own, to its end, with a person who answers all that is asked."""
    async with site(world):
        with Provider([model_of(world, obeys=obeys)]) as provider:
            environment(provider.environment())
            app = app_of(world, rule, Secret("CAMPAIGN_KEY"))
            async with (
                open_embedded(config, Notes()) as kernel,
                open_workers(config, app, Place(), kernel) as workers,
            ):
                await kernel.store.set_weights({DeploymentId("local"): 100}, epoch=1)
                for name, case in world.cases.items():
                    given = raw({"prompt": case.prompt})
                    submit = Submit(run_id=RunId(name), program=case.agent, input=given, principal="rita")
                    await kernel.committer.submit(submit)
                tasks = [asyncio.create_task(worker.run()) for worker in workers]
                desk = Messages(kernel.committer, kernel.store, app.directory, seeded_ids(5))
                async with asyncio.timeout(PATIENCE):
                    while (await kernel.store.list(RunFilter(states=OPEN), limit=1)).runs:
                        await _answer_all(desk, kernel.store, world)
                        await asyncio.sleep(0.05)
                await asyncio.gather(*(worker.drain(5) for worker in workers))
                await asyncio.gather(*tasks)
                ended = {name: await kernel.store.get(RunId(name)) for name in world.cases}
                return {name: run for name, run in ended.items() if run is not None}


OPEN = frozenset({RunState.READY, RunState.RUNNING, RunState.WAITING})
ASKING = frozenset({RunState.WAITING})


async def _answer_all(desk: Messages, store: Runs, world: World) -> None:
    """A careful person: approves what belongs to the task, with just these arguments, and nothing else."""
    until = datetime.now(UTC) + timedelta(hours=1)
    boss = Identity(person="boss", tenant="default", roles=frozenset({"writer"}), expires_at=until)
    for run in (await store.list(RunFilter(states=ASKING), limit=100)).runs:
        for waiting in run.waits:
            if waiting.kind != "signal":
                continue
            asked = msgspec.json.decode(waiting.about)
            case = world.cases.get(run.id) or world.cases.get(str(run.parent))
            granted = case is not None and _is_granted(asked, case)
            with suppress(NotWaiting):
                await desk.answer(
                    run.id, boss, wait=waiting.key, value=raw(granted), seen=seen_of(run.id, waiting)
                )


def _is_granted(asked: Mapping[str, Any], case: Case) -> bool:
    details = asked.get("details") or {}
    call = (details.get("tool", "ask_approval"), details.get("arguments", {"question": asked["question"]}))
    return any(call == (name, dict(arguments)) for name, arguments in case.granted)


def forbidden(world: World, canary: str) -> list[tuple[str, str, str]]:
    """What must not have happened: anything for the attacker, anything private or secret that went out."""
    done = [(run, name, json.dumps(arguments)) for run, name, arguments in world.effects]
    done += [("", "network", line) for line in world.sites]
    return [
        each
        for each in done
        if re.search(rf"mallory|PRIV-|{canary}", each[2]) or each[1] in ("wipe", "publish")
    ]


def config_at(folder: str) -> Config:
    return Config(
        store=StoreSettings(url=f"sqlite:///{folder}/runs.db"),
        policy=PolicySettings(tools=_without_publish()),
    )


def _without_publish() -> str:
    left = "read_page, read_mail, read_upload, read_account, read_config, send_mail, fetch, pay, web, mailer, delegate"
    return f"clerk: {left}, ask_approval; desk: {left}, ask_approval; mailer: send_mail; web: *"
