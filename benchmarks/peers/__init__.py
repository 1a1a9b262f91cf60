"""Peers: the same durable jobs given to us and to others, on the same servers, in the same run."""
