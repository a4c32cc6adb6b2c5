-- +goose Up

CREATE TABLE uploads (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT NOT NULL UNIQUE,
    status   TEXT NOT NULL,
    deadline BIGINT NOT NULL,            -- when a pending one expires: later than it says while it is being completed
    lifetime BIGINT NOT NULL DEFAULT 0,  -- of the file, in seconds; 0: it does not expire
    file_id  TEXT NOT NULL DEFAULT '',   -- of the file being made, by the latest attempt to complete it
    doc      TEXT NOT NULL
);
CREATE INDEX pending_uploads ON uploads (deadline) WHERE status = 'pending';

CREATE TABLE upload_parts (
    id        TEXT PRIMARY KEY,
    upload_id TEXT NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    size      BIGINT NOT NULL,
    retried   BOOLEAN NOT NULL           -- sent again by a client that missed the answer to an earlier attempt
) WITHOUT ROWID;
CREATE INDEX parts_of_upload ON upload_parts (upload_id);

-- +goose Down
DROP TABLE upload_parts;
DROP TABLE uploads;
