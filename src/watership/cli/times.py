"""Times as people write them on a command line: 30s, 15m, 24h, 7d; and moments of a release: T-4h, T+90m."""

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


class Offset(click.ParamType[float]):
    """Seconds from T+0, written as in a runbook."""

    name = "T±time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from watership.releases.book.quantity import offset

        if isinstance(value, float):
            return value
        try:
            return offset(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)
