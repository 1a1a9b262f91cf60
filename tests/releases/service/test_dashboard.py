"""The dashboard has nine checks, as bad as their worst instance; what was not told is not known."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from watership.errors import Unavailable
from watership.releases.ports import ProbeAnswer
from watership.releases.service.dashboard import Board, Members, ProcessUse, Used, look
from watership.releases.verdict import Verdict

WELL: dict[str, Any] = {
    "status": "ok",
    "version": "2.1.0",
    "uptime": 3_725,
    "database": "ok",
    "rabbitmq": "ok",
    "redis": "ok",
}
OK, BAD, UNKNOWN = Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE


class Service:
    """Instances by host, and what each answers by path: a status and a body. What is not there does not answer."""

    def __init__(self, answers: Mapping[str, tuple[int, object]]) -> None:
        self._answers = answers

    async def request(self, method: str, url: str, **rest: object) -> ProbeAnswer:
        found = self._answers.get(url.removeprefix("http://"))
        if found is None:
            raise Unavailable(f"{method} {url} got no answer: refused.")
        status, body = found
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return ProbeAnswer(status=status, headers={}, body=content, seconds=0.01)


class Machine:
    """What processes use by their ids; without any it does not tell."""

    def __init__(self, processes: Mapping[int, ProcessUse] | None) -> None:
        self._processes = processes

    async def of(self, pids: Sequence[int], *, seconds: float) -> Used:
        if self._processes is None:
            raise Unavailable("This system has no /proc.")
        there = {pid: use for pid, use in self._processes.items() if pid in pids}
        return Used(processes=there, memory=1_000)


CALM = {1: ProcessUse(memory=300, cpu=0.2), 2: ProcessUse(memory=400, cpu=0.5)}


def answers(
    host: str = "a", *, well: tuple[int, object] | None = (200, WELL), endpoints: int = 200
) -> dict[str, tuple[int, object]]:
    found: dict[str, tuple[int, object]] = {
        f"{host}/api/{name}": (endpoints, {}) for name in ("agents", "messages", "health")
    }
    return found | ({f"{host}/health": well} if well else {})


def seen(
    said: Mapping[str, tuple[int, object]],
    *,
    use: Mapping[int, ProcessUse] | None = CALM,
    pids: Mapping[str, int | None] = {"one": 1, "two": 2},
    serving: Mapping[str, str | None] = {"one": "http://a"},
) -> Board:
    members = Members(subject="blue", serving=serving, pids=pids, silent="nobody told")
    return asyncio.run(look(Service(said), Machine(use), members))


def verdicts(board: Board) -> dict[str, Verdict]:
    return {check.id: check.verdict for check in board.checks}


def words(board: Board, id: str) -> str:
    return next(check.words for check in board.checks if check.id == id)


def test_there_are_nine_checks_in_the_order_of_the_script() -> None:
    board = seen(answers())

    assert [check.title for check in board.checks] == [
        "Application",
        "Database",
        "RabbitMQ",
        "Redis",
        "Memory",
        "CPU",
        "/api/agents",
        "/api/messages",
        "/api/health",
    ]
    assert board.verdict is OK and board.count(OK) == 9
    assert words(board, "application") == "200 OK, version 2.1.0, up for 1h 2m 5s"
    assert words(board, "memory") == "70 % of 0.0 GiB, by 2 process(es), 80 % is the limit"
    assert words(board, "cpu") == "50 % of a processor at most (two), 80 % is the limit"


@pytest.mark.parametrize("component", ["database", "rabbitmq", "redis"])
def test_a_component_is_ok_only_by_that_word_and_is_printed_as_it_was_said(component: str) -> None:
    board = seen(answers(well=(200, WELL | {component: "failed: OSError"})))

    assert {id for id, verdict in verdicts(board).items() if verdict is not OK} == {component}
    assert words(board, component) == "failed: OSError"
    assert verdicts(seen(answers(well=(200, WELL | {component: "okay"}))))[component] is BAD
    silent = seen(answers(well=(200, {k: v for k, v in WELL.items() if k != component})))
    assert verdicts(silent)[component] is UNKNOWN and silent.verdict is UNKNOWN


def test_what_is_embedded_is_told_as_that() -> None:
    board = seen(answers(well=(200, WELL | {"adapters": {"rabbitmq": "embedded: datagrams"}})))

    assert words(board, "rabbitmq") == "ok (embedded: datagrams)"
    assert words(board, "redis") == "ok"


def test_an_application_that_answers_503_has_failed_and_its_components_are_still_read() -> None:
    board = seen(answers(well=(503, WELL | {"database": "no answer within 2 s"})))

    assert {id for id, verdict in verdicts(board).items() if verdict is BAD} == {"application", "database"}
    assert words(board, "application").startswith("it answers 503")


@pytest.mark.parametrize(
    "health",
    [
        (200, b"<html>"),
        (200, {"status": "ok"}),
        (200, {"version": "2.1.0"}),
        None,
        (200, WELL | {"uptime": None}),
    ],
)
def test_an_answer_that_does_not_say_what_it_is_is_no_health(health: tuple[int, object] | None) -> None:
    assert verdicts(seen(answers(well=health)))["application"] is BAD


def test_who_does_not_answer_has_failed_and_of_what_is_behind_it_nothing_is_known() -> None:
    found = verdicts(seen({}))

    assert {id for id, verdict in found.items() if verdict is BAD} == {
        "application",
        "agents",
        "messages",
        "health",
    }
    assert {id for id, verdict in found.items() if verdict is UNKNOWN} == {"database", "rabbitmq", "redis"}


@pytest.mark.parametrize(
    ("status", "verdict"), [(200, OK), (401, OK), (403, BAD), (404, BAD), (500, BAD), (302, BAD)]
)
def test_an_endpoint_answers_or_asks_who_one_is(status: int, verdict: Verdict) -> None:
    found = verdicts(seen(answers(endpoints=status)))

    assert {found[name] for name in ("agents", "messages", "health")} == {verdict}


def test_a_check_is_as_bad_as_its_worst_instance_which_is_named() -> None:
    said = answers("a") | answers("b", well=(200, WELL | {"redis": "failed: gone"}), endpoints=500)
    board = seen(said, serving={"one": "http://a", "two": "http://b"})

    assert {id for id, verdict in verdicts(board).items() if verdict is BAD} == {
        "redis",
        "agents",
        "messages",
        "health",
    }
    assert words(board, "redis") == "two: failed: gone"
    assert [(each.instance, each.verdict) for each in board.checks[3].seen] == [("one", OK), ("two", BAD)]


@pytest.mark.parametrize(
    ("use", "bad"),
    [
        ({1: ProcessUse(memory=799, cpu=0.79), 2: ProcessUse(memory=0, cpu=0.0)}, set()),
        ({1: ProcessUse(memory=400, cpu=0.0), 2: ProcessUse(memory=400, cpu=0.0)}, {"memory"}),
        ({1: ProcessUse(memory=0, cpu=0.8), 2: ProcessUse(memory=0, cpu=0.0)}, {"cpu"}),
        ({1: ProcessUse(memory=900, cpu=1.5)}, {"memory", "cpu"}),
    ],
)
def test_memory_is_that_of_all_processes_and_cpu_that_of_the_busiest(
    use: Mapping[int, ProcessUse], bad: set[str]
) -> None:
    assert {id for id, verdict in verdicts(seen(answers(), use=use)).items() if verdict is BAD} == bad


@pytest.mark.parametrize(
    ("use", "pids", "said"),
    [
        (None, {"one": 1}, "This system has no /proc."),
        (CALM, {}, "nobody told"),
        (CALM, {"one": None}, "nobody told"),
        ({1: CALM[1]}, {"one": 1, "two": 2}, "not known: two"),
        (CALM, {"one": 1, "two": None}, "not known: two"),
        ({}, {"one": 1}, "not known: one"),
    ],
)
def test_a_process_that_was_not_measured_is_not_calm(
    use: Mapping[int, ProcessUse] | None, pids: Mapping[str, int | None], said: str
) -> None:
    board = seen(answers(), use=use, pids=pids)

    assert (verdicts(board)["memory"], verdicts(board)["cpu"]) == (UNKNOWN, UNKNOWN)
    assert said in words(board, "memory") and said in words(board, "cpu")


def test_a_slot_in_which_nothing_serves_has_failed() -> None:
    board = seen({}, serving={}, pids={})

    assert (board.count(BAD), board.count(UNKNOWN)) == (1, 8)
    assert words(board, "application") == "no process serves here"


def test_an_instance_without_an_address_has_failed() -> None:
    board = seen(answers(), serving={"one": "http://a", "two": None})

    assert words(board, "application") == "two: it has no address yet"
    assert verdicts(board)["database"] is UNKNOWN
