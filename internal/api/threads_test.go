package api

import (
	"net/http"
	"strings"
	"testing"
)

// TestThreadList covers the route; the store has the tests of what it finds.
func TestThreadList(t *testing.T) {
	forEachDialect(t, func(t *testing.T, prefix string) {
		h := newHarness(t, nil)
		h.must("POST", prefix+"/threads", `{"metadata":{"user":"a b"}}`)
		h.must("POST", prefix+"/threads", `{"metadata":{"user":"a b","x":"[1]"}}`)
		h.must("POST", prefix+"/threads", `{"metadata":{"userx":"a b"}}`)
		for query, want := range map[string]int{
			"": 3, "?limit=2": 2, "?metadata[user]=a+b": 2, "?metadata%5Buser%5D=a%20b&metadata[x]=[1]": 1, "?metadata[user]=": 0, "?metadata[]=": 0, "?metadatas=x": 3,
		} {
			w := h.do("GET", prefix+"/threads"+query, "")
			list := decodeObject(t, w.Body.Bytes())
			if data, _ := list["data"].([]any); w.Code != http.StatusOK || len(data) != want {
				t.Errorf("%s: got %d %v, want %d threads", query, w.Code, list, want)
			}
		}
		one := h.must("GET", prefix+"/threads?limit=1", "")["data"].([]any)[0].(jsonObject)
		if got := h.must("GET", prefix+"/threads/"+one["id"].(string), ""); got["tool_resources"].(jsonObject)["code_interpreter"] == nil || one["tool_resources"].(jsonObject)["code_interpreter"] == nil {
			t.Errorf("in the list %v, alone %v", one, got)
		}
		many := strings.Builder{}
		for c := range strings.SplitSeq("abcdefghijklmnopq", "") {
			many.WriteString("&metadata[" + c + "]=x")
		}
		for query, want := range map[string]string{
			"?metadata=x":                         "Invalid type for 'metadata': expected parameters like 'metadata[key]=value'.",
			"?metadata[a=x":                       "Invalid type for 'metadata': expected parameters like 'metadata[key]=value'.",
			"?metadata[a]=x&metadata[a]=y":        "Invalid 'metadata[a]': given more than once.",
			"?" + many.String():                   "Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got an object with 17 properties instead.",
			"?after=thread_x":                     "Invalid 'after': no object with id 'thread_x' in this list.",
			"?limit=5;order=asc":                  errQuery.Message,
			"?metadata[user]=100%":                errQuery.Message,
			"?limit=99999999999999999999":         "Invalid 'limit': integer above maximum value. Expected a value <= 100, but got 99999999999999999999 instead.",
			"?limit=-99999999999999999999":        "Invalid 'limit': integer below minimum value. Expected a value >= 1, but got -99999999999999999999 instead.",
			"?limit=1" + strings.Repeat("0", 200): "Invalid 'limit': integer above maximum value. Expected a value <= 100, but got 1" + strings.Repeat("0", 99) + "… instead.",
		} {
			w := h.do("GET", prefix+"/threads"+query, "")
			got, _ := decodeObject(t, w.Body.Bytes())["error"].(jsonObject)
			if w.Code != http.StatusBadRequest || got["message"] != want {
				t.Errorf("%s: got %d %s, want %q", query, w.Code, w.Body, want)
			}
		}
	})
}
