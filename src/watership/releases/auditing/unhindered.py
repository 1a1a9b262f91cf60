"""An audit that hinders nobody: what it cannot take is kept in hand, to be told, and the act goes on.

For a rollback at once alone: traffic that fails people comes back first, whatever has become of the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from watership.durable.clock import Clock
from watership.errors import WatershipError
from watership.releases.auditing.audit import Audit, Broken, Entry, Fact, Verified, chain


class Untaken(Struct, frozen=True, kw_only=True):
    """What should stand in the audit, and does not."""

    entry: Entry
    why: str

    def __str__(self) -> str:
        return f"{self.entry.at:%Y-%m-%dT%H:%M:%SZ} {self.entry.actor} {self.entry.action}"


class Unhindered:
    """An Audit before another one. `untaken` is what that one has refused since."""

    def __init__(self, audit: Audit, clock: Clock) -> None:
        self._audit = audit
        self._clock = clock
        self.untaken: list[Untaken] = []

    def append(self, actor: str, action: str, facts: Mapping[str, Fact]) -> Entry:
        try:
            return self._audit.append(actor, action, facts)
        except WatershipError as error:
            # It stands alone, in no chain: nobody is to take it for an entry of the record.
            alone = chain(None, at=self._clock.now(), actor=actor, action=action, facts=facts)
            self.untaken.append(Untaken(entry=alone, why=error.message))
            return alone

    def entries(self) -> list[Entry]:
        return self._audit.entries()

    def verify(self, head: str | None = None) -> Verified | Broken:
        return self._audit.verify(head)

    def told(self) -> Sequence[str]:
        """What to say of it: that it is not in the audit, and why."""
        if not self.untaken:
            return ()
        missing = "; ".join(str(each) for each in self.untaken)
        return (f"This is not in the audit, for {self.untaken[0].why} It would be: {missing}.",)
