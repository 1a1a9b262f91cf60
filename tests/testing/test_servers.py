"""The servers of the tests themselves: they start, answer, keep what they were given, and leave nothing behind."""
