"""Files of variables."""

from __future__ import annotations

from watership.releases.checks.variables import assignments, offered


def test_lines_are_read_as_a_shell_reads_them() -> None:
    text = "# no\nexport A = 1\nB='two words' \nC=3 # three\nD=#none\nA=4\nbroken line\n1A=5\n"
    there = [("A", "1"), ("B", "two words"), ("C", "3"), ("D", ""), ("A", "4")]
    assert assignments(text) == there


def test_a_line_that_is_commented_out_offers_its_variable() -> None:
    assert offered("LEVEL=info\n# SECRET=\nexport PORT=1\n# some words\n") == {"LEVEL", "SECRET", "PORT"}
