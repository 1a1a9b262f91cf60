"""Readiness: the checklist and its records, whose word counts, and the decision to go."""
