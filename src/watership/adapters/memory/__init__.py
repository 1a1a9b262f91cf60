"""Everything in the memory of one process: for tests, simulations and throw-away runs."""

from __future__ import annotations

from watership.adapters.memory.bell import MemoryBell
from watership.adapters.memory.store import MemoryStore
from watership.adapters.memory.witness import MemoryWitness, Sessions

__all__ = ["MemoryBell", "MemoryStore", "MemoryWitness", "Sessions"]
