"""Hosts as child processes of one machine, kept by an agent in a process of its own."""
