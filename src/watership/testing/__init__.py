"""What users' own tests need: virtual time, seeded schedules, simulated freezes."""

from watership.testing.loop import Deadlock, LimitReached, NotClean, NotDeterministic
from watership.testing.virtual_time import VirtualClock, run_in_virtual_time, suspend, trace

__all__ = [
    "Deadlock",
    "LimitReached",
    "NotClean",
    "NotDeterministic",
    "VirtualClock",
    "run_in_virtual_time",
    "suspend",
    "trace",
]
