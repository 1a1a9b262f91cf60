"""The broker's dead letters from the command line, against a real broker."""

from __future__ import annotations

import json
from pathlib import Path

import pika
import pytest

from watership.cli.exits import Exit
from watership.cli.main import run


def bury(url: str, body: bytes) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        told = {"x-watership-reason": "bad_input", "x-watership-routing-key": "watership.v1.dead"}
        properties = pika.BasicProperties(message_id="m", headers=told)
        channel.basic_publish("", "watership.v1.dead", body, properties, mandatory=True)


def test_dead_messages_are_listed_sent_again_and_discarded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, rabbit_url: str, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WATERSHIP_BROKER_URL", rabbit_url)
    assert run(["topology", "apply"]) == Exit.OK
    bury(rabbit_url, b"5")

    def listed() -> list[dict[str, str]]:
        capsys.readouterr()
        assert run(["dead", "messages", "--json"]) == Exit.OK
        found: list[dict[str, str]] = json.loads(capsys.readouterr().out)
        return found

    (one,) = listed()
    assert (one["reason"], one["body"]) == ("bad_input", "5")
    assert run(["dead", "messages", "--requeue", one["id"]]) == Exit.OK
    (again,) = listed()  # it was sent to the dead letters, and has begun a new life there
    assert (again["reason"], again["body"]) == ("unknown", "5")
    assert run(["dead", "messages", "--discard", again["id"]]) == Exit.OK
    assert listed() == []
    assert run(["dead", "messages", "--discard", again["id"]]) == Exit.NOT_FOUND
    assert "watership dead messages" in capsys.readouterr().err
