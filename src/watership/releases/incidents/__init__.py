"""Incidents: opened by rule or by hand, told level by level, closed with a post-mortem."""
