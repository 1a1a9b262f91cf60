"""A sheet holds the rows of one transaction, for the ledger to decide over."""

from __future__ import annotations

from watership.adapters.postgres.books import BookSheet
from watership.adapters.postgres.journal import JournalSheet
from watership.adapters.postgres.runs import RunSheet
from watership.adapters.postgres.undo import Undo


class Sheet(RunSheet, JournalSheet, BookSheet):
    """Rows over what was loaded; it knows no database. `undo` belongs to the write that is being applied."""

    def __init__(self, *, sure: bool) -> None:
        self.undo = Undo()
        RunSheet.__init__(self, self.undo)
        JournalSheet.__init__(self, self.undo, self, sure=sure)
        BookSheet.__init__(self, self.undo)

    @property
    def dirty(self) -> bool:
        """Whether something was changed that the database does not hold yet."""
        return bool(
            self.changed or self.entries or self.signal_rows or self.new_appends or self.has_new_books
        )
