"""Wiring: the one package that knows ports and adapters, and puts them together. Lazy, so that starting is quick."""
