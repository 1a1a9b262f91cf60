"""The machine that the command runs on."""
