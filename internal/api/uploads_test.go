package api

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// newUpload begins an upload of so many bytes and returns its path.
func (h *harness) newUpload(prefix string, size int) string {
	h.t.Helper()
	u := h.must("POST", prefix+"/uploads", fmt.Sprintf(`{"filename":"a.jsonl","purpose":"fine-tune","bytes":%d,"mime_type":"text/jsonl"}`, size))
	return prefix + "/uploads/" + u["id"].(string)
}

// sendPart uploads a part. headers are names and values.
func (h *harness) sendPart(upload, content string, headers ...string) *httptest.ResponseRecorder {
	h.t.Helper()
	buf, contentType := formOf(h.t, part{value: content, disposition: `form-data; name="data"; filename="blob"`})
	r := h.request("POST", upload+"/parts", buf)
	r.Header.Set("Content-Type", contentType)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return h.serve(r)
}

// addPart uploads a part that has to be accepted and returns its id.
func (h *harness) addPart(upload, content string) string {
	h.t.Helper()
	w := h.sendPart(upload, content)
	if w.Code != http.StatusOK {
		h.t.Fatalf("part: got %d %s", w.Code, w.Body)
	}
	return decodeObject(h.t, w.Body.Bytes())["id"].(string)
}

func partIDs(ids ...string) string {
	b, _ := json.Marshal(jsonObject{"part_ids": append([]string{}, ids...)})
	return string(b)
}

