"""HTTP from the client's side: probes and readiness."""
