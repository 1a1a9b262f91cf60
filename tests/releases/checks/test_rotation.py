"""The rules of logrotate."""

from __future__ import annotations

import pytest

from tests.releases.checks.scenes import Looker

WISH = {"path": "logrotate.conf", "log": "/var/log/app/next.jsonl"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/var/log/app/next.jsonl {\n daily\n rotate 14\n}", ""),
        ('compress\n"/var/log/app/*.jsonl" /var/log/other {\n size 10M\n rotate 7\n}', ""),
        ("weekly\nrotate 9\n/var/log/other { rotate 1\n}\n/var/log/app/next.jsonl {\n compress\n}", ""),
        ("/var/log/other {\n daily\n rotate 14\n}", "has no block for"),
        ("# /var/log/app/next.jsonl {\n daily\n rotate 14\n}", "has no block for"),
        ("/var/log/app/next.jsonl {\n rotate 14\n}", "it says none of hourly"),
        ("/var/log/app/next.jsonl {\n monthly\n rotate 14\n}", "it says none of hourly"),
        ("/var/log/app/next.jsonl {\n daily\n rotate 2\n}", "2 old ones are kept, of 7"),
        ("/var/log/app/next.jsonl {\n daily\n}", "0 old ones are kept, of 7"),
        ("/var/log/app/next.jsonl {\n daily\n rotate -1\n}", "rotate -1 bounds nothing"),
    ],
)
def test_a_log_is_rotated_in_time_and_its_old_ones_are_bounded(looker: Looker, text: str, words: str) -> None:
    looker.write("logrotate.conf", text)
    if words:
        looker.fails("logs.rotated", words, **WISH)
    else:
        looker.passes("logs.rotated", **WISH)


def test_without_the_file_nothing_is_rotated(looker: Looker) -> None:
    looker.fails("logs.rotated", "There is no logrotate.conf", **WISH)
