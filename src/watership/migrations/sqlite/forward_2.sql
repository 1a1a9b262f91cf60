-- A run that came through a broker says where its result is to be sent.

ALTER TABLE runs ADD COLUMN reply_to TEXT NOT NULL DEFAULT '';
