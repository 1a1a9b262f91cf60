"""People: what a run asks of them, who may answer, until when, and what they saw."""
