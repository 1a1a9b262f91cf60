"""Reporting: what a release did, gathered once and told in several forms."""
