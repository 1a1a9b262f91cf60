"""Every command about a release takes its name in the same way, and what is leapt or left alone says what stands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from msgspec.structs import replace

from watership.cli.exits import Exit
from watership.cli.main import root, run
from watership.cli.standing import line, stands, switch_words
from watership.releases.figures import Figures
from watership.releases.status import ReleaseStatus

NAMED_BY_HAND = {"watership release plan": "--name makes the name"}
"""Commands about a release that do not look for one, and why."""

OTHERS = ("demo", "dev", "serve", "worker")


def commands(command: click.Command, path: str = "watership") -> Iterator[tuple[str, click.Command]]:
    """Every command of the tree that is no group, with the words that lead to it."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        if name not in OTHERS:
            yield from commands(found, f"{path} {name}")


def names_a_release(command: click.Command) -> bool:
    return any(each.metavar == "[RELEASE]" for each in command.params)


def test_whoever_takes_a_release_by_place_takes_it_by_option_too() -> None:
    there = dict(commands(root))
    by_place = {path for path, command in there.items() if names_a_release(command)}
    by_option = {path for path, each in there.items() if any("--release" in one.opts for one in each.params)}
    assert len(by_place) > 20 and by_place <= by_option


def test_every_command_of_release_and_of_who_signs_and_decides_takes_one() -> None:
    groups = ("release", "check", "signoff", "gate", "team", "verify", "smoke", "deploy", "rollback")
    for path, command in commands(root):
        if path.split()[1] in groups and path not in NAMED_BY_HAND and path != "watership check explain":
            assert any("--release" in each.opts for each in command.params), path


def test_two_names_for_one_release_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["release", "status", "r1", "--release", "r2"]) == Exit.USAGE
    assert "Two are named: r1 and r2" in capsys.readouterr().err


def test_a_leap_is_said_by_its_length_or_by_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["environment", "leap"]) == run(["environment", "leap", "4h", "--to", "T-4h"]) == Exit.USAGE
    assert "--to T-4h" in capsys.readouterr().err
    assert run(["environment", "leap", "--to", "4h"]) == Exit.USAGE
    assert "is not an offset such as T-24h" in capsys.readouterr().err


def test_a_runbook_is_copied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["runbook", "copy", "one-machine"]) == Exit.OK
    assert run(["runbook", "show", "runbooks/one-machine"]) == Exit.OK
    assert run(["runbook", "copy", "one-machine"]) == Exit.CONFLICT
    assert run(["runbook", "copy", "nobodys"]) == Exit.NOT_FOUND
    assert "is there already" in capsys.readouterr().err


def test_a_runbook_is_checked_against_the_systems_that_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    systems = tmp_path / "systems.yaml"
    systems.write_text(
        'schema: watership/systems/v1\nsystems:\n  dns: { url: "dns://ns1" }\n'
        '  grafana: { url: "https://{secret}@g", secret: "env:NO_SUCH_KEY" }\n'
    )
    assert run(["runbook", "check", "--systems", str(systems)]) == Exit.OK
    said = capsys.readouterr().err
    assert "grafana: The secret env:NO_SUCH_KEY is not set, which ends the release" in said
    assert "[unread-secret]" in said and "calendar is not named, which ends the release" in said
    assert "dns is not named" not in said


NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)

THERE = ReleaseStatus(
    release="r1",
    stage="running",
    phase=0,
    phase_title="Gate",
    attempt=1,
    items=(),
    weight=0,
    router=0,
    intake=0,
    held=False,
    asks="",
    waits_for="T-4h",
    waits_until=NOW + timedelta(seconds=71_991),
    vigil=None,
    figures=Figures(),
    reason="",
    began=NOW,
    ended=None,
)


def test_a_wait_of_hours_is_told_in_hours() -> None:
    assert "waits for T-4h (in 19h 59m)" in line(THERE, NOW)
    assert "waits for T-4h (in 0s)" in line(THERE, NOW + timedelta(days=1))


def test_who_leaves_a_split_alone_is_told_of_both_planes_the_switch_and_the_way_on() -> None:
    split = replace(THERE, router=50, intake=None, weight=50)
    said = stands(split, switch_words(NOW))
    assert "router gives next 50 %, intake unknown" in said
    assert "by 12:00:00 UTC, the dead-man's switch takes both planes back" in said
    assert "watership release resume r1" in said
    assert "No dead-man's switch is armed" in stands(THERE, switch_words(None))
