package api

import (
	"math"
	"regexp"
	"slices"

	"github.com/understudy-dev/understudy"
)

// schemas declare the bodies of all requests, in one dialect. Those of version 2
// also accept v1's file_ids and its tool "retrieval", and turn them into what
// replaced them.
type schemas struct {
	createAssistant *schema
	modifyAssistant *schema
	assistantFile   *schema // v1 only
	createThread    *schema
	modifyThread    *schema
	message         *schema
	run             *schema
	threadAndRun    *schema
	toolOutputs     *schema
	metadataOnly    *schema
	createUpload    *schema
	completeUpload  *schema

	vectorStoreSchemas
}

var functionName = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

func text(maxLength int) *schema {
	return &schema{kinds: aString, expect: "a string", maxLength: maxLength}
}

func nonEmpty(maxLength int) *schema {
	return &schema{kinds: aString, expect: "a string", minLength: 1, maxLength: maxLength}
}

func oneOf(values ...string) *schema {
	return &schema{kinds: aString, expect: "a string", enum: values}
}

func boolean() *schema { return &schema{kinds: aBoolean, expect: "a boolean"} }

func decimal(low, high float64) *schema {
	return &schema{kinds: anInteger | aNumber, expect: "a decimal", min: low, max: high}
}

func integer(low, high float64) *schema {
	return &schema{kinds: anInteger, expect: "an integer", min: low, max: high}
}

func list(maxItems int, of string, items *schema) *schema {
	return &schema{kinds: anArray, expect: "an array of " + of, maxItems: maxItems, items: items}
}

func object(fields ...field) *schema {
	return &schema{kinds: anObject, expect: "an object", fields: fields}
}

// freeObject is an object of which nothing more is known.
func freeObject() *schema { return &schema{kinds: anObject, expect: "an object"} }

// with adds the fields that are required for values of the field "type".
func (s *schema) with(variants map[string][]string) *schema {
	s.variants = variants
	return s
}

func need(name string, s *schema) field { return field{name: name, required: true, schema: s} }

func may(name string, s *schema) field { return field{name: name, schema: s} }

// maxID bounds what is looked up as an id.
const maxID = 256

func newSchemas(d *dialect) *schemas {
	metadata := metadataSchema(d)
	message := messageSchema(d, metadata)
	thread := threadFields(d, metadata)
	newThread := object(append([]field{may("messages", list(understudy.MaxThreadMessages, "objects", message))}, thread...)...)
	run := runFields(d, message, metadata)
	assistant := assistantFields(d, metadata)
	return &schemas{
		createAssistant: object(append([]field{need("model", nonEmpty(maxID))}, assistant...)...),
		modifyAssistant: object(append([]field{may("model", nonEmpty(maxID))}, assistant...)...),
		assistantFile:   object(need("file_id", nonEmpty(maxID))),
		createThread:    newThread,
		modifyThread:    object(thread...),
		message:         message,
		run:             object(run...),
		threadAndRun:    object(append(run, threadAndRunFields(d, newThread, metadata)...)...),
		toolOutputs: object(
			need("tool_outputs", list(0, "objects", object(may("tool_call_id", text(maxID)), may("output", text(0))))),
			may("stream", boolean())),
		metadataOnly:       object(may("metadata", metadata)),
		createUpload:       uploadSchema(),
		completeUpload:     completionSchema(),
		vectorStoreSchemas: newVectorStoreSchemas(metadata),
	}
}

// metadataSchema: v1 takes values of other kinds, and keeps them as text.
func metadataSchema(d *dialect) *schema {
	value := text(understudy.MaxMetadataValueLength)
	if d.v1 {
		value.kinds |= aBoolean | anInteger | aNumber
	}
	return &schema{
		kinds: anObject, expect: "an object",
		values:   value,
		maxProps: understudy.MaxMetadataPairs,
		maxKey:   understudy.MaxMetadataKeyLength,
	}
}

func threadFields(d *dialect, metadata *schema) []field {
	if d.v1 {
		return []field{may("metadata", metadata)}
	}
	return []field{may("metadata", metadata), may("tool_resources", toolResourcesSchema(metadata))}
}

func threadAndRunFields(d *dialect, thread, metadata *schema) []field {
	if d.v1 {
		return []field{may("thread", thread)}
	}
	return []field{may("thread", thread), may("tool_resources", toolResourcesSchema(metadata))}
}

func fileIDs(limit int) *schema { return list(limit, "strings", text(maxID)) }

func toolResourcesSchema(metadata *schema) *schema {
	return object(
		may("code_interpreter", object(may("file_ids", fileIDs(understudy.MaxCodeFiles)))),
		may("file_search", object(
			may("vector_store_ids", fileIDs(understudy.MaxVectorStores)),
			may("vector_stores", list(understudy.MaxVectorStores, "objects", storeHelperSchema(metadata))))))
}

func assistantFields(d *dialect, metadata *schema) []field {
	fields := []field{
		may("name", text(understudy.MaxNameLength)),
		may("description", text(understudy.MaxDescriptionLength)),
		may("instructions", text(understudy.MaxInstructionsLength)),
		may("tools", list(understudy.MaxTools, "objects", toolSchema(d))),
		may("file_ids", fileIDs(understudy.MaxCodeFiles)),
		may("metadata", metadata),
		may("temperature", decimal(0, 2)),
		may("top_p", decimal(0, 1)),
		may("response_format", responseFormatSchema(d)),
	}
	if d.v1 {
		return fields
	}
	return append(fields,
		may("reasoning_effort", text(understudy.MaxNameLength)),
		may("tool_resources", toolResourcesSchema(metadata)))
}

