-- +goose Up

-- A vector store. What follows from its files (counts, bytes) is in columns that
-- triggers keep, so that it is right whoever changes the files, and costs the
-- same to read however many there are. The view vector_store_objects puts it
-- into the document.
CREATE TABLE vector_stores (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    expires_at  BIGINT NOT NULL DEFAULT 0, -- 0: never
    expired     BOOLEAN NOT NULL DEFAULT FALSE,
    in_progress BIGINT NOT NULL DEFAULT 0 CHECK (in_progress >= 0),
    completed   BIGINT NOT NULL DEFAULT 0 CHECK (completed >= 0),
    failed      BIGINT NOT NULL DEFAULT 0 CHECK (failed >= 0),
    cancelled   BIGINT NOT NULL DEFAULT 0 CHECK (cancelled >= 0),
    usage_bytes BIGINT NOT NULL DEFAULT 0 CHECK (usage_bytes >= 0),
    served      BIGINT NOT NULL DEFAULT 0, -- the number of the last claim on one of its files, see ingestion_claims
    doc         TEXT NOT NULL,
    CHECK (NOT expired OR in_progress = 0)
);
CREATE INDEX vector_stores_in_turn ON vector_stores (served, seq) WHERE in_progress > 0;
CREATE INDEX vector_stores_by_expiry ON vector_stores (expires_at) WHERE expires_at > 0 AND NOT expired;

-- The requests that attached several files at once.
CREATE TABLE file_batches (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    id        TEXT NOT NULL UNIQUE,
    store_id  TEXT NOT NULL REFERENCES vector_stores (id) ON DELETE CASCADE,
    cancelled BOOLEAN NOT NULL DEFAULT FALSE,
    doc       TEXT NOT NULL
);
CREATE INDEX file_batches_of_store ON file_batches (store_id);

-- A file in a vector store, and the lease under which an engine ingests it. A
-- file that is attached again is a new row. segment is the key of its index; a
-- file of an expired store has none.
CREATE TABLE vector_store_files (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    store_id    TEXT NOT NULL REFERENCES vector_stores (id) ON DELETE CASCADE,
    file_id     TEXT NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    batch_id    TEXT REFERENCES file_batches (id) ON DELETE SET NULL,
    status      TEXT NOT NULL CHECK (status IN ('in_progress', 'completed', 'cancelled', 'failed')),
    segment     TEXT NOT NULL DEFAULT '',
    usage_bytes BIGINT NOT NULL DEFAULT 0,
    owner       TEXT NOT NULL DEFAULT '', -- the engine that ingests it, '' for none
    lease_until BIGINT NOT NULL DEFAULT 0, -- Unix milliseconds
    fence       BIGINT NOT NULL DEFAULT 0, -- the number of the claim, see ingestion_claims
    filename    TEXT NOT NULL,
    doc         TEXT NOT NULL,
    attributes  TEXT NOT NULL GENERATED ALWAYS AS (doc -> '$.attributes') STORED, -- each search reads them all
    UNIQUE (store_id, file_id),
    CHECK (segment = '' OR status = 'completed'),
    CHECK (usage_bytes = 0 OR segment <> ''),
    CHECK (owner = '' OR status = 'in_progress')
);
CREATE INDEX vector_store_files_in_order ON vector_store_files (store_id, seq);
CREATE INDEX vector_store_files_of_file ON vector_store_files (file_id);
CREATE INDEX vector_store_files_of_batch ON vector_store_files (batch_id, status, seq) WHERE batch_id IS NOT NULL;
CREATE UNIQUE INDEX segments_in_use ON vector_store_files (segment) WHERE segment <> '';
CREATE INDEX waiting_files ON vector_store_files (store_id, lease_until, seq) WHERE status = 'in_progress';
CREATE INDEX leased_files ON vector_store_files (owner) WHERE owner <> '';

-- Claims are numbered over all files, not file by file: one that is detached and
-- attached again would begin anew, and let an old claim pass for the new one.
CREATE TABLE ingestion_claims (
    last BIGINT NOT NULL
);
INSERT INTO ingestion_claims (last) VALUES (0);

-- Keys under which bytes may lie that belong to nothing, and when to remove
-- them. A key is entered before its bytes are written and leaves in the
-- transaction that makes what they belong to; so a crash leaves no bytes that
-- nobody knows of.
CREATE TABLE loose_blobs (
    key    TEXT PRIMARY KEY,
    due_at BIGINT NOT NULL -- Unix seconds; 0: at once
) WITHOUT ROWID;
CREATE INDEX loose_blobs_by_time ON loose_blobs (due_at);

-- Which assistants and threads list a vector store, so that deleting the store
-- can take it off their lists.
CREATE TABLE vector_store_uses (
    store_id  TEXT NOT NULL REFERENCES vector_stores (id),
    object_id TEXT NOT NULL,
    PRIMARY KEY (store_id, object_id)
) WITHOUT ROWID;
CREATE INDEX vector_store_uses_of_object ON vector_store_uses (object_id);

