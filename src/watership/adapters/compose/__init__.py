"""Hosts as containers of Docker Compose on one or more machines, told by SSH."""

from typing import Final

UNTRIED: Final = "not tried on a real engine: its tests have a real sshd, and a docker that records"
"""What `watership doctor` says where this adapter is chosen, for as long as it is so."""
