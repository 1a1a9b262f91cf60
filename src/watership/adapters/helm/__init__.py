"""The helm of a router: what it was told, kept over restarts, obeyed by epochs, and steered over a control socket."""
