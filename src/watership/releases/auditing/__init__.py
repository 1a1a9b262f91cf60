"""Auditing: the record that cannot be changed unseen."""
