-- The flags and their record go; what was read-only stays so.

DROP TABLE flag_changes;
DROP TABLE flags;