// sweep removes what belongs to nothing, as the engine does.
func (h *harness) sweep() {
	h.t.Helper()
	if err := h.db.ExpireUploads(h.t.Context(), 100); err != nil {
		h.t.Fatal(err)
	}
	keys, err := h.db.LooseBlobs(h.t.Context(), 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, key := range keys {
		if err := os.Remove(filepath.Join(h.blobs, key)); err != nil {
			h.t.Error(err)
		}
	}
	if err := h.db.ForgetBlobs(h.t.Context(), keys...); err != nil {
		h.t.Fatal(err)
	}
}

var uploadIDs = regexp.MustCompile(`"(upload|part|file|assistant)[_-][A-Za-z0-9]{24}"`)

// TestUploadObjects shows the objects in each state, as the hosted API has them.
func TestUploadObjects(t *testing.T) {
	forEachDialect(t, func(t *testing.T, prefix string) {
		h := newHarness(t, nil)
		show := func(w *httptest.ResponseRecorder) string {
			return aTime.ReplaceAllString(uploadIDs.ReplaceAllString(compact(t, w.Body.Bytes()), `"$1"`), `$1":1`)
		}
		const created = `{"filename":"a.jsonl","purpose":"fine-tune","bytes":8,"mime_type":"text/jsonl"}`
		w := h.do("POST", prefix+"/uploads", created)
		pending := `{"id":"upload","object":"upload","bytes":8,"created_at":1,"filename":"a.jsonl","purpose":"fine-tune","status":"pending","expires_at":1}`
		if got := show(w); w.Code != http.StatusOK || got != pending {
			t.Errorf("created:\n got %d %s\nwant %s", w.Code, got, pending)
		}
		u := decodeObject(t, w.Body.Bytes())
		if got := u["expires_at"].(float64) - u["created_at"].(float64); got != 3600 {
			t.Errorf("lives for %v seconds, want an hour", got)
		}
		path := prefix + "/uploads/" + u["id"].(string)
		w = h.sendPart(path, "5678")
		if got, want := show(w), `{"id":"part","object":"upload.part","created_at":1,"upload_id":"upload"}`; got != want {
			t.Errorf("part:\n got %s\nwant %s", got, want)
		}
		last := decodeObject(t, w.Body.Bytes())["id"].(string)
		w = h.do("POST", path+"/complete", partIDs(h.addPart(path, "1234"), last))
		filePrefix := strings.TrimRight(map[string]string{"/v1": "file-", "/openai": "assistant-"}[prefix], "-")
		completed := strings.TrimSuffix(strings.Replace(pending, "pending", "completed", 1), "}") +
			`,"file":{"object":"file","id":"` + filePrefix + `","purpose":"fine-tune","filename":"a.jsonl","bytes":8,"created_at":1,"expires_at":null,"status":"processed","status_details":null}}`
		if got := show(w); w.Code != http.StatusOK || got != completed {
			t.Errorf("completed:\n got %d %s\nwant %s", w.Code, got, completed)
		}
		f := decodeObject(t, w.Body.Bytes())["file"].(jsonObject)
		if f["created_at"] != u["created_at"] {
			t.Errorf("the file was created at %v, the upload at %v", f["created_at"], u["created_at"])
		}
		id := f["id"].(string)
		if got := h.do("GET", prefix+"/files/"+id+"/content", "").Body.String(); got != "12345678" {
			t.Errorf("content: got %q", got)
		}
		if got := h.must("GET", prefix+"/files/"+id, ""); !cmp.Equal(got, f) {
			t.Errorf("file: got %v, want %v", got, f)
		}
		w = h.do("POST", h.newUpload(prefix, 8)+"/cancel", "")
		if got, want := show(w), strings.Replace(pending, "pending", "cancelled", 1); got != want {
			t.Errorf("cancelled:\n got %s\nwant %s", got, want)
		}
		h.sweep()
		if got := h.stored(); got != 1 {
			t.Errorf("files in the folder: got %d, want the one that was made", got)
		}
	})
}

func TestUploadRequests(t *testing.T) {
	h := newHarness(t, nil)
	for body, want := range map[string]string{
		`{}`: "Missing required parameter: 'filename'.",
		`{"filename":"a","purpose":"fine-tune","bytes":8}`:                                                                       "Missing required parameter: 'mime_type'.",
		`{"filename":"","purpose":"fine-tune","bytes":8,"mime_type":"x"}`:                                                        "Invalid 'filename': empty string. Expected a string with minimum length 1, but got an empty string instead.",
		`{"filename":"\u202e","purpose":"fine-tune","bytes":8,"mime_type":"x"}`:                                                  "Invalid 'filename': it has no printable characters.",
		`{"filename":"a","purpose":"assistants_output","bytes":8,"mime_type":"x"}`:                                               "Invalid value: 'assistants_output'. Supported values are: 'fine-tune', 'assistants', 'batch', 'user_data', 'vision', and 'evals'.",
		`{"filename":"a","purpose":"batch","bytes":"8","mime_type":"x"}`:                                                         "Invalid type for 'bytes': expected an integer, but got a string instead.",
		`{"filename":"a","purpose":"batch","bytes":-1,"mime_type":"x"}`:                                                          "Invalid 'bytes': integer below minimum value. Expected a value >= 0, but got -1 instead.",
		`{"filename":"a","purpose":"batch","bytes":8589934593,"mime_type":"x"}`:                                                  "Invalid 'bytes': integer above maximum value. Expected a value <= 8589934592, but got 8589934593 instead.",
		`{"filename":"a.exe","purpose":"assistants","bytes":8,"mime_type":"x"}`:                                                  `Invalid extension exe. Supported formats: "` + strings.Join(extensions, `", "`) + `"`,
		`{"filename":"a","purpose":"batch","bytes":8,"mime_type":"x","expires_after":{"seconds":3600}}`:                          "Missing required parameter: 'expires_after.anchor'.",
		`{"filename":"a","purpose":"batch","bytes":8,"mime_type":"x","expires_after":{"anchor":"created_at","seconds":1}}`:       "Invalid 'expires_after.seconds': integer below minimum value. Expected a value >= 3600, but got 1 instead.",
		`{"filename":"a","purpose":"batch","bytes":8,"mime_type":"x","expires_after":{"anchor":"created_at","seconds":2592001}}`: "Invalid 'expires_after.seconds': integer above maximum value. Expected a value <= 2592000, but got 2592001 instead.",
	} {
		w := h.do("POST", "/v1/uploads", body)
		e, _ := decodeObject(t, w.Body.Bytes())["error"].(jsonObject)
		if w.Code != http.StatusBadRequest || e["message"] != want {
			t.Errorf("%s: got %d %s, want %q", body, w.Code, w.Body, want)
		}
	}
}

// TestUploadExpiry covers the expiry of the file that is made.
func TestUploadExpiry(t *testing.T) {
	h := newHarness(t, nil)
	u := h.must("POST", "/v1/uploads", `{"filename":"a.txt","purpose":"assistants","bytes":0,"mime_type":"text/plain","expires_after":{"anchor":"created_at","seconds":7200}}`)
	done := h.must("POST", "/v1/uploads/"+u["id"].(string)+"/complete", partIDs())
	f := done["file"].(jsonObject)
	if got := f["expires_at"].(float64) - u["created_at"].(float64); got != 7200 || f["bytes"] != 0.0 {
		t.Errorf("file: got %v, want one of no bytes that expires after 7200 seconds", f)
	}
}

// TestUploadMistakes makes every mistake with one upload, which can be completed
// all the same.
func TestUploadMistakes(t *testing.T) {
	h := newHarness(t, nil)
	const content = "one, two"
	path := h.newUpload("/v1", len(content))
	foreign := h.addPart(h.newUpload("/v1", 8), content)
	refused := func(name string, w *httptest.ResponseRecorder, status int, want string) {
		t.Helper()
		e, _ := decodeObject(t, w.Body.Bytes())["error"].(jsonObject)
		message, _ := e["message"].(string)
		if w.Code != status || !strings.Contains(message, want) {
			t.Errorf("%s: got %d %s, want %d and %q", name, w.Code, w.Body, status, want)
		}
	}
	refused("too long a part", h.sendPart(path, "123456789"), 400, "more than upload")
	one := h.addPart(path, content[:4])
	complete := func(body string) *httptest.ResponseRecorder { return h.do("POST", path+"/complete", body) }
	refused("too few bytes", complete(partIDs(one)), 400, "the parts have 4 bytes in total, but upload")
	refused("too many bytes in all", h.sendPart(path, "12345"), 400, "and its parts have 4 already")
	two := h.addPart(path, content[4:])
	refused("no room", h.sendPart(path, "x"), 400, "and its parts have 8 already")
	refused("no part", complete(partIDs()), 400, "the parts have 0 bytes in total")
	refused("no list", complete(`{}`), 400, "Missing required parameter: 'part_ids'.")
	refused("unknown", complete(partIDs(one, "part_x")), 400, "has no part 'part_x'.")
	refused("foreign", complete(partIDs(foreign)), 400, "has no part '"+foreign+"'.")
	refused("twice", complete(partIDs(one, one)), 400, "part '"+one+"' is listed twice.")
	withSum := func(sum string) string {
		return strings.TrimSuffix(partIDs(one, two), "}") + `,"md5":"` + sum + `"}`
	}
	refused("not a checksum", complete(withSum("zz")), 400, "Expected 32 hexadecimal digits.")
	refused("checksum", complete(withSum(strings.Repeat("0", 32))), 400, "another checksum")
	refused("no data", func() *httptest.ResponseRecorder {
		buf, contentType := formOf(t, part{name: "file", value: "x"})
		r := h.request("POST", path+"/parts", buf)
		r.Header.Set("Content-Type", contentType)
		return h.serve(r)
	}(), 400, "Missing required parameter: 'data'.")
	refused("two pieces of data", func() *httptest.ResponseRecorder {
		buf, contentType := formOf(t, part{name: "data", value: "x"}, part{name: "data", value: "x"})
		r := h.request("POST", path+"/parts", buf)
		r.Header.Set("Content-Type", contentType)
		return h.serve(r)
	}(), 400, "more than one field 'data'")
	refused("not a form", h.do("POST", path+"/parts", `{}`), 400, "multipart/form-data")
	refused("no such upload", h.do("POST", "/v1/uploads/upload_x/complete", partIDs()), 404, "No upload found with id 'upload_x'.")
	refused("no such upload", h.sendPart("/v1/uploads/upload_x", "x"), 404, "No upload found with id 'upload_x'.")
	refused("no upload's id", h.do("POST", "/v1/uploads/file-x/cancel", ""), 400, "Expected an ID that begins with 'upload'.")
	if got := h.stored(); got != 3 {
		t.Errorf("files in the folder: got %d, want the three parts", got)
	}

	sum := md5.Sum([]byte(content))
	w := complete(withSum(strings.ToUpper(hex.EncodeToString(sum[:]))))
	if w.Code != http.StatusOK {
		t.Fatalf("complete: got %d %s", w.Code, w.Body)
	}
	refused("complete again", complete(partIDs(one, two)), 400, "is completed. Only a pending upload")
	refused("cancel", h.do("POST", path+"/cancel", ""), 400, "is completed.")
	refused("part", h.sendPart(path, ""), 400, "is completed.")
	again := h.request("POST", path+"/complete", strings.NewReader(partIDs(one, two)))
	again.Header.Set("X-Stainless-Retry-Count", "1")
	if r := h.serve(again); r.Body.String() != w.Body.String() {
		t.Errorf("the same request, repeated by an SDK: got %s, want %s", r.Body, w.Body)
	}
}

// TestUploadRetries shows that parts whose answers were lost do not take up the
// room of those that are sent again.
func TestUploadRetries(t *testing.T) {
	h := newHarness(t, nil)
	path := h.newUpload("/v1", 8)
	h.addPart(path, "1234") // its answer is lost
	w := h.sendPart(path, "1234", "X-Stainless-Retry-Count", "1")
	if w.Code != http.StatusOK {
		t.Fatalf("retry: got %d %s", w.Code, w.Body)
	}
	one := decodeObject(t, w.Body.Bytes())["id"].(string)
	h.must("POST", path+"/complete", partIDs(one, h.addPart(path, "5678")))
	h.sweep()
	if got := h.stored(); got != 1 {
		t.Errorf("files in the folder: got %d, want one", got)
	}
}

// TestUploadTooLargePart sends more than 64 MB, announced and not.
func TestUploadTooLargePart(t *testing.T) {
	h := newHarness(t, nil)
	srv := httptest.NewServer(h.handler)
	defer srv.Close()
	path := h.newUpload("/v1", 100<<20)
	const head, size = "--b\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\n", 64<<20 + 1
	for name, length := range map[string]int64{"a byte too many": -1, "announced": 70 << 20} {
		body := io.MultiReader(strings.NewReader(head), io.LimitReader(endless{}, max(size, length)), strings.NewReader("\r\n--b--\r\n"))
		r, err := http.NewRequestWithContext(t.Context(), "POST", srv.URL+path+"/parts", body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = h.request("POST", path, nil).Header
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		r.ContentLength = length
		res, err := srv.Client().Do(r)
		if err != nil {
			if length < 0 {
				t.Errorf("%s: %v", name, err)
			}
			continue // refused while it was still sending
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(text), "The part is larger than the limit of 67108864 bytes.") {
			t.Errorf("%s: got %d %s", name, res.StatusCode, text)
		}
	}
	if got := h.stored(); got != 0 {
		t.Errorf("files in the folder: got %d, want none", got)
	}
}

// TestUploadExpires lets an upload, and another one's attempt that was broken off,
// outlive their time.
func TestUploadExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		path := h.newUpload("/v1", 8)
		id := h.addPart(path, "12345678")
		if err := h.db.BeginPart(t.Context(), strings.TrimPrefix(path, "/v1/uploads/"), "part_lost"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(h.blobs, "part_lost"), []byte("lost in a crash"), 0o600); err != nil {
			t.Fatal(err)
		}
		h.sweep()
		if got := h.stored(); got != 2 {
			t.Errorf("before: got %d files in the folder, want 2", got)
		}
		time.Sleep(time.Hour) // virtual
		for _, w := range []*httptest.ResponseRecorder{h.sendPart(path, ""), h.do("POST", path+"/complete", partIDs(id)), h.do("POST", path+"/cancel", "")} {
			if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "is expired. Only a pending upload can be changed.") {
				t.Errorf("before the sweep: got %d %s", w.Code, w.Body)
			}
		}
		h.sweep()
		if got := h.stored(); got != 0 {
			t.Errorf("after the sweep: got %d files in the folder, want none", got)
		}
		u, err := h.db.Upload(t.Context(), strings.TrimPrefix(path, "/v1/uploads/"))
		if err != nil || u.Status != "expired" {
			t.Errorf("after the sweep: got %v, %v", u, err)
		}
	})
}

