"""watership incident: from the opening to the post-mortem, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from watership.adapters.files.audit import read
from watership.cli.exits import Exit
from watership.cli.main import run
from watership.durable.clock import SystemClock
from watership.fleet.identity import Tokens

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder: no environment is up, and none is needed."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Any:
    """What a command says as JSON; it must have ended well unless another code is named."""

    def say(*words: str, code: Exit = Exit.OK) -> Any:
        capsys.readouterr()
        assert run(["--json", "incident", *words]) == code
        return msgspec.json.decode(capsys.readouterr().out)

    return say


def opened(*more: str) -> int:
    return run(["incident", "open", "Error rate", "--severity", "critical", "--as", "mona", *more])


def test_one_is_opened_taken_on_decided_restored_and_closed_with_a_post_mortem(
    here: Path, told: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert opened("--symptom", "15 % of requests fail", "--release", "r1", "--began", "5m") == Exit.OK
    assert "to be told: on_call (level 1, On-call engineer)" in capsys.readouterr().err
    assert told("show", code=Exit.INCONCLUSIVE)["due"][0]["seat"] == "on_call"
    assert told("escalate", "--told", "--as", "mona")["told"] is True
    assert told("show")["incident"]["level"] == 1
    assert (
        told("update", "--acknowledge", "--measured", "p95 is 3 s", "--as", "eli")["state"] == "acknowledged"
    )
    told("note", "the new query is slow", "--as", "eli")
    told("update", "--decision", "ROLLBACK", "--as", "eli")
    assert run(["incident", "close", "--as", "eli"]) == Exit.CONFLICT
    assert "--restored" in capsys.readouterr().err
    assert told("update", "--restored", "0.02 % fail", "--as", "mona")["state"] == "restored"

    closed = told("close", "--as", "eli")

    path = Path(closed["post_mortem"])
    assert path == here / ".watership/releases/incidents/INC-1.md"
    text = path.read_text()
    assert "| Detect (from its beginning to the opening) | 5m |" in text
    assert "- ROLLBACK (eli, T+0s)" in text and "- p95 is 3 s" in text and "- 0.02 % fail" in text
    assert told("list") == {"incidents": [], "total_count": 0}
    assert told("list", "--all")["total_count"] == 1
    told("note", "an index was missing", "--as", "eli")  # a day later
    actions = [entry.action for entry in read(here / ".watership/audit.jsonl") if entry]
    assert [action for action in actions if action.startswith("incident.")] == [
        f"incident.{each}"
        for each in (
            *("opened", "escalated", "acknowledged", "measured"),
            *("noted", "decided", "restored", "closed", "noted"),
        )
    ]


def test_a_false_alarm_is_closed_without_a_restoration(told: Any) -> None:
    assert opened() == Exit.OK

    closed = told("close", "--false-alarm", "a test of ours", "--as", "mona")["incident"]

    assert (closed["state"], closed["false_alarm"], closed.get("restored_at")) == ("closed", True, None)


def test_what_is_urgent_is_due_a_level_higher_at_once(told: Any) -> None:
    assert opened() == Exit.OK

    found = told("escalate", "--because", "security", "--as", "mona")

    assert [each["seat"] for each in found["due"]] == ["on_call", "engineering_lead"]
    assert found["due"][1]["because"] == "security incident"
    assert len(told("show", code=Exit.INCONCLUSIVE)["due"]) == 2, "nobody was told yet"


def test_where_several_are_open_one_must_be_named(told: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert opened() == opened() == Exit.OK

    assert run(["incident", "show"]) == Exit.USAGE
    assert "INC-1, INC-2" in capsys.readouterr().err
    assert told("note", "looking", "--of", "inc-2", "--as", "eli")["id"] == "INC-2"
    assert run(["incident", "show", "--of", "INC-9"]) == Exit.NOT_FOUND


def test_what_people_wrote_in_a_post_mortem_is_kept(here: Path, told: Any) -> None:
    opened()
    path = here / ".watership/releases/incidents/INC-1.md"
    path.write_text("mine")

    told("close", "--false-alarm", "a test", "--as", "eli")

    assert path.read_text() == "mine"


def test_words_open_no_table_heading_or_tag_in_the_post_mortem(told: Any) -> None:
    opened("--symptom", "# big\n<script>alert(1)</script> | a | b |")
    path = Path(told("close", "--false-alarm", "a test", "--as", "eli")["post_mortem"])

    text = path.read_text()

    assert "\n# big" not in text and "<script>" not in text
    assert "\n\\# big &lt;script>alert(1)&lt;/script> \\| a \\| b \\|\n" in text


@pytest.mark.parametrize(
    "words",
    [
        ["open", "X"],
        ["open", "X", "--severity", "awful"],
        ["open", " ", "--severity", "high"],
        ["open", "X", "--severity", "high", "--because", "boredom"],
        ["open", "X", "--severity", "high", "--began", "lately"],
        ["update"],
        ["note", ""],
        ["close", "--bogus"],
    ],
)
def test_what_makes_no_sense_is_refused_and_opens_nothing(words: list[str], told: Any) -> None:
    assert run(["incident", *words, *(["--as", "mona"] if "--bogus" not in words else [])]) == Exit.USAGE
    assert told("list", "--all")["total_count"] == 0


def test_nothing_is_said_of_no_incident(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["incident", "show"]) == Exit.NOT_FOUND
    assert "watership incident open" in capsys.readouterr().err


def test_who_does_not_answer_for_incidents_may_not_open_one_and_is_on_record(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATERSHIP_SECRET", SECRET)
    tokens = Tokens(SECRET, SystemClock())
    words = ["incident", "open", "X", "--severity", "high"]

    assert run(words) == Exit.NOT_ALLOWED
    for role, code in (
        ("reader", Exit.NOT_ALLOWED),
        ("monitoring", Exit.OK),
        ("on_call", Exit.OK),
        ("operator", Exit.OK),
    ):
        assert run([*words, "--token", tokens.issue("ida", roles=[role])]) == code
    actions = [entry.action for entry in read(here / ".watership/audit.jsonl") if entry]
    assert actions.count("authority.refused") == 1