// toolType is the type of a tool. What v1 calls "retrieval" became file_search,
// and is accepted under its old name.
func toolType(d *dialect, values ...string) *schema {
	s := oneOf(values...)
	if i := slices.Index(values, "file_search"); d.v1 && i >= 0 {
		values[i] = "retrieval"
	} else {
		s.silent = []string{"retrieval"}
	}
	return s
}

func toolSchema(d *dialect) *schema {
	name := nonEmpty(understudy.MaxFunctionNameLength)
	name.pattern = functionName
	function := []field{
		need("name", name),
		may("description", text(0)),
		may("parameters", freeObject()),
	}
	fields := []field{
		need("type", toolType(d, "code_interpreter", "file_search", "function")),
		may("code_interpreter", freeObject()),
		may("retrieval", freeObject()),
	}
	if !d.v1 {
		function = append(function, may("strict", boolean()))
		ranking := object(
			may("ranker", oneOf("auto", understudy.DefaultRanker)),
			need("score_threshold", decimal(0, 1)),
			may("hybrid_search", &schema{}))
		fields = append(fields, may("file_search", object(
			may("max_num_results", integer(1, 50)),
			may("ranking_options", ranking))))
	}
	return object(append(fields, may("function", object(function...)))...).with(map[string][]string{"function": {"function"}})
}

// responseFormatSchema also accepts "none", which Azure's description lists.
func responseFormatSchema(d *dialect) *schema {
	s := object(may("type", oneOf("text", "json_object")))
	if !d.v1 {
		s = jsonSchemaFormat()
	}
	s.kinds |= aString
	s.expect = "one of 'auto' or an object"
	s.enum, s.silent = []string{"auto"}, []string{"none"}
	return s
}

func jsonSchemaFormat() *schema {
	name := nonEmpty(understudy.MaxSchemaNameLength)
	name.pattern = functionName
	return object(
		need("type", oneOf("text", "json_object", "json_schema")),
		may("json_schema", object(
			need("name", name),
			may("description", text(0)),
			may("schema", freeObject()),
			may("strict", boolean()))),
	).with(map[string][]string{"json_schema": {"json_schema"}})
}

func toolChoiceSchema(d *dialect) *schema {
	s := object(
		need("type", toolType(d, "function", "code_interpreter", "file_search")),
		may("function", object(need("name", nonEmpty(understudy.MaxFunctionNameLength)))),
	).with(map[string][]string{"function": {"function"}})
	s.kinds |= aString
	s.expect = "one of a string or an object"
	s.enum = []string{"none", "auto", "required"}
	if d.v1 {
		s.enum = s.enum[:2]
	}
	return s
}

func messageSchema(d *dialect, metadata *schema) *schema {
	fields := []field{
		need("role", oneOf("user", "assistant")),
		may("file_ids", fileIDs(understudy.MaxAttachments)),
		may("metadata", metadata),
	}
	if d.v1 {
		return object(append(fields, need("content", nonEmpty(d.maxMessage)))...)
	}
	attachment := object(
		need("file_id", text(maxID)),
		may("tools", list(understudy.MaxTools, "objects", object(need("type", toolType(d, "code_interpreter", "file_search"))))))
	return object(append(fields,
		need("content", contentSchema(d)),
		may("attachments", list(understudy.MaxAttachments, "objects", attachment)))...)
}

func contentSchema(d *dialect) *schema {
	detail := oneOf("auto", "low", "high")
	part := object(
		need("type", oneOf("text", "image_file", "image_url")),
		may("text", nonEmpty(d.maxMessage)),
		may("image_file", object(need("file_id", text(maxID)), may("detail", detail))),
		may("image_url", object(need("url", nonEmpty(0)), may("detail", detail))),
	).with(map[string][]string{"text": {"text"}, "image_file": {"image_file"}, "image_url": {"image_url"}})
	return &schema{
		kinds: aString | anArray, expect: "one of a string or array of objects",
		minLength: 1, maxLength: d.maxMessage,
		minItems: 1, maxItems: understudy.MaxContentParts, items: part,
	}
}

func runFields(d *dialect, message, metadata *schema) []field {
	fields := []field{
		need("assistant_id", text(maxID)),
		may("thread_id", text(maxID)), // Azure's description demands it in the body; the path's counts
		may("model", nonEmpty(maxID)),
		may("instructions", text(understudy.MaxInstructionsLength)),
		may("additional_instructions", text(understudy.MaxInstructionsLength)),
		may("additional_messages", list(understudy.MaxAdditionalMessages, "objects", message)),
		may("tools", list(understudy.MaxTools, "objects", toolSchema(d))),
		may("metadata", metadata),
		may("temperature", decimal(0, 2)),
		may("top_p", decimal(0, 1)),
		may("stream", boolean()),
		may("max_prompt_tokens", integer(1, math.MaxInt32)),
		may("max_completion_tokens", integer(1, math.MaxInt32)),
		may("truncation_strategy", object(
			need("type", oneOf("auto", "last_messages")),
			may("last_messages", integer(1, math.MaxInt32)),
		).with(map[string][]string{"last_messages": {"last_messages"}})),
		may("tool_choice", toolChoiceSchema(d)),
		may("response_format", responseFormatSchema(d)),
	}
	if d.v1 {
		return fields
	}
	return append(fields,
		may("parallel_tool_calls", boolean()),
		may("reasoning_effort", text(understudy.MaxNameLength)))
}
