CREATE TABLE findings (
    run TEXT PRIMARY KEY,
    word TEXT NOT NULL,
    lines INTEGER NOT NULL,
    version TEXT NOT NULL
);
