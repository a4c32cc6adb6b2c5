package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/understudy-dev/understudy"
)

const (
	defaultPage = 20
	maxPage     = 100
	filePage    = 10_000 // default and limit of the list of files
)

// page reads the parameters that all lists share.
func page(q url.Values) (understudy.Page, error) { return pageOf(q, defaultPage, maxPage) }

func pageOf(q url.Values, limit, maxLimit int) (understudy.Page, error) {
	p := understudy.Page{Limit: limit, Order: understudy.Desc, After: q.Get("after"), Before: q.Get("before")}
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v) // beyond its range, the nearest number in it
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			got := "a string"
			if _, err := strconv.ParseFloat(v, 64); err == nil {
				got = "a decimal number"
			}
			return p, invalidParam("limit", "invalid_type", "Invalid type for 'limit': expected an integer, but got "+got+" instead.")
		}
		switch {
		case n > maxLimit:
			return p, invalidParam("limit", "integer_above_max_value",
				fmt.Sprintf("Invalid 'limit': integer above maximum value. Expected a value <= %d, but got %s instead.", maxLimit, abbreviate(v)))
		case n < 1:
			return p, invalidParam("limit", "integer_below_min_value",
				fmt.Sprintf("Invalid 'limit': integer below minimum value. Expected a value >= 1, but got %s instead.", abbreviate(v)))
		}
		p.Limit = n
	}
	switch v := q.Get("order"); understudy.Order(v) {
	case "":
	case understudy.Asc, understudy.Desc:
		p.Order = understudy.Order(v)
	default:
		return p, invalidParam("order", "invalid_value", "Invalid value: '"+abbreviate(v)+"'. Supported values are: 'asc' and 'desc'.")
	}
	return p, nil
}

// metadataOf reads parameters like metadata[key]=value.
func metadataOf(q url.Values) (understudy.Metadata, error) {
	m := understudy.Metadata{}
	for param, values := range q {
		rest, ok := strings.CutPrefix(param, "metadata")
		if !ok || rest != "" && rest[0] != '[' {
			continue // another parameter
		}
		key, ok := strings.CutSuffix(strings.TrimPrefix(rest, "["), "]")
		switch {
		case !ok:
			return nil, invalidParam("metadata", "invalid_type", "Invalid type for 'metadata': expected parameters like 'metadata[key]=value'.")
		case len(values) > 1:
			return nil, invalidParam(abbreviate(param), "invalid_value", "Invalid '"+abbreviate(param)+"': given more than once.")
		}
		m[key] = values[0]
	}
	if len(m) > understudy.MaxMetadataPairs {
		return nil, invalidParam("metadata", "object_above_max_properties", fmt.Sprintf("Invalid 'metadata': too many properties. "+
			"Expected an object with at most %d properties, but got an object with %d properties instead.", understudy.MaxMetadataPairs, len(m)))
	}
	return m, nil
}

func invalidParam(param, code, message string) error {
	return &understudy.Error{Kind: understudy.KindInvalid, Param: param, Code: code, Message: message}
}

// What include[] can ask for. The second is an extension.
const (
	includeResults = "step_details.tool_calls[*].file_search.results[*].content"
	includeData    = "step_details.tool_calls[*].code_interpreter.data"
)

// included says what of a step a caller wants that is otherwise left out.
type included struct {
	results bool // the content of search results
	data    bool // what outputs of the code interpreter show
}

// includes reads include[], also when it is spelled without brackets.
func includes(q url.Values) (included, error) {
	var in included
	for _, key := range []string{"include[]", "include"} {
		for _, v := range q[key] {
			switch v {
			case includeResults:
				in.results = true
			case includeData:
				in.data = true
			default:
				return included{}, invalidParam("include", "invalid_value", "Invalid value: '"+abbreviate(v)+"'. Supported values are: '"+includeResults+"'.")
			}
		}
	}
	return in, nil
}

// pathPrefixes are how the ids in paths begin.
var pathPrefixes = map[string]string{
	"assistant_id":    "asst",
	"thread_id":       "thread",
	"message_id":      "msg",
	"run_id":          "run",
	"step_id":         "step",
	"vector_store_id": "vs",
	"batch_id":        "vsfb",
	"upload_id":       "upload",
}

// pathIDs returns the ids with the given names from the request's path. It
// refuses one that cannot be of its kind: "undefined", more often than not.
func pathIDs(r *http.Request, names ...string) ([]string, error) {
	ids := make([]string, len(names))
	for i, name := range names {
		ids[i] = r.PathValue(name)
		prefix := pathPrefixes[name]
		if !strings.HasPrefix(ids[i], prefix) || len(ids[i]) > maxID {
			return nil, invalidParam(name, "invalid_value",
				fmt.Sprintf("Invalid '%s': '%s'. Expected an ID that begins with '%s'.", name, abbreviate(ids[i]), prefix))
		}
	}
	return ids, nil
}
