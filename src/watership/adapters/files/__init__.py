"""Files: locks, witnesses and bells that need nothing but the file system."""
