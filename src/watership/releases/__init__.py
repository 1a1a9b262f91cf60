"""The release system: runbook → plan → run, with gates, cutover, rollback and an audit that can be verified."""
