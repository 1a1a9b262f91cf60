"""What is noted becomes a line; secrets do not."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import Any

import pytest

from watership.adapters.structlog import Fanout, StructlogObserver, level_of
from watership.errors import Conflict


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_has_time_level_event_and_facts() -> None:
    out = io.StringIO()
    StructlogObserver(form="json", stream=out).note("run parked", run_id="r", wake_at=None, waits=2)
    (line,) = lines(out)
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line.pop("timestamp").endswith("Z")
    assert line == {"level": "info", "event": "run parked", "run_id": "r", "wake_at": None, "waits": 2}


def test_a_stream_that_is_no_terminal_gets_json() -> None:
    out = io.StringIO()
    StructlogObserver(stream=out).note("run parked")
    assert lines(out)[0]["event"] == "run parked"


def test_people_get_columns() -> None:
    out = io.StringIO()
    StructlogObserver(form="console", stream=out).note("run parked", run_id="r")
    assert "run parked" in out.getvalue()
    assert "run_id=r" in out.getvalue()


@pytest.mark.parametrize("name", ["token", "db_password", "Authorization", "secret"])
def test_what_is_named_like_a_secret_is_masked(name: str) -> None:
    out = io.StringIO()
    StructlogObserver(form="json", stream=out).note("called", **{name: "hunter2", "input_tokens": 7})
    assert "hunter2" not in out.getvalue()
    assert lines(out)[0]["input_tokens"] == 7


@pytest.mark.parametrize("form", ["json", "console"])
def test_an_unexpected_error_comes_with_where_it_happened(form: Any) -> None:
    out = io.StringIO()
    try:
        raise RuntimeError("tripped")
    except RuntimeError as error:
        StructlogObserver(form=form, stream=out).note("request failed", error=error)
    assert "RuntimeError: tripped" in out.getvalue()
    assert "test_observer.py" in out.getvalue()


def test_a_long_fact_is_shortened() -> None:
    out = io.StringIO()
    StructlogObserver(form="json", stream=out).note("called", body="x" * 100_000)
    assert len(out.getvalue()) < 3_000


def test_less_important_lines_are_left_out() -> None:
    out = io.StringIO()
    it = StructlogObserver(form="json", level="warning", stream=out)
    it.note("run parked")
    it.note("http request", code=200)
    it.note("http request", code=503)
    it.note("probe failed")
    assert [line["event"] for line in lines(out)] == ["http request", "probe failed"]


def test_levels_follow_from_name_and_facts() -> None:
    assert level_of("http request", {"code": 200}) == "debug"
    assert level_of("http request", {"code": 500}) == "warning"
    assert level_of("request failed", {"error": RuntimeError()}) == "error"
    assert level_of("request refused", {"error": Conflict("no")}) == "warning"
    assert level_of("run parked", {}) == level_of("worker stopped", {}) == "info"
    assert level_of("run stopped", {}) == "warning"


def test_several_observers_are_told() -> None:
    one, two = io.StringIO(), io.StringIO()
    observers = (StructlogObserver(form="json", stream=out) for out in (one, two))
    Fanout(*observers).note("run parked")
    assert lines(one)[0]["event"] == lines(two)[0]["event"] == "run parked"


def test_what_json_cannot_hold_does_not_cost_the_line() -> None:
    out = io.StringIO()
    StructlogObserver(form="json", stream=out).note("called", much=2**80, broken="\ud800", what={1: object()})
    (line,) = lines(out)
    assert (line["much"], line["broken"]) == (str(2**80), "\\ud800")
    assert line["what"].startswith("{1: <object")


def test_what_is_said_of_every_run_is_left_out_unless_somebody_looks_for_it() -> None:
    out = io.StringIO()
    StructlogObserver(form="json", stream=out).note("run claimed", run_id="r")
    assert out.getvalue() == ""
    StructlogObserver(form="json", level="debug", stream=out).note("run claimed", run_id="r")
    assert lines(out)[0]["level"] == "debug"


def test_a_worker_loads_neither_the_columns_of_the_console_nor_the_reader_of_runbooks() -> None:
    told = (
        "import sys, watership.wiring.roles; print(sorted({'rich', 'structlog', 'yaml'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
