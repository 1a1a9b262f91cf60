"""The way out that tools are given: `from watership import Egress` means the adapter that is chosen here."""

from watership.adapters.http.egress import Egress

__all__ = ["Egress"]
