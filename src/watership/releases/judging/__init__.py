"""Judging: what traffic proves of a build, by a gate, by fuses, and by whoever keeps vigil."""
