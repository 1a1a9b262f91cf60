"""Agents: programs that get messages; functions or models with tools, declared on an App."""
