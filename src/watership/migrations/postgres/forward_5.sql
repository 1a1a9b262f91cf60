-- Programs of which nothing is claimed; NULL while there are none. The flags PAUSE.* say who paused them.

ALTER TABLE intake ADD COLUMN paused BYTEA;
