"""The engine that runs LLM agents, imported by the first process that has one: its library costs a second."""

from __future__ import annotations

from watership.agents.llm import Engine, use_engine


def use_pydantic_ai() -> None:
    """Have LLM agents run by Pydantic AI's loop."""
    use_engine(_pydantic_ai)


def _pydantic_ai() -> Engine:
    from watership.adapters.pydantic_ai import engine

    return engine
