"""Times as people write them on a command line: 30s, 15m, 24h, 7d; and moments of a release: T-4h, T+90m."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from datetime import datetime


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


class Moment(click.ParamType["datetime"]):
    """A moment with its zone: 2026-11-29T14:00:00Z."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        from datetime import datetime

        if isinstance(value, datetime):
            return value
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no moment; say it like 2026-11-29T14:00:00Z.", param, ctx)
        if found.tzinfo is None:
            self.fail(f"{value!r} does not say in which zone; say it like 2026-11-29T14:00:00Z.", param, ctx)
        return found
