-- +goose Up

-- What is kept of the files of a thread's code sessions: the workspace, the blobs
-- in which its files lie one after the other, and where in them each file is.
-- version changes with every save, and names nothing that was there before.
CREATE TABLE workspaces (
    thread_id TEXT PRIMARY KEY REFERENCES threads (id) ON DELETE CASCADE,
    version   TEXT NOT NULL,
    saved_at  BIGINT NOT NULL -- Unix seconds
) WITHOUT ROWID;
CREATE INDEX workspaces_by_time ON workspaces (saved_at);

CREATE TABLE workspace_blobs (
    key       TEXT PRIMARY KEY,
    thread_id TEXT NOT NULL REFERENCES workspaces (thread_id) ON DELETE CASCADE,
    size      BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX workspace_blobs_of_thread ON workspace_blobs (thread_id);

CREATE TABLE workspace_files (
    thread_id   TEXT NOT NULL REFERENCES workspaces (thread_id) ON DELETE CASCADE,
    path        TEXT NOT NULL,
    size        BIGINT NOT NULL,
    modified_at BIGINT NOT NULL, -- Unix nanoseconds
    blob        TEXT NOT NULL REFERENCES workspace_blobs (key) ON DELETE CASCADE,
    start       BIGINT NOT NULL, -- in the blob
    PRIMARY KEY (thread_id, path)
) WITHOUT ROWID;
CREATE INDEX workspace_files_of_blob ON workspace_files (blob);

-- +goose StatementBegin
CREATE TRIGGER workspace_blob_removed AFTER DELETE ON workspace_blobs
BEGIN
    INSERT INTO loose_blobs (key, due_at) VALUES (OLD.key, 0) ON CONFLICT DO NOTHING;
END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE workspace_files;
DROP TABLE workspace_blobs;
DROP TABLE workspaces;
