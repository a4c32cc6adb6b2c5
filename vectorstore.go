package understudy

import "time"

// VectorStoreStatus is the state of a vector store.
type VectorStoreStatus string

// The states of a vector store. It is in progress while one of its files is.
const (
	VectorStoreExpired    VectorStoreStatus = "expired"
	VectorStoreInProgress VectorStoreStatus = "in_progress"
	VectorStoreCompleted  VectorStoreStatus = "completed"
)

// VectorStore is a collection of files that file search looks into.
type VectorStore struct {
	ID           string            `json:"id"`
	Object       string            `json:"object"` // always "vector_store"
	CreatedAt    int64             `json:"created_at"`
	Name         *string           `json:"name"`
	Description  *string           `json:"description"`
	UsageBytes   int64             `json:"usage_bytes"`
	FileCounts   FileCounts        `json:"file_counts"`
	Status       VectorStoreStatus `json:"status"`
	ExpiresAfter *ExpiresAfter     `json:"expires_after"`
	ExpiresAt    *int64            `json:"expires_at"`
	LastActiveAt int64             `json:"last_active_at"`
	Metadata     Metadata          `json:"metadata"`
}

// NewVectorStore returns a new store that expires after so many days without
// use, or never if days is 0.
func NewVectorStore(now time.Time, days int) *VectorStore {
	v := &VectorStore{ID: NewID(PrefixVectorStore), Object: "vector_store", CreatedAt: now.Unix(), Status: VectorStoreCompleted}
	if days > 0 {
		v.ExpiresAfter = &ExpiresAfter{Anchor: AnchorLastActive, Days: days}
	}
	v.Touch(now)
	return v
}

// Touch records that the store is in use now, which postpones its expiry if it
// has one.
func (v *VectorStore) Touch(now time.Time) {
	v.LastActiveAt = now.Unix()
	v.ExpiresAt = nil
	if v.ExpiresAfter != nil {
		v.ExpiresAt = new(v.LastActiveAt + int64(v.ExpiresAfter.Days)*24*60*60)
	}
}

// ExpiredVectorStore is the error for a store that is asked for what it can no
// longer give.
func ExpiredVectorStore(id string) *Error { return Invalid("Vector store '%s' has expired", id) }

// FileCounts says how many files of a vector store or a batch are in each
// state.
type FileCounts struct {
	InProgress int64 `json:"in_progress"`
	Completed  int64 `json:"completed"`
	Failed     int64 `json:"failed"`
	Cancelled  int64 `json:"cancelled"`
	Total      int64 `json:"total"`
}

// AnchorLastActive is the one anchor that [ExpiresAfter] can have.
const AnchorLastActive = "last_active_at"

// ExpiresAfter makes a vector store expire so many days after it was last used.
type ExpiresAfter struct {
	Anchor string `json:"anchor"` // always [AnchorLastActive]
	Days   int    `json:"days"`   // 1 to [MaxVectorStoreDays]
}

// VectorStoreFileStatus is the state of a file in a vector store.
type VectorStoreFileStatus string

// The states of a file in a vector store. Every state but in_progress is final,
// until the file is attached again.
const (
	VectorStoreFileInProgress VectorStoreFileStatus = "in_progress"
	VectorStoreFileCompleted  VectorStoreFileStatus = "completed"
	VectorStoreFileCancelled  VectorStoreFileStatus = "cancelled"
	VectorStoreFileFailed     VectorStoreFileStatus = "failed"
)

// VectorStoreFile is a file as part of a vector store. Its ID is the file's.
type VectorStoreFile struct {
	ID               string                `json:"id"`
	Object           string                `json:"object"` // always "vector_store.file"
	UsageBytes       int64                 `json:"usage_bytes"`
	CreatedAt        int64                 `json:"created_at"`      // when it was attached
	VectorStoreID    string                `json:"vector_store_id"` // set when it is attached
	Status           VectorStoreFileStatus `json:"status"`
	LastError        *VectorStoreFileError `json:"last_error"`
	ChunkingStrategy ChunkingStrategy      `json:"chunking_strategy"`
	Attributes       Attributes            `json:"attributes"`
}

// NewVectorStoreFile returns a file that is to be ingested into a store.
func NewVectorStoreFile(now time.Time, fileID string, c ChunkingStrategy, a Attributes) *VectorStoreFile {
	return &VectorStoreFile{
		ID: fileID, Object: "vector_store.file", CreatedAt: now.Unix(), Status: VectorStoreFileInProgress,
		ChunkingStrategy: c.Resolved(), Attributes: a,
	}
}

// Retryable reports whether the file may become searchable if it is attached
// again as it is: ingesting it was given up, and not because of what it is.
func (f *VectorStoreFile) Retryable() bool {
	switch f.Status {
	case VectorStoreFileCancelled:
		return true
	case VectorStoreFileFailed:
		return f.LastError == nil || f.LastError.Code == VectorStoreFileServerError
	}
	return false
}

// Codes of a [VectorStoreFileError].
const (
	VectorStoreFileServerError = "server_error"
	VectorStoreFileUnsupported = "unsupported_file"
	VectorStoreFileInvalid     = "invalid_file"
)

// VectorStoreFileError says why a file could not be made searchable.
type VectorStoreFileError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Types of a [ChunkingStrategy].
const (
	ChunkingAuto   = "auto"
	ChunkingStatic = "static"
	ChunkingOther  = "other"
)

// ChunkingStrategy says how a file's text is cut into chunks. Files always
// show a static one; auto is what requests may ask for.
type ChunkingStrategy struct {
	Type   string          `json:"type"`
	Static *StaticChunking `json:"static,omitempty"` // of type static
}

// StaticChunking is the size of chunks and how far each reaches into the one
// before it, in tokens.
type StaticChunking struct {
	MaxChunkSizeTokens int `json:"max_chunk_size_tokens"` // [MinChunkSize] to [MaxChunkSize]
	ChunkOverlapTokens int `json:"chunk_overlap_tokens"`  // at most half of the size
}

// Resolved returns the static strategy that c stands for: what is not static
// stands for [DefaultChunkSize] and [DefaultChunkOverlap].
func (c ChunkingStrategy) Resolved() ChunkingStrategy {
	if c.Type == ChunkingStatic && c.Static != nil {
		return c
	}
	return ChunkingStrategy{Type: ChunkingStatic, Static: &StaticChunking{
		MaxChunkSizeTokens: DefaultChunkSize, ChunkOverlapTokens: DefaultChunkOverlap,
	}}
}

// Tokens returns the size and the overlap of the chunks that c asks for.
func (c ChunkingStrategy) Tokens() (size, overlap int) {
	s := c.Resolved().Static
	return s.MaxChunkSizeTokens, s.ChunkOverlapTokens
}

// FileBatchStatus is the state of a batch of files.
type FileBatchStatus string

// The states of a batch of files. A batch is completed when none of its files
// is in progress any more, whatever became of them.
const (
	FileBatchInProgress FileBatchStatus = "in_progress"
	FileBatchCompleted  FileBatchStatus = "completed"
	FileBatchCancelled  FileBatchStatus = "cancelled"
	FileBatchFailed     FileBatchStatus = "failed"
)

// FileBatch is a number of files that were attached to a vector store together.
type FileBatch struct {
	ID            string          `json:"id"`
	Object        string          `json:"object"` // always "vector_store.file_batch"
	CreatedAt     int64           `json:"created_at"`
	Status        FileBatchStatus `json:"status"`
	VectorStoreID string          `json:"vector_store_id"`
	FileCounts    FileCounts      `json:"file_counts"`
}
