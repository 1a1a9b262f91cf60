"""Name servers, asked directly."""