-- +goose StatementBegin
CREATE TRIGGER vector_store_file_added AFTER INSERT ON vector_store_files
BEGIN
    UPDATE vector_stores SET
        in_progress = in_progress + (NEW.status = 'in_progress'),
        completed = completed + (NEW.status = 'completed'),
        failed = failed + (NEW.status = 'failed'),
        cancelled = cancelled + (NEW.status = 'cancelled'),
        usage_bytes = usage_bytes + NEW.usage_bytes
    WHERE id = NEW.store_id;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER vector_store_file_changed AFTER UPDATE OF status, usage_bytes, segment ON vector_store_files
BEGIN
    UPDATE vector_stores SET
        in_progress = in_progress + (NEW.status = 'in_progress') - (OLD.status = 'in_progress'),
        completed = completed + (NEW.status = 'completed') - (OLD.status = 'completed'),
        failed = failed + (NEW.status = 'failed') - (OLD.status = 'failed'),
        cancelled = cancelled + (NEW.status = 'cancelled') - (OLD.status = 'cancelled'),
        usage_bytes = usage_bytes + NEW.usage_bytes - OLD.usage_bytes
    WHERE id = NEW.store_id;
    INSERT INTO loose_blobs (key, due_at)
        SELECT OLD.segment, 0 WHERE OLD.segment <> '' AND OLD.segment <> NEW.segment ON CONFLICT DO NOTHING;
END;
-- +goose StatementEnd

-- Where a file stood in its store is remembered for those who page through the
-- list, as for all objects (see deleted); not if the store itself is deleted.
-- +goose StatementBegin
CREATE TRIGGER vector_store_file_removed AFTER DELETE ON vector_store_files
BEGIN
    UPDATE vector_stores SET
        in_progress = in_progress - (OLD.status = 'in_progress'),
        completed = completed - (OLD.status = 'completed'),
        failed = failed - (OLD.status = 'failed'),
        cancelled = cancelled - (OLD.status = 'cancelled'),
        usage_bytes = usage_bytes - OLD.usage_bytes
    WHERE id = OLD.store_id;
    INSERT INTO loose_blobs (key, due_at)
        SELECT OLD.segment, 0 WHERE OLD.segment <> '' ON CONFLICT DO NOTHING;
    INSERT INTO deleted (id, seq)
        SELECT id || '/' || OLD.file_id, OLD.seq FROM vector_stores WHERE id = OLD.store_id
        ON CONFLICT (id) DO UPDATE SET seq = excluded.seq;
END;
-- +goose StatementEnd

-- The objects as the protocol shows them. A store that has outlived its time but
-- was not marked yet is the reader's to notice.
CREATE VIEW vector_store_objects AS
SELECT seq, id, json_set(doc,
    '$.usage_bytes', usage_bytes,
    '$.file_counts', json_object(
        'in_progress', in_progress, 'completed', completed, 'failed', failed, 'cancelled', cancelled,
        'total', in_progress + completed + failed + cancelled),
    '$.status', CASE WHEN expired THEN 'expired' WHEN in_progress > 0 THEN 'in_progress' ELSE 'completed' END) AS doc
FROM vector_stores;

CREATE VIEW vector_store_file_objects AS
SELECT seq, file_id AS id, store_id, batch_id, status,
    json_set(doc, '$.status', status, '$.usage_bytes', usage_bytes) AS doc
FROM vector_store_files;

-- A batch counts the files that it attached and that are still there. There are
-- few enough to count them when somebody asks.
CREATE VIEW file_batch_objects AS
SELECT b.seq, b.id, b.store_id, json_set(b.doc,
    '$.file_counts', json_object(
        'in_progress', (SELECT count(*) FROM vector_store_files WHERE batch_id = b.id AND status = 'in_progress'),
        'completed', (SELECT count(*) FROM vector_store_files WHERE batch_id = b.id AND status = 'completed'),
        'failed', (SELECT count(*) FROM vector_store_files WHERE batch_id = b.id AND status = 'failed'),
        'cancelled', (SELECT count(*) FROM vector_store_files WHERE batch_id = b.id AND status = 'cancelled'),
        'total', (SELECT count(*) FROM vector_store_files WHERE batch_id = b.id)),
    '$.status', CASE
        WHEN b.cancelled THEN 'cancelled'
        WHEN EXISTS (SELECT 1 FROM vector_store_files WHERE batch_id = b.id AND status = 'in_progress') THEN 'in_progress'
        ELSE 'completed' END) AS doc
FROM file_batches AS b;

-- +goose Down
DROP VIEW file_batch_objects;
DROP VIEW vector_store_file_objects;
DROP VIEW vector_store_objects;
DROP TABLE vector_store_uses;
DROP TABLE loose_blobs;
DROP TABLE ingestion_claims;
DROP TABLE vector_store_files;
DROP TABLE file_batches;
DROP TABLE vector_stores;
