"""Times as people write them on a command line: 30s, 15m, 24h, 7d."""

from __future__ import annotations

from typing import Any

import click


class Duration(click.ParamType[float]):
    """Seconds, written as in a runbook."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from watership.releases.book.quantity import duration

        if isinstance(value, float):
            return value
        try:
            return duration(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)
