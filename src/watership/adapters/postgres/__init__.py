"""What talks to PostgreSQL."""
