-- Back to an empty database.

DROP TABLE outbox;
DROP TABLE intake;
DROP TABLE deployments;
DROP TABLE workers;
DROP TABLE injections;
DROP TABLE requests;
DROP TABLE signals;
DROP TABLE appends;
DROP TABLE journal;
DROP TABLE runs;
