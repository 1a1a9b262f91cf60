"""Load balancers of AWS as routers: an agent keeps epochs and weights, and has a rule of the balancer show them."""

from typing import Final

UNTRIED: Final = (
    "not tried on real AWS: its tests have moto, which keeps what its API is told and passes nothing on"
)
"""What `watership doctor` says of it."""
