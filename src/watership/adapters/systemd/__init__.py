"""Hosts as units of systemd on one or more machines, told by SSH."""

from typing import Final

UNTRIED: Final = (
    "not tried under a running systemd: systemd-analyze takes its units, and a systemctl records in tests"
)
"""What `watership doctor` says where this adapter is chosen, for as long as it is so."""
