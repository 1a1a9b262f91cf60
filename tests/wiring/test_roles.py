"""A worker works for the pools of the agents that it was given."""

from __future__ import annotations

import subprocess
import sys

import pytest

from watership import Agent, App, tool
from watership.agents.permits import permits, use_permits
from watership.config import Config, PolicySettings
from watership.errors import BadInput
from watership.wiring.roles import limit, pools_of


def _app() -> App:
    app = App("warren")

    @app.agent(pool="gpu")
    async def painter(text: str) -> str:
        return text

    @app.agent
    async def writer(text: str) -> str:
        return text

    return app


def test_without_names_a_worker_serves_every_pool() -> None:
    assert pools_of(_app(), "") == ["default", "gpu"]


def test_a_named_agent_brings_its_pool_alone() -> None:
    assert pools_of(_app(), " painter ") == ["gpu"]


def test_an_unknown_agent_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadInput) as refused:
        pools_of(_app(), "painter,sculptor")
    assert "sculptor" in refused.value.message
    assert "painter, writer" in refused.value.fix


def test_the_settings_limit_what_agents_may_have_and_a_name_that_limits_nothing_is_refused() -> None:
    @tool
    async def send(text: str) -> str:
        return text

    app = _app()
    app.add(Agent("clerk", model="echo", tools=[send]))
    before = permits()
    try:
        limit(
            app, Config(policy=PolicySettings(tools="clerk:; *: search", hosts="example.org, *.example.com"))
        )
        assert not permits().allows("clerk", "send")
        assert permits().allows("other", "search") and not permits().allows("other", "send")
        assert permits().hosts == ("example.org", "*.example.com")
        with pytest.raises(BadInput, match="clerc"):
            limit(app, Config(policy=PolicySettings(tools="clerc: send")))
        with pytest.raises(BadInput, match="sned"):
            limit(app, Config(policy=PolicySettings(tools="clerk: sned")))
        assert not permits().allows("clerk", "send")
    finally:
        use_permits(before)


def test_a_worker_does_not_load_what_only_answers_over_http_need() -> None:
    words = """
import sys
import watership.wiring.roles, watership.wiring.production
unneeded = {"uvicorn", "starlette", "prometheus_client", "redis", "jwt", "sqlite3", "structlog", "pydantic_ai"}
print(*sorted(unneeded & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
