"""The book: a runbook's files, read, checked, and printed for people."""
