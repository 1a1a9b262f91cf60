"""pgBackRest: full and incremental backups of a whole PostgreSQL, and its log, from which any moment is restored."""
