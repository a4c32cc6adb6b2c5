package replay

import (
	"bytes"
	"image"
	"image/png"
	"path"
	"strings"
)

// uploadRequest returns the body of a request about an upload, which recordings
// lack where a test makes names up: what its answer tells of it. For other
// requests it returns nil.
func (r *recording) uploadRequest(x *exchange) object {
	switch x.route() {
	case "POST /uploads":
		return object{"filename": dig(x.Body, "filename"), "purpose": dig(x.Body, "purpose"), "bytes": dig(x.Body, "bytes"), "mime_type": "text/jsonl"}
	case "POST /uploads/{id}/complete":
		var ids []any
		for _, e := range r.exchanges {
			if e.route() == "POST /uploads/{id}/parts" {
				ids = append(ids, dig(e.Body, "id"))
			}
		}
		return object{"part_ids": ids}
	}
	return nil
}

// part returns the content of a part of an upload: all have the same size.
func (r *recording) part(x *exchange) []byte {
	total, parts := 0.0, 0
	for _, e := range r.exchanges {
		switch e.route() {
		case "POST /uploads":
			total, _ = dig(e.Body, "bytes").(float64)
		case x.route():
			parts++
		}
	}
	return bytes.Repeat([]byte("x"), int(total)/parts)
}

// sample returns content that suits the name of a file. A text has the given
// size, and if passages of it were found, those.
func (r *recording) sample(filename string, size int) []byte {
	switch {
	case path.Ext(filename) == ".png":
		var b bytes.Buffer
		if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
			panic(err) // to memory, of an image that is as large as any
		}
		return b.Bytes()
	case strings.HasSuffix(filename, "csv"):
		return []byte("x,y\n1,3\n4,9,\n6,13") // the recorded programs expect, and mend, a comma too many
	}
	for _, x := range r.exchanges {
		all := []any{x.Body}
		events, _, _ := x.stream() // what cannot be read fails when it is compared
		for _, e := range events {
			all = append(all, e.data)
		}
		if text := passage(all, filename); text != "" {
			return []byte(text)
		}
	}
	const text = "A file of the replay.\n"
	return []byte(strings.Repeat(text, size/len(text)+1)[:size])
}

// passage returns what a search in v has found in a file.
func passage(v any, filename string) string {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if text := passage(e, filename); text != "" {
				return text
			}
		}
	case object:
		if v["file_name"] == filename {
			content, _ := v["content"].([]any)
			for _, part := range content {
				if text, ok := dig(part, "text").(string); ok {
					return text
				}
			}
			return ""
		}
		for _, e := range v {
			if text := passage(e, filename); text != "" {
				return text
			}
		}
	}
	return ""
}
