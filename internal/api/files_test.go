package api

import (
	"bytes"
	"fmt"
	"io/fs"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// part is one field of a form. With a disposition it is sent as that says.
type part struct{ name, value, disposition string }

// formOf writes a form and returns it with its content type.
func formOf(t testing.TB, parts ...part) (*bytes.Buffer, string) {
	t.Helper()
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for _, p := range parts {
		if p.disposition == "" {
			p.disposition = fmt.Sprintf(`form-data; name=%q`, p.name)
		}
		field, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {p.disposition}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := field.Write([]byte(p.value)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &buf, w.FormDataContentType()
}

func filePart(name, content string) part {
	return part{value: content, disposition: `form-data; name="file"; filename="` + name + `"`}
}

// send uploads a form.
func (h *harness) send(prefix string, parts ...part) (status int, body []byte) {
	h.t.Helper()
	buf, contentType := formOf(h.t, parts...)
	r := h.request("POST", prefix+"/files", buf)
	r.Header.Set("Content-Type", contentType)
	w := h.serve(r)
	return w.Code, w.Body.Bytes()
}

// upload uploads a file that has to be accepted.
func (h *harness) upload(prefix, name, purpose, content string) jsonObject {
	h.t.Helper()
	status, body := h.send(prefix, filePart(name, content), part{name: "purpose", value: purpose})
	if status != http.StatusOK {
		h.t.Fatalf("upload of %s: got %d %s", name, status, body)
	}
	return decodeObject(h.t, body)
}

// stored counts the files in the folder, finished and not.
func (h *harness) stored() int {
	h.t.Helper()
	n := 0
	err := filepath.WalkDir(h.blobs, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

func TestFileLife(t *testing.T) {
	forEachDialect(t, func(t *testing.T, prefix string) {
		h := newHarness(t, nil)
		f := h.upload(prefix, "x.csv", "assistants", "a,b\n1,2\n")
		id := f["id"].(string)
		if want := map[string]string{"/v1": "file-", "/openai": "assistant-"}[prefix]; !strings.HasPrefix(id, want) {
			t.Errorf("id: got %s, want prefix %s", id, want)
		}
		w := h.do("GET", prefix+"/files/"+id, "")
		want := `{"object":"file","id":"` + id + `","purpose":"assistants","filename":"x.csv","bytes":8,"created_at":1,"expires_at":null,"status":"processed","status_details":null}`
		if got := aTime.ReplaceAllString(compact(t, w.Body.Bytes()), `$1":1`); got != want {
			t.Errorf("file:\n got %s\nwant %s", got, want)
		}
		w = h.do("GET", prefix+"/files/"+id+"/content", "")
		if w.Body.String() != "a,b\n1,2\n" || w.Header().Get("Content-Type") != "application/octet-stream" || w.Header().Get("Content-Disposition") != `attachment; filename="x.csv"` {
			t.Errorf("content: got %q with %v", w.Body, w.Header())
		}
		r := h.request("GET", prefix+"/files/"+id+"/content", nil)
		r.Header.Set("Range", "bytes=2-3")
		if w = h.serve(r); w.Code != http.StatusPartialContent || w.Body.String() != "b\n" {
			t.Errorf("range: got %d %q", w.Code, w.Body)
		}
		h.upload(prefix, "y.png", "vision", "y")
		if list := h.must("GET", prefix+"/files?purpose=assistants&limit=10000", ""); len(list["data"].([]any)) != 1 {
			t.Errorf("list by purpose: got %v", list)
		}
		if got, want := compact(t, h.do("DELETE", prefix+"/files/"+id, "").Body.Bytes()), `{"object":"file","deleted":true,"id":"`+id+`"}`; got != want {
			t.Errorf("deletion: got %s, want %s", got, want)
		}
		if got := h.stored(); got != 1 {
			t.Errorf("files left in the folder: got %d, want the other one", got)
		}
		missing := `{"error":{"message":"No such File object: ` + id + `","type":"invalid_request_error","param":"id","code":null},"detail":{"message":"No such File object: ` + id + `","code":null}}`
		for _, request := range []string{"GET /files/" + id, "GET /files/" + id + "/content", "DELETE /files/" + id} {
			method, path, _ := strings.Cut(request, " ")
			if w := h.do(method, prefix+path, ""); w.Code != http.StatusNotFound || compact(t, w.Body.Bytes()) != missing {
				t.Errorf("%s after the deletion: got %d %s", request, w.Code, w.Body)
			}
		}
	})
}

func TestUploadForms(t *testing.T) {
	h := newHarness(t, nil)
	purpose := part{name: "purpose", value: "assistants"}
	long := strings.Repeat("x", 2000) + "é.csv"
	for name, tc := range map[string]struct {
		parts []part
		want  string // file name
	}{
		"purpose first":    {[]part{purpose, filePart("a.txt", "x")}, "a.txt"},
		"purpose last":     {[]part{filePart("a.txt", "x"), purpose}, "a.txt"},
		"no extension":     {[]part{purpose, filePart("text/csv", "x")}, "text/csv"},
		"upper case":       {[]part{purpose, filePart("SPEECH.Py", "x")}, "SPEECH.Py"},
		"raw UTF-8":        {[]part{purpose, filePart("你好.txt", "x")}, "你好.txt"},
		"RFC 5987":         {[]part{purpose, {value: "x", disposition: `form-data; name="file"; filename="x.txt"; filename*=utf-8''%E4%BD%A0.txt`}}, "你.txt"},
		"e-mail style":     {[]part{purpose, {value: "x", disposition: `form-data; name="file"; filename="=?utf-8?B?5L2g5aW9LnR4dA==?="`}}, "你好.txt"},
		"field filename":   {[]part{purpose, {name: "file", value: "x"}, {name: "filename", value: "unknown.txt"}}, "unknown.txt"},
		"no name":          {[]part{purpose, {name: "file", value: "x"}}, "upload"},
		"hidden file":      {[]part{purpose, filePart(".bashrc", "x")}, ".bashrc"},
		"unknown fields":   {[]part{purpose, filePart("a.txt", ""), {name: "x", value: "y"}}, "a.txt"},
		"other extension":  {[]part{{name: "purpose", value: "batch"}, filePart("a.jsonl", "x")}, "a.jsonl"},
		"name too long":    {[]part{purpose, filePart(long, "x")}, long[len(long)-maxFilename:]},
		"control in names": {[]part{purpose, {value: "x", disposition: "form-data; name=\"file\"; filename*=utf-8''a%0D%0Ab%00.txt"}}, "ab.txt"},
		"formatting":       {[]part{purpose, filePart("a\u202etxt.\u200bc\u2028sv", "x")}, "atxt.csv"},
	} {
		status, body := h.send("/v1", tc.parts...)
		if status != http.StatusOK {
			t.Errorf("%s: got %d %s", name, status, body)
			continue
		}
		if got := decodeObject(t, body)["filename"]; got != tc.want {
			t.Errorf("%s: got file name %q, want %q", name, got, tc.want)
		}
	}
}

// TestSeedTypes uploads a file with each extension that the documentation lists.
func TestSeedTypes(t *testing.T) {
	h := newHarness(t, nil)
	for _, ext := range []string{"c", "cpp", "csv", "docx", "html", "java", "json", "md", "pdf", "php", "pptx", "Py", "rb", "tex", "txt",
		"css", "jpeg", "jpg", "js", "gif", "png", "tar", "ts", "xlsx", "xml", "zip"} {
		h.upload("/openai", "a."+ext, "assistants", "x")
	}
}

func TestUploadErrors(t *testing.T) {
	h := newHarness(t, nil)
	purpose := part{name: "purpose", value: "assistants"}
	errorOf := func(message, param, code string) string {
		return `{"error":{"message":"` + message + `","type":"invalid_request_error","param":` + param + `,"code":` + code + `},"detail":{"message":"` + message + `","code":` + code + `}}`
	}
	formats := strings.ReplaceAll(`"`+strings.Join(extensions, `", "`)+`"`, `"`, `\"`)
	for name, tc := range map[string]struct {
		parts []part
		want  string
	}{
		"purpose":           {[]part{filePart("a.txt", "x"), {name: "purpose", value: "world_domination"}}, errorOf("'world_domination' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', 'vision', 'evals'] - 'purpose'", `"purpose"`, "null")},
		"output purpose":    {[]part{{name: "purpose", value: "assistants_output"}, filePart("a.txt", "x")}, errorOf("'assistants_output' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', 'vision', 'evals'] - 'purpose'", `"purpose"`, "null")},
		"no purpose":        {[]part{filePart("a.txt", "x")}, errorOf("Missing required parameter: 'purpose'.", `"purpose"`, `"missing_required_parameter"`)},
		"no file":           {[]part{purpose}, errorOf("Missing required parameter: 'file'.", `"file"`, `"missing_required_parameter"`)},
		"nothing":           {nil, errorOf("Missing required parameter: 'file'.", `"file"`, `"missing_required_parameter"`)},
		"extension":         {[]part{filePart("mono.vb", "x"), purpose}, errorOf("Invalid extension vb. Supported formats: "+formats, "null", "null")},
		"extension at once": {[]part{purpose, filePart("mono.vb", "x")}, errorOf("Invalid extension vb. Supported formats: "+formats, "null", "null")},
		"two files":         {[]part{purpose, filePart("a.txt", "x"), filePart("b.txt", "x")}, errorOf("The form has more than one file.", "null", "null")},
		"long field":        {[]part{purpose, filePart("a.txt", "x"), {name: "x", value: strings.Repeat("x", maxFieldSize+1)}}, errorOf("The form's field 'x' is too long.", "null", "null")},
		"expiry":            {[]part{purpose, filePart("a.txt", "x"), {name: "expires_after[anchor]", value: "created_at"}, {name: "expires_after[seconds]", value: "60"}}, errorOf("Invalid 'expires_after[seconds]': integer below minimum value. Expected a value >= 3600, but got 60 instead.", `"expires_after[seconds]"`, `"integer_below_min_value"`)},
	} {
		status, body := h.send("/v1", tc.parts...)
		if got := compact(t, body); status != http.StatusBadRequest || got != tc.want {
			t.Errorf("%s:\n got %d %s\nwant 400 %s", name, status, got, tc.want)
		}
	}
	if got := h.stored(); got != 0 {
		t.Errorf("refused uploads left %d files behind", got)
	}
	if w := h.do("POST", "/v1/files", `{"file":"x"}`); w.Code != http.StatusBadRequest {
		t.Errorf("JSON instead of a form: got %d %s", w.Code, w.Body)
	}
	r := h.request("POST", "/v1/files", strings.NewReader("--b\r\nno header"))
	r.Header.Set("Content-Type", `multipart/form-data; boundary="b"`)
	if w := h.serve(r); w.Code != http.StatusBadRequest {
		t.Errorf("broken form: got %d %s", w.Code, w.Body)
	}
}

func TestFileExpiry(t *testing.T) {
	h := newHarness(t, nil)
	status, body := h.send("/v1", part{name: "expires_after[anchor]", value: "created_at"}, part{name: "expires_after[seconds]", value: "3600"},
		part{name: "purpose", value: "user_data"}, filePart("a.bin", "x"))
	if status != http.StatusOK {
		t.Fatalf("got %d %s", status, body)
	}
	f := decodeObject(t, body)
	if got := f["expires_at"].(float64) - f["created_at"].(float64); got != 3600 {
		t.Errorf("life: got %v s, want 3600", got)
	}
}

func TestDownloadOfInputs(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.DownloadInputs = false })
	for purpose, want := range map[string]string{
		"assistants": `{"error":{"message":"Not allowed to download files of purpose: assistants","type":"invalid_request_error","param":null,"code":null},"detail":{"message":"Not allowed to download files of purpose: assistants","code":null}}`,
		"user_data":  `{"error":{"message":"Not allowed to download files of purpose: user_data","type":"invalid_request_error","param":null,"code":null},"detail":{"message":"Not allowed to download files of purpose: user_data","code":null}}`,
		"vision":     `"x"`,
	} {
		id := h.upload("/v1", "a.png", purpose, `"x"`)["id"].(string)
		if got := compact(t, h.do("GET", "/v1/files/"+id+"/content", "").Body.Bytes()); got != want {
			t.Errorf("%s: got %s, want %s", purpose, got, want)
		}
	}
}

func TestDisposition(t *testing.T) {
	for name, want := range map[string]string{
		"a b.csv":          `attachment; filename="a b.csv"`,
		`q"uo\te`:          `attachment; filename="q\"uo\\te"`,
		"你.csv":            `attachment; filename="_.csv"; filename*=UTF-8''%E4%BD%A0.csv`,
		"a\r\nSet-Cookie:": `attachment; filename="a__Set-Cookie:"; filename*=UTF-8''a%0D%0ASet-Cookie%3A`,
	} {
		if diff := cmp.Diff(want, disposition(name)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", name, diff)
		}
	}
}

func FuzzNames(f *testing.F) {
	f.Add(`form-data; name="file"; filename="x.csv"`)
	f.Add(`form-data; name="file"; filename*=utf-8''%E4%BD%A0%0A.txt`)
	f.Add(`form-data; name="file"; filename="=?utf-8?B?5L2g5aW9LnR4dA==?="`)
	f.Fuzz(func(t *testing.T, header string) {
		name := filename(header)
		if !utf8.ValidString(name) || len(name) > maxFilename || strings.IndexFunc(name, unicode.IsControl) >= 0 {
			t.Fatalf("%q: got name %q", header, name)
		}
		_ = checkExtension(name)
		got := disposition(name)
		_, params, err := mime.ParseMediaType(got)
		if err != nil || name != "" && params["filename"] != name || strings.ContainsAny(got, "\r\n") {
			t.Fatalf("name %q became %s, which is read as %q, %v", name, got, params["filename"], err)
		}
	})
}
