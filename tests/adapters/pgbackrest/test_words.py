"""What pgBackRest is told, and what it tells: commands as data, and answers that are read strictly."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from watership.adapters.pgbackrest.commands import (
    Stanza,
    ToMoment,
    ToPoint,
    backup_command,
    fetching,
    info_command,
    pieces_command,
    restore_command,
)
from watership.adapters.pgbackrest.info import catalogue, pieces
from watership.errors import BadInput, NotFound, Unavailable

MAIN = Stanza(name="main", config="/etc/own.conf")
WORDS = ["pgbackrest", "--config=/etc/own.conf", "--stanza=main", "--log-level-console=warn"]
PIECE = "00000001000000000000000A"


def taken(label: str, kind: str, stop: int, *, database: int = 1) -> dict[str, object]:
    return {
        "label": label,
        "type": kind,
        "timestamp": {"start": stop - 9, "stop": stop},
        "info": {"size": 30_480_353, "delta": 1_000},
        "database": {"id": database, "repo-key": 1},
        "error": False,
    }


def told(**other: object) -> str:
    stanza: dict[str, object] = {
        "name": "main",
        "status": {"code": 0, "message": "ok"},
        "db": [{"id": 1, "system-id": 77, "version": "14"}, {"id": 2, "system-id": 78, "version": "15"}],
        "backup": [
            taken("old", "full", 900),
            taken("F", "full", 1000, database=2),
            taken("I", "incr", 2000, database=2),
        ],
        "archive": [
            {"database": {"id": 1}, "id": "14-1", "max": "0000000100000000000000FF", "min": PIECE},
            {"database": {"id": 2}, "id": "15-2", "max": PIECE, "min": PIECE},
        ],
    }
    return msgspec.json.encode([stanza | other]).decode()


def test_the_commands_are_data() -> None:
    data, spaces = Path("/s/data"), Path("/s/spaces")
    restoring = [
        *WORDS,
        "--set=F",
        "--pg1-path=/s/data",
        "--tablespace-map-all=/s/spaces",
        "--archive-mode=off",
    ]
    moment = datetime(2026, 11, 29, 12, 30, 1, 250_000, tzinfo=UTC)

    assert backup_command(MAIN, "incr") == [*WORDS, "--type=incr", "backup"]
    assert info_command(Stanza(name="main"))[:2] == ["pgbackrest", "--stanza=main"]
    assert pieces_command(MAIN)[-2:] == ["repo-ls", "archive/main"]
    assert restore_command(MAIN, label="F", data=data, spaces=spaces, to=ToPoint(name="p")) == [
        *restoring,
        *("--type=name", "--target=p", "--target-action=pause", "restore"),
    ]
    assert restore_command(MAIN, label="F", data=data, spaces=spaces, to=ToMoment(at=moment)) == [
        *restoring,
        *("--type=time", "--target=2026-11-29 12:30:01.250000+00", "--target-action=promote", "restore"),
    ]
    assert fetching(MAIN, data, newest=PIECE).startswith(f'test "%f" \\> {PIECE} && exit 1; exec pgbackrest ')


def test_what_would_be_read_as_something_else_is_refused() -> None:
    with pytest.raises(BadInput):
        Stanza(name="main --repo1-path=/elsewhere")
    with pytest.raises(BadInput):
        fetching(MAIN, Path("/s"), newest="1; rm -rf /")


def test_the_catalogue_tells_of_the_database_that_the_stanza_has_now() -> None:
    found = catalogue(told(), "main")

    assert (found.current.system_id, found.newest_piece) == (78, PIECE)
    assert found.base_for(datetime.fromtimestamp(1999, UTC)).label == "F"
    assert found.base_for(datetime.fromtimestamp(2000, UTC)).label == "I"
    with pytest.raises(NotFound):
        found.base_for(datetime.fromtimestamp(950, UTC))  # the one before is of the server before its upgrade
    with pytest.raises(NotFound):
        found.find("expired")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("[]", NotFound),
        ("not json", Unavailable),
        (told(status={"code": 1, "message": "missing stanza path"}), NotFound),
        (told(status={"code": 99, "message": "other"}), Unavailable),
        (told(backup=[taken("X", "strange", 1)]), Unavailable),
    ],
    ids=["no stanza", "no answer", "missing", "not in order", "an unknown kind"],
)
def test_what_is_no_catalogue_is_taken_for_none(answer: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        catalogue(answer, "main")


def test_an_archive_without_a_piece_of_the_log_has_no_end() -> None:
    with pytest.raises(Unavailable, match="no piece"):
        _ = catalogue(told(archive=[]), "main").newest_piece


def test_the_pieces_of_the_log_are_told_from_what_lies_beside_them() -> None:
    answer = msgspec.json.encode(
        {
            ".": {"type": "path"},
            f"15-1/0000000100000000/{PIECE}-{'a' * 40}.gz": {"type": "file", "size": 7, "time": 1000},
            f"15-1/0000000100000000/{PIECE}.00000028.backup": {"type": "file", "size": 371, "time": 1001},
            "archive.info": {"type": "file", "size": 253, "time": 1002},
        }
    ).decode()

    (piece,) = pieces(answer)

    assert (piece.name, piece.bytes, piece.at) == (PIECE, 7, datetime.fromtimestamp(1000, UTC))
    with pytest.raises(Unavailable):
        pieces("[]")
