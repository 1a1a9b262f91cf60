"""Teams: agents that work together, as programs on the kernel; and what they decide by, as pure functions."""
