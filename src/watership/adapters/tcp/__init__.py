"""TCP: whether a port answers at all."""
