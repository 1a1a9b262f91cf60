"""The HTTP service: agents and their runs, probes and switches, one table of endpoints."""
