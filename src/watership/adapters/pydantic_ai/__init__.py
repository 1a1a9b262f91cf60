"""The engine of LLM agents: Pydantic AI's loop, with every request and tool call in the run's journal.

Imported by the first run of an LLM agent; importing its library costs more than the rest of a worker.
"""

from watership.adapters.pydantic_ai.engine import PydanticEngine, engine

__all__ = ["PydanticEngine", "engine"]
