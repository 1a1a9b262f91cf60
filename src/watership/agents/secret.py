"""A secret is named in code and revealed at the edge; its value reaches no journal, no prompt and no log."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, NoReturn

from watership.durable.scrubbing import SHORTEST, keep_out
from watership.errors import BadInput, Unencodable

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
IN_FILE: Final = "_FILE"


class Secret:
    """The value of an environment variable, or of the file that NAME_FILE names, as container platforms mount it.

        bank_key = Secret("BANK_KEY")

        @tool
        async def pay(cents: int) -> str:
            return await bank.pay(cents, key=bank_key.reveal())

    Its text form is its name; encoding it raises. A value that a process has seen is replaced in whatever a step
    returns or raises. Reveal it inside a tool, where it is used.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        if not NAME.fullmatch(name):
            raise BadInput(f"A secret cannot be named {name!r}.", fix="Name an environment variable.")
        self.name = name
        # Known from now on, if it is there: a tool may come by the same value without asking here.
        value = self._found()
        if value is not None:
            keep_out(name, value)

    def reveal(self) -> str:
        """The value, read anew each time, so that a changed one is found. Raises BadInput if it is nowhere or short."""
        value = self._found()
        if value is None:
            raise BadInput(
                f"The secret {self.name} is nowhere.",
                fix=f"Set {self.name}, or {self.name}{IN_FILE} to the path of a file that holds it.",
            )
        if not keep_out(self.name, value):
            raise BadInput(
                f"The secret {self.name} has fewer than {SHORTEST} characters.", fix="Use a longer one."
            )
        return value

    def _found(self) -> str | None:
        value = os.environ.get(self.name)
        if value:
            return value
        file = os.environ.get(self.name + IN_FILE)
        if not file:
            return None
        try:
            return Path(file).read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError) as reason:
            raise BadInput(f"The secret {self.name} cannot be read from its file: {reason}.") from None

    def __repr__(self) -> str:
        return f"Secret({self.name!r})"

    def __reduce__(self) -> NoReturn:
        raise Unencodable(f"secret {self.name}", "a secret is not written down")
