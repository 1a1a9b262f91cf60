"""The service as it fares: its promises, its figures, and what they were before."""
