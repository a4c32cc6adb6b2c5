package api

import "github.com/understudy-dev/understudy"

// Limits of searches, of which the published description has none.
const (
	maxQueries     = 32
	maxQueryLength = 10_000
)

// vectorStoreSchemas declare the bodies of requests about vector stores.
type vectorStoreSchemas struct {
	createVectorStore *schema
	modifyVectorStore *schema
	attachFile        *schema
	attributes        *schema
	fileBatch         *schema
	search            *schema
}

func newVectorStoreSchemas(metadata *schema) vectorStoreSchemas {
	common := []field{
		may("name", text(understudy.MaxNameLength)),
		may("description", text(understudy.MaxDescriptionLength)),
		may("expires_after", object(
			need("anchor", oneOf(understudy.AnchorLastActive)),
			need("days", integer(1, understudy.MaxVectorStoreDays)))),
		may("metadata", metadata),
	}
	file := object(
		need("file_id", nonEmpty(maxID)),
		may("chunking_strategy", chunkingSchema()),
		may("attributes", attributesSchema()))
	batch := func(of string, items *schema) *schema {
		s := list(understudy.MaxBatchFiles, of, items)
		s.minItems = 1
		return s
	}
	cleared := attributesSchema()
	cleared.kinds |= aNull
	return vectorStoreSchemas{
		createVectorStore: object(append([]field{
			may("file_ids", fileIDs(understudy.MaxNewStoreFiles)),
			may("chunking_strategy", chunkingSchema()),
		}, common...)...),
		modifyVectorStore: object(common...),
		attachFile:        file,
		attributes:        object(need("attributes", cleared)),
		fileBatch: object(
			may("file_ids", batch("strings", nonEmpty(maxID))),
			may("files", batch("objects", file)),
			may("chunking_strategy", chunkingSchema()),
			may("attributes", attributesSchema())),
		search: object(
			need("query", &schema{
				kinds: aString | anArray, expect: "one of a string or array of strings",
				minLength: 1, maxLength: maxQueryLength,
				minItems: 1, maxItems: maxQueries, items: nonEmpty(maxQueryLength),
			}),
			may("max_num_results", integer(1, understudy.MaxSearchResults)),
			may("filters", freeObject()), // understudy.Filter checks itself
			may("ranking_options", object(
				may("ranker", rankerSchema()),
				may("score_threshold", decimal(0, 1)))),
			may("rewrite_query", boolean())),
	}
}

// rankerSchema also accepts the ranker that the tool file_search names.
func rankerSchema() *schema {
	s := oneOf("none", "auto", "default-2024-11-15")
	s.silent = []string{understudy.DefaultRanker}
	return s
}

func chunkingSchema() *schema {
	return object(
		need("type", oneOf(understudy.ChunkingAuto, understudy.ChunkingStatic)),
		may("static", object(
			need("max_chunk_size_tokens", integer(understudy.MinChunkSize, understudy.MaxChunkSize)),
			need("chunk_overlap_tokens", integer(0, understudy.MaxChunkSize/2)))),
	).with(map[string][]string{understudy.ChunkingStatic: {"static"}})
}

func attributesSchema() *schema {
	return &schema{
		kinds: anObject, expect: "an object",
		values: &schema{
			kinds: aString | anInteger | aNumber | aBoolean, expect: "one of a string, number, or boolean",
			maxLength: understudy.MaxAttributeValueLength,
		},
		maxProps: understudy.MaxAttributes,
		maxKey:   understudy.MaxAttributeKeyLength,
	}
}

// storeHelperSchema is a vector store that is made with an assistant or a
// thread.
func storeHelperSchema(metadata *schema) *schema {
	return object(
		may("file_ids", fileIDs(understudy.MaxVectorStoreFiles)),
		may("chunking_strategy", chunkingSchema()),
		may("metadata", metadata))
}
