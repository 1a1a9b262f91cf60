"""Orders and purchases that wait for somebody, and builds that may or may not go on with them."""

from __future__ import annotations

import asyncio
import textwrap
from pathlib import Path

from tests.at_work import at_work
from watership.agents.app import App
from watership.durable.ids import RunId
from watership.durable.states import RunState
from watership.wiring.application import load_app

BUILD = """
    from watership import Agent, App, approval_tool, approve, step, tool
    from watership.testing.scripted import scripted

    app = App("shop", version="{version}")

    @tool(effect="pure")
    async def price(item: str) -> int:
        '''What it costs.'''
        return len(item)

    @tool(effect="pure")
    async def stock(item: str) -> int:
        '''How many there are.'''
        return 3

    @app.agent
    async def order(item: str) -> str:
        cents = await step(price, item)
        {more}
        answer = await approve("Pay?", cents)
        return "paid" if answer.granted else "refused"

    turns = [[("price", {{"item": "tea"}})], [("ask_approval", {{"question": "Buy?"}})], "Bought."]
    app.add(Agent("buyer", model=scripted(turns), tools=[{tools}, approval_tool()]))
"""


def build(folder: Path, *, version: str, more: str = "", tools: str = "price, stock") -> Path:
    folder.mkdir()
    (folder / "app.py").write_text(textwrap.dedent(BUILD).format(version=version, more=more, tools=tools))
    return folder


def stranger(folder: Path, *, version: str) -> Path:
    """A build whose order does something else first: it diverges from an order that was begun."""
    made = build(folder, version=version)
    text = (made / "app.py").read_text().replace("step(price, item)", "step(stock, item)")
    (made / "app.py").write_text(text)
    return made


def begin(folder: Path) -> None:
    """An order and a purchase, begun by a build, in the store that the settings name."""
    asyncio.run(work(load_app(f"{folder}/app.py:app")))


async def work(app: App) -> None:
    """Start both, and work until they wait."""
    given = {"order": {"item": "tea"}, "buyer": {"prompt": "Tea!"}}
    async with at_work(app, given) as kernel, asyncio.timeout(30):
        for name in given:
            while (await kernel.store.get(RunId(name))).state is not RunState.WAITING:  # type: ignore[union-attr]
                await asyncio.sleep(0.02)
