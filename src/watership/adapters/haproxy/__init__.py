"""HAProxy as a router: a small agent beside it keeps epochs and weights, and makes it obey."""
