"""Log lines, as JSON for machines or in columns for people, made of what the observer is told."""

from __future__ import annotations

from watership.adapters.structlog.observer import Fanout, StructlogObserver, level_of

__all__ = ["Fanout", "StructlogObserver", "level_of"]
