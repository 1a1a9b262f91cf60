"""What the traffic writes down can be relied on by the judge."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

from watership.demo.traffic.client import Answer
from watership.demo.traffic.mix import LATE, SHARES, Message, messages
from watership.demo.traffic.record import BOUNDS, Record, bucket, read_accepted


def test_an_accepted_run_is_in_the_file_when_accept_returns(tmp_path: Path) -> None:
    record = Record(tmp_path / "accepted")
    record.accept("r1", "d1", Message("find", {"word": "gate"}))

    (accepted,) = read_accepted(tmp_path / "accepted")
    record.close()
    assert (accepted.run, accepted.agent, accepted.input, accepted.granted) == (
        "r1",
        "find",
        {"word": "gate"},
        True,
    )


def test_what_is_not_2xx_is_kept_as_a_failure_one_by_one(tmp_path: Path) -> None:
    record = Record(tmp_path / "accepted")
    good = record.answered("fact", "/facts/1", Answer(status=200), "2.1.0")
    bad = record.answered("fact", "/facts/2", Answer(status=500, body=b"broken", deployment="d"))
    record.unanswered("fact", "/facts/3", "reset", 0.1)
    record.close()

    assert (good, bad) == (True, False)
    failures = record.summary.failures
    assert [(each.path, each.status, each.reason) for each in failures] == [
        ("/facts/2", 500, "broken"),
        ("/facts/3", 0, "reset"),
    ]
    assert sum(cell.count for cell in record.summary.cells) == 3


def test_equal_outcomes_of_a_second_are_counted_together(tmp_path: Path) -> None:
    record = Record(tmp_path / "accepted")
    for _ in range(100):
        record.answered("fact", "/facts/1", Answer(status=200, seconds=0.003), "2.1.0")
    record.close()

    assert len(record.summary.cells) <= 3  # a second may turn meanwhile
    assert sum(cell.latencies[bucket(0.003)] for cell in record.summary.cells) == 100


def test_a_latency_is_below_its_bound() -> None:
    assert (bucket(BOUNDS[0]), bucket(BOUNDS[0] + 1e-9), bucket(1e9)) == (0, 1, len(BOUNDS))


def test_a_seed_gives_the_same_messages_again() -> None:
    assert list(islice(messages(3), 200)) == list(islice(messages(3), 200))
    assert list(islice(messages(3), 200)) != list(islice(messages(4), 200))


def test_every_agent_gets_its_share_and_approvals_come_late() -> None:
    many = list(islice(messages(1), 3000))
    counted = Counter(each.agent for each in many)

    assert counted.keys() == SHARES.keys()
    assert all(abs(counted[agent] / 30 - share) < 4 for agent, share in SHARES.items())
    assert all(LATE[0] <= each.late <= LATE[1] for each in many if each.late is not None)
    assert {each.granted for each in many} == {True, False}
