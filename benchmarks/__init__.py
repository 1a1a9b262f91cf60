"""Benchmarks: what a durable run costs here and in others, measured on one machine in one go."""
