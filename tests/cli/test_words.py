"""What the command line says to somebody who mistook a word, or who does not know what comes next."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from watership import App
from watership.cli.exits import Exit
from watership.cli.main import run
from watership.cli.roles import tell_of_others

NOBODY = "http://127.0.0.1:9"
"""Nobody listens here: what is refused before the service is asked does not notice."""

WAITS = [
    {
        "kind": "signal",
        "key": "approval",
        "name": "approval",
        "due": None,
        "about": {"question": "Pay?", "may": {"by": ["finance", "@ada"], "requester": False}},
        "seen": "5eed",
    },
    {"kind": "answer", "key": "charge", "name": "charge", "due": None, "about": [42]},
]


ACCOUNT = {
    "used": {"microdollars": 12_300, "tool_calls": 2, "turns": 1},
    "unsettled": {},
    "saved": {"microdollars": 4_100},
    "limits": [
        {
            "counter": "agent:writer",
            "unit": "microdollars",
            "per_day": True,
            "most": 20_000_000,
            "spent": 7_000_000,
            "reserved": 500_000,
        }
    ],
}


class _Service(BaseHTTPRequestHandler):
    """Answers everything with one run that was just made, and that waits."""

    sent: ClassVar[list[Any]] = []

    def _run(self) -> None:
        text = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.sent.append(json.loads(text or "null"))
        run = {"id": "r1", "run_id": "r1", "state": "waiting", "waits": WAITS}
        run |= {"path": "/answer/t0ken", "expires_at": "2026-05-04T12:00:00Z"}
        body = json.dumps(ACCOUNT if self.path.endswith("/account") else run).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _run  # noqa: N815 - the names that the standard library calls

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is told."""


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Service) as service:
        thread = threading.Thread(target=service.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{service.server_port}"
        service.shutdown()
        thread.join()


def test_an_answer_is_one_to_what_was_shown(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "answer", "r1", "approve", "--server", server]) == Exit.OK
    told = capsys.readouterr().err
    assert (
        'r1 waits for signal approval, for finance or @ada but not whoever started it: {"question":"Pay?"}'
        in told
    )
    assert _Service.sent[-1] == {"value": {"granted": True, "note": ""}, "seen": "5eed"}
    assert run(["run", "answer", "r1", "approve", "--seen", "01d", "--server", server]) == Exit.OK
    assert _Service.sent[-1]["seen"] == "01d"


def test_a_mistyped_command_is_answered_with_the_one_that_was_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["relaese"]) == Exit.USAGE
    assert "Did you mean: watership release" in capsys.readouterr().err


def test_input_that_begins_as_json_and_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "start", "hello", "--input", '{"name": Ada}', "--server", NOBODY]) == Exit.USAGE
    assert "broken JSON" in capsys.readouterr().err


def test_done_needs_the_result_of_the_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "answer", "r1", "done", "--server", NOBODY]) == Exit.USAGE
    assert "--value JSON" in capsys.readouterr().err


def test_the_next_command_names_the_same_server(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "start", "hello", "--input", "Ada", "--server", server]) == Exit.OK
    said = capsys.readouterr()
    assert said.out == "r1\n"  # for ID=$(watership run start …)
    assert f"next: watership run watch r1 --server {server}" in said.err


def test_a_run_that_waits_says_how_it_is_answered(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "show", "r1", "--server", server]) == Exit.OK
    said = capsys.readouterr().out
    assert (
        'waits for    signal approval, for finance or @ada but not whoever started it: {"question":"Pay?"}'
        in said
    )
    assert "next: watership run answer r1 approve|reject --wait approval --seen 5eed" in said
    assert "next: watership run answer r1 done --value JSON|retry|fail --wait charge" in said


def test_a_run_says_what_it_used_up_and_what_is_left(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "show", "r1", "--server", server]) == Exit.OK
    said = capsys.readouterr().out
    assert "used         $0.0123, 2 tool calls, 1 turn\n" in said
    assert "unsettled" not in said
    assert "saved        $0.0041" in said
    assert "limit        $7.5000 of $20.0000 a day on agent:writer" in said


def test_a_log_without_entries_was_not_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "audit.jsonl"
    assert run(["audit", "verify", str(log)]) == Exit.NOT_FOUND
    log.touch()
    assert run(["audit", "verify", str(log)]) == Exit.NOT_FOUND
    assert "no entries" in capsys.readouterr().err
    assert run(["audit", "verify", str(log), "--head", "f" * 64]) == Exit.NOT_OK


def test_a_worker_for_some_agents_says_who_shares_their_pools(capsys: pytest.CaptureFixture[str]) -> None:
    app = App("shop")

    @app.agent(pool="gpu")
    async def paint() -> None: ...

    @app.agent
    async def hello() -> None: ...

    @app.agent
    async def steps() -> None: ...

    tell_of_others(app, "hello, paint")
    told = capsys.readouterr().err
    assert "pool default holds steps as well" in told
    assert "gpu" not in told
    tell_of_others(app, "")
    tell_of_others(app, "hello,steps")
    assert not capsys.readouterr().err


def test_a_link_is_told_with_the_address_of_the_service(
    server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "run",
        "link",
        "r1",
        "--for",
        "ada",
        "--role",
        "finance",
        "--minutes",
        "5",
        "--answer",
        "approval/0",
    ]
    assert run([*words, "--server", server]) == Exit.OK
    told = capsys.readouterr()
    assert told.out == f"{server}/answer/t0ken\n"
    assert "for ada alone" in told.err
    assert _Service.sent[-1] == {"person": "ada", "roles": ["finance"], "minutes": 5, "wait": "approval/0"}


@pytest.mark.parametrize("word", ["nan", "inf", "-inf"])
def test_a_number_that_no_message_can_carry_is_refused_by_its_option(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["run", "start", "hello", "--within", word]) == Exit.USAGE
    assert "--within" in capsys.readouterr().err