// TestUploadOnFailingDisk has the disk fail for a while.
func TestUploadOnFailingDisk(t *testing.T) {
	h := newHarness(t, nil)
	path := h.newUpload("/v1", 8)
	one := h.addPart(path, "1234")
	tmp := filepath.Join(h.blobs, "tmp")
	if err := os.Remove(tmp); err != nil {
		t.Fatal(err)
	}
	if w := h.sendPart(path, "5678"); w.Code != http.StatusInternalServerError {
		t.Errorf("part: got %d %s", w.Code, w.Body)
	}
	if err := os.Mkdir(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	two := h.addPart(path, "5678")
	if err := os.Remove(tmp); err != nil {
		t.Fatal(err)
	}
	if w := h.do("POST", path+"/complete", partIDs(one, two)); w.Code != http.StatusInternalServerError {
		t.Errorf("complete: got %d %s", w.Code, w.Body)
	}
	if err := os.Mkdir(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	h.must("POST", path+"/complete", partIDs(one, two))
	h.sweep()
	if got := h.stored(); got != 1 {
		t.Errorf("files in the folder: got %d, want one", got)
	}
}

// TestUploadRaces completes and cancels uploads at once, while parts arrive. One
// request wins, and nothing is left of the others.
func TestUploadRaces(t *testing.T) {
	h := newHarness(t, nil)
	files := 0
	for range 20 {
		path := h.newUpload("/v1", 8)
		body := partIDs(h.addPart(path, "1234"), h.addPart(path, "5678"))
		var mu sync.Mutex
		won := map[string]int{}
		var wg sync.WaitGroup
		for _, action := range []string{"/complete", "/cancel", "/complete", "/parts", "/parts", "/cancel"} {
			wg.Go(func() {
				var w *httptest.ResponseRecorder
				if action == "/parts" {
					w = h.sendPart(path, "", "X-Stainless-Retry-Count", "1")
				} else {
					w = h.do("POST", path+action, body)
				}
				mu.Lock()
				defer mu.Unlock()
				switch w.Code {
				case http.StatusOK:
					won[action]++
				case http.StatusBadRequest:
				default:
					t.Errorf("%s: got %d %s", action, w.Code, w.Body)
				}
			})
		}
		wg.Wait()
		if won["/complete"]+won["/cancel"] != 1 {
			t.Errorf("succeeded: %v, want one of complete and cancel", won)
		}
		files += won["/complete"]
	}
	h.sweep()
	if got := h.stored(); got != files {
		t.Errorf("files in the folder: got %d, want %d", got, files)
	}
	if list := h.must("GET", "/v1/files", ""); len(list["data"].([]any)) != files {
		t.Errorf("files: got %v, want %d", list, files)
	}
}

// TestLargeUpload sends parts in parallel and out of order over real
// connections, with little memory. UNDERSTUDY_TEST_UPLOAD is how many parts of 64
// MB that are: 128 make the largest upload there can be.
func TestLargeUpload(t *testing.T) {
	parts, partSize := 4, 8<<20
	if v := os.Getenv("UNDERSTUDY_TEST_UPLOAD"); v != "" {
		if _, err := fmt.Sscan(v, &parts); err != nil {
			t.Fatal(err)
		}
		partSize = 64 << 20
	}
	h := newHarness(t, nil)
	srv := httptest.NewServer(h.handler)
	defer srv.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	path := h.newUpload("/v1", parts*partSize)
	ids := make([]string, parts)
	slots := make(chan struct{}, 4)
	start := time.Now()
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			ids[i] = sendBytes(t, h, srv, path, byte(i), int64(partSize))
		})
	}
	wg.Wait()
	sent := time.Since(start)
	sum := md5.New()
	for i := range parts {
		_, _ = io.Copy(sum, io.LimitReader(repeated(byte(i)), int64(partSize)))
	}
	body := strings.TrimSuffix(partIDs(ids...), "}") + `,"md5":"` + hex.EncodeToString(sum.Sum(nil)) + `"}`
	start = time.Now()
	f := h.must("POST", path+"/complete", body)["file"].(jsonObject)
	took := time.Since(start)
	h.sweep()
	if f["bytes"] != float64(parts*partSize) || h.stored() != 1 {
		t.Errorf("file: got %v; %d files in the folder", f, h.stored())
	}
	runtime.ReadMemStats(&after)
	allocated := int(after.TotalAlloc - before.TotalAlloc)
	t.Logf("%d MB: parts in %v, completed in %v; %d kB allocated in all, at most %d MB of memory from the system",
		parts*partSize>>20, sent, took, allocated>>10, after.Sys>>20)
	if allocated > parts*partSize/8 {
		t.Errorf("%d MB were allocated for %d MB of parts, which are not to pass through memory as a whole", allocated>>20, parts*partSize>>20)
	}
}

// repeated yields the same byte for ever.
type repeated byte

func (b repeated) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

// sendBytes uploads a part of size times the byte and returns its id.
func sendBytes(t *testing.T, h *harness, srv *httptest.Server, path string, b byte, size int64) string {
	r, w := io.Pipe()
	form := multipart.NewWriter(w)
	go func() {
		field, err := form.CreateFormFile("data", "blob")
		if err == nil {
			_, err = io.Copy(field, io.LimitReader(repeated(b), size))
		}
		if err == nil {
			err = form.Close()
		}
		w.CloseWithError(err)
	}()
	req, err := http.NewRequestWithContext(t.Context(), "POST", srv.URL+path+"/parts", r)
	if err != nil {
		t.Error(err)
		return ""
	}
	req.Header = h.request("POST", path, nil).Header
	req.Header.Set("Content-Type", form.FormDataContentType())
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer res.Body.Close()
	var p struct{ ID string }
	if err := json.NewDecoder(res.Body).Decode(&p); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("part %d: %s, %v", b, res.Status, err)
	}
	return p.ID
}
