DROP TABLE flag_changes;
DROP FUNCTION flag_changes_stay;
DROP TABLE flags;
