"""The engine that runs LLM agents, imported by the first process that has one: its library costs a second."""

from __future__ import annotations

from watership.agents.llm import Engine, use_engine


def use_pydantic_ai(*, offline: bool = False) -> None:
    """Have LLM agents run by Pydantic AI's loop; `offline` for replays, which need no provider."""
    use_engine(_offline if offline else _pydantic_ai)


def _offline() -> Engine:
    from watership.adapters.pydantic_ai.engine import offline

    return offline


def _pydantic_ai() -> Engine:
    from watership.adapters.pydantic_ai import engine

    return engine
