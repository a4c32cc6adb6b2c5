-- +goose Up

-- Every object is a JSON document, exactly as the protocol shows it, beside
-- the columns that queries need. seq is the order of creation: created_at has
-- seconds only, and lists must not depend on ties.

CREATE TABLE assistants (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id  TEXT NOT NULL UNIQUE,
    doc TEXT NOT NULL
);

CREATE TABLE threads (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id  TEXT NOT NULL UNIQUE,
    doc TEXT NOT NULL
);

CREATE TABLE messages (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    id        TEXT NOT NULL UNIQUE,
    thread_id TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    run_id    TEXT,
    doc       TEXT NOT NULL
);
CREATE INDEX messages_of_thread ON messages (thread_id, seq);

CREATE TABLE runs (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    thread_id   TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    status      TEXT NOT NULL,
    expires_at  BIGINT NOT NULL,
    owner       TEXT NOT NULL DEFAULT '', -- the engine that executes it, '' for none
    lease_until BIGINT NOT NULL DEFAULT 0, -- Unix milliseconds
    fence       BIGINT NOT NULL DEFAULT 0, -- grows with every claim: a writer with an older one lost the run
    doc         TEXT NOT NULL
);
CREATE INDEX runs_of_thread ON runs (thread_id, seq);
CREATE UNIQUE INDEX one_active_run ON runs (thread_id)
    WHERE status IN ('queued', 'in_progress', 'requires_action', 'cancelling');
CREATE INDEX active_runs ON runs (lease_until)
    WHERE status IN ('queued', 'in_progress', 'requires_action', 'cancelling');

CREATE TABLE steps (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    id        TEXT NOT NULL UNIQUE,
    run_id    TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    thread_id TEXT NOT NULL,
    progress  TEXT NOT NULL DEFAULT '{}', -- what is known of a step under way but may not show yet
    doc       TEXT NOT NULL
);
CREATE INDEX steps_of_run ON steps (run_id, seq);
CREATE INDEX steps_of_thread ON steps (thread_id, seq);

-- The event log of runs: a row is what one commit appended. Positions count
-- events from 0; first is the position of the row's first event.
CREATE TABLE events (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    first  BIGINT NOT NULL,
    size   BIGINT NOT NULL,
    batch  BLOB NOT NULL,
    PRIMARY KEY (run_id, first)
) WITHOUT ROWID;

CREATE TABLE files (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    purpose    TEXT NOT NULL,
    expires_at BIGINT NOT NULL DEFAULT 0, -- 0: never
    doc        TEXT NOT NULL
);
CREATE INDEX files_by_expiry ON files (expires_at) WHERE expires_at > 0;

-- Which assistants and threads list a file, so that deleting the file can take
-- it off their lists.
CREATE TABLE file_uses (
    file_id   TEXT NOT NULL,
    object_id TEXT NOT NULL,
    PRIMARY KEY (file_id, object_id)
) WITHOUT ROWID;
CREATE INDEX file_uses_of_object ON file_uses (object_id);

-- Where a deleted object stood, so that a client that pages through a list
-- while deleting from it can go on from the last object it saw.
CREATE TABLE deleted (
    id  TEXT PRIMARY KEY,
    seq BIGINT NOT NULL
) WITHOUT ROWID;

-- +goose Down
DROP TABLE deleted;
DROP TABLE file_uses;
DROP TABLE files;
DROP TABLE events;
DROP TABLE steps;
DROP TABLE runs;
DROP TABLE messages;
DROP TABLE threads;
DROP TABLE assistants;
