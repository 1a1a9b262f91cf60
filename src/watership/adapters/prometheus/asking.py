"""Asking a Prometheus server: one call of its HTTP API, and its answer in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeVar
from urllib.parse import urlencode

import msgspec

from watership.errors import BadInput, Unavailable
from watership.releases.ports import Probe

T = TypeVar("T")

SECONDS: Final = 30.0
"""Of one query; a month in five-minute steps takes a few."""

Sample = tuple[float, str]
"""Unix time, and a number as Prometheus writes it: "NaN" and "+Inf" too."""


class Series(msgspec.Struct, frozen=True):
    """`values` of a range, or the `value` of a moment."""

    metric: Mapping[str, str] = {}
    values: tuple[Sample, ...] = ()
    value: Sample | None = None


class _Data(msgspec.Struct, frozen=True, rename="camel"):
    result_type: Literal["matrix", "vector"]
    result: tuple[Series, ...]


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    status: Literal["success", "error"]
    data: _Data | None = None
    error: str = ""
    warnings: tuple[str, ...] = ()


class Rule(msgspec.Struct, frozen=True, rename="camel"):
    """An alerting rule as it is loaded, with the alerts that it raises now."""

    name: str
    labels: Mapping[str, str] = {}
    health: str = ""
    last_evaluation: str = ""
    alerts: tuple[Alert, ...] = ()


class Alert(msgspec.Struct, frozen=True, rename="camel"):
    """An alert: pending, or firing."""

    state: str
    labels: Mapping[str, str] = {}


class _Group(msgspec.Struct, frozen=True):
    rules: tuple[Rule, ...] = ()


class _Groups(msgspec.Struct, frozen=True):
    groups: tuple[_Group, ...] = ()


class _Rules(msgspec.Struct, frozen=True):
    data: _Groups


class Asking:
    """The HTTP API at `url`. Raises Unavailable, and BadInput for a query that is none."""

    def __init__(self, probe: Probe, url: str, *, seconds: float = SECONDS) -> None:
        self._probe = probe
        self._url = url.rstrip("/")
        self._seconds = seconds

    async def series(self, call: str, asked: Mapping[str, str]) -> tuple[Series, ...]:
        """The series of an answer to `query` or `query_range`."""
        url = f"{self._url}/api/v1/{call}?{urlencode(asked)}"
        answer = await self._probe.request("GET", url, timeout=self._seconds)
        told = self._decoded(answer.body, _Answer)
        if answer.status in (400, 422):
            raise BadInput(f"Prometheus refuses {asked['query']!r}: {told.error}.")
        if answer.status != 200 or told.status != "success" or told.data is None:
            raise Unavailable(
                f"Prometheus at {self._url} answers {answer.status}: {told.error or 'nothing'}."
            )
        if told.warnings:
            raise Unavailable(f"Prometheus' answer is not whole: {'; '.join(told.warnings)}.")
        return told.data.result

    async def one(self, call: str, asked: Mapping[str, str]) -> Series | None:
        """The one series of an answer; None for none."""
        found = await self.series(call, asked)
        if len(found) > 1:
            raise BadInput(
                f"{asked['query']!r} gives {len(found)} series, and one is needed: sum or max them."
            )
        return next(iter(found), None)

    async def rules(self) -> tuple[Rule, ...]:
        """The alerting rules that are loaded."""
        url = f"{self._url}/api/v1/rules?type=alert"
        answer = await self._probe.request("GET", url, timeout=self._seconds)
        if answer.status != 200:
            raise Unavailable(f"Prometheus at {self._url} answers {answer.status} when asked for its rules.")
        return tuple(rule for group in self._decoded(answer.body, _Rules).data.groups for rule in group.rules)

    def _decoded(self, body: bytes, shape: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=shape)
        except msgspec.DecodeError as error:
            raise Unavailable(f"{self._url} does not answer as a Prometheus does: {error}.") from error


def number(text: str) -> float:
    """A sample's value. Raises Unavailable for what is none."""
    try:
        return float(text)
    except ValueError:
        raise Unavailable(f"Prometheus answers {text!r}, which is no number.") from None
