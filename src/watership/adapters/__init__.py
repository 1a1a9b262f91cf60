"""Adapters: one package per technology, each implementing ports of the packages below it."""
