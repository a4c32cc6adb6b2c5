-- +goose Up

-- What version 1 of the protocol lists as file_ids: the files of an assistant,
-- a message or a run, of which one column says the owner, in the order in which
-- they were attached.
CREATE TABLE v1_files (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    file_id      TEXT NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    assistant_id TEXT REFERENCES assistants (id) ON DELETE CASCADE,
    message_id   TEXT REFERENCES messages (id) ON DELETE CASCADE,
    run_id       TEXT REFERENCES runs (id) ON DELETE CASCADE,
    created_at   BIGINT NOT NULL,
    UNIQUE (assistant_id, file_id),
    UNIQUE (message_id, file_id),
    UNIQUE (run_id, file_id)
);
CREATE INDEX v1_files_by_file ON v1_files (file_id);

-- +goose Down
DROP TABLE v1_files;
