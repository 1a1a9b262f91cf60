"""Hosts as Deployments of a Kubernetes cluster, told by its API."""

from typing import Final

UNTRIED: Final = "not tried on a real engine: its tests have an HTTP stand-in of the cluster's API"
"""What `watership doctor` says where this adapter is chosen, for as long as it is so."""
