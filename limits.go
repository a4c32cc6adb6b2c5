package understudy

import "time"

// Limits of the protocol. Numbers marked "observed" come from traffic or
// users' reports, the others from the published API description.
const (
	MaxTools               = 128
	MaxNameLength          = 256
	MaxDescriptionLength   = 512
	MaxInstructionsLength  = 256_000
	MaxMessageLength       = 256_000
	MaxMessageLengthAzure  = 1_048_576
	MaxFunctionNameLength  = 64
	MaxSchemaNameLength    = 64
	MaxMetadataPairs       = 16
	MaxMetadataKeyLength   = 64
	MaxMetadataValueLength = 512
	MaxCodeFiles           = 20 // per assistant, and again per thread
	MaxVectorStores        = 1  // per assistant, and again per thread
	MaxThreadMessages      = 32 // messages in one request that creates a thread; observed
	MaxAdditionalMessages  = 10 // observed
	MaxContentParts        = 10 // per message; observed
	MaxAttachments         = 10 // per message; observed
	MaxFileSize            = 512 << 20
	MaxToolOutputBytes     = 512 << 10 // all outputs of one submission together; observed

	MaxVectorStoreFiles = 10_000 // per store
	MaxNewStoreFiles    = 500    // in a request that creates a store
	MaxBatchFiles       = 2_000
	MaxVectorStoreDays  = 365 // of inactivity until a store expires
	MinChunkSize        = 100 // tokens, as are the next three
	MaxChunkSize        = 4_096
	DefaultChunkSize    = 800
	DefaultChunkOverlap = 400

	// ThreadStoreDays is after how many days without use a store expires that was
	// made for a thread.
	ThreadStoreDays = 7

	// RunLifetime is how long after its creation a run expires, whatever it is doing or waiting for.
	RunLifetime = 600 * time.Second
)
