"""Words: every template that is sent can be put into words, in whatever situation."""

from __future__ import annotations

from collections.abc import Iterator

from watership.releases.book.lint.place import Place
from watership.releases.book.lint.remark import Remark, remark
from watership.releases.book.runbook import Runbook
from watership.releases.notices.lint import check_comms


def remarks(book: Runbook) -> Iterator[Remark]:
    for template, problems in check_comms(book.comms).items():
        for problem in problems:
            yield remark("error", "template", Place(template, problem.line), problem.text)
