"""What a store holds at most; a write beyond a bound is refused with the code `limit`."""

from __future__ import annotations

from datetime import timedelta

MAX_ENTRIES = 20_000
"""Journal entries of a run: more would take seconds to replay, see `carry_on`. The end always fits."""

MAX_SIGNALS = 10_000
"""Signals of a run that people and programs send; the results of its children always fit."""

MAX_CHILDREN = 10_000
"""Children of a run, counted by their keys: each is a row, and its result a signal."""

MAX_DEPTH = 20
"""Generations below a run that nobody started: a program that starts itself ends here."""

MAX_QUEUED = 1_000
"""Messages that wait in one conversation: more will not be answered while anybody still cares."""

KEYS_KEPT = timedelta(days=7)
"""How long an idempotency key is remembered; a client that repeats later starts anew."""

PRESENCE_KEPT = timedelta(days=1)
"""How long a worker that was neither heard of nor buried is still shown."""

DUE_WINDOW = 1_000
"""Runs of each kind looked at in one claim: when more timers are due at once, those due first go first."""

SWEEP = 100
"""Rows of outdated bookkeeping removed along with one write: more than come in, few enough not to be felt."""
